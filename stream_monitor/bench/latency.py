"""From the arrival of the last sample that a chunk's CQT needs to the chunk's events in the file, in real time.

Streams bring segments of 5 s at the pace of a broadcast, each at a phase of its own; the real `Monitor` reads them in
threads, batches them and writes. The look-ahead of the CQT is no part of the figure, it is told beside it. Waiting for
a segment to be full belongs to the source.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from encoder.grid import CHUNK_HOP_SAMPLES, CHUNK_SAMPLES, SAMPLE_RATE
from stream_monitor.bench.music import music_of
from stream_monitor.bench.plan import BenchPlan
from stream_monitor.bench.workbench import Workbench, workbench
from stream_monitor.decode import decode
from stream_monitor.monitor import Monitor
from stream_monitor.outcome import HeardChunk, Outcome
from stream_monitor.pipeline import Pipeline
from stream_monitor.readers import Failure
from stream_monitor.segments import SEGMENT_SAMPLES, Segment, SegmentCutter, StreamKey
from stream_monitor.sources import Source
from stream_monitor.stopping import Stop

IDLE_STREAMS = 8
"""So few that a chunk comes about once a second and meets an idle pipeline."""
LEAD_S = 2.0
"""Until the first segment, for the threads to start."""


@dataclass(kw_only=True, slots=True)
class _Timetable:
    """When segments came and when what they completed was written, in seconds of the monotonic clock.

    An observer of the monitor: `heard` is called after the events of these outcomes were written.
    """

    support_samples: int
    arrival_s: dict[tuple[str, int], float] = field(default_factory=dict)
    """Stream and end of a segment on its grid of 5 s, to the moment of its arrival."""
    latency_s: list[float] = field(default_factory=list)
    event_latency_s: list[float] = field(default_factory=list)
    """Of chunks on which an event was written."""

    def arrived(self, stream: StreamKey, end_sample: int) -> None:
        """Not used: it is called when the pipeline takes the segment, which is later than its arrival."""

    def heard(self, outcomes: Sequence[Outcome]) -> None:
        """Takes the time of the chunks that were written just now."""
        now_s = time.monotonic()
        for outcome in outcomes:
            if not isinstance(outcome, HeardChunk) or outcome.end_sample % CHUNK_HOP_SAMPLES:
                continue
            needed = outcome.start_sample + CHUNK_SAMPLES + self.support_samples
            place = -(-needed // SEGMENT_SAMPLES) * SEGMENT_SAMPLES
            arrival_s = self.arrival_s.get((outcome.stream.stream_id, place))
            if arrival_s is None:
                continue  # the stream's end, not a segment, completed the chunk
            self.latency_s.append(now_s - arrival_s)
            if outcome.step.changes:
                self.event_latency_s.append(now_s - arrival_s)

    def failed(self, failure: Failure) -> None:
        """Nothing may fail here."""
        raise failure.error


def measure_idle(plan: BenchPlan) -> dict[str, Any]:
    """Few streams: every chunk finds the pipeline idle."""
    return _measure(plan, min(IDLE_STREAMS, plan.latency_streams))


def measure_loaded(plan: BenchPlan) -> dict[str, Any]:
    """Many streams at once."""
    return _measure(plan, plan.latency_streams)


def _measure(plan: BenchPlan, streams: int) -> dict[str, Any]:
    audio = _pieces(music_of(plan).flac, streams, plan.latency_s)
    with tempfile.TemporaryDirectory() as folder, workbench(plan, Path(folder) / "events.jsonl") as bench:
        _play(bench, [piece_S[: 25 * SAMPLE_RATE] for piece_S in audio[:2]], pace=0.05)
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        table = _play(bench, audio, pace=1.0)
        cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
        deadline_s = bench.config.pipeline.batcher.deadline_s
    support_ms = 1e3 * table.support_samples / SAMPLE_RATE
    return {
        "streams": len(audio),
        "look_ahead_ms": support_ms,
        "batch_deadline_ms": 1e3 * deadline_s,
        "cores_used": cpu_s / wall_s,
        "chunk": _percentiles(table.latency_s),
        "event": _percentiles(table.event_latency_s),
    }


def _play(bench: Workbench, audio: Sequence[np.ndarray], *, pace: float) -> _Timetable:
    """Plays all pieces to a monitor, `pace` seconds for a second, and returns when what happened."""
    table = _Timetable(support_samples=-bench.encoder.block_window(0)[0])
    begin_s = time.monotonic() + LEAD_S * pace
    stop = Stop()

    def read(source: Source) -> Iterator[Segment]:
        number = int(source.location)
        phase_s = number / len(audio) * SEGMENT_SAMPLES / SAMPLE_RATE
        cutter = SegmentCutter(stream=StreamKey(kind="broadcast", stream_id=source.stream_id))
        for segment in [*cutter.push(audio[number]), cutter.finish()]:
            due_s = begin_s + pace * (phase_s + segment.end_sample / SAMPLE_RATE)
            stop.wait(max(0.0, due_s - time.monotonic()))
            table.arrival_s[source.stream_id, segment.end_sample] = max(due_s, time.monotonic())
            yield segment

    monitor = Monitor(
        Pipeline(bench.encoder, bench.repertoire, bench.config.pipeline),
        bench.publisher,
        read,
        config=bench.config.monitor,
        stop=stop,
        observers=[table],
    )
    monitor.watch(
        [Source(stream_id=f"live-{n}", kind="broadcast", medium="url", location=str(n)) for n in range(len(audio))]
    )
    return table


def _pieces(paths: Sequence[Path], streams: int, seconds: float) -> list[np.ndarray]:
    """A different piece of a station for every stream; fewer where the stations do not hold so many."""
    pieces: list[np.ndarray] = []
    length = round(seconds * SAMPLE_RATE)
    for path in paths:
        samples_S = np.concatenate(list(decode(path)))
        for start in range(0, len(samples_S) - length + 1, length):
            pieces.append(samples_S[start : start + length])
            if len(pieces) == streams:
                return pieces
    return pieces


def _percentiles(latency_s: Sequence[float]) -> dict[str, float | int]:
    if not latency_s:
        return {"count": 0}
    p50, p95, worst = np.percentile(latency_s, [50, 95, 100]) * 1e3
    return {"count": len(latency_s), "p50_ms": float(p50), "p95_ms": float(p95), "max_ms": float(worst)}
