"""Bytes of an elementary stream (MP3, AAC in ADTS) to samples, as they come: a parser and a decoder, no waiting.

It knows nothing of networks. FFmpeg itself looks at the first bytes and says what they are and where the first frame
begins, so tags, the rest of a frame in which one joined, and an encoder's header are left out as its demuxer would. Of
such a header only the delay at the start counts; live streams have none, and files are read elsewhere.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import av
import structlog
from av.error import FFmpegError

from stream_monitor.decode_errors import error_of
from stream_monitor.errors import InputError, NotAudioError
from stream_monitor.sampler import Sampler
from stream_monitor.segments import Samples

log = structlog.get_logger(__name__)

LOOK_BYTES: Final = 8_192
"""What FFmpeg is shown: 20 frames of MP3 at 128 kbit/s, 8 at the highest rate."""
LARGEST_TAG: Final = 1 << 20
"""A tag at the start (ID3) may be so large; a picture in it."""
_ELEMENTARY: Final = frozenset({"mp3", "aac"})
_TAG_HEADER: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What the first bytes of a stream are."""

    container: str
    """FFmpeg's name."""
    codec: str
    start: int
    """Where the first frame begins."""
    skip_samples: int
    """Samples at the start that are the encoder's delay."""

    @property
    def elementary(self) -> bool:
        """Whether frames follow each other with nothing around them."""
        return self.container in _ELEMENTARY


def needed(head: bytes) -> int:
    """How many bytes `look` should be shown, as far as the first ones tell: a tag at the start is not audio."""
    if len(head) < _TAG_HEADER or not head.startswith(b"ID3"):
        return LOOK_BYTES
    tag = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    return min(tag, LARGEST_TAG) + _TAG_HEADER + LOOK_BYTES


def look(head: bytes, name: str) -> Found:
    """What a stream is that begins with `head`.

    Raises:
        InputError: It is no audio.
    """
    try:
        with av.open(io.BytesIO(head), "r") as container:
            stream: Any = container.streams.best("audio")
            if stream is None:
                raise NotAudioError(f"{name}: holds no audio stream")
            packet: Any = next(container.demux(stream), None)
            if packet is None or packet.pos is None or stream.codec_context is None:
                raise NotAudioError(f"{name}: its first {len(head)} bytes hold no frame of audio")
            delay = bytes(packet.get_sidedata("skip_samples"))[:4] if packet.has_sidedata("skip_samples") else b""
            return Found(
                container=container.format.name,
                codec=stream.codec_context.name,
                start=packet.pos,
                skip_samples=int.from_bytes(delay, "little"),
            )
    except (FFmpegError, OSError) as error:
        found = error_of(error, name, is_url=False, stopped=False)
        raise found if isinstance(found, InputError) else NotAudioError(f"{name}: {error}") from error


class ElementaryDecoder:
    """Decodes one connection's bytes."""

    def __init__(self, found: Found, name: str) -> None:
        """Args: `found`: what `look` said; `name`: for messages."""
        self._name = name
        self._context: Any = av.CodecContext.create(found.codec, "r")
        self._context.thread_count = 1
        self._sampler = Sampler(skip_samples=found.skip_samples)
        self.packets = 0
        self.bad_packets = 0

    def push(self, data: bytes) -> list[Samples]:
        """The samples that these bytes complete; packets that cannot be decoded are counted and skipped."""
        return [*self._samples(self._context.parse(data)), *self._sampler.drain()]

    def finish(self) -> list[Samples]:
        """The samples that are left when the stream was read to its end.

        Raises:
            NotAudioError: Nothing could be decoded at all.
        """
        rest = [*self._samples([*self._context.parse(None), None]), *self._sampler.drain(), *self._sampler.flush()]
        if self.bad_packets or self._sampler.replaced_samples:
            log.warning(
                "packets skipped, or samples that are no sound became zeros",
                input=self._name,
                bad=self.bad_packets,
                packets=self.packets,
                samples=self._sampler.replaced_samples,
            )
        if not self._sampler.source_samples:
            raise NotAudioError(f"{self._name}: none of its {self.packets} packets could be decoded")
        return rest

    def _samples(self, packets: list[Any]) -> Iterator[Samples]:
        for packet in packets:
            self.packets += packet is not None
            try:
                frames = self._context.decode(packet)
            except EOFError:
                continue
            except FFmpegError:
                self.bad_packets += 1
                continue
            for frame in frames:
                yield from self._sampler.push(frame)
