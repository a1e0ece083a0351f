"""Tells in the log how the stations stand: at the start, when it changes, and when the machine cannot keep up.

It knows nothing of how they are read.
"""

from __future__ import annotations

from typing import Final

import structlog

from stream_monitor.stations.roll import BEHIND_S, Counts, Roll
from stream_monitor.stations.waits import Waits

log = structlog.get_logger(__name__)

TURN_S: Final = 1.0
STARTING_S: Final = 10.0
"""Until all were asked once it is told so often."""
EVERY_S: Final = 60.0
"""Later, at most so often."""


class Bulletin:
    """Looks every second, speaks seldom."""

    def __init__(self, roll: Roll) -> None:
        """Args: `roll`: whose counts."""
        self._roll = roll
        self._told: Counts | None = None
        self._quiet_s = 0.0
        self._started = False

    async def run(self, waits: Waits) -> None:
        """Tells until a stop.

        Raises:
            StoppedError: It came.
        """
        while True:
            await waits.pause(TURN_S)
            self._quiet_s += TURN_S
            self.look()

    def look(self) -> None:
        """Tells what is due."""
        counts = self._roll.counts()
        begun = counts.asked == counts.listed and (not counts.connecting or self._quiet_s >= STARTING_S)
        if not self._started and begun:
            self._started = True
            self._tell(counts, "all stations were asked once")
        elif self._quiet_s >= (EVERY_S if self._started else STARTING_S) and counts != self._told:
            self._tell(counts, "stations" if self._started else "stations are being asked")

    def _tell(self, counts: Counts, words: str) -> None:
        log.info(
            words,
            listed=counts.listed,
            up=counts.up,
            in_threads=counts.in_threads,
            connecting=counts.connecting,
            waiting=counts.waiting,
            given_up=counts.given_up,
            ended=counts.ended,
            lost=counts.connections_lost,
        )
        before = self._told
        if counts.behind or (before is not None and counts.left_behind > before.left_behind):
            log.warning(
                f"stations are more than {BEHIND_S:g} s behind: this machine cannot read so many; give some to another"
                " producer, on another machine if all cores are busy",
                behind=counts.behind,
                furthest_s=round(counts.furthest_behind_s, 1),
                left=counts.left_behind,
            )
        self._told, self._quiet_s = counts, 0.0
