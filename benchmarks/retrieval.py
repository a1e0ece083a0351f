"""Times the index on embeddings of the shipped encoder: building, asking, recall, similarities, opening a catalogue.

Run: `python benchmarks/retrieval.py [--vectors 10000 100000 200000] [--drawn 10000] [--ef 64 128 200]`. Prints a table
and writes a dated JSON under benchmarks/results/.

The first `--drawn` embeddings are of real works: views of songs drawn from notes, a chunk every 10 s, through the
shipped network. Queries are other views of the same songs (covers: other key, tempo, band). Larger indexes are filled
up with tracks mixed out of two real ones, so that they crowd the same part of the sphere. Recall is against the exact
scan. Milliseconds are CPU time of one thread, seconds are wall time unless they say CPU.

Not named index.py: a script's folder comes first on the path, and it would hide the package.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from encoder.training.augment import EMPTY_SPEECH, ViewRequest, draw_views, drawn_song
from encoder.training.corpus import load_songs
from encoder.training.stage import embed_means
from encoder.weights import load_weights
from index.catalogue import Catalogue
from index.exact import ExactIndex
from index.hnsw import FrozenGraph, GraphConfig
from index.live import LiveIndex
from index.live_config import LiveConfig
from index.maxmean import window_scores_table
from index.protocol import Neighbours
from index.rows import EmbeddingRows
from index.track import NewTrack

RESULTS = Path(__file__).parent / "results"
TRACK_ROWS = 18
QUERIES = 256
K = 50

Array = NDArray[np.float32]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=int, nargs="+", default=[10_000, 100_000, 200_000])
    parser.add_argument("--drawn", type=int, default=10_000, help="embeddings of real works")
    parser.add_argument("--ef", type=int, nargs="+", default=[64, 128, 200])
    parser.add_argument("--catalogue-tracks", type=int, default=2_000, help="for opening; 0 leaves it out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    machine = describe_machine()
    say(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_1min']}")
    drawn_RD, query_BD = embeddings(arguments.drawn)
    say(f"{len(drawn_RD)} embeddings drawn, {len(query_BD)} queries")
    index = LiveIndex(EmbeddingRows(512), config=LiveConfig(min_graph_rows=1, background=False))
    exact = ExactIndex()
    result: dict[str, Any] = {"machine": machine, "drawn": len(drawn_RD), "queries": len(query_BD), "sizes": []}
    tracks = enumerate(filled_up(drawn_RD))
    for vectors in sorted(arguments.vectors):
        while len(index) < vectors:
            key, track_ND = next(tracks)
            index.add(key, track_ND)
            exact.add(key, track_ND)
        row = measure(index, exact, query_BD, arguments.ef)
        result["sizes"].append(row)
        say(json.dumps(row))
        write(result)
    if arguments.catalogue_tracks:
        result["catalogue"] = time_catalogue(filled_up(drawn_RD), arguments.catalogue_tracks)
        say(json.dumps(result["catalogue"]))
    say(f"written: {write(result)}")


def write(result: dict[str, Any]) -> Path:
    """Write what was measured so far."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.date.today().isoformat()}-retrieval.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path


def embeddings(count: int) -> tuple[Array, Array]:
    """Embeddings of drawn works in the order of the works, and of other views of some of their chunks."""
    weights = load_weights(None)
    songs = [drawn_song(song) for song in load_songs(("pop909", "aird", "oneill", "ryan"))]
    places = [(song, start) for song in songs for start in np.arange(0.0, max(song.duration_s - 20, 1), 10.0).tolist()]
    places = places[:count]

    def embedded(chosen: list[tuple[Any, float]], difficulty: float, seed: int) -> Array:
        parts = []
        for first in range(0, len(chosen), 512):
            requests = [
                ViewRequest(song=song, start_s=start, seed=seed + first + number)
                for number, (song, start) in enumerate(chosen[first : first + 512])
            ]
            average_frames = weights.config.average_frames
            mean_VFT = draw_views(
                requests, difficulty=difficulty, average_frames=average_frames, speech_FN=EMPTY_SPEECH
            )
            parts.append(embed_means(weights.network, mean_VFT))
        return np.concatenate(parts)

    asked = np.random.default_rng(1).choice(len(places), min(QUERIES, len(places)), replace=False)
    return embedded(places, 0.5, 0), embedded([places[number] for number in asked], 0.7, 1_000_000)


def filled_up(drawn_RD: Array) -> Iterator[Array]:
    """Tracks of 18 rows: the drawn ones, then mixtures of two of them, without end."""
    tracks = [drawn_RD[start : start + TRACK_ROWS] for start in range(0, len(drawn_RD) - TRACK_ROWS, TRACK_ROWS)]
    yield from tracks
    rng = np.random.default_rng(2)
    while True:
        first, second = rng.choice(len(tracks), 2, replace=False)
        share = rng.uniform(0.35, 0.65)
        mixed_ND = share * tracks[first] + (1 - share) * rng.permutation(tracks[second])
        mixed_ND += rng.normal(0, 0.01, mixed_ND.shape)
        yield (mixed_ND / np.linalg.norm(mixed_ND, axis=1, keepdims=True)).astype(np.float32)


def measure(index: LiveIndex, exact: ExactIndex, query_BD: Array, efs: list[int]) -> dict[str, Any]:
    """Merge what was added, then ask."""
    added = index.stats.delta_rows
    wall, cpu = timed(index.merge)
    row: dict[str, Any] = {
        "vectors": len(index),
        "tracks": len(index) // TRACK_ROWS,
        "merged": added,
        "build_s": round(wall, 2),
        "build_cpu_s": round(cpu, 2),
        "build_cpu_ms_per_vector": round(1e3 * cpu / max(added, 1), 3),
    }
    truth = exact.neighbours(query_BD, K)
    row["exact_ms_per_query"] = round(per_call(lambda: exact.neighbours(query_BD, K), 3) / len(query_BD), 3)
    row["similarity_1_and_50"] = [round(float(truth.similarity_BK[:, rank].mean()), 3) for rank in (0, K - 1)]
    for ef in efs:
        found: list[Neighbours] = []
        asked = with_ef(index, ef)
        batch = per_call(lambda asked=asked, found=found: found.append(asked.neighbours(query_BD, K)), 3)
        ones = cycle([query_BD[number : number + 1] for number in range(len(query_BD))])
        single = per_call(lambda asked=asked, ones=ones: asked.neighbours(next(ones), K), 100)
        row[f"ef_{ef}"] = {
            "recall_50": round(recall(found[-1], truth, K), 4),
            "recall_10": round(recall(found[-1], truth, 10), 4),
            "recall_1": round(recall(found[-1], truth, 1), 4),
            "batch_ms_per_query": round(batch / len(query_BD), 3),
            "single_ms": round(single, 3),
        }
    rng = np.random.default_rng(3)
    for tracks in (number for number in (100, 250) if number <= len(index) // TRACK_ROWS):
        for chunks in (1, 5):
            name = f"similarities_{tracks}_tracks_{chunks}_chunks_ms"
            draws = cycle([rng.choice(len(index) // TRACK_ROWS, tracks, replace=False).tolist() for _ in range(50)])
            window_MD = query_BD[:chunks]
            row[name] = round(per_call(lambda w=window_MD, d=draws: index.similarities(w, next(d)), 100), 3)
            table = index.similarity_table(window_MD, next(draws))
            scores = per_call(lambda t=table: window_scores_table(t.value_MR, t.offset_T1), 100)
            row[name.replace("similarities", "window_scores")] = round(scores, 3)
    return row


def with_ef(index: LiveIndex, ef: int) -> LiveIndex:
    """The same rows and graph, searched with another ef."""
    searched: list[LiveIndex] = []

    def share(graph: FrozenGraph, end_row: int) -> None:
        config = LiveConfig(graph=GraphConfig(ef_search=ef), min_graph_rows=1, background=False)
        graph = FrozenGraph(graph._graph, graph._row_R, set(graph.forgotten), config.graph)
        searched.append(LiveIndex(index._rows, graph=graph, graph_end_row=end_row, config=config))

    index.with_graph(share)
    return searched[0]


def recall(found: Neighbours, truth: Neighbours, k: int) -> float:
    """Share of the true k nearest that are among the k found."""
    pairs = [
        set(zip(keys[:k].tolist(), positions[:k].tolist(), strict=True))
        for neighbours in (found, truth)
        for keys, positions in zip(neighbours.track_BK, neighbours.position_BK, strict=True)
    ]
    half = len(pairs) // 2
    return float(np.mean([len(a & b) / k for a, b in zip(pairs[:half], pairs[half:], strict=True)]))


def time_catalogue(tracks: Iterator[Array], count: int) -> dict[str, Any]:
    """Enrol, save the graph, open, verify; sketches and peaks as long as four-minute tracks have them."""
    rng = np.random.default_rng(4)
    sketch_nF = rng.integers(0, 256, (2_000, 84)).astype(np.uint8)
    peaks_n = np.arange(1_500, dtype=np.uint32)
    tonal_nV = rng.integers(-127, 128, (1_000, 96)).astype(np.int8)

    def new(number: int) -> NewTrack:
        return NewTrack(
            track_id=f"track-{number}",
            metadata={"title": f"Title {number}", "artist": "Somebody", "path": f"{number}.flac"},
            audio_hash=f"{number:032x}",
            duration_samples=190 * 22_050,
            embedding_ND=next(tracks),
            starts_N=np.arange(TRACK_ROWS, dtype=np.int64) * 220_500,
            sketch_nF=sketch_nF,
            peaks_n=peaks_n,
            tonal_nV=tonal_nV,
        )

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalogue"
        with Catalogue.create(path, encoder_fingerprint="benchmark") as catalogue:
            one_by_one = [new(number) for number in range(50)]
            single_ms = 1e3 * statistics.median([timed(lambda: catalogue.add(one_by_one.pop()))[0] for _ in range(50)])
            batches = [[new(first + number) for number in range(50)] for first in range(50, count, 50)]
            batch_s, _ = timed(lambda: [catalogue.add_many(batch) for batch in batches])
            graph_s, _ = timed(catalogue.save_graph)
        before = resident_mib()
        opened: list[Catalogue] = []
        open_s, _ = timed(lambda: opened.append(Catalogue.open(path, encoder_fingerprint="benchmark")))
        index_s, _ = timed(lambda: opened[0].index)
        opened_mib = resident_mib() - before
        opened[0].index.neighbours(next(tracks)[:1], K)
        info = opened[0].info()
        hours = info.duration_samples / 22_050 / 3600
        verify_s, _ = timed(opened[0].verify)
        opened[0].close()
    on_disk = info.table_bytes + info.embedding_bytes + info.frame_bytes + info.graph_bytes
    return {
        "tracks": info.tracks,
        "embeddings": info.embeddings,
        "hours": round(hours, 1),
        "add_ms": round(single_ms, 2),
        "add_many_ms_per_track": round(1e3 * batch_s / (count - 50), 2),
        "graph_s": round(graph_s, 2),
        "open_s": round(open_s, 3),
        "index_s": round(index_s, 3),
        "opened_mib": round(opened_mib, 1),
        "opened_kib_per_hour": round(1024 * opened_mib / hours, 1),
        "disk_kib_per_hour": round(on_disk / 1024 / hours, 1),
        "verify_s": round(verify_s, 2),
    }


def per_call(call: Callable[[], object], times: int) -> float:
    """Median CPU milliseconds of a call, after one that is not counted; with one thread, its time when idle."""
    call()
    return 1e3 * statistics.median(timed(call)[1] for _ in range(times - 1))


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def resident_mib() -> float:
    """Memory of this process that is its own, without mapped files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def describe_machine() -> dict[str, Any]:
    """Where this ran."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown"),
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "numpy": np.__version__,
    }


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
