"""Stations on one loop that stall, drop, move, change and lie, against a real HTTP server."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from stream_monitor.decode import decode
from stream_monitor.errors import CannotOpenError, LostSourceError, NotAudioError
from stream_monitor.reconnect import ReconnectPolicy
from stream_monitor.segments import Samples
from stream_monitor.stations.settings import StationSettings
from tests.stream_monitor.sound import melody, write_audio
from tests.stream_monitor.stations.hearing import hearing
from tests.stream_monitor.web import Answer, Site, Visit

RATE = 22_050
QUICK = ReconnectPolicy(
    connect_timeout_s=20.0, read_timeout_s=20.0, first_delay_s=0.01, jitter=0.0, stable_after_s=5.0, attempts=3
)


@pytest.fixture(scope="module")
def mp3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s."""
    path = tmp_path_factory.mktemp("mp3") / "a.mp3"
    return write_audio(path, melody(1, 12.0, rate=44_100), 44_100, bit_rate=128_000)


def decoded(path: Path) -> Samples:
    """What FFmpeg's own reader makes of a file."""
    return np.concatenate(list(decode(path)))


def assert_heard(heard_S: Samples, path: Path) -> None:
    """As `decoded`, but for the end, where a stream does not know the padding that a file's header tells."""
    expected_S = decoded(path)
    assert abs(len(heard_S) - len(expected_S)) < 2_304
    same = min(len(heard_S), len(expected_S)) - 64
    np.testing.assert_array_equal(heard_S[:same], expected_S[:same])


def plays(path: Path, content_type: str, *, then_stalls: bool = False) -> Answer:
    """Sends a file as radio and closes, or sends nothing more."""

    def answer(visit: Visit) -> None:
        visit.start(content_type)
        visit.wfile.write(path.read_bytes())
        if then_stalls:
            visit.server.over.wait(120)

    return answer


def moves(place: str) -> Answer:
    """Sends on to another address."""

    def answer(visit: Visit) -> None:
        visit.send_response(302)
        visit.send_header("Location", place)
        visit.end_headers()

    return answer


def test_a_stalled_station_is_left_and_asked_again(site: Site, mp3: Path) -> None:
    """After the read time-out the connection is given up; the next one is a new epoch, and no epoch lost a sample."""
    site.answers["/live"] = plays(mp3, "audio/mpeg", then_stalls=True)
    policy = QUICK.model_copy(update={"read_timeout_s": 1.0})
    with capture_logs() as logs, hearing([f"fm={site.url('/live')}"], policy) as heard:
        heard.until(lambda: len({arrival.segment.stream.epoch for arrival in heard.arrivals}) >= 2)
        heard.end()
    assert_heard(next(iter(heard.epochs().values())), mp3)
    assert heard.arrivals[-1].error is None
    assert any("no audio came within 1 s" in str(line.get("reason")) for line in logs)


def test_a_read_time_out_below_the_pause_between_two_reads_loses_nobody(site: Site, mp3: Path) -> None:
    """A station that sends all the time is not taken for a silent one."""
    content = mp3.read_bytes()

    def answer(visit: Visit) -> None:
        visit.start("audio/mpeg")
        for place in range(0, len(content), 8_000):
            visit.wfile.write(content[place : place + 8_000])
            time.sleep(0.1)

    site.answers["/live"] = answer
    with hearing([f"fm={site.url('/live')}"], QUICK.model_copy(update={"read_timeout_s": 1.0, "attempts": 1})) as heard:
        heard.until(lambda: heard.stations.done)
        heard.end()
    (samples_S,) = heard.epochs().values()
    assert_heard(samples_S, mp3)
    assert "the server closed the connection" in str(heard.arrivals[-1].error)


def test_a_drop_in_the_middle_of_a_chunk_ends_the_epoch_and_attempts_are_counted(site: Site, mp3: Path) -> None:
    """Each connection's rest is a segment without the end mark; waits double; the third attempt was the last."""
    content = mp3.read_bytes()[:40_000]

    def answer(visit: Visit) -> None:
        visit.protocol_version = "HTTP/1.1"
        visit.close_connection = True
        visit.send_response(200)
        visit.send_header("Content-Type", "audio/mpeg")
        visit.send_header("Transfer-Encoding", "chunked")
        visit.end_headers()
        for place in range(0, len(content), 1_000):
            piece = content[place : place + 1_000]
            visit.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        visit.wfile.write(b"ffff\r\n" + bytes(10))

    site.answers["/live"] = answer
    with (
        capture_logs() as logs,
        hearing([f"fm={site.url('/live')}"], QUICK.model_copy(update={"first_delay_s": 0.25})) as heard,
    ):
        heard.until(lambda: heard.stations.done)
        heard.end()
    assert site.visits == ["/live"] * 3
    expected_S = decoded(mp3)
    epochs = heard.epochs()
    assert len(epochs) == 3
    for samples_S in epochs.values():
        assert 2.2 * RATE < len(samples_S) < 2.6 * RATE
        np.testing.assert_array_equal(samples_S[:-64], expected_S[: len(samples_S) - 64])
    assert [line["retry_in_s"] for line in logs if line["event"] == "connection lost"] == [0.25, 0.5]
    assert isinstance(heard.arrivals[-1].error, LostSourceError)
    assert "incomplete chunked read" in str(heard.arrivals[-1].error)


def test_a_station_may_change_between_two_connections(site: Site, mp3: Path, tmp_path: Path) -> None:
    """MP3, then nothing for a while, then elsewhere and AAC, then Ogg in a thread: three epochs, each whole."""
    aac = write_audio(tmp_path / "a.aac", melody(2, 12.0, rate=44_100, channels=2), 44_100, bit_rate=64_000)
    ogg = write_audio(tmp_path / "a.ogg", melody(3, 12.0, rate=44_100, channels=2), 44_100)
    turns = [plays(mp3, "audio/mpeg"), lambda visit: visit.send_error(404), moves("/other"), plays(ogg, "audio/ogg")]
    site.answers["/other"] = plays(aac, "audio/aacp; codecs=mp4a")
    # The thread asks once more for what the loop has seen; then it is gone for good.
    turns += [plays(ogg, "audio/ogg")]
    site.answers["/live"] = lambda visit: (
        turns[visit.count - 1](visit) if visit.count <= len(turns) else visit.send_error(404)
    )
    with hearing([f"fm={site.url('/live')}"], QUICK, StationSettings(reader_threads=1)) as heard:
        heard.until(lambda: heard.stations.done)
        heard.end()
    first, second, third = heard.epochs().values()
    assert_heard(first, mp3)
    assert_heard(second, aac)
    assert_heard(third, ogg)
    assert "not found (404)" in str(heard.arrivals[-1].error)


def test_what_can_never_be_heard_is_told_and_not_asked_again(site: Site) -> None:
    """A wrong address, one that needs a password, a circle, a page that calls itself MP3: one line each."""
    site.answers["/circle"] = moves("/circle")
    site.answers["/closed"] = lambda visit: visit.send_error(401)
    site.answers["/elsewhere"] = moves("ftp://127.0.0.1/a.mp3")
    site.answers["/page"] = lambda visit: (
        visit.start("audio/mpeg"),
        visit.wfile.write(b"<html>no music</html>" * 1_000),
    )
    words = {
        "gone": (CannotOpenError, "not found (404)"),
        "closed": (CannotOpenError, "asks for a password (401)"),
        "circle": (CannotOpenError, "more than 8 times"),
        "elsewhere": (CannotOpenError, "cannot be asked"),
        "page": (NotAudioError, "/page"),
    }
    with hearing([f"{name}={site.url('/' + name)}" for name in words], QUICK) as heard:
        heard.until(lambda: heard.stations.done)
        heard.end()
    for name, (kind, said) in words.items():
        (arrival,) = heard.of(name)
        assert arrival.segment.last
        assert isinstance(arrival.error, kind), name
        assert said in str(arrival.error)
    assert site.visits.count("/circle") == 9
    assert site.visits.count("/page") == 1
