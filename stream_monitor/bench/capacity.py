"""How many streams the machine carries in real time: audio seconds over wall seconds of the whole monitor.

Files are watched as an archive, as fast as it goes: decoded, heard, tracked and told in events, by the `Monitor` that
`watch` runs. The naive pipelines get samples that are decoded already and do nothing after the embedding.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from encoder.grid import CHUNK_HOP_SAMPLES, CHUNK_SAMPLES, SAMPLE_RATE
from encoder.naive import NaiveEncoder, NaiveNetwork
from stream_monitor.bench.music import music_of
from stream_monitor.bench.plan import BenchPlan
from stream_monitor.bench.workbench import Workbench, workbench
from stream_monitor.decode import decode
from stream_monitor.monitor import Monitor
from stream_monitor.pipeline import Pipeline
from stream_monitor.reading import read_segments
from stream_monitor.sources import Source
from stream_monitor.stopping import Stop

NAIVE_NETWORKS: dict[str, NaiveNetwork] = {
    "nnAudio + default network": "default",
    "nnAudio + ResNet50-IBN, T = 43": "resnet50_ibn",
}


def measure(plan: BenchPlan) -> dict[str, Any]:
    """Streams in real time, FLAC and MP3 in."""
    music = music_of(plan)
    with tempfile.TemporaryDirectory() as folder, workbench(plan, Path(folder) / "events.jsonl") as bench:
        _watched(bench, music.flac[:2])
        return {"flac": _median(bench, music.flac, plan.repeats), "mp3": _median(bench, music.mp3, plan.repeats)}


def measure_naive(plan: BenchPlan) -> dict[str, Any]:
    """The same for the naive pipelines: seconds for one chunk, of which each stream brings one every 10 s."""
    chunks = _chunks(music_of(plan).flac, plan.naive_chunks)
    result: dict[str, Any] = {}
    for name, network in NAIVE_NETWORKS.items():
        naive = NaiveEncoder(network)
        naive.embed(chunks[0])
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        for chunk_S in chunks:
            naive.embed(chunk_S)
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        audio_s = len(chunks) * CHUNK_HOP_SAMPLES / SAMPLE_RATE
        result[name] = _figures(audio_s, wall_s, cpu_s) | {
            "chunks": len(chunks),
            "ms_per_chunk": 1e3 * wall_s / len(chunks),
        }
    return result


def _median(bench: Workbench, paths: Sequence[Path], repeats: int) -> dict[str, Any]:
    runs = sorted((_watched(bench, paths) for _ in range(repeats)), key=lambda run: float(run["streams"]))
    middle = runs[(len(runs) - 1) // 2]
    return middle | {"all_runs_streams": [run["streams"] for run in runs]}


def _watched(bench: Workbench, paths: Sequence[Path]) -> dict[str, Any]:
    """One run of the whole monitor over the files."""
    sources = [Source(stream_id=path.name, kind="upload", medium="file", location=str(path)) for path in paths]
    stop = Stop()
    monitor = Monitor(
        Pipeline(bench.encoder, bench.repertoire, bench.config.pipeline),
        bench.publisher,
        lambda source: read_segments(source, stop=stop, policy=bench.config.reconnect),
        config=bench.config.monitor,
        stop=stop,
    )
    before = bench.publisher.published
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    result = monitor.watch(sources)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    if result.failures:
        raise result.failures[0].error
    return _figures(result.monitored_samples / SAMPLE_RATE, wall_s, cpu_s) | {
        "files": len(paths),
        "events": bench.publisher.published - before,
    }


def _figures(audio_s: float, wall_s: float, cpu_s: float) -> dict[str, Any]:
    return {
        "streams": audio_s / wall_s,
        "streams_per_cpu_core": audio_s / cpu_s,
        "cores_used": cpu_s / wall_s,
        "audio_s": audio_s,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
    }


def _chunks(paths: Sequence[Path], count: int) -> list[np.ndarray]:
    """So many chunks of 20 s, from as many stations as there are."""
    chunks: list[np.ndarray] = []
    for turn in range(count):
        samples_S = np.concatenate(list(decode(paths[turn % len(paths)])))
        start = (turn // len(paths)) * CHUNK_SAMPLES % max(1, len(samples_S) - CHUNK_SAMPLES)
        chunks.append(samples_S[start : start + CHUNK_SAMPLES])
    return chunks
