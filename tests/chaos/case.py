"""What a case is: something is broken while workers work, and what shows that it hit is returned.

The events are compared by whoever runs it. Knows nothing of what is broken.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.chaos.lab import CaseError, Events, Lab
from tests.chaos.rig import Rig


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """How much of a case is run."""

    name: str
    kills: int
    storm_s: float
    black_hole_s: float
    down_s: float
    """How long a server of alerts or of the store is away."""


SMALL = Scale(name="small", kills=6, storm_s=20.0, black_hole_s=15.0, down_s=15.0)
FULL = Scale(name="full", kills=100, storm_s=300.0, black_hole_s=60.0, down_s=180.0)

WORKERS = ("one", "two", "three")
"""Of one group, for cases in which it does not matter who hears what."""

Proof = dict[str, Any]
Case = Callable[[Rig, Lab, Events, Scale, random.Random], Proof]


def until(true: Callable[[], bool], deadline_s: float = 180.0, what: str = "what a case waits for") -> None:
    """Waits.

    Raises:
        CaseError: It did not come in time.
    """
    deadline = time.monotonic() + deadline_s
    while not true():
        if time.monotonic() > deadline:
            raise CaseError(f"{what} did not come within {deadline_s:g} s")
        time.sleep(0.2)


def until_assigned(lab: Lab, *names: str) -> None:
    """Waits until each of these workers was given partitions once."""
    for name in names:
        until(lambda name=name: lab.taken_over(name) > 0, what=f"partitions for {name}")


def until_quiet(lab: Lab, *names: str, quiet_s: float = 5.0) -> None:
    """Waits until none of these workers has taken partitions over for a while: the group is complete."""
    since, known = time.monotonic(), [lab.taken_over(name) for name in names]
    while time.monotonic() - since < quiet_s:
        time.sleep(0.2)
        if (now := [lab.taken_over(name) for name in names]) != known:
            since, known = time.monotonic(), now


def until_told(lab: Lab) -> None:
    """Waits until the first event is committed."""
    until(lambda: len(lab.events()) > 0, what="the first event")
