"""Hundreds of stations at once, most of them in trouble, from a server process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stream_monitor.reconnect import ReconnectPolicy
from stream_monitor.stations.settings import StationSettings
from tests.stream_monitor.sound import melody, write_audio
from tests.stream_monitor.stations.hearing import hearing
from tests.stream_monitor.web import Site, Visit

POLICY = ReconnectPolicy(connect_timeout_s=60.0, read_timeout_s=60.0, first_delay_s=0.05, attempts_before_audio=2)


@contextmanager
def transmitting(folder: Path) -> Iterator[tuple[str, str]]:
    """The server; where it answers, and where nobody does."""
    path = write_audio(folder / "music.mp3", melody(1, 20.0), 22_050, bit_rate=32_000)
    command = [sys.executable, "-m", "tests.stream_monitor.transmitter", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port, deaf = process.stdout.readline().split()
        try:
            yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{deaf}"
        finally:
            process.kill()


def test_those_that_play_are_heard_whatever_the_others_do(tmp_path: Path) -> None:
    """400 stations, a quarter of which plays: the counts say how each kind stands, and none takes a thread."""
    behaviours = ("play", "mute", "missing", "busy", "silent", "play", "missing", "deaf")
    with transmitting(tmp_path) as (good, deaf):
        urls = [
            f"{kind}-{number}={deaf if kind == 'deaf' else good}/{kind}/{number}"
            for number in range(50)
            for kind in behaviours
        ]
        urls = [url.replace("=", f"-{place % 8}=", 1) for place, url in enumerate(urls)]
        with (
            capture_logs() as logs,
            hearing(urls, POLICY, StationSettings(connections_per_s=400.0), limit=4_000) as heard,
        ):
            heard.until(
                lambda: len(heard.streams() - given_up(logs)) == 100 and heard.stations.counts().given_up == 150
            )
            counts, streams = heard.stations.counts(), heard.streams() - given_up(logs)
            heard.end()
    assert (counts.listed, counts.asked, counts.up) == (400, 400, 100)
    assert counts.connecting == 150  # mute, silent, deaf
    assert all(stream.startswith("play") for stream in streams)
    told = [line for line in logs if line["event"] == "stations are being asked"]
    assert all(line["listed"] == 400 for line in told)
    assert heard.stations.counts().ended == 250


def given_up(logs: list[dict[str, object]]) -> set[object]:
    """Stations that were told as such."""
    return {line["stream"] for line in logs if line["event"] == "given up"}


def test_connections_are_begun_at_the_rate(site: Site) -> None:
    """Forty at 20 a second: the last comes two seconds after the first, however soon each is refused."""
    came: list[float] = []

    def answer(visit: Visit) -> None:
        came.append(time.monotonic())
        visit.send_error(404)

    site.answers["/live"] = answer
    urls = [f"{number}={site.url('/live')}" for number in range(40)]
    with capture_logs() as logs, hearing(urls, POLICY, StationSettings(connections_per_s=20.0)) as heard:
        heard.until(lambda: heard.stations.done)
        heard.end()
    assert len(came) == 40
    assert max(came) - min(came) > 1.5
    (told,) = [line for line in logs if line["event"] == "all stations were asked once"]
    assert (told["listed"], told["up"], told["given_up"]) == (40, 0, 40)


def test_a_station_that_was_given_up_is_asked_again(site: Site, tmp_path: Path) -> None:
    """Not there twice, then it plays; it never ended in between."""
    mp3 = write_audio(tmp_path / "a.mp3", melody(1, 12.0), 22_050, bit_rate=32_000).read_bytes()

    def answer(visit: Visit) -> None:
        if visit.count < 3:
            visit.send_error(404)
            return
        visit.start("audio/mpeg")
        visit.wfile.write(mp3)
        visit.server.over.wait(120)

    site.answers["/live"] = answer
    with hearing([f"fm={site.url('/live')}"], POLICY, StationSettings(ask_again_s=1.0)) as heard:
        heard.until(lambda: len(heard.arrivals) >= 2)
        assert heard.stations.counts().up == 1
        heard.end()
    (samples_S,) = heard.epochs().values()
    assert len(samples_S) > 11 * 22_050


def test_a_few_bytes_before_a_drop_are_not_lost(site: Site, tmp_path: Path) -> None:
    """Less than is looked at, and the connection stalls: what came is an epoch of its own."""
    mp3 = write_audio(tmp_path / "a.mp3", melody(1, 12.0), 22_050, bit_rate=32_000).read_bytes()

    def answer(visit: Visit) -> None:
        visit.start("audio/mpeg")
        visit.wfile.write(mp3[:6_000])
        visit.server.over.wait(120)

    site.answers["/live"] = answer
    policy = POLICY.model_copy(update={"read_timeout_s": 1.0, "attempts": 1})
    with hearing([f"fm={site.url('/live')}"], policy) as heard:
        heard.until(lambda: heard.stations.done)
        heard.end()
    (samples_S,) = heard.epochs().values()
    assert len(samples_S) > 1.2 * 22_050
    assert "no audio came within 1 s" in str(heard.arrivals[-1].error)


def test_who_is_too_far_behind_begins_anew_and_is_counted(tmp_path: Path) -> None:
    """Nobody takes segments for a while: the connection is left, the next epoch is numbered anew, the log says it."""
    settings = StationSettings(most_behind_s=3.0)
    with (
        transmitting(tmp_path) as (good, _),
        capture_logs() as logs,
        hearing([f"fm={good}/play/0"], POLICY, settings, limit=1) as heard,
    ):
        heard.until(lambda: len(heard.arrivals) >= 1)
        time.sleep(15.0)  # a segment waits in the queue, the next one for room, for about five seconds
        heard.until(lambda: heard.stations.counts().left_behind > 0)
        heard.until(lambda: len({arrival.segment.stream.epoch for arrival in heard.arrivals}) == 2)
        heard.end()
    heard.epochs()
    assert any("left, since it is read too late" in str(line.get("reason")) for line in logs)


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_a_rate_of_nothing_is_refused(rate: float) -> None:
    """Nobody would ever be asked."""
    with pytest.raises(ValueError, match="connections_per_s"):
        StationSettings(connections_per_s=rate)
