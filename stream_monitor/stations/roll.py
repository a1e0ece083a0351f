"""Where each station stands, as numbers: heard, being asked, waiting, given up, and how far behind real time.

It knows nothing of networks or of how a station is read. Stations say where they stand; whoever asks for counts may be
in another thread.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

Standing = Literal["waiting", "connecting", "up", "in_thread", "given_up", "ended"]
"""`waiting` for its turn or for the next attempt; `up`: its audio comes; `in_thread`: FFmpeg's own reader has it."""
BEHIND_S: Final = 5.0
"""A station whose audio is read so much later than it was sent is behind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """All stations at one moment."""

    listed: int
    asked: int
    """Those that were asked once at least, whatever came of it."""
    up: int
    in_threads: int
    connecting: int
    waiting: int
    given_up: int
    ended: int
    behind: int
    """Stations that are up and more than `BEHIND_S` behind."""
    furthest_behind_s: float
    connections_lost: int
    """Since the start."""
    left_behind: int
    """Connections that were left because they were too far behind, since the start."""
    dropped_segments: int
    """Segments that nobody took in time, since the start."""


class Roll:
    """The stations of one loop."""

    def __init__(self, listed: int) -> None:
        """Args: `listed`: how many there are; all of them wait."""
        self._lock = threading.Lock()
        self._listed = listed
        self._standing: dict[str, Standing] = {}
        self._behind_s: dict[str, float] = {}
        self._totals: Counter[str] = Counter()

    def is_now(self, stream_id: str, standing: Standing) -> None:
        """A station stands elsewhere."""
        with self._lock:
            lost = self._standing.get(stream_id) == "up" and standing != "up"
            self._totals["connections_lost"] += lost
            self._standing[stream_id] = standing
            if standing != "up":
                self._behind_s.pop(stream_id, None)

    def is_behind(self, stream_id: str, seconds: float) -> None:
        """How far a station that is up is behind; 0 where it is not."""
        with self._lock:
            if seconds > BEHIND_S:
                self._behind_s[stream_id] = seconds
            else:
                self._behind_s.pop(stream_id, None)

    def left_behind(self) -> None:
        """A connection was left because it was too far behind."""
        with self._lock:
            self._totals["left_behind"] += 1

    def dropped(self) -> None:
        """A segment was lost because nobody took it in time."""
        with self._lock:
            self._totals["dropped"] += 1

    def counts(self) -> Counts:
        """How it stands now."""
        with self._lock:
            each = Counter(self._standing.values())
            return Counts(
                listed=self._listed,
                asked=len(self._standing),
                up=each["up"],
                in_threads=each["in_thread"],
                connecting=each["connecting"],
                waiting=each["waiting"] + self._listed - len(self._standing),
                given_up=each["given_up"],
                ended=each["ended"],
                behind=len(self._behind_s),
                furthest_behind_s=max(self._behind_s.values(), default=0.0),
                connections_lost=self._totals["connections_lost"],
                left_behind=self._totals["left_behind"],
                dropped_segments=self._totals["dropped"],
            )
