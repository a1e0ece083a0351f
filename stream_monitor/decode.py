"""Encoded audio to mono 22,050 Hz samples, as a stream, in bounded memory.

It knows nothing of streams' names, segments or reconnects. Whatever FFmpeg reads is read: files, file objects (standard
input), HTTP, Icecast and HLS addresses; of a video the first audio stream. The first decoded sample is sample 0, as the
container says (encoder delays are trimmed by FFmpeg). Frames become samples in `sampler`.

Reading on after damage: a packet that cannot be decoded is counted and skipped. At the end of the input whatever was
wrong is raised, after the last sample that could be had (docs/decisions/0006-audio-in.md).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import structlog
from av.error import FFmpegError

from encoder.grid import SAMPLE_RATE
from stream_monitor.decode_errors import error_of
from stream_monitor.endings import Reading, verdict
from stream_monitor.errors import (
    CannotOpenError,
    EmptyInputError,
    InputError,
    LostSourceError,
    NotAudioError,
    StoppedError,
)
from stream_monitor.piped import ByteSource, PipeReader
from stream_monitor.sampler import Sampler
from stream_monitor.segments import Samples
from stream_monitor.stopping import Stop

log = structlog.get_logger(__name__)

_FILE_PROTOCOLS = "file"
_URL_PROTOCOLS = "http,https,tls,tcp,crypto,data,httpproxy"


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioFormat:
    """What an input says about itself when it is opened."""

    container: str
    codec: str
    sample_rate: int
    channels: int
    duration_s: float | None
    """As the container declares or FFmpeg guesses; None where nothing is known (live)."""
    size_bytes: int | None
    """None where it has no end that is known."""


class AudioInput:
    """One opened input; `blocks` reads it once. Use it as a context manager."""

    def __init__(
        self,
        location: Path | str | ByteSource,
        *,
        stop: Stop | None = None,
        container: str | None = None,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = 10.0,
    ) -> None:
        """Opens `location` and reads its header.

        Args:
            location: A path, an address (with `://`), or a file object.
            stop: Ends reading between packets, and any wait for a pipe. A wait for a network ends by its time-out
                only; `live_input` reads addresses in a thread for that reason.
            container: FFmpeg's name of the only format that is tried; None lets it guess. Bytes of strangers are not
                guessed: a playlist among them would name other addresses to open.
            connect_timeout_s: For addresses, how long opening may take.
            read_timeout_s: For addresses, how long the next packet may take.

        Raises:
            InputError: See `stream_monitor.errors`; `LostSourceError` where asking again may help.
            StoppedError: A stop was asked for.
        """
        self._stop = stop or Stop()
        self._is_url = isinstance(location, str) and "://" in location
        self._path = location if isinstance(location, Path) else None
        self.name = str(location) if isinstance(location, Path | str) else location.name
        self._cleanup = ExitStack()
        self._sampler = Sampler()
        self.packets = 0
        self.bad_packets = 0
        self._last_packet_bad = False
        try:
            self._container = self._open(location, container, (connect_timeout_s, read_timeout_s))
            self._stream = self._choose_stream()
            self.format = self._describe()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> AudioInput:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def replaced_samples(self) -> int:
        """Samples that were no sound and became zeros."""
        return self._sampler.replaced_samples

    @property
    def source_samples(self) -> int:
        """Samples per channel decoded so far, at the source's rate."""
        return self._sampler.source_samples

    def close(self) -> None:
        """Closes the input; again does nothing."""
        self._cleanup.close()

    def blocks(self) -> Iterator[Samples]:
        """Yields mono float32 samples at 22,050 Hz, about a second at a time, each finite.

        Raises:
            TruncatedError: After the last sample: the input is shorter than it says, or ends inside a frame.
            DamagedError: After the last sample: packets were skipped, or reading failed.
            EmptyInputError: There was no sample at all.
            LostSourceError: An address stalled or dropped.
            StoppedError: A stop was asked for.
        """
        failure: InputError | StoppedError | None = None
        frames = self._decoded()
        while True:
            try:
                frame = next(frames, None)
            except (InputError, StoppedError) as error:
                failure, frame = error, None
            if frame is None:
                break
            yield from self._sampler.push(frame)
        if not isinstance(failure, StoppedError):
            yield from self._sampler.drain()
        if not isinstance(failure, StoppedError | LostSourceError):
            yield from self._sampler.flush()
        if self._sampler.replaced_samples:
            log.warning("samples that are no sound became zeros", input=self.name, samples=self.replaced_samples)
        failure = failure or self._verdict()
        if failure is not None:
            raise failure

    def _open(self, location: Path | str | ByteSource, known: str | None, timeouts: tuple[float, float]) -> Any:
        options: dict[str, str] = {}
        target: Any = location
        if isinstance(location, Path):
            target = self._open_path(location)
            if isinstance(target, str):
                options["protocol_whitelist"] = _FILE_PROTOCOLS
        elif self._is_url:
            options["protocol_whitelist"] = _URL_PROTOCOLS
        try:
            container = av.open(target, format=known, options=options, timeout=timeouts if self._is_url else None)
        except (FFmpegError, OSError, UnicodeError) as error:
            raise error_of(error, self.name, is_url=self._is_url, stopped=self._stop.is_set()) from error
        self._cleanup.callback(container.close)
        return container

    def _open_path(self, path: Path) -> str | PipeReader:
        try:
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                raise CannotOpenError(f"{path}: is a folder, not a file")
            if not stat.S_ISREG(status.st_mode):
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                reader = PipeReader(descriptor, name=str(path), stop=self._stop, owned=True)
                self._cleanup.callback(reader.close)
                return reader
            with path.open("rb"):
                pass
        except OSError as error:
            raise error_of(error, self.name, is_url=False, stopped=False) from error
        if status.st_size == 0:
            raise EmptyInputError(f"{path}: the file is empty (0 bytes)")
        return f"file:{path.absolute()}"

    def _choose_stream(self) -> Any:
        stream = self._container.streams.best("audio")
        if stream is None:
            raise NotAudioError(f"{self.name}: holds no audio stream")
        if stream.codec_context is None:
            raise NotAudioError(f"{self.name}: no decoder for its audio codec")
        stream.codec_context.thread_count = 1
        return stream

    def _describe(self) -> AudioFormat:
        duration_s: float | None = None
        if self._stream.duration is not None:
            duration_s = float(self._stream.duration * self._stream.time_base)
        elif self._container.duration is not None:
            duration_s = self._container.duration / av.time_base
        size = self._container.size
        return AudioFormat(
            container=self._container.format.name,
            codec=self._stream.codec_context.name,
            sample_rate=self._stream.codec_context.sample_rate or 0,
            channels=self._stream.codec_context.channels or 0,
            duration_s=duration_s,
            size_bytes=size if size > 0 else None,
        )

    def _decoded(self) -> Iterator[Any]:
        """Frames as FFmpeg gives them; bad packets are counted and skipped."""
        packets = self._container.demux(self._stream)
        while True:
            if self._stop.is_set():
                raise StoppedError(f"{self.name}: stopped while reading")
            try:
                packet = next(packets, None)
            except (FFmpegError, OSError) as error:
                raise error_of(error, self.name, is_url=self._is_url, stopped=self._stop.is_set()) from error
            if packet is None:
                return
            self.packets += 1
            try:
                frames = packet.decode()
            except EOFError:
                continue
            except FFmpegError:
                self.bad_packets += 1
                self._last_packet_bad = True
                continue
            if frames:
                self._last_packet_bad = False
            yield from frames

    def _verdict(self) -> InputError | None:
        """What was wrong with an input that has been read to its end."""
        rate = self._stream.codec_context.sample_rate or SAMPLE_RATE
        found = verdict(
            Reading(
                name=self.name,
                path=self._path,
                container=self.format.container,
                declared_s=self.format.duration_s,
                decoded_s=self.source_samples / rate,
                packets=self.packets,
                bad_packets=self.bad_packets,
                last_packet_bad=self._last_packet_bad,
            )
        )
        if found is None and self.bad_packets:
            log.warning("packets skipped", input=self.name, bad=self.bad_packets, packets=self.packets)
        return found


def decode(
    location: Path | str | ByteSource, *, stop: Stop | None = None, container: str | None = None
) -> Iterator[Samples]:
    """Opens `location` and yields its samples as `AudioInput.blocks` does."""
    with AudioInput(location, stop=stop, container=container) as audio:
        yield from audio.blocks()
