"""The audio of one record: mono 22,050 Hz samples to FLAC, and any allowed format to samples. No Kafka here."""

from __future__ import annotations

import io
import wave
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np

from encoder.grid import SAMPLE_RATE
from stream_monitor.decode import decode
from stream_monitor.errors import InputError
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.records import AudioRecord
from stream_monitor.segments import Samples

TOLERANCE_S: Final = 0.15
"""An MP3 segment begins and ends with up to two frames of 26 ms that were not in the audio, at 22,050 Hz of 52 ms."""


class NamedBytes(io.BytesIO):
    """Bytes as the decoder takes them."""

    name = "segment"


def to_flac(samples_S: Samples) -> bytes:
    """A FLAC file of 16 bits that decodes alone; nothing for no sample. What is beyond full scale is clipped."""
    if not len(samples_S):
        return b""
    # FFmpeg reads 16 bits as parts of 32,768.
    whole_S = np.clip(np.rint(samples_S * 32768.0), -32768, 32767).astype(np.int16)
    sink = io.BytesIO()
    with av.open(sink, "w", format="flac") as container:
        stream: Any = container.add_stream("flac", rate=SAMPLE_RATE)
        stream.layout = "mono"
        stream.format = "s16"
        stream.time_base = Fraction(1, SAMPLE_RATE)
        step = 4096  # FFmpeg's own frame for this rate: only the last one may be shorter
        for start in range(0, len(whole_S), step):
            frame = av.AudioFrame.from_ndarray(whole_S[None, start : start + step], format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            frame.pts = start
            frame.time_base = stream.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return sink.getvalue()


def to_samples(record: AudioRecord, value: bytes) -> Samples:
    """The audio of a record on its stream's clock: exactly `end_sample - start_sample` samples.

    Decoders of MP3 and the like give some milliseconds more or less than was put in; up to `TOLERANCE_S` that is
    trimmed or filled with silence. It decodes in this process: what comes from strangers goes through a sandbox first.

    Raises:
        PoisonError: Codes `undecodable`, and `wrong_length` where the audio is not what the headers announce.
    """
    wanted = record.end_sample - record.start_sample
    if not value:
        return np.zeros(0, np.float32)
    source = _as_wav(record, value) if record.content_type == "audio/pcm" else value
    try:
        blocks = list(decode(NamedBytes(source)))
    except InputError as error:
        raise PoisonError("undecodable", f"segment {record.seq}: {error}") from error
    heard_S = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if abs(len(heard_S) - wanted) > TOLERANCE_S * SAMPLE_RATE:
        raise PoisonError(
            "wrong_length",
            f"segment {record.seq} holds {len(heard_S) / SAMPLE_RATE:.2f} s of audio, {wanted / SAMPLE_RATE:.2f} s"
            " were announced",
        )
    fitted_S = np.zeros(wanted, np.float32)
    fitted_S[: len(heard_S)] = heard_S[:wanted]
    return fitted_S


def _as_wav(record: AudioRecord, value: bytes) -> bytes:
    """16-bit samples with the header that they lack."""
    sink = io.BytesIO()
    with wave.open(sink, "wb") as file:
        file.setnchannels(record.channels)
        file.setsampwidth(2)
        file.setframerate(record.sample_rate)
        file.writeframes(value)
    return sink.getvalue()
