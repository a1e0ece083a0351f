"""The audio of one record: mono 22,050 Hz samples to FLAC. It knows nothing of Kafka or of streams."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import numpy as np

from encoder.grid import SAMPLE_RATE
from stream_monitor.segments import Samples


def to_flac(samples_S: Samples) -> bytes:
    """A FLAC file of 16 bits that decodes alone; nothing for no sample. What is beyond full scale is clipped."""
    if not len(samples_S):
        return b""
    whole_S = np.rint(np.clip(samples_S, -1.0, 1.0) * 32767.0).astype(np.int16)
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
