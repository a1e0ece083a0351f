"""Memory and disk that a track and an embedding take: slopes over processes with catalogues of several sizes.

    python -m benchmarks.catalogue_memory [--json FILE]

Each probe is a process of its own that opens a catalogue as a worker does (graph read, every embedding touched), then a
second time as the follower does, then adds a tenth and merges it. The figures of `index/memory.py` come from here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from index.catalogue import Catalogue
from index.live import LiveIndex
from index.live_config import LiveConfig
from index.memory import EMBEDDING_BYTES, TRACK_BYTES
from index.track import NewTrack
from stream_monitor.bench.machine import describe
from stream_monitor.bench.memory import resident_bytes

DIMENSIONS = 512
ENCODER = "made-up"
SIZES = ((800, 12), (800, 36), (2400, 4), (2400, 12), (4800, 6))
"""Tracks, and embeddings of each."""
STEP_S, SKETCH_RATE, PEAK_RATE, TONAL_RATE, TONAL_WIDTH = 10, 10.77, 7.7, 5.38, 96
"""Of real recordings: seconds an embedding; rows of sketch, peaks and tonal features a second; bytes of a tonal row."""


def recording(number: int, embeddings: int) -> NewTrack:
    """Made up, as large as a real one."""
    rng = np.random.default_rng(number)
    row_ND = rng.standard_normal((embeddings, DIMENSIONS)).astype(np.float32)
    seconds = STEP_S * embeddings
    return NewTrack(
        track_id=f"recording-{number:08d}",
        metadata={"title": f"Title of recording {number}", "artist": f"Artist {number}", "isrc": f"XX{number:010d}"},
        audio_hash=f"{number:032x}",
        duration_samples=22_050 * seconds,
        embedding_ND=row_ND / np.linalg.norm(row_ND, axis=1, keepdims=True),
        starts_N=np.arange(embeddings, dtype=np.int64) * 220_500,
        sketch_nF=np.zeros((round(SKETCH_RATE * seconds), 84), dtype=np.uint8),
        peaks_n=np.zeros(round(PEAK_RATE * seconds), dtype=np.uint32),
        tonal_nV=np.zeros((round(TONAL_RATE * seconds), TONAL_WIDTH), dtype=np.int8),
    )


def make(folder: Path, tracks: int, embeddings: int) -> None:
    """A catalogue with its graph."""
    live = LiveConfig(background=False)
    with Catalogue.create(folder, encoder_fingerprint=ENCODER, dimensions=DIMENSIONS, live=live) as catalogue:
        for start in range(0, tracks, 100):
            catalogue.add_many([recording(number, embeddings) for number in range(start, min(start + 100, tracks))])
        catalogue.save_graph()


def probe(folder: Path) -> dict[str, Any]:
    """In a process of its own: what it has before, with the catalogue open, as the follower too, and while merging."""
    base = resident_bytes()
    live = LiveConfig(background=False)
    reader = Catalogue.open(folder, encoder_fingerprint=ENCODER, live=live)
    info, index = reader.info(), reader.index
    assert isinstance(index, LiveIndex)
    touched = float(reader.view.snapshot.embeddings(0, info.embeddings).sum())
    opened = resident_bytes()
    follower = Catalogue.open(folder, encoder_fingerprint=ENCODER, writable=True)
    followed = resident_bytes()
    before_merge = _highest()
    added = info.embeddings // 10
    index.add(1 << 40, recording(-1 % (1 << 32), added).embedding_ND)
    index.merge()
    highest = _highest()
    follower.close()
    reader.close()
    return {
        "tracks": info.tracks,
        "embeddings": info.embeddings,
        "added": added,
        "touched": touched,
        "open": opened["resident"] - base["resident"],
        "open_anonymous": opened["anonymous"] - base["anonymous"],
        "follower": followed["resident"] - opened["resident"],
        "merging": max(highest, before_merge) - base["resident"],
        "disk_table": info.table_bytes,
        "disk_embeddings": info.embedding_bytes,
        "disk_graph": info.graph_bytes,
        "disk_frames": info.frame_bytes,
        "hours": info.duration_samples / 22_050 / 3600,
    }


def _highest() -> int:
    """The most that this process ever had."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.split("VmHWM:")[1].split()[0]) * 1024


def slopes(rows: list[dict[str, Any]], name: str) -> dict[str, float]:
    """Bytes a track and an embedding, by least squares; a process of no tracks aside."""
    known = np.array([(1.0, row["tracks"], row["embeddings"]) for row in rows])
    found, *_ = np.linalg.lstsq(known, np.array([float(row[name]) for row in rows]), rcond=None)
    return {"track": round(float(found[1])), "embedding": round(float(found[2]))}


def main() -> None:
    """Measures all sizes and prints the slopes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--probe", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe is not None:
        print(json.dumps(probe(options.probe)))  # noqa: T201  the probe's answer
        return
    rows = []
    for tracks, embeddings in SIZES:
        with tempfile.TemporaryDirectory() as place:
            make(Path(place) / "c", tracks, embeddings)
            command = [sys.executable, "-m", "benchmarks.catalogue_memory", "--probe", str(Path(place) / "c")]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    names = ("open", "open_anonymous", "follower", "merging", "disk_table", "disk_embeddings", "disk_graph")
    result = {
        "machine": describe(1, "python -m benchmarks.catalogue_memory"),
        "rows": rows,
        "bytes": {name: slopes(rows, name) for name in names},
        "budgeted": {"track": TRACK_BYTES, "embedding": EMBEDDING_BYTES},
    }
    text = json.dumps(result, indent=1)
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")
    print(text)  # noqa: T201  the result


if __name__ == "__main__":
    main()
