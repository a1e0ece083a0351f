"""How long to wait before the next try. It waits for nobody itself."""

from __future__ import annotations

import random
from typing import Final

_DOUBLINGS: Final = 30


class Backoff:
    """Waits that double up to a limit, each shortened by chance to half at most, so that many do not come at once."""

    def __init__(self, first_s: float, most_s: float, chance: random.Random | None = None) -> None:
        """Begins with the first wait.

        Args:
            first_s: The first wait.
            most_s: The longest.
            chance: None takes one of its own.
        """
        self._first_s = first_s
        self._most_s = most_s
        self._chance = chance or random.Random()
        self._tries = 0

    def next_s(self) -> float:
        """The next wait."""
        whole = min(self._most_s, self._first_s * 2.0 ** min(self._tries, _DOUBLINGS))
        self._tries += 1
        return whole * self._chance.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It went well: begins anew."""
        self._tries = 0
