"""Published lists of versions become the CSV that `train` and `evaluate` read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from encoder.training.lists.__main__ import main
from encoder.training.lists.shs100k import video_of
from stream_monitor.evaluation.dataset import read_dataset

SHS = """\
0\t0\tPenny Lane\tThe Beatles\thttps://www.youtube.com/watch?v=S-rB0pHI9fU\t1
0\t1\tPenny Lane\tCafé Quartet\thttps://www.youtube.com/watch?v=aaaaaaaaaaa\t1
0\t2\tPenny Lane\tSomebody\thttps://www.youtube.com/watch?v=bbbbbbbbbbb\t0
1\t0\tYesterday\tThe Beatles\thttps://youtu.be/ccccccccccc\t1
1\t1\tYesterday\tAnother\thttps://www.youtube.com/watch?v=ddddddddddd&list=x\t1
"""


def touch(folder: Path, *names: str) -> Path:
    """Empty files, for no list opens audio."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def rows(path: Path) -> list[list[str]]:
    """The CSV without its head, paths by name only."""
    with path.open(newline="", encoding="utf-8") as file:
        head, *body = csv.reader(file)
    assert head == ["clique_id", "recording_id", "path"]
    assert all(Path(path).is_file() and Path(path).is_absolute() for _, _, path in body)
    return [[clique, recording, Path(path).name] for clique, recording, path in body]


def test_shs100k_finds_audio_by_number_or_video(tmp_path: Path) -> None:
    """Files named by set and version, by the video, or as a downloader names them, in any folder."""
    (tmp_path / "list").write_text(SHS, encoding="utf-8")
    audio = touch(
        tmp_path / "audio", "0_0.mp3", "b/0-1.m4a", "b/bbbbbbbbbbb.webm", "Title [ccccccccccc].opus", "1_1.WAV"
    )
    out = tmp_path / "out.csv"
    assert main(["shs100k", "--list", str(tmp_path / "list"), "--audio", str(audio), "--output", str(out)]) == 0
    assert rows(out) == [
        ["0", "0_0", "0_0.mp3"],
        ["0", "0_1", "0-1.m4a"],
        ["0", "0_2", "bbbbbbbbbbb.webm"],
        ["1", "1_0", "Title [ccccccccccc].opus"],
        ["1", "1_1", "1_1.WAV"],
    ]
    assert [version.recording_id for version in read_dataset(out)] == ["0_0", "0_1", "0_2", "1_0", "1_1"]
    assert not (tmp_path / "out.csv.problems.csv").exists()


def test_shs100k_part_keeps_its_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only a part's recordings are written; what is malformed or missing is named and the rest carries on."""
    (tmp_path / "list").write_text(SHS + "not a line\n", encoding="utf-8")
    (tmp_path / "part").write_text("1\t0\n1\t1\n7\t7\nx\n1\t0\n", encoding="utf-8")
    audio = touch(tmp_path / "audio", "0_0.mp3", "1_0.mp3")
    out = tmp_path / "out.csv"
    arguments = ["--list", str(tmp_path / "list"), "--part", str(tmp_path / "part"), "--audio", str(audio)]
    assert main(["shs100k", *arguments, "--output", str(out)]) == 1
    assert rows(out) == [["1", "1_0", "1_0.mp3"]]
    said = capsys.readouterr().err
    assert "list:6: not set_id" in said
    assert "part:3: 7_7 is not in the list" in said
    assert "part:4: not set_id and ver_id" in said
    assert "1_0 stands in the list twice" in said
    assert "1_1: no audio file named 1_1 or 1-1 or ddddddddddd" in said
    assert "1 of 2 recordings, 1 works" in said
    with (tmp_path / "out.csv.problems.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 6


@pytest.mark.parametrize(
    ("url", "video"),
    [
        ("https://www.youtube.com/watch?v=S-rB0pHI9fU", "S-rB0pHI9fU"),
        ("https://youtu.be/S-rB0pHI9fU", "S-rB0pHI9fU"),
        ("https://example.org/S-rB0pHI9fU", None),
        ("", None),
    ],
)
def test_a_video_is_named_by_its_address(url: str, video: str | None) -> None:
    """Both forms of YouTube's addresses; others name none."""
    assert video_of(url) == video


def test_da_tacos_finds_audio_by_performance(tmp_path: Path) -> None:
    """Works and performances keep the dataset's identifiers."""
    details = {"work_title": "W", "perf_artist": "A", "release_year": "1971", "work_id": "W_1", "perf_id": "P_1"}
    table = {"W_1": {"P_1": details, "P_2": details}, "W_2": {"P_3": details}}
    (tmp_path / "meta.json").write_text(json.dumps(table))
    audio = touch(tmp_path / "audio", "P_1.mp3", "P_2.mp3", "W_2/P_3.mp3", "P_4.mp3", "P_1.txt")
    out = tmp_path / "out.csv"
    arguments = ["da-tacos", "--metadata", str(tmp_path / "meta.json"), "--audio", str(audio), "--output", str(out)]
    assert main(arguments) == 0
    assert rows(out) == [["W_1", "P_1", "P_1.mp3"], ["W_1", "P_2", "P_2.mp3"], ["W_2", "P_3", "P_3.mp3"]]


def test_covers80_works_are_folders(tmp_path: Path) -> None:
    """Both lists, lines with a suffix or without; names with points keep them."""
    (tmp_path / "list1.list").write_text("Abracadabra/steve_miller+Hits+09-Abracadabra\nMr._Blue/the_a+b+c.d\n")
    (tmp_path / "list2.list").write_text("Abracadabra/sugar_ray+14_59+04-Abracadabra.mp3\n\nMr._Blue/e+f+g\n")
    audio = touch(
        tmp_path / "audio",
        "Abracadabra/steve_miller+Hits+09-Abracadabra.mp3",
        "Abracadabra/sugar_ray+14_59+04-Abracadabra.mp3",
        "Mr._Blue/the_a+b+c.d.mp3",
        "Mr._Blue/e+f+g.mp3",
    )
    out = tmp_path / "out.csv"
    lists = ["--list", str(tmp_path / "list1.list"), "--list", str(tmp_path / "list2.list")]
    assert main(["covers80", *lists, "--audio", str(audio), "--output", str(out)]) == 0
    assert [(clique, name) for clique, name, _ in rows(out)] == [
        ("Abracadabra", "steve_miller+Hits+09-Abracadabra"),
        ("Mr._Blue", "the_a+b+c.d"),
        ("Abracadabra", "sugar_ray+14_59+04-Abracadabra"),
        ("Mr._Blue", "e+f+g"),
    ]
    assert len(read_dataset(out)) == 4


def test_two_files_of_one_name_are_not_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which of two files is meant nobody can tell: neither is taken."""
    (tmp_path / "list").write_text(SHS, encoding="utf-8")
    audio = touch(tmp_path / "audio", "0_0.mp3", "old/0_0.mp3", "0_1.mp3")
    out = tmp_path / "out.csv"
    assert main(["shs100k", "--list", str(tmp_path / "list"), "--audio", str(audio), "--output", str(out)]) == 1
    assert rows(out) == [["0", "0_1", "0_1.mp3"]]
    assert "several files for 0_0" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["list", "audio", "all"])
def test_without_anything_to_use_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    """No list, no folder, or no audio in it: exit code 2, a reason, no CSV."""
    if missing != "list":
        (tmp_path / "list").write_text(SHS, encoding="utf-8")
    if missing != "audio":
        (tmp_path / "audio").mkdir()
    out = tmp_path / "out.csv"
    arguments = ["--list", str(tmp_path / "list"), "--audio", str(tmp_path / "audio"), "--output", str(out)]
    assert main(["shs100k", *arguments]) == 2
    reason = {"list": "cannot read", "audio": "is not a folder", "all": "no recording of the list has audio"}[missing]
    assert reason in capsys.readouterr().err
    assert not out.exists()
