"""ABC text is read as it would be played."""

import pytest

from encoder.training.books import tune_song, whole_bars
from encoder.training.notes import MELODY, PITCH, stem
from encoder.training.tunebook import Tune, read_book

HEAD = "X:7\nT:A Tune\nM:{meter}\nL:{unit}\nK:{key}\n"
PAD = "|C D E F|G A B c|c B A G|F E D C|"


def _read(body: str, *, meter: str = "4/4", unit: str = "1/4", key: str = "C") -> Tune:
    tunes = read_book(HEAD.format(meter=meter, unit=unit, key=key) + body + "\n")
    assert len(tunes) == 1
    return tunes[0]


def _pitches(body: str, count: int, **options: str) -> list[int]:
    return [pitch for _, _, pitch in _read(body + PAD, **options).notes[:count]]


def _lengths(body: str, count: int, **options: str) -> list[float]:
    return [length for _, length, _ in _read(body + PAD, **options).notes[:count]]


def test_pitches_follow_letters_and_octave_marks() -> None:
    """Letters, commas and apostrophes give pitches about middle C."""
    assert _pitches("C, C c c'", 4) == [48, 60, 72, 84]


@pytest.mark.parametrize(
    ("key", "pitches"),
    [("D", [66, 61]), ("F", [65, 60]), ("Ador", [66, 60]), ("E Minor", [66, 60]), ("D Mixolydian", [66, 60])],
)
def test_key_signatures_alter_letters(key: str, pitches: list[int]) -> None:
    """Sharps and flats come from the key and its mode."""
    assert _pitches("F C", 2, key=key) == pitches


def test_accidentals_last_for_the_bar() -> None:
    """An accidental holds to the bar's end, then the key counts again."""
    assert _pitches("^F F =F G|F", 5, key="D") == [66, 66, 65, 67, 66]


def test_lengths_broken_rhythm_and_tuplets() -> None:
    """Multiples, fractions, dotted pairs and triplets have their lengths."""
    assert _lengths("A2 A/ A3/2", 3) == [2.0, 0.5, 1.5]
    assert _lengths("A>B c<d", 4) == [1.5, 0.5, 0.5, 1.5]
    assert _lengths("(3ABc d", 4) == pytest.approx([2 / 3, 2 / 3, 2 / 3, 1.0])


def test_ties_join_notes_and_rests_leave_gaps() -> None:
    """Tied notes are one, also over a bar line; a rest takes time and no note."""
    tune = _read("A2 z A-|A B2 z" + PAD)
    assert tune.notes[:3] == ((0.0, 2.0, 69), (3.0, 2.0, 69), (5.0, 2.0, 71))


def test_repeats_and_endings_are_played_out() -> None:
    """A strain with two endings sounds twice, each time with its own ending."""
    tune = _read("|:C D E F|1 G G G G:|2 A A A A||c c c c|d d d d|")
    first = [pitch for _, _, pitch in tune.notes]
    assert first[:20] == [60, 62, 64, 65, *[67] * 4, 60, 62, 64, 65, *[69] * 4, *[72] * 4]


def test_words_graces_and_chord_names_are_no_notes() -> None:
    """Text in quotes, grace notes and decorations leave the melody alone; of a chord the top note stays."""
    assert _pitches('"Am"A {Bc}B !trill!c [CEG]', 4) == [69, 71, 72, 67]


def test_upbeats_join_the_bar_before() -> None:
    """A short last bar and the next strain's upbeat make one bar."""
    tune = _read("|:C|C D E F|C D E F|C D E:|G|G A B c|G A B c|")
    assert whole_bars(tune).tolist() == [0.0, 1.0, 5.0, 9.0, 13.0, 17.0, 21.0, 25.0, 29.0, 33.0]


def test_a_tune_becomes_a_song_with_accompaniment() -> None:
    """The song plays the tune at least once, with chords under it, the same at every call."""
    tune = _read("|:C E G c|B G E D|C E F A|G F E D:|" + PAD)
    song = tune_song(tune, work_id="x-1", source="x")
    assert song.title == "A Tune"
    melody = stem(song.notes_N5, MELODY)[:, PITCH]
    assert [pitch % 12 for pitch in melody[:4]] == [0, 4, 7, 0]
    assert len(song.notes_N5) > 2 * len(melody)
    assert (tune_song(tune, work_id="x-1", source="x").notes_N5 == song.notes_N5).all()
