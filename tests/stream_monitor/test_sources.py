"""[ID=]SOURCE on a command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_monitor.errors import DuplicateIdError, SourceError
from stream_monitor.sources import audio_files, parse_sources


@pytest.mark.parametrize(
    ("text", "stream_id", "kind", "medium", "location"),
    [
        ("a/song.one.mp3", "song.one", "upload", "file", "a/song.one.mp3"),
        ("x=a/song.mp3", "x", "upload", "file", "a/song.mp3"),
        ("fm 1=http://h:80/live", "fm 1", "broadcast", "url", "http://h:80/live"),
        ("http://h/radio/fm%201.mp3?a=b", "fm 1", "broadcast", "url", "http://h/radio/fm%201.mp3?a=b"),
        ("https://radio.example/", "radio.example", "broadcast", "url", "https://radio.example/"),
        ("-", "stdin", "broadcast", "stdin", "-"),
        ("x=-", "x", "broadcast", "stdin", "-"),
        ("/a=b/c.wav", "c", "upload", "file", "/a=b/c.wav"),
    ],
)
def test_a_source_has_an_id_a_kind_and_a_medium(text, stream_id, kind, medium, location) -> None:
    """The ID is given or the stem; files are uploads, addresses and standard input broadcasts."""
    (source,) = parse_sources([text])
    assert (source.stream_id, source.kind, source.medium, source.location) == (stream_id, kind, medium, location)
    assert source.stream(7).epoch == 7


def test_the_kind_can_be_told() -> None:
    """--kind holds for all sources."""
    assert [source.kind for source in parse_sources(["a.wav", "http://h/b"], kind="upload")] == ["upload"] * 2


def test_an_existing_path_wins_over_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file named a=b.wav is that file."""
    monkeypatch.chdir(tmp_path)
    Path("a=b.wav").touch()
    assert parse_sources(["a=b.wav"])[0].stream_id == "a=b"


def test_a_folder_stands_for_its_audio_files(tmp_path: Path) -> None:
    """Folders are searched recursively, by name; other files and hidden ones are left out."""
    for name in ("b.MP3", "a.flac", "sub/c.wav", "notes.txt", ".hidden.wav", ".git/d.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [source.stream_id for source in parse_sources([str(tmp_path)])] == ["a", "b", "c"]
    assert audio_files([tmp_path, tmp_path / "a.flac"]).count(tmp_path / "a.flac") == 1


@pytest.mark.parametrize("texts", [["a/x.wav", "b/x.mp3"], ["x=a.wav", "x=http://h/"], ["a.wav", "a.wav"]])
def test_two_equal_ids_are_refused_with_both_places(texts: list[str]) -> None:
    """The message names both sources, and what to do."""
    with pytest.raises(DuplicateIdError, match="ID=SOURCE") as caught:
        parse_sources(texts)
    assert all(text.split("=")[-1] in str(caught.value) for text in texts)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([""], "empty"),
        (["ftp://h/a"], "http"),
        (["file:///etc/passwd"], "http"),
        (["http:///a"], "http"),
        (["-", "x=-"], "once"),
        (["http://h/" + 300 * "x"], "1 to 256 characters"),
    ],
)
def test_what_cannot_be_a_source_is_refused(texts: list[str], message: str) -> None:
    """Empty texts, other schemes and standard input twice are usage errors."""
    with pytest.raises(SourceError, match=message):
        parse_sources(texts)


def test_a_folder_without_audio_or_with_an_id_for_many_is_refused(tmp_path: Path) -> None:
    """An empty folder holds nothing to watch; several files cannot share one ID."""
    with pytest.raises(SourceError, match="no audio"):
        parse_sources([str(tmp_path)])
    (tmp_path / "a.wav").touch()
    assert parse_sources([f"x={tmp_path}"])[0].stream_id == "x"
    (tmp_path / "b.wav").touch()
    with pytest.raises(SourceError, match="2 files"):
        parse_sources([f"x={tmp_path}"])
