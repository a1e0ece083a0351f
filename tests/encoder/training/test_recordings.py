"""Training on recordings: the cache of CQTs, views of them, works held out, MIDI beside audio."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest
from numpy.typing import NDArray

from encoder.errors import TrainingDataError
from encoder.grid import BINS, CHUNK_SAMPLES, HOP, SAMPLE_RATE
from encoder.training.batches import chunk_starts
from encoder.training.config import AugmentConfig, RecordingsData
from encoder.training.cqt_cache import SCALE, CqtCache, columns, file_key
from encoder.training.material import material_of_list
from encoder.training.midi import read_song
from encoder.training.notes import MELODY, PIANO
from encoder.training.recorded_versions import COLUMN_S, RecordedClique, RecordedVersions
from encoder.training.recordings import Failure, ListedRecording, gather, hold_out
from encoder.training.spectrum import averaged, disturbed, masked, transposed
from encoder.training.tonal_pairs import magnitudes
from encoder.training.versions import VersionRequest

Array = NDArray[np.float32]
PLAIN = AugmentConfig(
    transposition=0, stretch=(1.0, 1.0), equaliser_db=0.0, noise_share=0.0, speech_share=0.0, difficulty_start=1.0
)
NO_TALK = np.zeros((BINS, 0), np.float32)


def tone(seconds: float, pitch: int = 40) -> Array:
    """A steady sine at CQT bin `pitch`."""
    frequency = 32.703 * 2 ** (pitch / 12)
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(
        np.float32
    )


def test_cached_columns_are_the_encoder_s_frames(tmp_path: Path) -> None:
    """Heard once, in pieces, kept to the precision of halves, and read without hearing."""
    rng = np.random.default_rng(1)
    wave_S = (0.1 * rng.standard_normal(9 * CHUNK_SAMPLES)).astype(np.float32)
    cache = CqtCache(tmp_path)
    kept_FC = cache.get("a", lambda: wave_S)
    frames_FT = magnitudes(wave_S)
    expected_FC = frames_FT[:, : 2 * kept_FC.shape[1]].reshape(BINS, -1, 2).mean(axis=2)
    np.testing.assert_allclose(kept_FC.astype(np.float32) / SCALE, expected_FC, rtol=2e-3, atol=1e-5)
    again_FC = cache.get("a", lambda: pytest.fail("heard again"))
    assert isinstance(again_FC, np.memmap)
    np.testing.assert_array_equal(again_FC, kept_FC)


def test_a_changed_file_has_another_key_and_a_torn_cqt_is_named(tmp_path: Path) -> None:
    """Nothing stale is trained on."""
    path = tmp_path / "x.flac"
    path.write_bytes(b"one")
    first = file_key(path)
    path.write_bytes(b"other")
    assert file_key(path) != first
    with pytest.raises(TrainingDataError, match=r"nothing.flac"):
        file_key(tmp_path / "nothing.flac")
    cache = CqtCache(tmp_path / "cache")
    cache.get("a", lambda: tone(1.0))
    cache.path("a").write_bytes(b"torn")
    with pytest.raises(TrainingDataError, match="delete the file"):
        cache.get("a", lambda: tone(1.0))


def test_averaging_takes_exact_means_of_fractional_parts() -> None:
    """Whole factors give plain means; at other speeds no magnitude is lost."""
    rng = np.random.default_rng(2)
    magnitude_FC = rng.random((BINS, 60), dtype=np.float32)
    np.testing.assert_allclose(averaged(magnitude_FC, 6), magnitude_FC.reshape(BINS, 6, 10).mean(axis=2), rtol=1e-5)
    np.testing.assert_allclose(averaged(magnitude_FC, 7).mean(axis=1), magnitude_FC.mean(axis=1), rtol=1e-5)


@pytest.mark.parametrize("semitones", [-12, -5, 0, 5, 12])
def test_transposition_fills_with_zeros(semitones: int) -> None:
    """Treble never comes round as bass."""
    magnitude_FC = np.ones((BINS, 3), np.float32)
    moved_FC = transposed(magnitude_FC, semitones)
    assert moved_FC.sum() == 3 * (BINS - abs(semitones))
    edge = slice(0, semitones) if semitones > 0 else slice(BINS + semitones, BINS)
    assert moved_FC[edge].sum() == 0


def test_masks_silence_a_band_and_a_stretch() -> None:
    """SpecAugment leaves most of the view; at share 0 all of it."""
    rng = np.random.default_rng(3)
    view_FT = np.ones((BINS, 43), np.float32)
    assert masked(view_FT, rng, 0.0) is view_FT
    silent = [1 - masked(view_FT, rng, 1.0).mean() for _ in range(200)]
    assert min(silent) > 0
    assert max(silent) < 0.4


def test_disturbances_keep_the_music_above_the_noise() -> None:
    """Gain, noise and talk change a view; without them it stays."""
    rng = np.random.default_rng(4)
    view_FT = rng.random((BINS, 43), dtype=np.float32)
    np.testing.assert_allclose(disturbed(view_FT, rng, PLAIN, 1.0, NO_TALK), view_FT, rtol=1e-5)
    wild = AugmentConfig(equaliser_db=0.0, noise_share=1.0, speech_share=1.0)
    talk_FN = rng.random((BINS, 100), dtype=np.float32)
    louder_FT = disturbed(view_FT, rng, wild, 1.0, talk_FN)
    assert (louder_FT >= view_FT - 1e-6).all()
    assert not np.allclose(louder_FT, view_FT)


def recorded(count: int = 2) -> RecordedVersions:
    """Works of one tone each, in two recordings of 30 s."""
    works = []
    for number in range(count):
        cqt_FC = (SCALE * columns(tone(30.0, 20 + 7 * number))).astype(np.float16)
        works.append(RecordedClique(name=f"w{number}", recordings=("a", "b"), cqts=(cqt_FC, cqt_FC)))
    return RecordedVersions(works, NO_TALK)


def test_views_are_stretches_of_the_recording_at_the_asked_place() -> None:
    """Plain views are the cached music; the same request gives the same view, on any number of threads."""
    versions = recorded()
    request = VersionRequest(clique=1, seed=5, length_s=20.0, place=0.5, recording=3)
    (view_FT,) = versions.views([request], average_frames=20, difficulty=1.0, augment=PLAIN, pool=None)
    assert view_FT.shape == (BINS, 43)
    assert (view_FT.argmax(axis=0) == 27).all()
    wild = AugmentConfig()
    first, second = (
        versions.views([request], average_frames=20, difficulty=1.0, augment=wild, pool=None)[0] for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, view_FT)


def test_a_whole_recording_is_no_longer_than_it_is() -> None:
    """A request for more gives all of it."""
    request = VersionRequest(clique=0, seed=1, length_s=300.0, place=0.9, recording=0)
    (view_FT,) = recorded().views([request], average_frames=20, difficulty=1.0, augment=PLAIN, pool=None)
    assert view_FT.shape[1] == pytest.approx(30.0 / (20 * HOP / SAMPLE_RATE), abs=1)
    assert chunk_starts(view_FT.shape[1], 20) == [0, view_FT.shape[1] - 43]


def test_files_that_cannot_be_heard_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    """A missing, a broken and a short file; the good one is there."""
    good, broken, short = (tmp_path / name for name in ("good.flac", "broken.flac", "short.flac"))
    for path in (good, broken, short):
        path.write_bytes(path.name.encode())

    def hear(path: Path) -> Array:
        if path == broken:
            raise OSError("no audio")
        return tone(2.0 if path == short else 8.0)

    rows = [ListedRecording(clique="w", name=path.stem, path=path) for path in (good, broken, short, tmp_path / "gone")]
    done: list[int] = []
    works, failures = gather(rows, CqtCache(tmp_path / "c"), hear, unheard=(OSError,), progress=done.append)
    assert [work.recordings for work in works] == [("good",)]
    assert [failure.name for failure in failures] == ["broken", "short", "gone"]
    assert "6 s" in failures[1].reason
    assert done == [1, 2, 3, 4]


def test_works_are_held_out_by_their_names() -> None:
    """The same works whatever their order; only those with two recordings; too few are refused."""
    cqt_FC = np.ones((BINS, 400), np.float16)
    works = [
        RecordedClique(name=f"w{n}", recordings=("a", "b"), cqts=(cqt_FC,) * (1 if n % 3 == 0 else 2))
        for n in range(60)
    ]
    trained, held = hold_out(works, 0.2)
    assert {work.name for work in held} == {work.name for work in hold_out(works[::-1], 0.2)[1]}
    assert not {work.name for work in held} & {work.name for work in trained}
    assert len(trained) + len(held) == 60
    assert 2 <= len(held) <= 16
    assert all(len(work.cqts) == 2 for work in held)
    with pytest.raises(TrainingDataError, match="at least four works"):
        hold_out(works[:3], 0.2)


def midi_file(path: Path, pitches: list[int]) -> Path:
    """A tune over one low note, in two tracks, at 120 beats a minute."""
    midi = mido.MidiFile(ticks_per_beat=480)
    low, high = mido.MidiTrack(), mido.MidiTrack()
    midi.tracks.extend([low, high])
    for pitch in pitches:
        for track, note, channel in ((high, pitch, 0), (low, 36, 1)):
            track.append(mido.Message("note_on", note=note, velocity=80, time=0, channel=channel))
            track.append(mido.Message("note_off", note=note, velocity=0, time=480, channel=channel))
    low.append(mido.Message("note_on", note=35, velocity=80, time=0, channel=9))
    low.append(mido.Message("note_off", note=35, velocity=0, time=480, channel=9))
    midi.save(path)
    return path


def test_any_midi_file_is_a_song(tmp_path: Path) -> None:
    """The higher part leads, drums are left out, times follow the tempo; rubbish is refused."""
    song = read_song(midi_file(tmp_path / "x.mid", [72, 74, 76]), "x")
    assert song.notes_N5[song.notes_N5[:, 4] == MELODY][:, 2].tolist() == [72, 74, 76]
    assert song.notes_N5[song.notes_N5[:, 4] == PIANO][:, 2].tolist() == [36, 36, 36]
    np.testing.assert_allclose(song.notes_N5[song.notes_N5[:, 4] == MELODY][:, 0], [0.0, 0.5, 1.0], atol=1e-5)
    (tmp_path / "bad.mid").write_bytes(b"nothing")
    with pytest.raises(TrainingDataError, match=r"bad\.mid"):
        read_song(tmp_path / "bad.mid", "bad")


@pytest.mark.parametrize("audio", [True, False])
def test_a_list_of_audio_and_midi_is_one_collection(tmp_path: Path, audio: bool) -> None:
    """Recordings and tunes become works side by side; scores are of works that are held out."""
    rows = []
    for number in range(6):
        path = midi_file(tmp_path / f"m{number}.mid", [60 + (number * step) % 12 for step in range(40)])
        rows.append(ListedRecording(clique=f"midi{number}", name=f"m{number}", path=path))
    for number in range(6 if audio else 0):
        for take in "ab":
            path = tmp_path / f"{number}{take}.flac"
            path.write_bytes(f"{number}{take}".encode())
            rows.append(ListedRecording(clique=f"audio{number}", name=path.stem, path=path))
    rows.append(ListedRecording(clique="x", name="bad", path=tmp_path / "bad.mid"))
    data = RecordingsData(csv=tmp_path / "list.csv", cache=tmp_path / "cache")
    material = material_of_list(
        rows, data, lambda path: tone(25.0, 20 + 5 * int(path.stem[0])), unheard=(), average_frames=20, seed=1,
        progress=lambda _: None,
    )  # fmt: skip
    names = {clique.name for clique in material.versions.cliques}
    assert len([name for name in names if name.startswith("audio")]) == (4 if audio else 0)
    assert len([name for name in names if name.startswith("m")]) == (6 if audio else 4)
    assert [failure.name for failure in material.failures] == ["bad"]
    assert isinstance(material.failures[0], Failure)
    requests = [
        VersionRequest(clique=place, seed=1, length_s=20.0, place=0.0, recording=0) for place in (len(names) - 1, 0)
    ]
    views = material.versions.views(requests, average_frames=20, difficulty=0.5, augment=AugmentConfig(), pool=None)
    assert [view_FT.shape for view_FT in views] == [(BINS, 43)] * 2 or not audio
    scores = material.score(lambda mean_VFT: np.ascontiguousarray(unit(mean_VFT.mean(axis=2))))
    assert scores["20s"]["queries"] == (4 if audio else 2)


def unit(rows: Array) -> Array:
    """Rows of length 1."""
    scaled: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


def test_columns_hold_the_time_that_they_say() -> None:
    """Ten seconds are ten seconds of columns."""
    assert columns(tone(10.0)).shape[1] * COLUMN_S == pytest.approx(10.0, abs=0.1)
