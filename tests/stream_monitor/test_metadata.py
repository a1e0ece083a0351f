"""The metadata CSV and the plan of an enrolment."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_monitor.errors import DuplicateIdError, MetadataError
from stream_monitor.metadata import plan_enrolment, read_metadata

HEADER = "track_id,title,artist,isrc,iswc,work_id,path,label\n"


def write(folder: Path, text: str | bytes, *files: str) -> Path:
    """A CSV in a folder with some files."""
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    path = folder / "meta.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_every_column_is_kept_and_paths_are_relative_to_the_csv(tmp_path: Path) -> None:
    """Rows carry known and unknown columns, with quotes, commas and a byte-order mark."""
    path = write(tmp_path, "\ufeff" + HEADER + 't1,"One, two",Ann,,,w1,sub/a.wav,"L ""x"""\n', "sub/a.wav")
    (row,) = read_metadata(path)
    assert (row.track_id, row.path, row.line) == ("t1", tmp_path / "sub/a.wav", 2)
    assert row.columns == {
        "title": "One, two",
        "artist": "Ann",
        "isrc": "",
        "iswc": "",
        "work_id": "w1",
        "label": 'L "x"',
    }
    assert plan_enrolment([], path).tracks[0].metadata == row.columns


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title,path\nx,a.wav\n", "lacks the column track_id"),
        ("track_id;path\nx;a.wav\n", "track_id;path"),
        ("", "lacks the column"),
        (HEADER, "no row"),
        ("track_id,path,path\nx,a,b\n", "'path' twice"),
        ("track_id,path\nx,a.wav\ny,b.wav\nx,c.wav\n", "lines 2 and 4 have the same track_id 'x'"),
        ("track_id,path\nx,a.wav\ny,./a.wav\n", "lines 2 and 3 name the same file"),
        ("track_id,path\nx\n", "line 2: has more or fewer cells"),
        ("track_id,path\nx,a.wav,z\n", "line 2: has more or fewer cells"),
        ("track_id,path\n ,a.wav\n", "line 2: track_id or path is blank"),
        ('track_id,path\nx,"a.wav\n', "is no CSV"),
        (b"track_id,path\nx,\xff\xfe.wav\n", "UTF-8"),
        ("track_id,path\nx,gone.wav\ny,lost.wav\n", "none of its 2 files"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said_before_any_work(tmp_path: Path, text: str | bytes, message: str) -> None:
    """Missing columns, equal ids, broken rows and missing files are usage errors that name the place."""
    path = write(tmp_path, text, "a.wav", "b.wav", "c.wav")
    with pytest.raises(MetadataError, match=message) as caught:
        plan_enrolment([], path)
    assert caught.value.exit_code == 2


def test_a_missing_csv_is_said(tmp_path: Path) -> None:
    """A CSV that is not there is a usage error."""
    with pytest.raises(MetadataError, match="no such file"):
        plan_enrolment([tmp_path], tmp_path / "gone.csv")


def test_some_missing_files_are_handed_back(tmp_path: Path) -> None:
    """A row whose file is gone is reported with its line; the rest is planned."""
    plan = plan_enrolment([], write(tmp_path, "track_id,path\nx,a.wav\ny,gone.wav\n", "a.wav"))
    assert [track.track_id for track in plan.tracks] == ["x"]
    ((row, error),) = plan.missing
    assert row.track_id == "y"
    assert "line 3" in str(error)


def test_files_without_a_row_are_called_by_their_stems(tmp_path: Path) -> None:
    """With folders and a CSV, files get their row where there is one, and rows elsewhere are counted."""
    path = write(tmp_path, "track_id,path\nx,in/a.wav\ny,out/b.wav\n", "in/a.wav", "in/c.wav", "out/b.wav")
    plan = plan_enrolment([tmp_path / "in"], path)
    assert [(track.path.name, track.track_id) for track in plan.tracks] == [("a.wav", "x"), ("c.wav", "c")]
    assert plan.rows_elsewhere == 1


def test_two_equal_stems_are_refused_with_both_files(tmp_path: Path) -> None:
    """Two files that would be one track are a usage error naming both."""
    write(tmp_path, "", "in/a.wav", "out/a.mp3")
    with pytest.raises(DuplicateIdError) as caught:
        plan_enrolment([tmp_path], None)
    assert "in/a.wav" in str(caught.value)
    assert "out/a.mp3" in str(caught.value)
