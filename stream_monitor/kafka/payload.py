"""The audio of one record: mono 22,050 Hz samples to FLAC, and what a record announces about its bytes. No Kafka."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import av
import numpy as np

from encoder.grid import SAMPLE_RATE
from stream_monitor.kafka.records import CONTENT_TYPES, AudioRecord
from stream_monitor.kafka.segment_audio import Announced, samples_of
from stream_monitor.segments import Samples

_TICK: Final = Fraction(1, SAMPLE_RATE)
_FRAME: Final = 4096
"""Samples; FFmpeg's own for this rate: only the last one may be shorter."""
_HEAD: Final = b"fLaC\x80\x00\x00\x22"
"""The mark, and a last block of metadata of 34 bytes: STREAMINFO, which FFmpeg keeps as the codec's extradata."""


def to_flac(samples_S: Samples) -> bytes:
    """A FLAC file of 16 bits that decodes alone; nothing for no sample. What is beyond full scale is clipped.

    The few bytes around FLAC's frames are written here: with a muxer that writes into Python's memory all is a tenth
    dearer.
    """
    if not len(samples_S):
        return b""
    # FFmpeg reads 16 bits as parts of 32,768.
    whole_S = np.clip(np.rint(samples_S * 32768.0), -32768, 32767).astype(np.int16)
    encoder: Any = av.CodecContext.create("flac", "w")
    encoder.sample_rate = SAMPLE_RATE
    encoder.layout = "mono"
    encoder.format = "s16"
    encoder.time_base = _TICK
    encoder.thread_count = 1
    packets: list[Any] = []
    for start in range(0, len(whole_S), _FRAME):
        frame = av.AudioFrame.from_ndarray(whole_S[None, start : start + _FRAME], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = start
        frame.time_base = _TICK
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    # Length and checksum of the whole are known when it is over; they come with the last packet, which has no audio.
    info = bytes(packets[-1].get_sidedata("new_extradata"))
    return _HEAD + info + b"".join(bytes(packet) for packet in packets if packet.size)


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
