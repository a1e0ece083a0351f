"""`catalog` on real files and a real catalogue."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest

from index.catalogue import Catalogue
from stream_monitor.cli import main
from tests.fakes.encoder import FakeEncoder
from tests.stream_monitor.sound import melody, write_audio


@pytest.fixture(autouse=True)
def _fake_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_monitor.cli.loading.load_encoder", lambda weights, device="cpu": FakeEncoder())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files and a CSV of both."""
    audio = tmp_path / "audio"
    audio.mkdir()
    write_audio(audio / "one.wav", melody(1, 8.0), 22_050)
    write_audio(audio / "two.flac", melody(2, 25.0, rate=44_100, channels=2), 44_100)
    (audio / "meta.csv").write_text(
        "track_id,title,artist,isrc,iswc,work_id,path,mood\nt1,Eins,Ann,I1,,w1,one.wav,calm\nt2,Zwei,Bob,,,w1,two.flac,\n"
    )
    return audio


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command line."""
    code = main([str(each) for each in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_add_list_info_verify_remove(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole life of a catalogue, by the JSON that other programs read."""
    place = tmp_path / "catalogue"
    code, out, err = run(capsys, "catalog", "add", folder, "--catalog", place, "--metadata", folder / "meta.csv")
    assert (code, out) == (0, "")
    assert "added=2" in err
    code, out, _ = run(capsys, "catalog", "list", "--catalog", place, "--json")
    rows = sorted((json.loads(line) for line in out.splitlines()), key=lambda row: row["track_id"])
    assert code == 0
    first = {"track_id": "t1", "title": "Eins", "artist": "Ann", "isrc": "I1", "work_id": "w1"}
    second = {"track_id": "t2", "title": "Zwei", "artist": "Bob", "isrc": None, "work_id": "w1"}
    assert rows == [{**first, "duration_s": 8.0, "embeddings": 1}, {**second, "duration_s": 25.0, "embeddings": 2}]
    with Catalogue.open(place, encoder_fingerprint=None) as catalogue:
        track = catalogue.find("t1")
        assert track is not None
        assert track.extra["mood"] == "calm"
    code, out, _ = run(capsys, "catalog", "info", "--catalog", place, "--json")
    assert (code, json.loads(out)["tracks"], json.loads(out)["duration_s"]) == (0, 2, 33.0)
    code, out, _ = run(capsys, "catalog", "verify", "--catalog", place, "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)
    code, _, err = run(capsys, "catalog", "remove", "t1", "nobody", "--catalog", place)
    assert code == 1
    assert "nobody" in err
    code, out, _ = run(capsys, "catalog", "list", "--catalog", place)
    assert "Zwei" in out
    assert "Eins" not in out


def test_verify_finds_damage(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A catalogue whose bytes changed fails verification with exit code 1."""
    place = tmp_path / "catalogue"
    run(capsys, "catalog", "add", folder, "--catalog", place)
    (embeddings,) = place.glob("embeddings-*")
    content = bytearray(embeddings.read_bytes())
    content[len(content) // 2] ^= 0x40
    embeddings.write_bytes(bytes(content))
    code, out, _ = run(capsys, "catalog", "verify", "--catalog", place, "--json")
    assert code == 1
    assert json.loads(out)["problems"]


def test_a_second_run_does_nothing_and_a_bad_file_is_exit_code_1(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is enrolled is skipped; a bad file is named on stderr and does not keep others out."""
    place = tmp_path / "catalogue"
    assert run(capsys, "catalog", "add", folder, "--catalog", place)[0] == 0
    code, _, err = run(capsys, "catalog", "add", folder, "--catalog", place)
    assert code == 0
    assert "unchanged=2" in err
    (folder / "bad.mp3").write_bytes(b"no audio" * 500)
    write_audio(folder / "three.wav", melody(3, 8.0), 22_050)
    code, _, err = run(capsys, "catalog", "add", folder, "--catalog", place)
    assert code == 1
    assert "bad.mp3" in err
    assert "added=1" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title,path\nx,one.wav\n", "lacks the column track_id"),
        ("track_id,path\nx,one.wav\nx,two.flac\n", "same track_id"),
        ("track_id,path\nx,gone.wav\n", "none of its 1 files"),
    ],
)
def test_a_wrong_csv_is_exit_code_2_before_any_work(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    """No catalogue is made when the metadata is wrong."""
    (folder / "meta.csv").write_text(text)
    place = tmp_path / "catalogue"
    code, _, err = run(capsys, "catalog", "add", folder, "--catalog", place, "--metadata", folder / "meta.csv")
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not place.exists()


def test_a_csv_with_one_missing_file_enrols_the_rest(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing file of one row is reported with exit code 1, without paths the CSV says what to enrol."""
    (folder / "meta.csv").write_text("track_id,path\nx,one.wav\ny,gone.wav\n")
    code, _, err = run(capsys, "catalog", "add", "--catalog", tmp_path / "c", "--metadata", folder / "meta.csv")
    assert code == 1
    assert "gone.wav" in err
    assert "added=1" in err


@pytest.mark.parametrize("arguments", [["add"], ["add", "EMPTY"], ["remove"], ["list"], ["frob"]])
def test_usage_errors_are_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """Nothing to enrol, an empty folder, no ids and unknown commands are usage errors."""
    (tmp_path / "empty").mkdir()
    named = [str(tmp_path / "empty") if each == "EMPTY" else each for each in arguments]
    options = ["--catalog", str(tmp_path / "c")] if arguments[0] in ("add", "remove") else []
    assert run(capsys, "catalog", *named, *options)[0] == 2


def test_a_catalogue_that_is_not_there_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Listing nothing is one line and exit code 2."""
    code, _, err = run(capsys, "catalog", "list", "--catalog", tmp_path / "gone")
    assert code == 2
    assert "catalog add" in err


def test_two_processes_cannot_add_to_one_catalogue(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While one writes, the second is told who the first is, in one line."""
    place = tmp_path / "catalogue"
    with Catalogue.create(place, encoder_fingerprint=FakeEncoder.fingerprint):
        code, _, err = run(capsys, "catalog", "add", folder, "--catalog", place)
    assert code == 2
    assert str(os.getpid()) in err


def test_a_folder_that_cannot_be_written_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A catalogue inside a file, where no folder can be made, is one clear line."""
    code, _, err = run(capsys, "catalog", "add", folder, "--catalog", folder / "one.wav" / "catalogue")
    assert code in (1, 2)
    assert "Traceback" not in err


def test_a_full_disk_is_one_line_and_loses_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no more can be written the command ends with exit code 1; what was enrolled stays and can be used."""
    place = tmp_path / "catalogue"
    assert run(capsys, "catalog", "add", folder / "one.wav", "--catalog", place)[0] == 0
    write_audio(folder / "long.flac", melody(4, 120.0), 22_050)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel refuses to let any file grow beyond this, as a full disk would.
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(each.stat().st_size for each in place.iterdir()), hard))
    try:
        code, _, err = run(capsys, "catalog", "add", folder / "long.flac", "--catalog", place)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    assert "Error:" in err
    assert "Traceback" not in err
    assert run(capsys, "catalog", "verify", "--catalog", place)[0] == 0
    assert "added=1" in run(capsys, "catalog", "add", folder / "long.flac", "--catalog", place)[2]


def test_ctrl_c_is_exit_code_130_and_keeps_what_is_done(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted run can be taken up again."""

    def interrupted(self: FakeEncoder, wave_BS: object) -> None:
        raise KeyboardInterrupt

    place = tmp_path / "catalogue"
    with monkeypatch.context() as patch:
        patch.setattr(FakeEncoder, "frames", interrupted)
        assert run(capsys, "catalog", "add", folder, "--catalog", place)[0] == 130
    code, _, err = run(capsys, "catalog", "add", folder, "--catalog", place)
    assert code == 0
    assert "added=2" in err
