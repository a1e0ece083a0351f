"""`watch` as people run it: real files in real codecs, the shipped encoder, a real catalogue, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_monitor.cli import main
from tests.fakes.band import song
from tests.fakes.schemas import checked
from tests.stream_monitor.sound import write_audio
from tests.stream_monitor.web import serving

RATE = 22_050
DEADLINE_S = 120.0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalogue of three songs and a station that plays the second one."""
    folder = tmp_path_factory.mktemp("watch")
    for number in range(3):
        write_audio(folder / f"tune{number}.wav", song(number, 40.0)[None], RATE)
    station_S = np.concatenate((song(50, 15.0), song(1, 40.0), song(51, 15.0)))
    write_audio(folder / "station.mp3", station_S[None], RATE, bit_rate=96_000)
    write_audio(folder / "short.wav", song(5, 3.0)[None], RATE)
    tunes = [str(folder / f"tune{number}.wav") for number in range(3)]
    assert main(["catalog", "add", *tunes, "--catalog", str(folder / "catalogue")]) == 0
    return folder


def events(text: str) -> list[Mapping[str, Any]]:
    return checked(text)


def plays(text: str) -> list[Mapping[str, Any]]:
    """Final plays of recordings; covers of random melodies are in the ear of the encoder."""
    final = [e["data"] for e in events(text) if e["type"] == "music.play.v1" and e["data"]["status"] == "final"]
    return [play for play in final if play["match_type"] == "recording"]


def test_a_play_is_reported_with_its_times(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Events go to standard output; with a start time they say when it was on the wall clock; the ID can be given."""
    sources = [f"fm-1={place / 'station.mp3'}"]
    code = main(
        [
            "watch",
            *sources,
            "--catalog",
            str(place / "catalogue"),
            "--kind",
            "broadcast",
            "--start-time",
            "2026-11-22T10:00",
        ]
    )
    out = capsys.readouterr().out
    assert code == 0
    (play,) = plays(out)
    assert (play["stream_id"], play["stream_kind"], play["track"]["track_id"]) == ("fm-1", "broadcast", "tune1")
    assert play["start_s"] == pytest.approx(15.0, abs=3.0)
    assert play["end_s"] == pytest.approx(55.0, abs=3.0)
    assert play["start_time"].startswith("2026-11-22T10:00:1")
    assert events(out)[-1]["data"]["seconds"]["monitored"] == pytest.approx(70.0, abs=0.2)


def test_some_inputs_fail_and_the_others_are_watched(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing file, an empty one, text and a short one are reported, a good one is watched: exit code 1."""
    (tmp_path / "empty.mp3").touch()
    (tmp_path / "text.wav").write_text("not audio", encoding="utf-8")
    bad = [
        str(tmp_path / "missing.wav"),
        str(tmp_path / "empty.mp3"),
        str(tmp_path / "text.wav"),
        str(place / "short.wav"),
    ]
    target = tmp_path / "events.jsonl"
    arguments = ["--catalog", str(place / "catalogue"), "--events", str(target)]
    assert main(["watch", *bad, str(place / "station.mp3"), *arguments]) == 1
    text = target.read_text(encoding="utf-8")
    assert len(plays(text)) == 1
    states = {e["data"]["stream_id"]: e["data"]["state"] for e in events(text) if e["type"] == "stream.status.v1"}
    assert states == {"missing": "failed", "empty": "failed", "text": "failed", "short": "ended", "station": "ended"}
    captured = capsys.readouterr()
    assert captured.out == ""
    for name in ("missing.wav", "empty.mp3", "text.wav", "short"):
        assert name in captured.err


def test_the_way_in_changes_no_event(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same audio as WAV, as FLAC, through a pipe and over HTTP gives the same events but for epochs and ids."""
    station_S = np.concatenate((song(50, 12.3), song(1, 40.0)))[None]
    wav = write_audio(tmp_path / "a.wav", station_S, RATE)
    flac = write_audio(tmp_path / "a.flac", station_S, RATE)
    reader, writer = os.pipe()

    def feed() -> None:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(wav.read_bytes())

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    told = []
    with serving() as site, os.fdopen(reader, "rb") as piped:
        site.file("/a.wav", wav.read_bytes(), "audio/wav")
        monkeypatch.setattr("sys.stdin", piped)
        for way in (wav, flac, "-", site.url("/a.wav")):
            arguments = ["watch", f"s={way}", "--kind", "broadcast", "--catalog", str(place / "catalogue")]
            assert main(arguments) == 0
            told.append([dict(event["data"]) for event in events(capsys.readouterr().out)])
    feeder.join(10)
    for data in (data for way in told for data in way):
        for own in ("play_id", "epoch", "detected_at", "start_time", "end_time"):
            data.pop(own, None)
    assert "tune1" in {data["track"]["track_id"] for data in told[0] if "track" in data}
    assert told[1] == told[0]
    assert told[2] == told[0]
    assert told[3] == told[0]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{place}/station.mp3"], 2, "which catalogue"),
        (["{place}/station.mp3", "--catalog", "{place}/nowhere"], 2, "nowhere"),
        (["{place}/station.mp3", "{place}/station.mp3", "--catalog", "{place}/catalogue"], 2, "ID 'station'"),
        (["{place}/station.mp3", "--catalog", "{place}/catalogue", "--events", "{place}/no/e.jsonl"], 2, "no/e.jsonl"),
        (["{place}/station.mp3", "--catalog", "{place}/catalogue", "--events", "/dev/full"], 1, "No space left"),
        (["{place}/station.mp3", "--catalog", "{place}/catalogue", "--start-time", "soon"], 2, "soon"),
        (
            ["{place}/station.mp3", "--catalog", "{place}/catalogue", "--start-time", "0001-01-01T00:00:00+01:00"],
            2,
            "not a time",
        ),
        (["{place}/station.mp3", "--catalog", "{place}/catalogue", "--start-time", "9999-12-31"], 2, "last year"),
        (["{place}/station.mp3", "--catalog", "{place}/catalogue", "--config", "{place}/no.yaml"], 2, "no.yaml"),
    ],
)
def test_what_cannot_work_is_one_clear_line(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    """Wrong usage ends with 2, a full disk with 1, and the last line says what was wrong."""
    assert main(["watch", *(argument.format(place=place) for argument in arguments)]) == code
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_catalogue_of_another_encoder_is_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A catalogue that was made with other weights is refused with the command that mends it."""
    from index.catalogue import Catalogue

    Catalogue.create(tmp_path / "other", encoder_fingerprint="0123456789abcdef").close()
    assert main(["watch", str(place / "station.mp3"), "--catalog", str(tmp_path / "other")]) != 0
    assert "catalog add" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc").exists(), reason="needs a folder that cannot be written")
def test_events_in_a_place_that_takes_none_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that cannot be written is said at once (under /proc even root cannot)."""
    code = main(
        ["watch", str(place / "station.mp3"), "--catalog", str(place / "catalogue"), "--events", "/proc/e.jsonl"]
    )
    assert code == 2
    assert "/proc/e.jsonl: events cannot be written there" in capsys.readouterr().err


def test_ctrl_c_ends_open_plays_in_final_events(place: Path, tmp_path: Path) -> None:
    """Interrupted in the middle of a song on standard input, watch closes the play, writes the status and ends 130."""
    target = tmp_path / "events.jsonl"
    wave = write_audio(tmp_path / "live.wav", np.concatenate((song(1, 40.0), song(51, 1.0)))[None], RATE)
    command = [sys.executable, "-m", "stream_monitor", "watch", "radio=-", "--catalog", str(place / "catalogue")]
    with subprocess.Popen(
        [*command, "--events", str(target)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=False
    ) as process:
        assert process.stdin is not None
        process.stdin.write(wave.read_bytes())
        process.stdin.flush()
        deadline_s = time.monotonic() + DEADLINE_S
        while not (target.exists() and "provisional" in target.read_text(encoding="utf-8")):
            assert process.poll() is None, process.communicate()[1].decode()
            assert time.monotonic() < deadline_s, "no play was reported"
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        code = process.wait(DEADLINE_S)
    assert code == 130
    text = target.read_text(encoding="utf-8")
    assert text.endswith("\n")
    (play,) = plays(text)
    assert (play["stream_id"], play["stream_kind"], play["track"]["track_id"]) == ("radio", "broadcast", "tune1")
    assert events(text)[-1]["data"]["state"] == "interrupted"
