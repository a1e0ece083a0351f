"""What is bounded while stations are read, counted: connections being opened, threads, bytes that nobody takes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from stream_monitor.errors import CannotOpenError
from stream_monitor.reconnect import ReconnectPolicy
from stream_monitor.stations.settings import StationSettings
from tests.stream_monitor.radio import on_air, programme
from tests.stream_monitor.sound import melody, write_audio
from tests.stream_monitor.stations.hearing import DEADLINE_S, hearing
from tests.stream_monitor.web import Site, Visit

PATIENT = ReconnectPolicy(connect_timeout_s=60.0, read_timeout_s=60.0, first_delay_s=0.01, attempts=1)
MP3_BYTES_S = 16_000


@pytest.fixture(scope="module")
def mp3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s at 128 kbit/s."""
    path = tmp_path_factory.mktemp("mp3") / "a.mp3"
    return write_audio(path, melody(1, 20.0, rate=44_100), 44_100, bit_rate=128_000)


def threads() -> int:
    """How many this process has, those of libraries too."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.split("Threads:")[1].split()[0])


def test_no_more_connections_are_opened_at_once_than_allowed(site: Site) -> None:
    """Forty stations, four at a time: the server never has a fifth question that it has not answered."""
    lock, four = threading.Lock(), threading.Event()
    open_now, most = 0, 0

    def answer(visit: Visit) -> None:
        nonlocal open_now, most
        with lock:
            open_now += 1
            most = max(most, open_now)
            if open_now == 4:
                four.set()
        four.wait(60)
        time.sleep(0.02)  # a fifth that may come has time to
        with lock:
            open_now -= 1
        visit.send_error(404)

    site.answers["/live"] = answer
    urls = [f"{number}={site.url('/live')}" for number in range(40)]
    with hearing(urls, PATIENT, StationSettings(connecting=4)) as heard:
        heard.until(lambda: heard.stations.done)
        heard.end()
    assert len(heard.arrivals) == 40
    assert most == 4


def test_who_takes_nothing_is_sent_nothing(site: Site, mp3: Path) -> None:
    """Servers that send for ever fill the kernel's buffers, the process keeps a block of each, and nothing is lost."""
    content = programme(mp3).frames
    stations, lock = 6, threading.Lock()
    sent = 0
    finish = threading.Event()

    def answer(visit: Visit) -> None:
        nonlocal sent
        visit.start("audio/mpeg")
        while not finish.is_set():
            for frame in content:
                visit.connection.sendall(frame)
                with lock:
                    sent += len(frame)
                if finish.is_set():
                    return

    def in_process() -> int:
        """Bytes that were read and not brought; as exact as the headers, which are not counted as sent."""
        brought = sum(len(arrival.segment.samples_S) for arrival in heard.arrivals) / 22_050 * MP3_BYTES_S
        return round(sent - site.unread() - brought)

    def settled() -> bool:
        before = sent
        time.sleep(1.0)
        return sent == before

    site.answers["/live"] = answer
    with hearing([f"{number}={site.url('/live')}" for number in range(stations)], PATIENT, limit=2) as heard:
        until_s = time.monotonic() + DEADLINE_S
        while not (len(site.visits) == stations and sent and settled()):
            assert time.monotonic() < until_s
        # A block that is worked on, one that the event loop took from the socket: 64 and at most 256 KB each.
        assert 0 < in_process() < stations * 400_000
        heard.until(lambda: len(heard.arrivals) >= 5 * stations)
        finish.set()
        heard.end()
    for stream_id in heard.streams():
        assert len(heard.epochs(stream_id)) == 1


def test_a_live_address_beyond_the_threads_fails_with_what_to_do(site: Site, tmp_path: Path) -> None:
    """Two Ogg stations and one thread: one is heard, the other's error names the key; the one goes on."""
    ogg = write_audio(tmp_path / "a.ogg", melody(3, 12.0, rate=44_100, channels=2), 44_100).read_bytes()

    def answer(visit: Visit) -> None:
        visit.start("application/ogg")
        visit.wfile.write(ogg)
        site.over.wait(120)

    site.answers["/live"] = answer
    urls = [f"{name}={site.url('/live')}" for name in ("a", "b")]
    with hearing(urls, PATIENT, StationSettings(reader_threads=1)) as heard:
        heard.until(lambda: len(heard.streams()) == 2 and len(heard.arrivals) >= 3)
        heard.end()
    failed = [arrival for arrival in heard.arrivals if arrival.error is not None]
    assert len(failed) == 1
    assert isinstance(failed[0].error, CannotOpenError)
    assert "needs a thread of its own (it says application/ogg), and all 1 are taken" in str(failed[0].error)
    assert "produce.stations.reader_threads" in str(failed[0].error)
    (going,) = heard.streams() - {failed[0].source.stream_id}
    (samples_S,) = heard.epochs(going).values()
    assert len(samples_S) > 10 * 22_050


def test_two_hundred_stations_take_three_threads(mp3: Path) -> None:
    """The loop's and two that decode, whatever the number of stations; each station's audio comes, and its rest."""
    with on_air({"/a.mp3": programme(mp3)}, lambda _: 6.0) as radio:
        before = threads()
        urls = [f"{number}={radio}/a.mp3" for number in range(200)]
        with hearing(urls, PATIENT, StationSettings(decode_threads=2)) as heard:
            heard.until(lambda: len(heard.streams()) == 200)
            assert threads() - before <= 3
            heard.end()
    for stream_id in heard.streams():
        (samples_S,) = heard.epochs(stream_id).values()
        assert len(samples_S) > 5 * 22_050
