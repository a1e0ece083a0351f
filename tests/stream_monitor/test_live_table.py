"""The live table, drawn into text."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from encoder.grid import SAMPLE_RATE
from stream_monitor.accounting import StreamStatus
from stream_monitor.errors import DamagedError
from stream_monitor.live_table import LiveTable
from stream_monitor.outcome import HeardChunk, StreamEnd
from stream_monitor.plays import PlayChange, PlayedTrack, TrackerStep
from stream_monitor.readers import Failure
from stream_monitor.segments import StreamKey
from stream_monitor.sources import Source
from tests.fakes.clock import FakeClock

STREAM = StreamKey(kind="broadcast", stream_id="fm-1")
PLAY = PlayChange(
    stream=STREAM,
    track=PlayedTrack(track_key=1, track_id="t1", work_id="w1", duration_samples=1, title="Blue [b]", artist="Ann"),
    first_chunk=0,
    revision=0,
    status="provisional",
    reason="test",
    confidence=0.97,
    score=0.9,
    match_type="recording",
    start_sample=0,
    end_sample=1,
    track_start_sample=0,
    track_end_sample=1,
    transposition_semitones=0,
    tempo_ratio=1.0,
    gaps=(),
    alternatives=(),
    decided_sample=1,
    features=None,
)


ENDED = StreamStatus(
    stream=STREAM,
    state="ended",
    reason="",
    start_sample=0,
    end_sample=0,
    matched_samples=0,
    unmatched_samples=0,
    silence_samples=0,
    no_signal_samples=0,
    clipped_samples=0,
)


def heard(*changes: PlayChange, end_s: int) -> HeardChunk:
    return HeardChunk(
        stream=STREAM,
        index=0,
        start_sample=0,
        end_sample=end_s * SAMPLE_RATE,
        level_dbfs=-20.0,
        sounding=True,
        candidates=1,
        considered=1,
        step=TrackerStep(changes=changes),
    )


def table() -> tuple[LiveTable, FakeClock, Console]:
    clock = FakeClock()
    console = Console(file=io.StringIO(), width=120, height=20)
    return LiveTable(console, clock), clock, console


def drawn(live: LiveTable, console: Console) -> str:
    with console.capture() as capture:
        console.print(live.render())
    return capture.get()


def test_it_shows_what_plays_now_how_sure_and_how_fast() -> None:
    """An open play stands in its stream's row with confidence, position and speed against real time."""
    live, clock, console = table()
    live.arrived(STREAM, 0)
    live.heard([heard(PLAY, end_s=3700)])
    clock.now_s = 37.0
    text = drawn(live, console)
    for shown in ("fm-1", "1:01:40", "Blue [b] – Ann", "97%", "100.0×", "1 stream, 1 listening, 1 playing"):
        assert shown in text


def test_a_play_that_ended_is_counted_and_leaves() -> None:
    """Final plays are counted, retracted ones only disappear."""
    live, clock, console = table()
    clock.now_s = 1.0
    live.heard([heard(PLAY, replace(PLAY, first_chunk=5), end_s=30)])
    live.heard([heard(replace(PLAY, status="final"), replace(PLAY, first_chunk=5, status="retracted"), end_s=60)])
    text = drawn(live, console)
    assert "Blue" not in text
    assert "1 play ended" in text


def test_streams_that_ended_or_failed_say_so() -> None:
    """The state of a stream that is over stands in its row."""
    live, _, console = table()
    live.heard([StreamEnd(stream=STREAM, end_sample=0, too_short=False, step=TrackerStep(), status=ENDED)])
    source = Source(stream_id="x", kind="upload", medium="file", location="x")
    live.failed(Failure(source=source, error=DamagedError("bad")))
    text = drawn(live, console)
    assert "ended" in text
    assert "failed" in text


def test_a_reconnect_is_no_end() -> None:
    """A stream that came back listens on; its position begins anew, its speed counts all that was heard."""
    live, clock, console = table()
    back = replace(STREAM, epoch=5_000)
    live.arrived(STREAM, 40 * SAMPLE_RATE)
    live.arrived(back, 10 * SAMPLE_RATE)
    status = replace(ENDED, state="reconnected")
    live.heard([StreamEnd(stream=STREAM, end_sample=0, too_short=False, step=TrackerStep(), status=status)])
    clock.now_s = 25.0
    text = drawn(live, console)
    for shown in ("0:00:10", "2.0×", "1 listening"):
        assert shown in text
    assert "reconnected" not in text


def test_it_draws_no_more_rows_than_fit() -> None:
    """With many streams the table stays within the terminal."""
    live, _, console = table()
    for i in range(100):
        stream = StreamKey(kind="upload", stream_id=f"u{i}")
        live.arrived(stream, 0)
    text = drawn(live, console)
    assert len(text.splitlines()) <= 20
    assert "100 streams" in text


def test_it_starts_and_stops() -> None:
    """As a context manager it draws and leaves the terminal alone afterwards."""
    live, _, _ = table()
    with live:
        live.heard([heard(PLAY, end_s=20)])
