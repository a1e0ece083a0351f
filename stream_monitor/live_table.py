"""The live table of `watch` on a terminal: stream, position, what plays now, confidence, speed against real time.

It only looks on: it knows nothing of how plays are found and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from encoder.grid import SAMPLE_RATE
from stream_monitor.clock import Clock
from stream_monitor.outcome import Outcome, StreamEnd
from stream_monitor.plays import PlayChange
from stream_monitor.readers import Failure
from stream_monitor.segments import StreamKey

FRAMES_PER_SECOND = 4
_CHROME_LINES = 6
"""Lines of the terminal that are not rows: title, header, borders, summary."""


@dataclass(kw_only=True, slots=True)
class Row:
    """One stream as the table shows it."""

    position_s: float = 0.0
    """How far the present epoch has come."""
    epoch: int = 0
    earlier_s: float = 0.0
    """What was heard in the epochs before."""
    ended_s: float | None = None
    """When the stream ended, since the beginning."""
    plays: dict[tuple[int, str, int], PlayChange] = field(default_factory=dict)
    """Open plays."""
    found: int = 0
    """Plays that ended and stand."""
    state: str = "listening"


class LiveTable:
    """An observer of the monitor that draws what it sees."""

    def __init__(self, console: Console, clock: Clock, *, redirect_stdout: bool = False) -> None:
        """Prepares.

        Args:
            console: Where it is drawn: standard error.
            clock: For the speed.
            redirect_stdout: Whether standard output is on the same terminal, so that events scroll above the table.
        """
        self.rows: dict[str, Row] = {}
        self._console = console
        self._clock = clock
        self._begun_s = clock.monotonic_s()
        self._live = Live(
            console=console,
            get_renderable=self.render,
            refresh_per_second=FRAMES_PER_SECOND,
            redirect_stdout=redirect_stdout,
            redirect_stderr=True,
        )

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def arrived(self, stream: StreamKey, end_sample: int) -> None:
        """A stream is read."""
        self._reached(stream, end_sample)

    def heard(self, outcomes: Sequence[Outcome]) -> None:
        """Chunks were heard, streams ended."""
        for outcome in outcomes:
            row = self._reached(outcome.stream, outcome.end_sample)
            for change in outcome.step.changes:
                key = (change.stream.epoch, change.track.track_id, change.first_chunk)
                if change.status in ("provisional", "updated"):
                    row.plays[key] = change
                else:
                    row.plays.pop(key, None)
                    row.found += change.status == "final"
            # An epoch that another one continues is no end of the stream.
            if isinstance(outcome, StreamEnd) and outcome.status.state != "reconnected":
                row.state = outcome.status.state
                row.ended_s = self._elapsed_s()

    def failed(self, failure: Failure) -> None:
        """A source failed."""
        if failure.source is not None:
            self._row(failure.source.stream_id).state = "failed"

    def render(self) -> Table:
        """The table as it is now: streams that play something first, then by progress; as many as fit."""
        # A copy, for the drawing thread runs beside the computing one.
        rows = list(self.rows.items())
        elapsed_s = self._elapsed_s()
        heard_s = sum(row.earlier_s + row.position_s for _, row in rows)
        table = Table(expand=True, caption=f"{_summary(rows)} · {heard_s / elapsed_s:,.1f} × real time")
        table.add_column("stream", ratio=2, no_wrap=True)
        table.add_column("position", justify="right", no_wrap=True)
        table.add_column("now", ratio=4, no_wrap=True)
        table.add_column("conf.", justify="right", no_wrap=True)
        table.add_column("plays", justify="right", no_wrap=True)
        table.add_column("speed", justify="right", no_wrap=True)
        shown = sorted(rows, key=lambda item: (item[1].state != "listening", not item[1].plays))
        for name, row in shown[: max(1, self._console.height - _CHROME_LINES)]:
            current = list(row.plays.values())
            table.add_row(
                Text(name),
                _clock_text(row.position_s),
                Text(" + ".join(_title(change) for change in current) if current else _idle(row)),
                f"{max(change.confidence for change in current):.0%}" if current else "",
                str(row.found),
                f"{(row.earlier_s + row.position_s) / (row.ended_s or elapsed_s):,.1f}×",
                style="dim" if row.state != "listening" else None,
            )
        return table

    def _elapsed_s(self) -> float:
        return max(1e-3, self._clock.monotonic_s() - self._begun_s)

    def _reached(self, stream: StreamKey, end_sample: int) -> Row:
        """The stream's row, with its position; what still comes of an epoch that was left changes nothing."""
        row = self._row(stream.stream_id)
        if stream.epoch > row.epoch:
            row.earlier_s, row.position_s, row.epoch = row.earlier_s + row.position_s, 0.0, stream.epoch
        if stream.epoch == row.epoch:
            row.position_s = max(row.position_s, end_sample / SAMPLE_RATE)
        return row

    def _row(self, stream_id: str) -> Row:
        return self.rows.setdefault(stream_id, Row())


def _title(change: PlayChange) -> str:
    track = change.track
    name = track.title or track.track_id
    return f"{name} – {track.artist}" if track.artist else name


def _idle(row: Row) -> str:
    return "" if row.state == "listening" else row.state


def _clock_text(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _summary(rows: Sequence[tuple[str, Row]]) -> str:
    listening = sum(row.state == "listening" for _, row in rows)
    playing = sum(bool(row.plays) for _, row in rows)
    ended = sum(row.found for _, row in rows)
    streams, plays = "stream" if len(rows) == 1 else "streams", "play" if ended == 1 else "plays"
    return f"{len(rows)} {streams}, {listening} listening, {playing} playing, {ended} {plays} ended"
