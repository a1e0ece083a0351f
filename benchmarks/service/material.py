"""Encoded segments of many streams, made once from the benchmark's stations. It knows nothing of brokers.

A stream is a station that begins elsewhere: stations are few, so that rendering them stays short, and every stream has
other music at any moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from encoder.grid import SAMPLE_RATE
from stream_monitor.decode import decode
from stream_monitor.kafka.payload import to_flac

SEGMENT_S = 5
SHIFT_S = 7.3
"""How much later each further stream of a station begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """One stream's segments, in order; each FLAC of `SEGMENT_S` seconds."""

    stream_id: str
    payloads: tuple[bytes, ...]

    @property
    def seconds(self) -> int:
        """Of audio."""
        return SEGMENT_S * len(self.payloads)


def streams_of(stations: Sequence[Path], count: int, seconds: int) -> list[Stream]:
    """So many streams of so many seconds."""
    waves = [np.concatenate(list(decode(path))) for path in stations]
    step = SEGMENT_S * SAMPLE_RATE
    made = []
    for number in range(count):
        wave_S = waves[number % len(waves)]
        wave_S = np.roll(wave_S, -round(SHIFT_S * (number // len(waves)) * SAMPLE_RATE))
        pieces = [wave_S[start : start + step] for start in range(0, seconds * SAMPLE_RATE, step)]
        made.append(Stream(stream_id=f"fm-{number:04d}", payloads=tuple(map(to_flac, pieces))))
    return made
