"""The bytes of one segment to samples on its stream's clock. It knows nothing of records or streams.

The sandbox's process runs this, so it imports little: no records, no events, no compiled code.
"""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from typing import Final

import numpy as np

from encoder.grid import SAMPLE_RATE
from stream_monitor.decode import decode
from stream_monitor.errors import InputError
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.segments import Samples

TOLERANCE_S: Final = 0.15
"""An MP3 segment begins and ends with up to two frames of 26 ms that were not in the audio, at 22,050 Hz of 52 ms."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Announced:
    """What is said about the bytes."""

    seq: int
    """Names the segment in messages."""
    samples: int
    """Of the stream's clock that it must fill."""
    container: str
    """FFmpeg's name of the format; no other one is tried. `s16le` is 16 bits, little endian, interleaved."""
    sample_rate: int
    channels: int


class NamedBytes(io.BytesIO):
    """Bytes as the decoder takes them."""

    name = "segment"


def samples_of(announced: Announced, value: bytes) -> Samples:
    """Exactly `announced.samples` samples.

    Decoders of MP3 and the like give some milliseconds more or less than was put in; up to `TOLERANCE_S` that is
    trimmed or filled with silence. Decoding ends as soon as there is more: a few bytes may hold hours.

    Raises:
        PoisonError: Codes `undecodable`, and `wrong_length` where the audio is not what was announced.
    """
    if not value:
        return np.zeros(0, np.float32)
    raw = announced.container == "s16le"
    source, container = (_as_wav(announced, value), "wav") if raw else (value, announced.container)
    most = announced.samples + TOLERANCE_S * SAMPLE_RATE
    blocks: list[Samples] = []
    heard = 0
    try:
        for block_S in decode(NamedBytes(source), container=container):
            blocks.append(block_S)
            heard += len(block_S)
            if heard > most:
                break
    except InputError as error:
        raise PoisonError("undecodable", f"segment {announced.seq}: {error}") from error
    if abs(heard - announced.samples) > TOLERANCE_S * SAMPLE_RATE:
        length = f"{heard / SAMPLE_RATE:.2f} s" if heard <= most else f"more than {most / SAMPLE_RATE:.2f} s"
        raise PoisonError(
            "wrong_length",
            f"segment {announced.seq} holds {length} of audio, {announced.samples / SAMPLE_RATE:.2f} s were announced",
        )
    fitted_S = np.zeros(announced.samples, np.float32)
    place = 0
    for block_S in blocks:
        part_S = block_S[: announced.samples - place]
        fitted_S[place : place + len(part_S)] = part_S
        place += len(part_S)
    return fitted_S


def _as_wav(announced: Announced, value: bytes) -> bytes:
    """16-bit samples with the header that they lack."""
    sink = io.BytesIO()
    with wave.open(sink, "wb") as file:
        file.setnchannels(announced.channels)
        file.setsampwidth(2)
        file.setframerate(announced.sample_rate)
        file.writeframes(value)
    return sink.getvalue()
