"""Bad input through the real commands: each kind of file enrolled, identified, watched and reported."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoder.grid import SAMPLE_RATE
from index.catalogue import Catalogue
from stream_monitor.cli import main
from tests.fakes.band import song
from tests.fakes.encoder import FakeEncoder
from tests.fakes.schemas import checked
from tests.stream_monitor.sound import write_audio
from tests.stream_monitor.web import Visit, serving

DEADLINE_S = 120.0

GOOD = ("clipped", "nan", "rate8k", "rate192k", "surround", "mono")
PARTLY = ("cut-wav", "cut-mp3", "cut-flac")
"""Truncated, or ending in the middle of a frame: what there is is heard, and the fault is told."""
BAD = {
    "empty": "0 bytes",
    "zero": "no audio sample",
    "text": "no audio",
    "short": "at least 6 s",
}


@dataclass(frozen=True)
class Ran:
    """What one command line gave."""

    code: int
    out: str
    err: str

    def lines_about(self, name: str) -> list[str]:
        """Lines on stderr that name a file."""
        return [line for line in self.err.splitlines() if name in line]


def at_rate(wave_S: np.ndarray, rate: int) -> np.ndarray:
    """The same sound at another sample rate."""
    places_S = np.arange(round(len(wave_S) * rate / SAMPLE_RATE)) * SAMPLE_RATE / rate
    return np.interp(places_S, np.arange(len(wave_S)), wave_S).astype(np.float32)


def write_inputs(folder: Path) -> None:
    """Every kind of file of which something or nothing can be made."""
    folder.mkdir()
    excerpt_S = song(1, 40.0)[5 * SAMPLE_RATE : 27 * SAMPLE_RATE]
    for suffix in ("wav", "mp3", "flac"):
        path = write_audio(folder / f"cut-{suffix}.{suffix}", excerpt_S[None], SAMPLE_RATE)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * 0.7) - 13])
    (folder / "empty.mp3").touch()
    (folder / "text.mp3").write_bytes(b"this is no audio\n" * 300)
    with wave.open(str(folder / "zero.wav"), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
    write_audio(folder / "short.wav", song(5, 3.0)[None], SAMPLE_RATE)
    write_audio(folder / "silent.flac", np.zeros((1, 20 * SAMPLE_RATE), np.float32), SAMPLE_RATE)
    write_audio(folder / "clipped.wav", np.clip(6 * excerpt_S, -1, 1)[None], SAMPLE_RATE)
    broken_S = excerpt_S.copy()
    broken_S[50_000:50_100], broken_S[60_000] = np.nan, np.inf
    write_audio(folder / "nan.wav", broken_S[None], SAMPLE_RATE, codec="pcm_f32le")
    write_audio(folder / "rate8k.wav", at_rate(excerpt_S, 8_000)[None], 8_000)
    write_audio(folder / "rate192k.wav", at_rate(excerpt_S, 192_000)[None], 192_000)
    at_48k_S = at_rate(excerpt_S, 48_000)
    surround_CS = np.stack([at_48k_S * gain for gain in (1.0, 0.8, 0.6, 0.2, 0.5, 0.4)])
    write_audio(folder / "surround.wav", surround_CS, 48_000)
    write_audio(folder / "mono.wav", excerpt_S[None], SAMPLE_RATE)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with bad input, and a catalogue of two songs, one of which is in all that can be heard."""
    folder = tmp_path_factory.mktemp("bad")
    write_inputs(folder / "input")
    for number in range(2):
        write_audio(folder / f"tune{number}.wav", song(number, 40.0)[None], SAMPLE_RATE)
    tunes = [str(folder / f"tune{number}.wav") for number in range(2)]
    assert main(["catalog", "add", *tunes, "--catalog", str(folder / "catalogue")]) == 0
    return folder


def run_once(capfd: Any, *arguments: object) -> Ran:
    """Runs a command line in this process."""
    code = main([str(each) for each in arguments])
    captured = capfd.readouterr()
    return Ran(code=code, out=captured.out, err=captured.err)


def test_enrolling_takes_what_is_whole_and_names_the_rest(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Good files of any rate and layout are enrolled; each other one is one line with its reason; exit code 1."""
    target = place / "enrolled"
    ran = run_once(capsys, "catalog", "add", place / "input", "--catalog", target)
    assert ran.code == 1
    assert ran.out == ""
    assert "Traceback" not in ran.err
    with Catalogue.open(target, encoder_fingerprint=None) as catalogue:
        assert {track.track_id for track in catalogue.tracks()} == set(GOOD)
    for name, reason in {**BAD, **dict.fromkeys(PARTLY, "truncated"), "silent": "only silence"}.items():
        (line,) = ran.lines_about(f"track_id={name}")
        assert reason in line
    assert "samples=101" in ran.lines_about("nan.wav")[0]


def test_identifying_answers_for_each_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever can be heard is identified; a cut file with its fault beside the answer; the rest has an error only."""
    files = sorted((place / "input").iterdir())
    ran = run_once(capsys, "identify", *files, "--catalog", place / "catalogue", "--json")
    assert ran.code == 1
    answers = {Path(answer["path"]).stem: answer for answer in map(json.loads, ran.out.splitlines())}
    assert list(answers) == [path.stem for path in files]
    for name in (*GOOD, *PARTLY):
        best = answers[name]["results"][0]
        assert (best["track_id"], best["match_type"]) == ("tune1", "recording"), name
        assert ("error" in answers[name]) == (name in PARTLY)
    for name, reason in {**BAD, "silent": "only silence"}.items():
        assert reason in answers[name]["error"]
        assert "results" not in answers[name]


def test_watching_and_reporting_tell_each_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Plays of whatever can be heard, a status for every stream, failures by name; the report has them all."""
    events = place / "events.jsonl"
    ran = run_once(capsys, "watch", place / "input", "--catalog", place / "catalogue", "--events", events)
    assert (ran.code, ran.out) == (1, "")
    assert "Traceback" not in ran.err
    told = checked(events.read_text(encoding="utf-8"))
    statuses = {e["data"]["stream_id"]: e["data"] for e in told if e["type"] == "stream.status.v1"}
    played = {
        e["data"]["stream_id"]
        for e in told
        if e["type"] == "music.play.v1" and (e["data"]["status"], e["data"]["track"]["track_id"]) == ("final", "tune1")
    }
    assert played == {*GOOD, *PARTLY}
    assert {name: statuses[name]["state"] for name in GOOD} == dict.fromkeys(GOOD, "ended")
    failed = {*PARTLY, "empty", "zero", "text"}
    assert {name for name, data in statuses.items() if data["state"] == "failed"} == failed
    assert (statuses["short"]["state"], statuses["silent"]["state"]) == ("ended", "ended")
    assert statuses["silent"]["seconds"]["silence"] == pytest.approx(20.0, abs=0.2)
    assert statuses["clipped"]["clipped_s"] > 0
    for name, reason in {**BAD, **dict.fromkeys(PARTLY, "truncated")}.items():
        assert any(reason in line for line in ran.lines_about(name)), name
    assert ran.lines_about("silent") == []
    report = run_once(capsys, "report", "--events", events, "--format", "json")
    stations = {station["stream_id"]: station for station in json.loads(report.out)["stations"]}
    assert set(stations) == set(statuses)
    assert stations["empty"]["seconds"]["monitored"] == 0.0
    assert len(stations["mono"]["plays"]) == 1
    rows = run_once(capsys, "report", "--events", events).out.splitlines()
    silence = rows[0].split(",").index("silence_s")
    (silent,) = (row.split(",") for row in rows if row.startswith("stream,upload,silent,"))
    assert float(silent[silence]) == pytest.approx(20.0, abs=0.2)


def test_a_url_that_drops_and_stalls_is_one_play(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live address that drops in a song comes back as a new epoch, in which the play goes on; then it is given up."""
    song_S = song(1, 40.0)
    halves = (song_S[: 22 * SAMPLE_RATE], np.concatenate((song_S[22 * SAMPLE_RATE :], song(60, 12.0))))
    parts = [
        write_audio(place / f"half{n}.mp3", half_S[None], SAMPLE_RATE, bit_rate=96_000).read_bytes()
        for n, half_S in enumerate(halves)
    ]
    for key, value in {"ATTEMPTS": 2, "READ_TIMEOUT_S": 1.0, "FIRST_DELAY_S": 0.01, "LONGEST_DELAY_S": 0.01}.items():
        monkeypatch.setenv(f"STREAM_MONITOR__RECONNECT__{key}", str(value))
    with serving() as site:

        def answer(visit: Visit) -> None:
            if visit.count > len(parts):
                visit.send_error(503)
                return
            visit.start("audio/mpeg")
            visit.wfile.write(parts[visit.count - 1])
            if visit.count == len(parts):
                visit.wfile.flush()
                site.over.wait(30)  # a stall: connected, but nothing comes

        site.answers["/live"] = answer
        ran = run_once(capsys, "watch", f"fm={site.url('/live')}", "--catalog", place / "catalogue")
    assert ran.code == 1
    told = checked(ran.out)
    plays = [e["data"] for e in told if e["type"] == "music.play.v1" and e["data"]["track"]["track_id"] == "tune1"]
    assert len({play["play_id"] for play in plays}) == 1
    assert plays[-1]["status"] == "final"
    assert plays[-1]["end_s"] - plays[-1]["start_s"] == pytest.approx(40.0, abs=4.0)
    states = [e["data"]["state"] for e in told if e["type"] == "stream.status.v1"]
    assert states == ["reconnected", "failed"]
    epochs = [e["data"]["epoch"] for e in told if e["type"] == "stream.status.v1"]
    assert epochs[0] < epochs[1]


def test_standard_input_that_is_closed_is_one_line(place: Path) -> None:
    """`watch - <&-` fails as an input does."""
    command = f"exec {sys.executable} -m stream_monitor watch - --catalog {place / 'catalogue'} <&-"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 1
    assert "standard input is closed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["catalog", "list"], ["report", "--events", os.devnull], ["config", "template"]])
def test_a_full_disk_behind_standard_output_is_one_line(place: Path, arguments: list[str]) -> None:
    """What is printed to a full disk ends with exit code 1 and one line, also at the very end."""
    catalogue = ["--catalog", str(place / "catalogue")] if arguments[0] == "catalog" else []
    command = [sys.executable, "-m", "stream_monitor", *arguments, *catalogue]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=DEADLINE_S)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "No space left" in done.stderr


def test_a_report_onto_a_full_disk_or_of_something_else(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A report that cannot be written, or is made of a file that holds no events, is a few lines and exit code 1."""
    events = place / "none.jsonl"
    events.touch()
    if Path("/dev/full").exists():
        ran = run_once(capsys, "report", "--events", events, "--output", "/dev/full")
        assert (ran.code, "No space left" in ran.err) == (1, True)
    assert run_once(capsys, "report", "--events", place).code == 2
    ran = run_once(capsys, "report", "--events", place / "tune0.wav")
    assert ran.code == 1
    assert len(ran.err.splitlines()) < 10


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder that others may enter, and for the test's time not the rights of root."""
    # Who is not root may not be able to load anything later.
    for name in ("monitor", "publisher", "repertoire", "sink", "enrolment", "reports.formats", "cli.watch"):
        importlib.import_module(f"stream_monitor.{name}")
    importlib.import_module("encoder.model")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        own = folder / "own"
        own.mkdir()
        yield own
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(folder)


def test_a_read_only_folder_is_one_line(
    unprivileged: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A catalogue, events or a report where nothing may be written: one line that names the place."""
    monkeypatch.setattr("stream_monitor.cli.loading.load_encoder", lambda weights, device="cpu": FakeEncoder())
    monkeypatch.setattr("encoder.model.Encoder.load", FakeEncoder.load)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(unprivileged))
    tune = write_audio(unprivileged / "tune.wav", song(0, 8.0)[None], SAMPLE_RATE)
    Catalogue.create(unprivileged / "made", encoder_fingerprint=FakeEncoder.fingerprint).close()
    (unprivileged / "e.jsonl").touch()
    for each in (*(unprivileged / "made").iterdir(), unprivileged / "made", unprivileged):
        each.chmod(each.stat().st_mode & ~0o222)
    try:
        for arguments in (
            ["catalog", "add", tune, "--catalog", unprivileged / "new"],
            ["catalog", "add", tune, "--catalog", unprivileged / "made"],
            ["watch", tune, "--catalog", unprivileged / "made", "--events", unprivileged / "new.jsonl"],
            ["report", "--events", unprivileged / "e.jsonl", "--output", unprivileged / "new.csv"],
        ):
            ran = run_once(capsys, *arguments)
            assert ran.code in (1, 2)
            assert "Traceback" not in ran.err
            assert str(unprivileged) in ran.err.splitlines()[-1]
        assert run_once(capsys, "catalog", "list", "--catalog", unprivileged / "made").code == 0
    finally:
        (unprivileged / "made").chmod(0o777)
        unprivileged.chmod(0o777)


def test_ctrl_c_while_identifying_is_130(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted `identify` says so in one line."""

    def interrupted(self: FakeEncoder, wave_BS: object) -> None:
        raise KeyboardInterrupt

    encoder = FakeEncoder()
    monkeypatch.setattr(FakeEncoder, "frames", interrupted)
    monkeypatch.setattr("stream_monitor.cli.loading.load_encoder", lambda weights, device="cpu": encoder)
    Catalogue.create(place / "fake", encoder_fingerprint=FakeEncoder.fingerprint).close()
    ran = run_once(capsys, "--log-level", "error", "identify", place / "tune0.wav", "--catalog", place / "fake")
    assert (ran.code, ran.out, ran.err.strip()) == (130, "", "Interrupted.")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see what another process does")
def test_ctrl_c_while_reporting_is_130() -> None:
    """A report that waits for standard input ends at once."""
    # A shell's background job ignores SIGINT, and so would what it starts: the tests may be run by one.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from stream_monitor.cli import main; sys.exit(main(['report', '--events', '-']))"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"no event\n" * 20_000)
        process.stdin.flush()
        # The pipe holds 64 KiB: more than that was taken, so the report is being made; soon it waits for more.
        _wait_until_asleep(process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert err.decode().splitlines()[-1] == "Interrupted."


def _wait_until_asleep(process: subprocess.Popen[bytes]) -> None:
    """Until it has waited for something five times in a row."""
    deadline_s, asleep = time.monotonic() + DEADLINE_S, 0
    while asleep < 5:
        assert process.poll() is None
        assert time.monotonic() < deadline_s
        state = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        asleep = asleep + 1 if state == "S" else 0
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see another process's memory")
def test_a_12_hour_file_is_watched_in_bounded_memory(place: Path, tmp_path: Path) -> None:
    """Of half a day (1.9 GB, mostly holes) the first hours take no more memory than the first minutes did."""
    path = tmp_path / "long.wav"
    samples = 12 * 3600 * SAMPLE_RATE
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
    header = bytearray(path.read_bytes())
    header[4:8], header[40:44] = (36 + 2 * samples).to_bytes(4, "little"), (2 * samples).to_bytes(4, "little")
    path.write_bytes(header)
    os.truncate(path, 44 + 2 * samples)
    events = tmp_path / "events.jsonl"
    command = [sys.executable, "-m", "stream_monitor", "watch", str(path), "--events", str(events)]
    environ = {**os.environ, "STREAM_MONITOR__PIPELINE__ACCOUNTING__STATUS_EVERY_S": "600"}
    with subprocess.Popen(
        [*command, "--catalog", str(place / "catalogue")], stderr=subprocess.PIPE, env=environ
    ) as process:
        before = _wait_for_statuses(process, events, 1)
        after = _wait_for_statuses(process, events, 7)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 130
    # An hour more would be 318 MB as samples.
    assert after - before < 100 * 2**20
    told = checked(events.read_text(encoding="utf-8"))
    assert told[-1]["data"]["state"] == "interrupted"
    assert sum(status["data"]["seconds"]["silence"] for status in told) > 4000


def _wait_for_statuses(process: subprocess.Popen[bytes], events: Path, count: int) -> int:
    """Waits until so many statuses are written; returns the process's memory in bytes."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not (events.exists() and events.read_text(encoding="utf-8").count("stream.status.v1") >= count):
        assert process.poll() is None
        assert time.monotonic() < deadline_s, "too few statuses"
        time.sleep(0.05)
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    fields: Mapping[str, str] = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024
