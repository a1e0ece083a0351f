"""Memory of one process that has a catalogue and some streams open; slopes over several such processes tell the rest.

Files are read segment by segment as `watch` reads them, all open at once. Pages of the catalogue's files are told
apart: the kernel takes them back when memory is short. It knows nothing of the other measurements.
"""

from __future__ import annotations

import ctypes
import gc
import tempfile
from pathlib import Path
from typing import Any

from encoder.grid import SAMPLE_RATE
from stream_monitor.bench.music import music_of
from stream_monitor.bench.plan import BenchPlan
from stream_monitor.bench.workbench import workbench
from stream_monitor.pipeline import Pipeline
from stream_monitor.reading import read_segments
from stream_monitor.sources import Source
from stream_monitor.stopping import Stop


def measure(plan: BenchPlan, streams: int, tracks: int) -> dict[str, Any]:
    """Memory after the streams have been read, just before their ends, in a process that did nothing else."""
    paths = music_of(plan).flac[:streams]
    stop = Stop()
    with (
        tempfile.TemporaryDirectory() as folder,
        workbench(plan, Path(folder) / "events.jsonl", tracks=tracks) as bench,
    ):
        hours = sum(track.duration_samples for track in bench.catalogue.tracks()) / SAMPLE_RATE / 3600
        embeddings = len(bench.catalogue.index)
        opened = resident_bytes()
        pipeline = Pipeline(bench.encoder, bench.repertoire, bench.config.pipeline)
        sources = [Source(stream_id=path.name, kind="upload", medium="file", location=str(path)) for path in paths]
        readers = [read_segments(source, stop=stop) for source in sources]
        going = True
        while going:
            row = [segment for reader in readers if (segment := next(reader, None)) is not None]
            going = bool(row) and not any(segment.last for segment in row)
            bench.publisher.publish(pipeline.push([segment for segment in row if not segment.last], now_s=0.0))
        playing = resident_bytes()
        pipeline.finish()
    return {
        "streams": len(paths),
        "tracks": tracks,
        "enrolled_hours": hours,
        "embeddings": embeddings,
        "catalogue_open": opened,
        "streams_open": playing,
    }


def resident_bytes() -> dict[str, int]:
    """Resident memory of this process by kind, after what is free was given back."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    kinds = {"VmRSS": "resident", "RssAnon": "anonymous", "RssFile": "mapped"}
    lines = (line.split() for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    return {kinds[words[0][:-1]]: int(words[1]) * 1024 for words in lines if words and words[0][:-1] in kinds}
