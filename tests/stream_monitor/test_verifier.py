"""The stream's memory and its stretches on tracks, with real sketches and peaks of small songs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from encoder.grid import SAMPLE_RATE
from encoder.sketch import SketchRows
from index.track import NewTrack
from stream_monitor.chunk import Chunk
from stream_monitor.chunker import Chunker
from stream_monitor.segments import Segment, StreamKey
from stream_monitor.verifier import SketchVerifier, TrackPrints, VerifierConfig
from tests.fakes.band import song
from tests.fakes.encoder import SUPPORT_SAMPLES, FakeEncoder
from tests.fakes.library import Wave, hear

STREAM = StreamKey(kind="broadcast", stream_id="s")


@pytest.fixture(scope="module")
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture(scope="module")
def tracks(encoder: FakeEncoder) -> list[NewTrack]:
    return [hear(encoder, song(number, 60.0), f"song{number}") for number in range(2)]


def chunks_of(encoder: FakeEncoder, wave_S: Wave) -> list[Chunk]:
    chunker = Chunker(STREAM, support_samples=SUPPORT_SAMPLES)
    chunks: list[Chunk] = []
    for request in chunker.push(Segment(stream=STREAM, seq=0, start_sample=0, samples_S=wave_S, last=True)):
        chunks += chunker.accept(request.block, encoder.frames(request.wave_S[None])[0])
    return [*chunks, *chunker.close().chunks]


def prints(tracks: list[NewTrack], limit: int = 8) -> tuple[TrackPrints, list[int]]:
    asked: list[int] = []

    def tonal(key: int) -> np.ndarray:
        asked.append(key)
        return tracks[key].tonal_nV

    return TrackPrints(tonal, lambda key: tracks[key].peaks_n, limit=limit), asked


def test_a_recording_is_placed_where_it_plays(encoder: FakeEncoder, tracks: list[NewTrack]) -> None:
    """A stretch of a stream that plays a track from its tenth second is found there, to a fraction of a second."""
    verifier = SketchVerifier(STREAM, prints(tracks)[0])
    played_S = song(1, 60.0)[10 * SAMPLE_RATE : 45 * SAMPLE_RATE]
    for chunk in chunks_of(encoder, np.concatenate((song(70, 15.0), played_S, song(71, 10.0)))):
        verifier.remember(chunk)
    found = verifier.verify(1, 5 * SAMPLE_RATE, 60 * SAMPLE_RATE)
    assert found is not None
    assert found.match_type == "recording"
    assert (found.transposition_semitones, found.tempo_ratio) == (0, pytest.approx(1.0, abs=0.01))
    assert found.stream_start_sample / SAMPLE_RATE == pytest.approx(15.0, abs=1.0)
    assert found.stream_end_sample / SAMPLE_RATE == pytest.approx(50.0, abs=1.0)
    offset = found.stream_start_sample - found.track_start_sample
    assert offset / SAMPLE_RATE == pytest.approx(5.0, abs=0.2)


def test_only_the_last_minutes_are_kept(encoder: FakeEncoder, tracks: list[NewTrack]) -> None:
    """What is older than the memory is let go, and a stretch of it is placed nowhere."""
    verifier = SketchVerifier(STREAM, prints(tracks)[0], VerifierConfig(memory_s=60.0))
    for chunk in chunks_of(encoder, np.concatenate((song(1, 60.0), song(72, 90.0)))):
        verifier.remember(chunk)
    assert verifier.verify(1, 0, 40 * SAMPLE_RATE) is None


def test_rows_that_are_missing_are_silence(tracks: list[NewTrack]) -> None:
    """A gap in the stream leaves rows of silence, so that what lies behind it keeps its place."""
    verifier = SketchVerifier(STREAM, prints(tracks)[0])
    rows_NF = np.full((10, 84), 200, np.uint8)
    chunk = Chunk(
        stream=STREAM,
        index=0,
        start_sample=0,
        end_sample=441_000,
        tail=False,
        frames_FT=np.zeros((84, 861), np.float32),
        level_dbfs=-20.0,
        sketch=(SketchRows(first_row=0, rows_NF=rows_NF), SketchRows(first_row=15, rows_NF=rows_NF)),
        peaks_n=np.empty(0, np.uint32),
    )
    verifier.remember(chunk)
    first, kept_NF = verifier._rows(0, 441_000)
    assert first == 0
    assert [bool(row.any()) for row in kept_NF] == [True] * 10 + [False] * 5 + [True] * 10


def test_a_new_epoch_forgets(encoder: FakeEncoder, tracks: list[NewTrack]) -> None:
    """Positions of an earlier epoch are on another clock: nothing of it is placed."""
    verifier = SketchVerifier(STREAM, prints(tracks)[0])
    for chunk in chunks_of(encoder, song(1, 40.0)):
        verifier.remember(chunk)
    assert verifier.verify(1, 0, 40 * SAMPLE_RATE) is not None
    verifier.continue_as(StreamKey(kind="broadcast", stream_id="s", epoch=5), 40 * SAMPLE_RATE)
    assert verifier.verify(1, 0, 40 * SAMPLE_RATE) is None


def test_prints_of_tracks_are_made_once_and_let_go_in_turn(tracks: list[NewTrack]) -> None:
    """A track's features are kept at hand for all streams, the one asked for longest ago goes first."""
    shared, asked = prints(tracks, limit=1)
    for key in (0, 0, 1, 1, 0):
        shared.of(key)
    assert asked == [0, 1, 0]


def test_prints_may_be_asked_for_by_several_threads(tracks: list[NewTrack]) -> None:
    """Threads that ask for and forget tracks at once get the right prints, and no more than the limit is kept."""
    shared, _ = prints(tracks, limit=1)

    def ask(seed: int) -> bool:
        right = True
        for key in np.random.default_rng(seed).integers(0, 2, 300).tolist():
            right &= shared.of(key).tonal_NV is tracks[key].tonal_nV
            if seed == 0:
                shared.forget(key)
        return right and len(shared._known) <= 1

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(4)))
