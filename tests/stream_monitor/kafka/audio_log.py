"""A log of audio for workers in memory: streams of both kinds in two partitions of each topic, and what befalls them.

A stream of `STREAMS` is a list of segments, in the order in which a faultless producer sends them: broadcasts over two
epochs with a straggler of the first, uploads that end and one that breaks off, one stream that is longer than what a
worker keeps of it. `logged` puts them into one order and spoils it as it is told to. It knows nothing of workers.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from stream_monitor.kafka.client import Partition, Received
from stream_monitor.kafka.records import FLAC, AudioRecord, headers_of, key_of
from stream_monitor.segments import SEGMENT_SAMPLES, Segment, StreamKey
from tests.fakes.band import song
from tests.fakes.library import cut
from tests.fakes.log import TOPICS, Log

EPOCH = 1_795_000_000_000
BAD = b"bad"
"""The value of a record that cannot be decoded."""
HOMES = tuple(Partition(topic=TOPICS.audio(kind), number=n) for kind in ("upload", "broadcast") for n in (0, 1))
NUMBERS = {"u0": 0, "u1": 1, "u2": 1, "b0": 0, "b1": 1, "b2": 0, "last0": 0, "last1": 1}
"""In which partition of its topic a stream is."""
COUNT = 80
"""Records of the streams together, without those at the end."""
SILENCE_S, STEP_BACK_S = 31.0, 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Fate:
    """What befalls the records, each by its place in the log as it was meant to be."""

    seed: int
    """How the streams are mixed."""
    delayed: frozenset[tuple[int, int]] = frozenset()
    """So many places too late; of one stream this is out of order."""
    lost: frozenset[int] = frozenset()
    again: frozenset[int] = frozenset()
    spoilt: frozenset[int] = frozenset()
    """Cannot be decoded."""
    odd: frozenset[int] = frozenset()
    """Headers that do not say where in the stream it belongs."""
    silences: frozenset[int] = frozenset()
    """Nobody has spoken for so long before it that whoever does not speak now is idle."""
    steps_back: frozenset[int] = frozenset()
    """The brokers' clock was an hour fast until then."""


@cache
def _songs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return song(0, 30.0), song(1, 30.0), song(200, 70.0)


@cache
def streams() -> tuple[tuple[Segment, ...], ...]:
    """Every stream's segments, in order."""
    first_S, second_S, other_S = _songs()
    second = 22_050

    def key(name: str, epoch: int = EPOCH) -> StreamKey:
        return StreamKey(kind="upload" if name[0] == "u" else "broadcast", stream_id=name, epoch=epoch)

    ends = cut(key("u0"), np.concatenate((first_S, other_S[: 20 * second])))
    breaks_off = cut(key("u1"), np.concatenate((other_S[: 15 * second], second_S)), last=False)
    short = cut(key("u2"), second_S[: 25 * second])
    before = cut(key("b0"), first_S[: 20 * second], last=False)
    back = cut(key("b0", EPOCH + 22_000), np.concatenate((first_S[22 * second :], other_S[: 27 * second])), last=False)
    later = cut(key("b0", EPOCH + 200_000), second_S[: 15 * second], last=False)
    long = cut(key("b1"), np.concatenate((first_S, other_S, second_S, other_S[: 15 * second])), last=False)
    other = cut(key("b2"), np.concatenate((other_S[:second], second_S[: 24 * second])), last=False)
    straggling = [*before[:-1], *back[:2], before[-1], *back[2:], *later]
    return tuple(map(tuple, (ends, breaks_off, short, straggling, long, other)))


def _ends() -> list[Segment]:
    """One segment for each partition, twice at last: what has fallen silent until then has ended."""
    wave_S = np.zeros(SEGMENT_SAMPLES, np.float32)
    return [
        Segment(
            stream=StreamKey(kind="upload" if "uploads" in home.topic else "broadcast", stream_id=f"last{home.number}"),
            seq=0,
            start_sample=0,
            samples_S=wave_S,
        )
        for home in HOMES
    ]


def _mixed(seed: int) -> list[Segment]:
    """The streams' segments in one order, each stream's in its own; short streams begin anywhere."""
    rng = random.Random(seed)
    places = [sorted((rng.random(), n, at) for at in range(len(own))) for n, own in enumerate(streams())]
    return [streams()[n][at] for n, at in _in_order(places)]


def _in_order(places: Sequence[Sequence[tuple[float, int, int]]]) -> list[tuple[int, int]]:
    found = sorted((when, n, at) for own in places for (when, n, _), at in zip(own, range(len(own)), strict=True))
    return [(n, at) for _, n, at in found]


def _record(home: Partition, offset: int, appended_s: float, segment: Segment, *, spoilt: bool, odd: bool) -> Received:
    said = AudioRecord(
        stream=segment.stream, seq=segment.seq, offset_samples=segment.start_sample, samples=len(segment.samples_S),
        sample_rate=22_050, channels=1, content_type=FLAC, captured_at=None, last=segment.last,
    )  # fmt: skip
    headers = [(name, b"?" if odd and name == "ce_seq" else value) for name, value in headers_of(said)]
    return Received(
        partition=home, offset=offset, appended_ms=round(1e3 * appended_s), key=key_of(segment.stream),
        value=BAD if spoilt else segment.samples_S.tobytes(), headers=headers,
    )  # fmt: skip


def logged(fate: Fate) -> Log:
    """The log after everything that befell it."""
    log = Log(audio={home: [] for home in HOMES})
    meant = _mixed(fate.seed)
    late = dict(fate.delayed)
    order = sorted(range(len(meant)), key=lambda at: at + late.get(at, 0) + 0.5 * (at in late))
    now_s = STEP_BACK_S * (1 + len(fate.steps_back))

    def append(segment: Segment, *, spoilt: bool = False, odd: bool = False) -> None:
        topic, number = TOPICS.audio(segment.stream.kind), NUMBERS[segment.stream.stream_id]
        home = Partition(topic=topic, number=number)
        log.audio[home].append(_record(home, len(log.audio[home]), now_s, segment, spoilt=spoilt, odd=odd))

    for at in order:
        now_s += SILENCE_S if at in fate.silences else 0.5
        now_s -= STEP_BACK_S if at in fate.steps_back else 0.0
        if at not in fate.lost:
            for _ in range(1 + (at in fate.again)):
                append(meant[at], spoilt=at in fate.spoilt, odd=at in fate.odd)
    # Twice: the first one may be the first since the clock was set back, from where silence counts anew.
    for seq in range(2):
        now_s += SILENCE_S
        for segment in _ends():
            append(replace(segment, seq=seq, start_sample=seq * SEGMENT_SAMPLES))
    return log
