"""How the cores are shared between decoding, torch and the rest. Knows nothing of the commands.

It must be called before torch is loaded: OpenMP reads its settings once.
"""

from __future__ import annotations

import os


def share_cores(threads: int | None = None) -> None:
    """Lets torch's threads sleep while they wait, so that decoding gets the cores between two products.

    By default OpenMP's threads spin for their next piece of work. A value that the user has set stays.

    Args:
        threads: Cores to use; None takes all.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if threads is not None:
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
