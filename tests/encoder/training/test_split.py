"""The committed split keeps works, and works with the same melody, in one part."""

from collections import Counter, defaultdict

import pytest

from encoder.errors import TrainingDataError
from encoder.training.corpus import load_song, load_songs
from encoder.training.make_split import assign, plain_title
from encoder.training.similarity import melody_grams, shared_pairs
from encoder.training.split import PARTS, load_split, part_of, works


def test_no_group_is_in_two_parts() -> None:
    """Works that share a melody are all in the same part."""
    parts = defaultdict(set)
    for assignment in load_split().values():
        parts[assignment.group].add(assignment.part)
    assert all(len(found) == 1 for found in parts.values())


def test_every_packed_work_has_a_part() -> None:
    """Nothing can be trained on that the split does not know."""
    known = load_split()
    assert all(song.work_id in known for song in load_songs(("pop909", "oneill", "ryan", "aird")))


def test_parts_once_given_stay() -> None:
    """Growing the corpus moves no work: old groups keep their part, training's if two of them turn out to be one."""
    names = ["aird-a", "aird-b", "aird-c", "aird-d", *(f"pop909-{n:03d}" for n in range(100, 170))]
    group_of = {name: name for name in names} | {"aird-b": "aird-a", "aird-d": "aird-c"}
    parts = assign(names, group_of, {"aird-a": "demo", "aird-c": "test", "aird-d": "train"})
    assert parts["aird-a"] == "demo"
    assert parts["aird-c"] == "train"


def test_songs_from_601_are_for_tests_only() -> None:
    """POP909 songs 601 to 700 are in test, and so is a song of 001 to 600 that shares a melody with one."""
    assert all(part_of(f"pop909-{number:03d}") == "test" for number in range(601, 701))
    assert part_of("pop909-492") == "test"


def test_validation_comes_out_of_the_first_600() -> None:
    """Sixty POP909 works validate, all from 001 to 600, and no POP909 work is in the demo."""
    validation = [work_id for work_id in works("validation") if work_id.startswith("pop909-")]
    assert len(validation) == 60
    assert all(int(work_id[-3:]) <= 600 for work_id in validation)
    assert not any(work_id.startswith("pop909-") for work_id in works("demo"))


def test_known_twins_are_one_group() -> None:
    """The pairs of POP909 that are known to be one song have been found."""
    split = load_split()
    for first, second in (("017", "018"), ("492", "666"), ("101", "103")):
        assert split[f"pop909-{first}"].group == split[f"pop909-{second}"].group


def test_the_parts_are_large_enough() -> None:
    """The demo has more than 60 works, and test and validation more than 500 beside a catalogue."""
    sizes = Counter(assignment.part for assignment in load_split().values())
    assert set(sizes) == set(PARTS)
    assert sizes["demo"] >= 200
    assert sizes["validation"] >= 1000
    assert sizes["test"] >= 1500


def test_no_demo_or_test_work_shares_much_melody_with_training() -> None:
    """A sample of works for demo and test has no close relative among as many training works."""
    held_out = [*works("test")[:150], *works("demo")[:100]]
    grams = {work_id: melody_grams(load_song(work_id)) for work_id in held_out + works("train")[:400]}
    split = load_split()
    for first, second, share in shared_pairs(grams, minimum=8):
        if share > 0.2:
            assert split[first].part == split[second].part, (first, second, share)


def test_groups_of_test_songs_never_train() -> None:
    """A group with one song from 601 on goes to test as a whole."""
    names = ["pop909-001", "pop909-002", "pop909-650", *(f"pop909-{n:03d}" for n in range(100, 170)), "aird-x"]
    group_of = {name: name for name in names} | {"pop909-002": "aird-x", "pop909-650": "aird-x"}
    parts = assign(names, group_of)
    assert parts["aird-x"] == "test"
    assert sum(part == "validation" for group, part in parts.items() if group.startswith("pop909")) == 60


def test_titles_are_compared_without_their_dressing() -> None:
    """Articles, kinds of dance, case and punctuation do not make another title."""
    assert plain_title("MRS. MONROE'S -- JIG") == plain_title("Mrs Monroe's")


def test_an_unknown_part_or_work_is_an_error() -> None:
    """A misspelt part or work is refused."""
    with pytest.raises(TrainingDataError):
        works("exam")
    with pytest.raises(TrainingDataError):
        part_of("pop909-999")
