"""How the cores are shared between decoding, torch, NumPy and the rest. Knows nothing of the commands.

Libraries read these settings once, when they are loaded: `calm_blas` comes before NumPy, `share_cores` before torch. A
value that the user has set stays. Measurements: docs/decisions/0010-benchmarks.md.
"""

from __future__ import annotations

import os


def calm_blas() -> None:
    """One thread for NumPy's products, which are small here; OpenBLAS's helpers spin for longer than they compute."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def share_cores(threads: int | None = None) -> None:
    """Lets torch's threads sleep while they wait, so that decoding gets the cores between two products.

    By default OpenMP's threads spin for their next piece of work.

    Args:
        threads: Cores to use; None takes all.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if threads is not None:
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
