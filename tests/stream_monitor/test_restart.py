"""Streams that are followed on by another pipeline, from a snapshot and the audio before it: nothing may show."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.grid import SAMPLE_RATE
from index.catalogue import Catalogue
from stream_monitor.accounting import AccountingConfig
from stream_monitor.kafka.stream_state import StateError, decode, encode
from stream_monitor.lane_state import needed_from
from stream_monitor.outcome import Outcome
from stream_monitor.pipeline import Pipeline, PipelineConfig
from stream_monitor.repertoire import CatalogueRepertoire, RepertoireConfig
from stream_monitor.segments import Segment, StreamKey
from stream_monitor.verifier import VerifierConfig
from tests.fakes.band import song
from tests.fakes.encoder import SUPPORT_SAMPLES, FakeEncoder
from tests.fakes.library import cut, encoder_with_cohort, library

MEMORY_S = 60.0
STREAM = StreamKey(kind="broadcast", stream_id="s", epoch=5)


@pytest.fixture(scope="module")
def encoder() -> FakeEncoder:
    """With a cohort."""
    return encoder_with_cohort()


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory, encoder: FakeEncoder) -> Iterator[Catalogue]:
    """Four songs of 45 s."""
    folder = library(Path(tmp_path_factory.mktemp("library")) / "catalogue", encoder, songs=4, seconds=45.0)
    with Catalogue.open(folder, encoder_fingerprint=encoder.fingerprint, index="exact") as opened:
        yield opened


def key_in(catalogue: Catalogue) -> Callable[[str], int | None]:
    """How a worker finds its own key of a track."""

    def key(track_id: str) -> int | None:
        track = catalogue.find(track_id)
        return None if track is None else track.key

    return key


def pipeline(encoder: FakeEncoder, catalogue: Catalogue) -> Pipeline:
    """A worker's, as `deterministic` makes it."""
    verifier = VerifierConfig(memory_s=MEMORY_S, incremental=False)
    plays = CatalogueRepertoire(catalogue, calibration={}, floor=0.0, config=RepertoireConfig(verifier=verifier))
    accounting = AccountingConfig(conditions=True, dead_air_s=4.0)
    return Pipeline(encoder, plays, PipelineConfig(accounting=accounting))


def segments() -> list[Segment]:
    """Two plays with a stranger between, a hole of 8 s in the first, a short one in the second, silence at the end."""
    wave_S = np.concatenate(
        (song(1, 45.0), song(201, 30.0), song(2, 45.0), song(202, 35.0), song(1, 45.0), np.zeros(8 * SAMPLE_RATE))
    ).astype(np.float32)
    whole = cut(STREAM, wave_S, (110_250, 87_001))
    spoiled = replace(whole[20], samples_S=whole[20].samples_S[4000:], start_sample=whole[20].start_sample + 4000)
    return [*whole[:5], *whole[7:20], spoiled, *whole[21:]]


def followed_on(
    encoder: FakeEncoder, catalogue: Catalogue, stream: Sequence[Segment], stops: Sequence[int]
) -> list[Outcome]:
    """What is heard where the pipeline is lost before each segment of `stops` and another one takes over."""
    heard: list[Outcome] = []
    worker, state = pipeline(encoder, catalogue), None
    for place, segment in enumerate(stream):
        if place in stops:
            worker = pipeline(encoder, catalogue)
            if state is not None:
                # Through the record that a worker writes, by whose names another worker finds its own tracks.
                written = encode(state, lambda key: catalogue.track(key).track_id, "fake")
                restored = decode(written, key_in(catalogue), "fake")
                assert restored.gone == ()
                worker.restore(restored.state)
                first = needed_from(state.place.next_sample, MEMORY_S, SUPPORT_SAMPLES)
                for earlier in stream[:place]:
                    if earlier.end_sample > first:
                        assert worker.push([earlier]) == []
                worker.caught_up(STREAM)
        heard += worker.push([segment])
        heard += worker.flush()
        state = worker.snapshot(STREAM)
    assert state is None
    return heard


def test_a_stream_goes_on_as_if_nothing_had_happened(encoder: FakeEncoder, catalogue: Catalogue) -> None:
    """A restart before every single segment changes no outcome: plays, confidences, account, conditions, counts."""
    stream = segments()
    undisturbed = followed_on(encoder, catalogue, stream, [])
    told = [change for outcome in undisturbed for change in outcome.step.changes]
    assert {change.track.track_id for change in told if change.status == "final"} == {"song1", "song2"}
    happened = [condition.state for outcome in undisturbed for condition in outcome.conditions]
    assert happened == ["online", "gap", "dead_air"]
    assert followed_on(encoder, catalogue, stream, range(len(stream))) == undisturbed


@settings(max_examples=10, deadline=None, derandomize=True)
@given(stops=st.sets(st.integers(0, 45), max_size=4))
def test_a_restart_anywhere_changes_nothing(encoder: FakeEncoder, catalogue: Catalogue, stops: set[int]) -> None:
    """Any few restarts."""
    stream = segments()
    assert followed_on(encoder, catalogue, stream, sorted(stops)) == followed_on(encoder, catalogue, stream, [])


def test_a_segment_that_comes_too_late_after_a_restart_is_counted_once(
    encoder: FakeEncoder, catalogue: Catalogue
) -> None:
    """Its number is below the snapshot's, and still nobody has heard it: it is late, as without the restart."""
    stream = segments()
    stream[10], stream[11] = stream[11], stream[10]
    undisturbed = followed_on(encoder, catalogue, stream, [])
    assert undisturbed[-1].counts.late > 0
    assert followed_on(encoder, catalogue, stream, range(len(stream))) == undisturbed


@pytest.mark.parametrize("heard_again", [True, False])
def test_a_restored_stream_that_ends_before_new_audio_ends_as_it_stood(
    encoder: FakeEncoder, catalogue: Catalogue, heard_again: bool
) -> None:
    """It became idle, or came back with a higher epoch: places and counts are those of the snapshot."""
    stream = segments()[:16]
    stream[10], stream[11] = stream[11], stream[10]
    first = pipeline(encoder, catalogue)
    for segment in stream:
        first.push([segment])
    first.flush()
    state = first.snapshot(STREAM)
    assert state is not None
    second = pipeline(encoder, catalogue)
    second.restore(state)
    for segment in stream if heard_again else ():
        second.push([segment])
    (undisturbed,) = first.finish([STREAM], state="idle", reason="silence")[-1:]
    (ended,) = second.finish([STREAM], state="idle", reason="silence")[-1:]
    assert ended.counts == undisturbed.counts
    if heard_again:
        assert ended == undisturbed


def open_play(encoder: FakeEncoder, catalogue: Catalogue) -> bytes:
    """A snapshot of 40 s into the first song."""
    worker = pipeline(encoder, catalogue)
    worker.push(cut(STREAM, song(1, 45.0)[: 40 * SAMPLE_RATE], last=False))
    worker.flush()
    state = worker.snapshot(STREAM)
    assert state is not None
    assert [play.track.track_id for play in state.tracker.plays] == ["song1"]
    return encode(state, lambda key: catalogue.track(key).track_id, "fake")


def test_the_play_of_a_track_that_is_gone_can_be_taken_back(encoder: FakeEncoder, catalogue: Catalogue) -> None:
    """A worker that no longer has the track retracts its play by the key that stands for it; its id is told."""
    restored = decode(open_play(encoder, catalogue), lambda _: None, "fake")
    worker = pipeline(encoder, catalogue)
    worker.restore(restored.state)
    assert restored.gone
    taken_back = [change for key in restored.gone for each in worker.remove_track(key) for change in each.step.changes]
    assert [(change.status, change.track.track_id) for change in taken_back] == [("retracted", "song1")]


def test_a_snapshot_without_conditions_is_read(encoder: FakeEncoder, catalogue: Catalogue) -> None:
    """Earlier versions wrote none: the stream goes on, and is not told to be online once more."""
    document = json.loads(open_play(encoder, catalogue))
    del document["account"]["conditions"]
    worker = pipeline(encoder, catalogue)
    worker.restore(decode(json.dumps(document).encode(), key_in(catalogue), "fake").state)
    (end,) = worker.finish()
    assert end.conditions == ()


def test_keys_may_differ_between_workers(encoder: FakeEncoder, catalogue: Catalogue) -> None:
    """Tracks go by their ids."""
    restored = decode(open_play(encoder, catalogue), lambda name: 70 + int(name.removeprefix("song")), "fake")
    assert [play.track.track_key for play in restored.state.tracker.plays] == [71]
    assert all(tried.track_key >= 70 for tried in restored.state.tracker.tried)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda value: value[:-9], "cannot be read"),
        (lambda value: b"", "cannot be read"),
        (lambda value: value.replace(b'"format":2', b'"format":9'), "has format 9, this version reads 1 to 2"),
        (lambda value: value.replace(b'"encoder":"fake"', b'"encoder":"other"'), "of encoder other"),
        (lambda value: value.replace(b'"next_seq"', b'"nxt_seq"'), "cannot be read"),
    ],
)
def test_a_snapshot_of_something_else_is_refused(
    encoder: FakeEncoder, catalogue: Catalogue, spoil: Callable[[bytes], bytes], words: str
) -> None:
    """With what to do; never half understood."""
    with pytest.raises(StateError, match=words):
        decode(spoil(open_play(encoder, catalogue)), key_in(catalogue), "fake")


def test_audio_that_is_gone_is_a_gap(encoder: FakeEncoder, catalogue: Catalogue) -> None:
    """Nothing is left to fill the buffers: the stream goes on from its place, and no second is lost in the account."""
    stream = segments()
    before, after = stream[:30], stream[30:]
    first = pipeline(encoder, catalogue)
    for segment in before:
        first.push([segment])
    first.flush()
    state = first.snapshot(STREAM)
    assert state is not None
    second = pipeline(encoder, catalogue)
    second.restore(state)
    heard = [outcome for segment in after for outcome in second.push([segment])]
    end = heard[-1]
    assert end.end_sample == stream[-1].end_sample
    assert end.counts.received == sum(len(segment.samples_S) for segment in stream)
    status = end.status
    total = status.matched_samples + status.unmatched_samples + status.silence_samples + status.no_signal_samples
    assert total == status.end_sample - status.start_sample
