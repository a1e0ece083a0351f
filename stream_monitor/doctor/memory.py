"""Memory that programs can still take."""

from __future__ import annotations

from pathlib import Path
from typing import Final

GIB: Final = 1 << 30


def free_bytes() -> int | None:
    """None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)
