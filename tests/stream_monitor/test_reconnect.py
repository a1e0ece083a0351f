"""Live addresses against a real HTTP server: ends, drops, stalls, Icecast and HLS."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest

from stream_monitor.decode import decode
from stream_monitor.errors import CannotOpenError, InputError, LostSourceError, NotAudioError
from stream_monitor.live_reader import LiveReader
from stream_monitor.reading import read_segments
from stream_monitor.reconnect import Address, ReconnectPolicy
from stream_monitor.segments import Segment
from stream_monitor.sources import Source, parse_sources
from stream_monitor.stopping import Stop
from tests.stream_monitor.sound import melody, write_audio
from tests.stream_monitor.web import Site, Visit, serving

QUICK = ReconnectPolicy(connect_timeout_s=5.0, read_timeout_s=1.0, first_delay_s=0.01, stable_after_s=1.0)


@pytest.fixture(scope="module")
def mp3(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """12 s of MP3."""
    path = tmp_path_factory.mktemp("mp3") / "a.mp3"
    return write_audio(path, melody(1, 12.0, rate=44_100), 44_100, bit_rate=128_000).read_bytes()


def source(url: str) -> Source:
    """The source of an address."""
    return parse_sources([f"fm={url}"])[0]


class Waits:
    """Remembers the waits and does not sleep; stops after `most` of them."""

    def __init__(self, stop: Stop, most: int = 100) -> None:
        self.delays_s: list[float] = []
        self._stop = stop
        self._most = most

    def __call__(self, delay_s: float) -> bool:
        self.delays_s.append(delay_s)
        if len(self.delays_s) >= self._most:
            self._stop.set()
        return self._stop.is_set()


def listen(
    url: str, policy: ReconnectPolicy = QUICK, *, most: int = 100
) -> tuple[list[Segment], Waits, InputError | None]:
    """All segments of an address, the waits between connections, and the error at the end."""
    stop = Stop()
    waits = Waits(stop, most)
    address = Address(source(url), policy, now_ms=lambda: 1_000, draw=lambda: 0.0)
    reader = LiveReader(address, policy, stop=stop, wait=waits)
    segments: list[Segment] = []
    try:
        for segment in reader.segments():
            segments.append(segment)
    except InputError as error:
        return segments, waits, error
    return segments, waits, None


def samples_of(segments: list[Segment]) -> np.ndarray:
    """The samples of all segments."""
    return np.concatenate([segment.samples_S for segment in segments])


def test_a_finite_file_ends_the_stream(site: Site, tmp_path: Path) -> None:
    """A file of known length over HTTP gives the samples of the file, one epoch, and ends."""
    path = write_audio(tmp_path / "a.flac", melody(2, 7.0), 22_050)
    site.file("/a.flac", path.read_bytes())
    segments, waits, error = listen(site.url("/a.flac"))
    assert (error, waits.delays_s) == (None, [])
    assert [segment.last for segment in segments] == [False, True]
    assert {segment.stream.epoch for segment in segments} == {1_000}
    np.testing.assert_array_equal(samples_of(segments), np.concatenate(list(decode(path))))


def test_a_finite_file_that_drops_goes_on_where_it_broke_off(site: Site, tmp_path: Path) -> None:
    """A download that breaks is begun again, and no sample comes twice or is lost."""
    path = write_audio(tmp_path / "a.flac", melody(3, 20.0), 22_050)
    content = path.read_bytes()

    def answer(visit: Visit) -> None:
        visit.start("audio/flac", len(content))
        visit.wfile.write(content[: len(content) // 2] if site.visits.count("/a.flac") == 1 else content)

    site.answers["/a.flac"] = answer
    segments, waits, error = listen(site.url("/a.flac"))
    assert error is None
    assert len(waits.delays_s) == 1
    assert [segment.seq for segment in segments] == list(range(len(segments)))
    assert {segment.stream.epoch for segment in segments} == {1_000}
    np.testing.assert_array_equal(samples_of(segments), np.concatenate(list(decode(path))))


def test_an_icecast_drop_is_a_new_epoch_and_only_the_end_is_last(site: Site, mp3: bytes) -> None:
    """Each reconnect of an endless stream begins a later epoch; a dropped epoch is not marked as the last."""

    def answer(visit: Visit) -> None:
        visit.start("audio/mpeg")
        visit.wfile.write(mp3)

    site.answers["/live"] = answer
    segments, _, error = listen(site.url("/live"), most=3)
    assert error is None  # It was stopped.
    epochs = sorted({segment.stream.epoch for segment in segments})
    assert epochs == [1_000, 1_001, 1_002]
    for epoch in epochs:
        of_epoch = [segment for segment in segments if segment.stream.epoch == epoch]
        assert [segment.seq for segment in of_epoch] == list(range(len(of_epoch)))
        assert 11.5 * 22_050 < sum(len(segment.samples_S) for segment in of_epoch) < 12.5 * 22_050
    assert [segment.last for segment in segments] == [False] * (len(segments) - 1) + [True]


def test_a_stall_is_noticed_and_mended(site: Site, mp3: bytes) -> None:
    """A server that stays connected but sends nothing is left after the time-out."""

    def answer(visit: Visit) -> None:
        visit.start("audio/mpeg")
        visit.wfile.write(mp3)
        visit.wfile.flush()
        site.over.wait(30)

    site.answers["/live"] = answer
    begun = time.monotonic()
    segments, waits, _ = listen(site.url("/live"), most=2)
    assert len(waits.delays_s) == 2
    assert len({segment.stream.epoch for segment in segments}) == 2
    assert time.monotonic() - begun < 20


def test_waits_grow_until_audio_is_stable_again(site: Site, mp3: bytes) -> None:
    """Attempts in a row wait longer and longer, up to a bound; after enough audio the wait is short again."""

    def answer(visit: Visit) -> None:
        if 2 <= site.visits.count("/live") <= 6:
            visit.send_error(503)
            return
        visit.start("audio/mpeg")
        visit.wfile.write(mp3)

    site.answers["/live"] = answer
    policy = ReconnectPolicy(first_delay_s=0.5, longest_delay_s=4.0, jitter=0.5, stable_after_s=5.0)
    _, waits, _ = listen(site.url("/live"), policy, most=7)
    assert waits.delays_s == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 0.5]


def test_jitter_takes_off_a_random_part_of_the_wait() -> None:
    """The wait lies between the full one and the full one less the jitter's share."""
    policy = ReconnectPolicy(first_delay_s=2.0, factor=2.0, jitter=0.5, longest_delay_s=100.0)
    assert policy.delay_s(1, 0.0) == 2.0
    assert policy.delay_s(3, 0.5) == 6.0
    assert policy.delay_s(10_000, 0.0) == 100.0


def test_an_address_that_never_gives_audio_is_given_up(site: Site) -> None:
    """A server that only fails is asked a few times; then the stream ends with an empty last segment and the error."""
    site.answers["/live"] = lambda visit: visit.send_error(503)
    segments, waits, error = listen(site.url("/live"))
    assert isinstance(error, LostSourceError)
    assert len(waits.delays_s) == QUICK.attempts_before_audio - 1
    assert [(segment.last, len(segment.samples_S)) for segment in segments] == [(True, 0)]


@pytest.mark.parametrize(("path", "error"), [("/missing.mp3", CannotOpenError), ("/page", NotAudioError)])
def test_a_wrong_address_is_not_asked_again(site: Site, path: str, error: type) -> None:
    """What is not found, or is no audio, fails at once."""
    site.file("/page", b"<html><body>no music here</body></html>" * 50, "text/html")
    segments, waits, raised = listen(site.url(path))
    assert isinstance(raised, error)
    assert waits.delays_s == []
    assert [segment.last for segment in segments] == [True]


def test_a_refused_connection_is_retriable() -> None:
    """Nobody listens there: asked a few times, then given up."""
    with serving() as gone:
        url = gone.url("/live")
    _, waits, error = listen(url)
    assert isinstance(error, LostSourceError)
    assert len(waits.delays_s) == QUICK.attempts_before_audio - 1


@pytest.mark.parametrize("sends_audio", [True, False])
def test_a_stop_wakes_a_reader_that_waits_for_the_network(site: Site, mp3: bytes, sends_audio: bool) -> None:
    """A stop from another thread ends the wait for a stalled server long before any time-out, with a last segment."""
    arrived = threading.Event()

    def answer(visit: Visit) -> None:
        visit.start("audio/mpeg")
        if sends_audio:
            visit.wfile.write(mp3)
            visit.wfile.flush()
        arrived.set()
        site.over.wait(60)

    site.answers["/live"] = answer
    stop = Stop()
    policy = ReconnectPolicy(connect_timeout_s=60.0, read_timeout_s=60.0)
    segments: list[Segment] = []
    reader = threading.Thread(
        target=lambda: segments.extend(read_segments(source(site.url("/live")), stop=stop, policy=policy)), daemon=True
    )
    reader.start()
    assert arrived.wait(10)
    stop.set()
    reader.join(10)
    assert not reader.is_alive()
    assert [segment.last for segment in segments][-1:] == [True]


def _hls(site: Site, seconds: float, *, closed: bool) -> None:
    """Puts an HLS playlist with segments of 2 s in MPEG-TS at /hls/."""
    import io

    wave_CS = melody(9, seconds, rate=44_100)
    names = []
    for place, start in enumerate(range(0, wave_CS.shape[1], 88_200)):
        piece_CS = wave_CS[:, start : start + 88_200]
        memory = io.BytesIO()
        with av.open(memory, "w", format="mpegts") as container:
            stream = container.add_stream("aac", rate=44_100, layout="mono")
            for offset in range(0, piece_CS.shape[1], 1024):
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(piece_CS[:, offset : offset + 1024]), format="fltp", layout="mono"
                )
                frame.sample_rate, frame.pts = 44_100, start + offset
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        site.file(f"/hls/{place}.ts", memory.getvalue(), "video/mp2t")
        names.append(f"#EXTINF:2.0,\n{place}.ts")
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2", "#EXT-X-MEDIA-SEQUENCE:0", *names]
    site.file("/hls/a.m3u8", "\n".join([*lines, *(["#EXT-X-ENDLIST"] if closed else []), ""]).encode())


def test_a_closed_hls_playlist_is_read_to_its_end(site: Site) -> None:
    """A playlist that says it is complete gives its segments and ends the stream."""
    _hls(site, 8.0, closed=True)
    segments, waits, error = listen(site.url("/hls/a.m3u8"))
    assert (error, waits.delays_s) == (None, [])
    assert segments[-1].last
    assert 7.5 * 22_050 < len(samples_of(segments)) < 8.7 * 22_050


def test_a_live_hls_playlist_that_is_closed_meanwhile_ends(site: Site) -> None:
    """A playlist without an end is followed; once it is closed the stream ends, and nothing comes twice."""
    _hls(site, 12.0, closed=False)
    open_playlist = site.answers["/hls/a.m3u8"]
    _hls(site, 12.0, closed=True)
    closed_playlist = site.answers["/hls/a.m3u8"]
    site.answers["/hls/a.m3u8"] = lambda visit: (
        open_playlist if site.visits.count("/hls/a.m3u8") < 3 else closed_playlist
    )(visit)
    segments, _, error = listen(site.url("/hls/a.m3u8"), ReconnectPolicy(read_timeout_s=8.0))
    assert error is None
    assert segments[-1].last
    assert len(samples_of(segments)) < 12.7 * 22_050


def test_a_lost_live_hls_is_asked_for_again(site: Site) -> None:
    """A playlist that can no longer be had is a lost connection, not the end of the stream."""
    _hls(site, 8.0, closed=False)
    playlist = site.answers["/hls/a.m3u8"]
    site.answers["/hls/a.m3u8"] = lambda visit: (
        visit.send_error(503) if site.visits.count("/hls/a.m3u8") > 1 else playlist(visit)
    )
    segments, waits, _ = listen(site.url("/hls/a.m3u8"), ReconnectPolicy(read_timeout_s=5.0), most=2)
    assert len(waits.delays_s) == 2
    assert len(samples_of(segments)) > 22_050
