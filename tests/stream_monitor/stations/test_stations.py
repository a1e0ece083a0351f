"""Many live addresses on one loop against a real HTTP server."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from stream_monitor.decode import decode
from stream_monitor.errors import CannotOpenError, MonitorError
from stream_monitor.hand_off import HandOff
from stream_monitor.kafka.payload import to_flac
from stream_monitor.readers import Arrival
from stream_monitor.reconnect import ReconnectPolicy
from stream_monitor.sources import parse_sources
from stream_monitor.stations.settings import StationSettings
from stream_monitor.stations.stations import Stations
from stream_monitor.stopping import Stop
from tests.stream_monitor.sound import melody, write_audio
from tests.stream_monitor.web import Site, Visit

QUICK = ReconnectPolicy(connect_timeout_s=20.0, read_timeout_s=20.0, first_delay_s=0.01, attempts=1)


def hear(urls: list[str], settings: StationSettings | None = None) -> dict[str, list[Arrival]]:
    """What each address brings until it is given up."""
    arrivals: HandOff[Arrival] = HandOff(limit=1000, deadline_s=60.0, stop=Stop())
    stations = Stations(
        parse_sources(urls),
        settings=settings or StationSettings(),
        policy=QUICK,
        arrivals=arrivals,
        encode=to_flac,
        stop=Stop(),
    )
    stations.start()
    assert stations.join(120.0) == []
    assert stations.failures == []
    found: dict[str, list[Arrival]] = {}
    for arrival in arrivals.take(wait_s=0.0, at_most=1000):
        found.setdefault(arrival.source.stream_id, []).append(arrival)
    return found


def with_titles(audio: bytes, interval: int) -> bytes:
    """Audio with ICY metadata between."""
    titles = [b"\x02" + b"StreamTitle='a';".ljust(32, b"\0"), b"\0"]
    pieces = [audio[place : place + interval] for place in range(0, len(audio), interval)]
    return b"".join(piece + (titles[n % 2] if len(piece) == interval else b"") for n, piece in enumerate(pieces))


def test_samples_equal_those_of_the_decoder(site: Site, tmp_path: Path) -> None:
    """MP3, AAC, a redirect and ICY metadata give what FFmpeg's own reader gives; a 404 is told, the others go on."""
    mp3 = write_audio(tmp_path / "a.mp3", melody(1, 12.0, rate=44_100), 44_100, bit_rate=128_000)
    aac = write_audio(tmp_path / "a.aac", melody(2, 12.0, rate=44_100, channels=2), 44_100, bit_rate=64_000)

    def sends(content: bytes, content_type: str, interval: int = 0) -> None:
        def answer(visit: Visit) -> None:
            visit.send_response(200)
            visit.send_header("Content-Type", content_type)
            if interval:
                visit.send_header("icy-metaint", str(interval))
            visit.end_headers()
            visit.wfile.write(with_titles(content, interval) if interval else content)

        site.answers[f"/{content_type[6:]}{interval}"] = answer

    def moved(visit: Visit) -> None:
        visit.send_response(302)
        visit.send_header("Location", site.url("/mpeg0"))
        visit.end_headers()

    sends(mp3.read_bytes(), "audio/mpeg")
    sends(aac.read_bytes(), "audio/aac")
    sends(mp3.read_bytes(), "audio/mpeg", 8_000)
    site.answers["/moved"] = moved
    names = {"mpeg0": mp3, "aac0": aac, "mpeg8000": mp3, "moved": mp3}
    found = hear([f"{name}={site.url('/' + name)}" for name in (*names, "gone")])
    assert isinstance(found["gone"][-1].error, CannotOpenError)
    for name, path in names.items():
        heard_S = np.concatenate([arrival.segment.samples_S for arrival in found[name]])
        expected_S = np.concatenate(list(decode(path)))
        # A file's header also says what padding its end has, which a stream without an end does not know.
        assert 0 <= len(heard_S) - len(expected_S) < 1_152
        np.testing.assert_array_equal(heard_S[: len(expected_S) - 64], expected_S[:-64])
        assert [arrival.segment.seq for arrival in found[name]] == list(range(len(found[name])))
        assert isinstance(found[name][-1].error, MonitorError)


def test_an_address_that_needs_a_demuxer_has_a_thread(site: Site, tmp_path: Path) -> None:
    """A file waits for the only thread and is read to its end."""
    flac = write_audio(tmp_path / "a.flac", melody(2, 7.0), 22_050)
    site.file("/a.flac", flac.read_bytes())
    found = hear([f"{n}={site.url('/a.flac')}" for n in range(3)], StationSettings(reader_threads=1))
    for n in range(3):
        heard_S = np.concatenate([arrival.segment.samples_S for arrival in found[str(n)]])
        np.testing.assert_array_equal(heard_S, np.concatenate(list(decode(flac))))
        assert found[str(n)][-1].segment.last


def test_a_stop_flushes_every_station(site: Site, tmp_path: Path) -> None:
    """Thirty stalled stations hand over what they have; the reader has a handful of threads."""
    mp3 = write_audio(tmp_path / "a.mp3", melody(1, 6.0, rate=44_100), 44_100, bit_rate=128_000).read_bytes()

    def answer(visit: Visit) -> None:
        visit.start("audio/mpeg")
        visit.wfile.write(mp3)
        site.over.wait(60)

    site.answers["/live"] = answer
    stop = Stop()
    arrivals: HandOff[Arrival] = HandOff(limit=1000, deadline_s=60.0, stop=Stop())
    stations = Stations(
        parse_sources([f"{n}={site.url('/live')}" for n in range(30)]),
        settings=StationSettings(),
        policy=QUICK,
        arrivals=arrivals,
        encode=to_flac,
        stop=stop,
    )
    stations.start()
    first: list[Arrival] = []
    while len(first) < 30:
        first += arrivals.take(wait_s=60.0, at_most=1)
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith(("station", "live", "read"))]
    assert len(names) <= 3
    stop.set()
    assert stations.join(60.0) == []
    rest = arrivals.take(wait_s=0.0, at_most=1000)
    assert len(rest) == 30
    assert all(arrival.segment.last and len(arrival.segment.samples_S) and not arrival.error for arrival in rest)
