"""What a check found, and the check itself, as values. It knows nothing of what is checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["good", "warn", "bad"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line of the screen."""

    subject: str
    level: Level
    message: str
    advice: str = ""
    """What to do; empty where nothing is to be done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """Something that is looked at by itself."""

    name: str
    look: Callable[[], Sequence[Finding]]
    deadline_s: float = 60.0
    needs: tuple[str, ...] = ()
    """Checks without which this one makes no sense: left out where one of them is bad."""


def good(subject: str, message: str) -> Finding:
    """Nothing to do."""
    return Finding(subject=subject, level="good", message=message)


def warn(subject: str, message: str, advice: str) -> Finding:
    """It works, and may not do so for long or not well."""
    return Finding(subject=subject, level="warn", message=message, advice=advice)


def bad(subject: str, message: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(subject=subject, level="bad", message=message, advice=advice)
