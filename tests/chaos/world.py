"""A seeded world: streams over both audio topics, with epochs, repeats, losses, disorder, and some that fall silent.

All of it is decided and encoded once: every case and the undisturbed run are sent the same records in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stream_monitor.cli import main
from stream_monitor.kafka.payload import to_flac
from stream_monitor.kafka.records import FLAC, AudioRecord, Headers, headers_of, key_of
from stream_monitor.segments import SEGMENT_SAMPLES, StreamKey
from tests.fakes.band import song
from tests.stream_monitor.sound import write_audio

RATE = 22_050
EPOCH = 1_795_000_000_000
TUNES = 4
TUNE_S, STREAM_S = 40.0, 75


@dataclass(frozen=True, kw_only=True, slots=True)
class Sendable:
    """A record to be sent."""

    kind: str
    key: bytes
    value: bytes
    headers: Headers


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """What is sent, and what is listened for."""

    catalogue: Path
    first: tuple[Sendable, ...]
    later: tuple[Sendable, ...]
    """Sent after a pause that is longer than streams may be silent."""
    streams: int
    whole: tuple[Path, ...]
    """The audio of streams with which nothing is wrong, as files of their names."""


def make_world(folder: Path, *, streams: int, seed: int) -> World:
    """Tunes, their catalogue, and the records of so many streams."""
    for number in range(TUNES):
        write_audio(folder / f"tune{number}.wav", song(number, TUNE_S)[None], RATE)
    tunes = [str(folder / f"tune{number}.wav") for number in range(TUNES)]
    if main(["catalog", "add", *tunes, "--catalog", str(folder / "catalogue")]):
        raise RuntimeError("the tunes could not be enrolled")
    rng = np.random.default_rng(seed)
    audio = [
        np.concatenate((song(50 + n, 8.0), song(n % TUNES, TUNE_S), song(90 + n, 40.0)))[: STREAM_S * RATE]
        for n in range(8)
    ]
    encoded = [[to_flac(wave_S[at : at + SEGMENT_SAMPLES]) for at in range(0, len(wave_S), SEGMENT_SAMPLES)]
               for wave_S in audio]  # fmt: skip
    whole = [folder / f"{_name(number)}.flac" for number in range(streams) if not _trouble(number)]
    for path in whole:
        path.write_bytes(to_flac(audio[int(path.stem.removeprefix("s-")) % len(audio)]))
    lines = [_stream(number, encoded[number % len(encoded)], rng) for number in range(streams)]
    first: list[Sendable] = []
    # Streams in turns, as they would arrive; which one is next is the seed's affair.
    waiting = [line for line in lines if line]
    while waiting:
        line = waiting[int(rng.integers(len(waiting)))]
        first.append(line.pop(0))
        waiting = [each for each in waiting if each]
    ticks = [_record(StreamKey(kind=kind, stream_id=f"tick-{n}", epoch=EPOCH), seq, encoded[0][seq], last=seq == 1)
             for kind in ("broadcast", "upload") for n in range(24) for seq in range(2)]  # fmt: skip
    return World(
        catalogue=folder / "catalogue", first=tuple(first), later=tuple(ticks), streams=streams, whole=tuple(whole)
    )


def _name(number: int) -> str:
    return f"s-{number:02d}"


def _trouble(number: int) -> int:
    """What is wrong with a stream; 0 is nothing."""
    return number // 2 % 5


def _stream(number: int, payloads: list[bytes], rng: np.random.Generator) -> list[Sendable]:
    """One stream's records; what is wrong with it depends on its number."""
    kind = "broadcast" if number % 2 else "upload"
    stream = StreamKey(kind=kind, stream_id=_name(number), epoch=EPOCH)
    trouble = _trouble(number)
    half = len(payloads) // 2
    records = [_record(stream, seq, value, last=seq == len(payloads) - 1) for seq, value in enumerate(payloads)]
    if trouble == 1:  # a repeat
        records.insert(half, records[half - 1])
    elif trouble == 2:  # a loss
        del records[int(rng.integers(2, len(records) - 2))]
    elif trouble == 3:  # an epoch of its own from the middle on, and a record of the one before, too late
        again = replace(stream, epoch=EPOCH + 1000 * (5 * half + 2))
        rest = [_record(again, seq, value, last=seq == len(payloads) - half - 1)
                for seq, value in enumerate(payloads[half:])]  # fmt: skip
        records = [*records[:half], *rest]
        records.insert(half + 2, _record(stream, half, payloads[half]))
    elif trouble == 4:  # it falls silent, with two segments in the wrong order before
        records = records[: half + 3]
        records[3], records[4] = records[4], records[3]
    return records


def _record(stream: StreamKey, seq: int, value: bytes, *, last: bool = False) -> Sendable:
    said = AudioRecord(
        stream=stream,
        seq=seq,
        offset_samples=seq * SEGMENT_SAMPLES,
        samples=SEGMENT_SAMPLES,
        sample_rate=RATE,
        channels=1,
        content_type=FLAC,
        captured_at=None,
        last=last,
    )
    return Sendable(kind=stream.kind, key=key_of(stream), value=value, headers=headers_of(said))
