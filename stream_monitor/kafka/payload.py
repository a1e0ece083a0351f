"""The audio of one record: mono 22,050 Hz samples to FLAC, and what a record announces about its bytes. No Kafka."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import numpy as np

from encoder.grid import SAMPLE_RATE
from stream_monitor.kafka.records import CONTENT_TYPES, AudioRecord
from stream_monitor.kafka.segment_audio import Announced, samples_of
from stream_monitor.segments import Samples


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


def announced(record: AudioRecord) -> Announced:
    """What a record says about its bytes, for whoever decodes them."""
    return Announced(
        seq=record.seq,
        samples=record.end_sample - record.start_sample,
        container=CONTENT_TYPES[record.content_type],
        sample_rate=record.sample_rate,
        channels=record.channels,
    )


def to_samples(record: AudioRecord, value: bytes) -> Samples:
    """The audio of a record, decoded in this process: for bytes that one has made oneself.

    Raises:
        PoisonError: See `segment_audio.samples_of`.
    """
    return samples_of(announced(record), value)
