"""The pipeline with a real catalogue, matcher and tracker; only the encoder is a fake."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.grid import CHUNK_HOP_SAMPLES, HOP, SAMPLE_RATE
from index.catalogue import Catalogue
from stream_monitor.batcher import BatcherConfig
from stream_monitor.outcome import HeardChunk, Outcome, StreamEnd
from stream_monitor.pipeline import Pipeline, PipelineConfig
from stream_monitor.plays import PlayChange
from stream_monitor.segments import SEGMENT_SAMPLES, Segment, StreamKey
from tests.fakes.band import song
from tests.fakes.encoder import FakeEncoder
from tests.fakes.library import cut, encoder_with_cohort, library, repertoire


@dataclass(frozen=True)
class Stage:
    encoder: FakeEncoder
    catalogue: Catalogue

    def pipeline(self, *, batch: int = 4, deadline_s: float = 1.0, workers: int = 1) -> Pipeline:
        config = PipelineConfig(batcher=BatcherConfig(size=batch, deadline_s=deadline_s), workers=workers)
        return Pipeline(self.encoder, repertoire(self.catalogue), config)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    encoder = encoder_with_cohort()
    folder = library(Path(tmp_path_factory.mktemp("library")) / "catalogue", encoder, songs=4, seconds=45.0)
    with Catalogue.open(folder, encoder_fingerprint=encoder.fingerprint, index="exact") as catalogue:
        yield Stage(encoder=encoder, catalogue=catalogue)


def key(name: str = "s", epoch: int = 0) -> StreamKey:
    return StreamKey(kind="broadcast", stream_id=name, epoch=epoch)


def changes(outcomes: list[Outcome]) -> list[PlayChange]:
    return [change for outcome in outcomes for change in outcome.step.changes]


def final(outcomes: list[Outcome]) -> list[PlayChange]:
    return [change for change in changes(outcomes) if change.status == "final" and change.match_type == "recording"]


def station(seed: int) -> np.ndarray:
    """20 s that nobody enrolled, 45 s of a song, 10 s of silence."""
    return np.concatenate((song(200 + seed, 20.0), song(seed % 4, 45.0), np.zeros(10 * SAMPLE_RATE, np.float32)))


def test_a_song_in_a_stream_becomes_a_play_with_its_times(stage: Stage) -> None:
    """What is enrolled and heard gives one final play at its place, with the work's metadata."""
    outcomes = stage.pipeline().push(cut(key(), station(1)))
    (play,) = final(outcomes)
    assert (play.track.track_id, play.track.title) == ("song1", "Title of song1")
    assert play.start_sample / SAMPLE_RATE == pytest.approx(20.0, abs=2.0)
    assert play.end_sample / SAMPLE_RATE == pytest.approx(65.0, abs=2.0)
    assert isinstance(outcomes[-1], StreamEnd)


def test_every_second_of_a_stream_is_accounted_for(stage: Stage) -> None:
    """At the end of a stream, matched, unmatched, silence and no signal add up to what passed."""
    end = stage.pipeline().push(cut(key(), station(2)))[-1]
    assert isinstance(end, StreamEnd)
    status = end.status
    assert (status.state, status.start_sample, status.end_sample) == ("ended", 0, 75 * SAMPLE_RATE)
    assert 40.0 < status.matched_samples / SAMPLE_RATE < 66.0
    assert status.silence_samples / SAMPLE_RATE == pytest.approx(10.0, abs=2.0)
    total = status.matched_samples + status.unmatched_samples + status.silence_samples + status.no_signal_samples
    assert total == 75 * SAMPLE_RATE


def test_segmentation_and_company_change_nothing(stage: Stage) -> None:
    """A stream gives equal outcomes however it is cut, and whoever else is in the batches."""
    alone = stage.pipeline(batch=1).push(cut(key(), station(3)))
    pipeline = stage.pipeline(batch=5, deadline_s=3.0)
    many = {
        "s": cut(key("s"), station(3), (1000, 333_333, 7)),
        "t": cut(key("t"), station(1), (50_000,)),
        "u": cut(key("u"), station(0)[: 30 * SAMPLE_RATE], (441_000,)),
    }
    together: list[Outcome] = []
    now_s = 0.0
    while any(many.values()):
        for segments in many.values():
            if segments:
                together += pipeline.push([segments.pop(0)], now_s=now_s)
                now_s += 0.1
    together += pipeline.push((), now_s=math.inf)
    assert [outcome for outcome in together if outcome.stream == key("s")] == alone
    assert pipeline.streams == ()
    assert pipeline.due_s is None


class Recalling(FakeEncoder):
    """The fake encoder, which hears each block and each chunk once: the same streams are sent through it many times."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[bytes, np.ndarray] = {}

    def _frames_of_one(self, wave_S: np.ndarray) -> np.ndarray:
        return self._recalled(wave_S, super()._frames_of_one)

    def _embed_one(self, chunk_FT: np.ndarray) -> np.ndarray:
        return self._recalled(chunk_FT, super()._embed_one)

    def _recalled(self, heard: np.ndarray, hear: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        name = heard.tobytes()
        if name not in self._known:
            self._known[name] = hear(heard)
        return self._known[name]


def _many_streams() -> list[Segment]:
    """Four streams in turns: recordings of one track in two, a break in one, one that comes back after 3 s."""
    wave_S = station(0)
    streams = [cut(key(f"s{number}"), station(number), (SEGMENT_SAMPLES - 4000 * number,)) for number in range(3)]
    del streams[2][6:8]
    back_S = wave_S[33 * SAMPLE_RATE :]
    streams.append(
        cut(key("back", epoch=1_000_000), wave_S[: 30 * SAMPLE_RATE], last=False)
        + cut(key("back", epoch=1_033_000), back_S)
    )
    return [segment for row in zip_longest(*streams) for segment in row if segment is not None]


@pytest.fixture(scope="module")
def recalled(stage: Stage) -> tuple[Stage, list[Segment]]:
    """A stage with an encoder that recalls, and the streams."""
    encoder = Recalling()
    encoder.cohort_CD = stage.encoder.cohort_CD
    return Stage(encoder=encoder, catalogue=stage.catalogue), _many_streams()


@settings(max_examples=6, deadline=None)
@given(batch=st.integers(1, 12), pushed=st.integers(1, 40), workers=st.integers(2, 4), gone=st.booleans())
def test_any_number_of_workers_gives_the_same_outcomes_in_the_same_order(
    recalled: tuple[Stage, list[Segment]], batch: int, pushed: int, workers: int, gone: bool
) -> None:
    """With the real tracker, alignment included, several threads tell to the bit what one tells, order and all."""
    stage, segments = recalled

    def outcomes(pipeline: Pipeline) -> list[Outcome]:
        told: list[Outcome] = []
        for first in range(0, len(segments), pushed):
            told += pipeline.push(segments[first : first + pushed], now_s=float(first))
            if gone and first <= len(segments) // 2 < first + pushed:
                told += pipeline.remove_track(1)
        return told + pipeline.finish()

    alone = outcomes(stage.pipeline(batch=batch))
    assert any(isinstance(outcome, HeardChunk) and outcome.step.changes for outcome in alone)
    with stage.pipeline(batch=batch, workers=workers) as pipeline:
        assert outcomes(pipeline) == alone
        assert pipeline.streams == ()


def test_an_error_while_a_stream_is_followed_comes_out_of_push(stage: Stage) -> None:
    """What goes wrong in another thread is raised in the caller's, and the threads are gone behind the block."""
    threads = set(threading.enumerate())

    def fail(chunk: object) -> None:
        raise RuntimeError("no memory left")

    with stage.pipeline(batch=100, workers=2) as pipeline:
        for number in range(6):
            pipeline.push(cut(key(f"s{number}"), song(number, 21.0), last=False), now_s=0.0)
        for lane in pipeline._lanes.going:
            lane.memory.remember = fail  # type: ignore[method-assign]
        with pytest.raises(RuntimeError, match="no memory left"):
            pipeline.push((), now_s=math.inf)
    assert set(threading.enumerate()) <= threads


def test_a_batch_that_is_not_full_waits_for_its_deadline(stage: Stage) -> None:
    """Blocks wait for company until the oldest has waited long enough, and the pipeline says until when."""
    pipeline = stage.pipeline(batch=100, deadline_s=2.0)
    assert pipeline.push(cut(key(), song(0, 40.0), last=False), now_s=10.0) == []
    assert pipeline.due_s == 12.0
    assert pipeline.push((), now_s=11.9) == []
    assert [outcome.end_sample // SAMPLE_RATE for outcome in pipeline.push((), now_s=12.0)] == [20, 30]


def test_finishing_closes_every_open_play(stage: Stage) -> None:
    """A stop in the middle of a song ends it in a final event at the place that was reached."""
    pipeline = stage.pipeline()
    before = pipeline.push(cut(key(), song(1, 42.0), last=False))
    outcomes = pipeline.finish(state="interrupted", reason="stopped")
    assert [change.status for change in changes([*before, *outcomes])][-1] == "final"
    end = outcomes[-1]
    assert isinstance(end, StreamEnd)
    assert (end.status.state, end.status.reason, end.end_sample) == ("interrupted", "stopped", 42 * SAMPLE_RATE)
    assert pipeline.finish() == []


def test_a_stream_that_is_too_short_says_so(stage: Stage) -> None:
    """Under 6 s there is no chunk, and the end of the stream tells it; nothing at all is no different."""
    for seconds in (0.0, 3.0):
        segment = Segment(
            stream=key(),
            seq=0,
            start_sample=0,
            samples_S=song(1, seconds or 1)[: int(seconds * SAMPLE_RATE)],
            last=True,
        )
        (end,) = stage.pipeline().push([segment])
        assert isinstance(end, StreamEnd)
        assert end.too_short
        assert "under 6 s" in end.status.reason
        assert end.status.monitored_samples == seconds * SAMPLE_RATE


def test_a_gap_is_no_signal(stage: Stage) -> None:
    """Missing audio is accounted for as no signal, and chunks that would contain it are not made."""
    segments = cut(key(), song(1, 52.0))
    outcomes = stage.pipeline().push([*segments[:4], *segments[6:]])
    chunks = [outcome for outcome in outcomes if isinstance(outcome, HeardChunk)]
    # Block 3 would need audio from before 30 s, block 1 from behind 20 s: what is left is the tail behind the gap.
    assert [(chunk.start_sample // SAMPLE_RATE, chunk.end_sample // SAMPLE_RATE) for chunk in chunks] == [(40, 52)]
    end = outcomes[-1]
    assert isinstance(end, StreamEnd)
    assert end.status.no_signal_samples == 10 * SAMPLE_RATE


def test_a_short_reconnect_continues_the_play(stage: Stage) -> None:
    """A higher epoch soon after goes on with the open play, which keeps its epoch and its clock."""
    pipeline = stage.pipeline()
    wave_S = np.concatenate((song(1, 45.0), song(300, 15.0)))
    split = 22 * SAMPLE_RATE
    outcomes = pipeline.push(cut(key(epoch=1_000_000), wave_S[:split], last=False))
    outcomes += pipeline.push(cut(key(epoch=1_022_000), wave_S[split:]))
    assert {change.stream.epoch for change in changes(outcomes)} == {1_000_000}
    assert len({change.first_chunk for change in changes(outcomes)}) == 1
    play = changes(outcomes)[-1]
    assert play.status == "final"
    assert play.end_sample / SAMPLE_RATE > 35
    ends = [outcome for outcome in outcomes if isinstance(outcome, StreamEnd)]
    assert [(end.stream.epoch, end.status.state) for end in ends] == [(1_000_000, "reconnected"), (1_022_000, "ended")]
    assert ends[1].status.matched_samples > 10 * SAMPLE_RATE


def test_a_late_reconnect_ends_the_play(stage: Stage) -> None:
    """A stream that was away for longer has no open play any more, and the time between is no signal."""
    pipeline = stage.pipeline()
    outcomes = pipeline.push(cut(key(epoch=1_000_000), song(1, 40.0), last=False))
    outcomes += pipeline.push(cut(key(epoch=1_140_000), song(301, 20.0)))
    first = next(outcome for outcome in outcomes if isinstance(outcome, StreamEnd))
    assert [change.status for change in first.step.changes] == ["final"]
    assert first.status.no_signal_samples == 100 * SAMPLE_RATE


def test_segments_of_a_past_epoch_are_counted_and_dropped(stage: Stage) -> None:
    """A lower epoch is late: it changes nothing and is counted."""
    pipeline = stage.pipeline()
    pipeline.push(cut(key(epoch=2000), song(1, 10.0), last=False))
    assert pipeline.push(cut(key(epoch=1000), song(1, 30.0))) == []
    assert pipeline.late_samples == 30 * SAMPLE_RATE
    assert pipeline.streams == (key(epoch=2000),)


def test_a_track_that_is_removed_takes_its_open_play_along(stage: Stage) -> None:
    """A removed track's play is retracted with the reason; nothing else changes."""
    pipeline = stage.pipeline()
    opened = changes(pipeline.push(cut(key(), song(1, 42.0), last=False)))
    removed = pipeline.remove_track(opened[0].track.track_key, reason="gone")
    assert [(change.status, change.reason) for change in changes([*removed])] == [("retracted", "gone")]
    (lane,) = pipeline._lanes.followed
    assert lane.account.state.plays == {}


def test_a_stream_outlives_the_frames_that_a_packed_peak_can_count(stage: Stage) -> None:
    """After 108 hours packed peaks begin anew at frame 0; a recording that is heard just then is placed as ever."""
    start = (1 << 24) * HOP - 22 * CHUNK_HOP_SAMPLES // 10
    stream = key("old")
    segments = [replace(each, start_sample=each.start_sample + start) for each in cut(stream, station(1))]
    outcomes = stage.pipeline().push(segments)
    (play,) = final(outcomes)
    (usual,) = final(stage.pipeline().push(cut(key("young"), station(1))))
    assert play.track.track_id == usual.track.track_id == "song1"
    assert (play.start_sample - start) / SAMPLE_RATE == pytest.approx(20.0, abs=2.0)
    assert (play.end_sample - start) / SAMPLE_RATE == pytest.approx(65.0, abs=2.0)
    assert play.track_end_sample is not None
    assert play.track_end_sample / SAMPLE_RATE == pytest.approx(45.0, abs=2.0)


def test_a_reconnect_leaves_no_time_unaccounted(stage: Stage) -> None:
    """A play that goes on over a reconnect is matched time on both sides of it, but not while there was no signal."""
    pipeline = stage.pipeline()
    first_S, second_S = song(1, 45.0)[: 25 * SAMPLE_RATE], song(1, 45.0)[28 * SAMPLE_RATE :]
    outcomes = pipeline.push(cut(key(epoch=1_000_000), first_S, last=False))
    outcomes += pipeline.push(cut(key(epoch=1_028_000), np.concatenate((second_S, song(300, 20.0)))))
    one, two = (outcome.status for outcome in outcomes if isinstance(outcome, StreamEnd))
    assert (one.state, two.state) == ("reconnected", "ended")
    assert (one.no_signal_samples, one.monitored_samples) == (3 * SAMPLE_RATE, 25 * SAMPLE_RATE)
    assert one.matched_samples / SAMPLE_RATE == pytest.approx(25.0, abs=2.0)
    assert two.matched_samples / SAMPLE_RATE == pytest.approx(17.0, abs=3.0)


def test_whoever_takes_no_further_chunk_loses_no_memory(stage: Stage) -> None:
    """The last chunk of a batch is remembered although nothing comes after it."""
    pipeline = stage.pipeline(batch=1)
    pipeline.push(cut(key(), song(1, 30.5), last=False))
    assert [chunk.index for chunk in pipeline._matcher.snapshot(key()).recent] == [0, 1]
