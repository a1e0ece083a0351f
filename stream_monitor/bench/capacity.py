"""How many streams the machine carries in real time: audio seconds over wall seconds of the whole monitor.

Files are watched as an archive, as fast as it goes: decoded, heard, tracked and told in events, by the processes that
`watch` runs, from the moment when each has opened encoder and catalogue. The naive pipelines get samples that are
decoded already and do nothing after the embedding.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from encoder.grid import CHUNK_HOP_SAMPLES, CHUNK_SAMPLES, SAMPLE_RATE
from encoder.model import Encoder
from encoder.naive import NaiveEncoder, NaiveNetwork
from stream_monitor.bench.drawn import catalogue_folder
from stream_monitor.bench.music import music_of
from stream_monitor.bench.plan import BenchPlan
from stream_monitor.cli.logging import quiet_logging
from stream_monitor.config import Config
from stream_monitor.decode import decode
from stream_monitor.processes import Processes
from stream_monitor.shares import process_count, share_of_threads, shares
from stream_monitor.sink import FileSink
from stream_monitor.sources import Source
from stream_monitor.watching import WatchPlan

NAIVE_NETWORKS: dict[str, NaiveNetwork] = {
    "nnAudio + default network": "default",
    "nnAudio + ResNet50-IBN, T = 43": "resnet50_ibn",
}


def measure(plan: BenchPlan) -> dict[str, Any]:
    """Streams in real time, FLAC and MP3 in."""
    music = music_of(plan)
    catalogue = catalogue_folder(plan, plan.tracks, Encoder.load().fingerprint)
    return {"flac": _median(plan, catalogue, music.flac), "mp3": _median(plan, catalogue, music.mp3)}


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


def _median(plan: BenchPlan, catalogue: Path, paths: Sequence[Path]) -> dict[str, Any]:
    runs = sorted(
        (_watched(plan, catalogue, paths) for _ in range(plan.repeats)), key=lambda run: float(run["streams"])
    )
    middle = runs[(len(runs) - 1) // 2]
    return middle | {"all_runs_streams": [run["streams"] for run in runs]}


def _watched(plan: BenchPlan, catalogue: Path, paths: Sequence[Path]) -> dict[str, Any]:
    """One run of the whole monitor over the files."""
    sources = [Source(stream_id=path.name, kind="upload", medium="file", location=str(path)) for path in paths]
    config = Config()
    processes = process_count(sources, config, plan.threads)
    watch = WatchPlan(config=share_of_threads(config, processes), catalogue=catalogue)
    with (
        tempfile.TemporaryDirectory() as folder,
        Processes(watch, shares(sources, processes), prepare=quiet_logging) as leader,
        closing(FileSink(Path(folder) / "events.jsonl")) as sink,
    ):
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        result = leader.watch(sink)
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        if result.failures:
            raise result.failures[0].error
        return _figures(result.monitored_samples / SAMPLE_RATE, wall_s, cpu_s + leader.cpu_s) | {
            "files": len(paths),
            "processes": processes,
            "events": sink.written,
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
