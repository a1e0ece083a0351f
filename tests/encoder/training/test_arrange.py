"""Covers change what covers change, and say truly where in the original they are."""

import numpy as np
import pytest

from encoder.training.arrange import CoverConfig, arrange, plain, split_bass
from encoder.training.arrangement import Arrangement, TimeMap
from encoder.training.corpus import load_song
from encoder.training.harmony import span_chroma
from encoder.training.notes import MELODY, ONSET, PITCH, Song, sort_notes, stem

WORKS = ("pop909-006", "oneill-0001-0050-7", "composed-000012")
EASY = CoverConfig(difficulty=0.0)


def _melody(arrangement: Arrangement) -> np.ndarray:
    return next(part.notes_N5 for part in arrangement.parts if part.role == "melody")


@pytest.mark.parametrize("work_id", WORKS)
def test_plain_plays_the_song_as_written(work_id: str) -> None:
    """The catalogue's recording has all of the song's notes at their times."""
    song = load_song(work_id)
    recording = plain(song)
    played = sum(len(part.notes_N5) for part in recording.parts if not part.percussion)
    assert played == len(song.notes_N5)
    assert np.array_equal(_melody(recording), stem(song.notes_N5, MELODY))
    assert recording.time_map.original_s(20.0) == pytest.approx(20.0)


@pytest.mark.parametrize("work_id", WORKS)
def test_equal_seeds_give_equal_covers(work_id: str) -> None:
    """A cover is a function of song, seed and configuration; other seeds give others."""
    song = load_song(work_id)
    first, again, other = arrange(song, 1), arrange(song, 1), arrange(song, 2)
    assert first.description == again.description
    assert all(np.array_equal(a.notes_N5, b.notes_N5) for a, b in zip(first.parts, again.parts, strict=True))
    assert first.description != other.description


@pytest.mark.parametrize("structure", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_the_time_map_is_true(seed: int, structure: bool) -> None:
    """Most melody notes of a cover lie, mapped back, on an onset of the original of the transposed pitch class."""
    song = load_song("pop909-006")
    cover = arrange(song, seed, CoverConfig(difficulty=0.0, structure=structure))
    original = stem(song.notes_N5, MELODY)
    hits = 0
    melody = _melody(cover)
    for onset, _, pitch, _, _ in melody:
        place = cover.time_map.original_s(float(onset))
        if place is None:
            continue
        near = original[np.abs(original[:, ONSET] - place) < 0.05]
        hits += any((pitch - cover.transposition_semitones - p) % 12 == 0 for p in near[:, PITCH])
    assert hits > 0.9 * len(melody)


def test_tempo_and_key_are_as_said() -> None:
    """Without structure the cover lasts original length over tempo ratio, within the rubato."""
    song = load_song("composed-000012")
    for seed in range(8):
        cover = arrange(song, seed)
        assert cover.time_map.end_s == pytest.approx(song.duration_s / cover.tempo_ratio, rel=0.04)
        assert -6 <= cover.transposition_semitones <= 6
        assert 0.8 <= cover.tempo_ratio <= 1.25


def test_hard_covers_keep_the_harmony_recognisable() -> None:
    """At full difficulty the chroma of cover and original, aligned by the truth, still agree more than at random."""
    song = load_song("pop909-006")
    bounds = np.arange(10.0, 100.0, 4.0)
    original = span_chroma(song.notes_N5, bounds)
    agreements, randoms = [], []
    for seed in range(8):
        cover = arrange(song, seed, CoverConfig(difficulty=1.0, substitution=0.3))
        notes = np.concatenate([part.notes_N5 for part in cover.parts if not part.percussion]).astype(np.float64)
        rows = cover.time_map.spans_K4
        notes[:, ONSET] = np.interp(notes[:, ONSET], [*rows[:, 0], rows[-1, 1]], [*rows[:, 2], rows[-1, 3]])
        notes[:, PITCH] -= cover.transposition_semitones
        chroma = span_chroma(sort_notes(notes), bounds)
        agreements.append(_cosine(original, chroma))
        randoms.append(_cosine(original, np.roll(np.roll(chroma, 5, axis=0), 2, axis=1)))
    assert np.mean(agreements) > np.mean(randoms) + 0.15


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean((a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1) + 1e-9)))


def test_structure_changes_only_when_asked() -> None:
    """By default the whole original is played in order; with structure some covers cut, repeat or introduce."""
    song = load_song("pop909-006")
    for seed in range(4):
        rows = arrange(song, seed).time_map.spans_K4
        assert rows[0, 2] == 0.0
        assert rows[-1, 3] == pytest.approx(song.duration_s)
        assert np.allclose(rows[1:, 2], rows[:-1, 3])
    changed = [arrange(song, seed, CoverConfig(structure=True)) for seed in range(12)]
    assert any(cover.time_map.start_s > 1 for cover in changed)
    assert any(not np.allclose(c.time_map.spans_K4[1:, 2], c.time_map.spans_K4[:-1, 3]) for c in changed)


def test_an_introduction_is_no_part_of_the_original() -> None:
    """Moments before the song's own material map to nothing, and the first note is counted from there."""
    song = load_song("pop909-006")
    cover = next(
        c for c in (arrange(song, seed, CoverConfig(structure=True)) for seed in range(30)) if c.time_map.start_s > 1
    )
    assert cover.time_map.original_s(cover.time_map.start_s / 2) is None
    assert cover.first_note_s >= cover.time_map.start_s - 0.05


def test_an_excerpt_is_the_middle_of_its_arrangement() -> None:
    """An excerpt's notes and map are the arrangement's, shifted to 0 and cut at its end."""
    cover = arrange(load_song("composed-000012"), 3)
    piece = cover.excerpt(20.0, 45.0)
    assert piece.duration_s <= 25.0 + 1e-3
    assert piece.time_map.original_s(5.0) == pytest.approx(cover.time_map.original_s(25.0))
    assert piece.time_map.end_s == pytest.approx(25.0)
    melody, whole = _melody(piece), _melody(cover)
    inside = whole[(whole[:, ONSET] >= 20.0) & (whole[:, ONSET] < 45.0)]
    np.testing.assert_allclose(melody[:, ONSET], inside[:, ONSET] - 20.0, atol=1e-4)


def test_the_time_map_knows_jumps() -> None:
    """Places on both sides of a cut are right, and outside there is none."""
    jump = TimeMap(spans_K4=np.array([[2.0, 10.0, 0.0, 10.0], [10.0, 20.0, 30.0, 40.0]]))
    assert (jump.start_s, jump.end_s) == (2.0, 20.0)
    assert jump.original_s(1.0) is None
    assert jump.original_s(6.0) == pytest.approx(5.0)
    assert jump.original_s(15.0) == pytest.approx(35.0)
    assert jump.cut(5.0, 12.0).spans_K4[0].tolist() == pytest.approx([0.0, 5.0, 3.75, 10.0])


def test_songs_without_beats_or_stems_can_be_covered() -> None:
    """A bare melody without known beats is arranged too."""
    notes_N5 = np.array([(i * 0.5, 0.4, 60 + (i * 7) % 12, 80, 0) for i in range(60)], np.float32)
    song = Song(work_id="bare", source="made", notes_N5=notes_N5, beats_s=None, title="")
    for seed in range(5):
        cover = arrange(song, seed, CoverConfig(structure=True))
        assert cover.parts
        assert cover.duration_s > 20
    assert plain(song).duration_s == pytest.approx(song.duration_s, abs=4.0)


def test_the_bass_is_the_lowest_line() -> None:
    """Of notes that begin together only the lowest, if low, is bass."""
    notes_N5 = np.array([(0, 1, 40, 80, 2), (0, 1, 47, 80, 2), (0, 1, 60, 80, 2), (1, 1, 60, 80, 2)], np.float32)
    chords_N5, bass_N5 = split_bass(notes_N5)
    assert bass_N5[:, PITCH].tolist() == [40.0]
    assert len(chords_N5) == 3
