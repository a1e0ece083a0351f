"""Time of each stage for one chunk, wall and CPU: decoding, then every step of the real pipeline on what was decoded.

Everything runs in one thread of Python, so the stages add up. Half of the music is enrolled, so matching, tracking
and alignment have work to do; silence is nowhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from encoder.grid import CHUNK_HOP_SAMPLES
from stream_monitor.bench.music import music_of
from stream_monitor.bench.plan import BenchPlan
from stream_monitor.bench.staged import DECODE, EVENTS, PIPELINE_STAGES, StagedPipeline
from stream_monitor.bench.stopwatch import Stopwatch
from stream_monitor.bench.workbench import Workbench, workbench
from stream_monitor.decode import decode
from stream_monitor.outcome import HeardChunk, Outcome
from stream_monitor.segments import Segment, SegmentCutter, StreamKey

STREAMS = 32
"""Stations decoded at a time, as many as a batch has room for."""


def measure(plan: BenchPlan) -> dict[str, Any]:
    """Milliseconds of each stage for one chunk."""
    music = music_of(plan)
    with tempfile.TemporaryDirectory() as folder, workbench(plan, Path(folder) / "events.jsonl") as bench:
        _run(bench, StagedPipeline(bench, Stopwatch()), Stopwatch(), decoded(music.flac[:2]))  # compiles and warms up
        watch = Stopwatch()
        outcomes: list[Outcome] = []
        for first in range(0, len(music.flac), STREAMS):
            streams = decoded(music.flac[first : first + STREAMS])
            outcomes += _run(bench, StagedPipeline(bench, watch), watch, streams)
    heard = [each for each in outcomes if isinstance(each, HeardChunk)]
    changes = [change for each in outcomes for change in each.step.changes]
    spent = watch.spent()
    stages = {name: spent[name] for name in PIPELINE_STAGES}
    result: dict[str, Any] = {
        name: {"wall_ms": 1e3 * each.wall_s / len(heard), "cpu_ms": 1e3 * each.cpu_s / len(heard)}
        for name, each in stages.items()
    }
    return {
        "chunks": len(heard),
        "silent_chunks": sum(not each.sounding for each in heard),
        "plays": sum(change.status == "final" for change in changes),
        "events": len(changes),
        "candidates_per_chunk": sum(each.candidates for each in heard) / max(1, len(heard)),
        "ms_per_chunk": {
            f"{DECODE} FLAC 22,050 Hz mono": _decoding(music.flac[: len(music.mp3)]),
            f"{DECODE} MP3 128k 44.1 kHz stereo": _decoding(music.mp3),
            **result,
        },
    }


def decoded(paths: Sequence[Path]) -> list[list[Segment]]:
    """Whole files as segments, one list a stream."""
    streams = []
    for path in paths:
        cutter = SegmentCutter(stream=StreamKey(kind="upload", stream_id=path.stem))
        segments = [segment for samples_S in decode(path) for segment in cutter.push(samples_S)]
        streams.append([*segments, cutter.finish()])
    return streams


def in_turns(streams: Sequence[Sequence[Segment]]) -> Iterator[list[Segment]]:
    """The next segment of every stream at a time."""
    for row in zip_longest(*streams):
        yield [segment for segment in row if segment is not None]


def _run(
    bench: Workbench, pipeline: StagedPipeline, watch: Stopwatch, streams: Sequence[Sequence[Segment]]
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for row in in_turns(streams):
        heard = pipeline.push(row, now_s=0.0)
        with watch.stage(EVENTS):
            bench.publisher.publish(heard)
        outcomes += heard
    heard = pipeline.finish()
    bench.publisher.publish(heard)
    return outcomes + heard


def _decoding(paths: Sequence[Path]) -> dict[str, float]:
    """Milliseconds for 10 s of audio, which is what one chunk brings."""
    watch = Stopwatch()
    samples = 0
    sum(len(samples_S) for samples_S in decode(paths[0]))
    for path in paths:
        with watch.stage(DECODE):
            samples += sum(len(samples_S) for samples_S in decode(path))
    spent, chunks = watch.spent()[DECODE], samples / CHUNK_HOP_SAMPLES
    return {
        "wall_ms": 1e3 * spent.wall_s / chunks,
        "cpu_ms": 1e3 * spent.cpu_s / chunks,
        "times_real_time_per_core": samples / 22_050 / spent.cpu_s,
    }
