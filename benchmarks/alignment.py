"""Alignment on rendered covers: how well starts and ends are met, how far true tracks stand out, and what it costs.

    python benchmarks/alignment.py [--works 16] [--seed 1] [--source pop909]

Renders works of the validation part (their own recording and two covers each), puts each cover between other music
and talk, places it on its track, and compares windows of it with all tracks. Prints a table and writes a dated JSON
under benchmarks/results/. One thread; run it with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoder.grid import SAMPLE_RATE
from encoder.peaks import peaks
from encoder.sketch import sketch
from encoder.training.arrange import CoverConfig, arrange, plain
from encoder.training.corpus import load_song
from encoder.training.render import levelled, render
from encoder.training.speech import speech
from encoder.training.split import works
from encoder.training.tonal_pairs import magnitudes
from stream_monitor.alignment import Anchor, Features, align, features
from stream_monitor.recording import same_recording
from stream_monitor.track_peaks import TrackPeaks

RESULTS = Path(__file__).parent / "results"
COVERS = {
    "middling": CoverConfig(difficulty=0.6),
    "hard": CoverConfig(difficulty=1.0, rewrite=1.0, substitution=0.2),
    "restructured": CoverConfig(difficulty=0.6, structure=True),
}
WINDOWS_S = (20, 40, 60)
SHORTEST_S = 45.0
Wave = NDArray[np.float32]


def main() -> None:
    """Render, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--works", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--source", default="pop909", help="pop909, composed, oneill, ryan or aird")
    options = parser.parse_args()
    named = {name: load_song(name) for name in works("validation") if name.startswith(options.source)}
    songs = {name: song for name, song in named.items() if song.duration_s >= SHORTEST_S}
    names = list(songs)[: options.works]
    songs = {name: songs[name] for name in names}
    recordings = {name: magnitudes(render(plain(song))) for name, song in songs.items()}
    tracks = {name: features(sketch(frames)) for name, frames in recordings.items()}
    result: dict[str, Any] = {"source": options.source, "works": len(names), "seed": options.seed}
    for kind, config in COVERS.items():
        rng = np.random.default_rng([options.seed, len(kind)])
        errors, right, wrong = [], {s: [] for s in WINDOWS_S}, {s: [] for s in WINDOWS_S}
        for number, (name, song) in enumerate(songs.items()):
            cover = arrange(song, options.seed, config)
            wave_S = levelled(render(cover, soundfont="TimGM6mb.sf2", room=0.3), -18.0)
            neighbour = songs[names[(number + 1) % len(names)]]
            before_S, behind_S = surroundings(neighbour, options.seed, rng)
            heard = features(sketch(magnitudes(np.concatenate((before_S, wave_S, behind_S)))))
            start_s = len(before_S) / SAMPLE_RATE + cover.first_note_s
            end_s = len(before_S) / SAMPLE_RATE + cover.duration_s
            found = align(heard, tracks[name])
            if found is None:
                errors.append((np.inf, np.inf))
            else:
                errors.append(
                    (
                        abs(found.stream_start_sample / SAMPLE_RATE - start_s),
                        abs(found.stream_end_sample / SAMPLE_RATE - end_s),
                    )
                )
            alone = sketch(magnitudes(wave_S))
            for window_s in WINDOWS_S:
                rows = round(window_s * SAMPLE_RATE / 2048)
                begin = int(rng.integers(0, max(1, len(alone) - rows)))
                window = features(alone[begin : begin + rows])
                for other, track in tracks.items():
                    placed = align(window, track)
                    (right if other == name else wrong)[window_s].append(placed.strength if placed else 0.0)
        result[kind] = {"boundaries": boundary_figures(np.array(errors))} | {
            f"{s} s": separation_figures(np.array(right[s]), np.array(wrong[s])) for s in WINDOWS_S
        }
        say(f"{kind}: {json.dumps(result[kind])}")
    result["milliseconds"] = timings(list(tracks.values()), recordings[names[0]])
    say(f"milliseconds: {json.dumps(result['milliseconds'])}")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(tz=UTC):%Y-%m-%d}-alignment-{options.source}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    say(f"written to {path}")


def surroundings(neighbour: Any, seed: int, rng: np.random.Generator) -> tuple[Wave, Wave]:
    """What is heard before and behind a cover: half a minute of other music, or talk."""
    music_S = levelled(render(arrange(neighbour, seed + 1).excerpt(20.0, 50.0)), -18.0)
    talk_S = speech(float(rng.uniform(8.0, 20.0)), int(rng.integers(2**31)))
    return (music_S, talk_S) if rng.random() < 0.5 else (talk_S, music_S)


def boundary_figures(errors_E2: NDArray[np.float64]) -> dict[str, float]:
    """Median and 95th percentile of start and end errors in seconds, and the share with both within 5 s."""
    start_E, end_E = errors_E2.T
    return {
        "start_median_s": round(float(np.median(start_E)), 2),
        "start_p95_s": round(float(np.quantile(start_E, 0.95)), 1),
        "end_median_s": round(float(np.median(end_E)), 2),
        "end_p95_s": round(float(np.quantile(end_E, 0.95)), 1),
        "both_within_5_s": round(float((errors_E2 <= 5.0).all(axis=1).mean()), 3),
    }


def separation_figures(right_N: NDArray[np.float64], wrong_N: NDArray[np.float64]) -> dict[str, float]:
    """Share of true tracks above the strength that 1 and 10 of 1,000 other tracks reach, and that strength."""
    rare, seldom = np.quantile(wrong_N, [0.999, 0.99])
    return {
        "found_at_0.001": round(float((right_N > rare).mean()), 3),
        "found_at_0.01": round(float((right_N > seldom).mean()), 3),
        "strength_at_0.001": round(float(rare), 1),
        "median_strength": round(float(np.median(right_N)), 1),
    }


def timings(tracks: list[Features], frames_FT: Wave) -> dict[str, float]:
    """Milliseconds of each part, for one minute or four of stream against a track of about four minutes."""
    rows_NF, peaks_n = sketch(frames_FT), peaks(frames_FT)
    minute = round(60 * SAMPLE_RATE / 2048)
    track = max(tracks, key=lambda each: len(each.tonal_NCP))
    short, long = features(rows_NF[:minute]), features(rows_NF[: 4 * minute])
    anchor = Anchor(stream_sample=30 * SAMPLE_RATE, track_sample=30 * SAMPLE_RATE)
    part = peaks_n[: np.searchsorted(peaks_n, np.uint32((60 * SAMPLE_RATE // 512) << 8))]
    itself, other = TrackPeaks.of(peaks_n), TrackPeaks.of(_other(peaks_n))
    parts: dict[str, Callable[[], object]] = {
        "sketch, 20 s": lambda: sketch(frames_FT[:, :861]),
        "peaks, 20 s": lambda: peaks(frames_FT[:, :861]),
        "features, 60 s": lambda: features(rows_NF[:minute]),
        "align 60 s": lambda: align(short, track),
        "align 60 s at an anchor": lambda: align(short, track, anchor=anchor),
        "align 240 s": lambda: align(long, track),
        "same_recording, 60 s of itself": lambda: same_recording(part, itself),
        "same_recording, 60 s of another": lambda: same_recording(part, other),
    }
    return {name: round(_milliseconds(call), 2) for name, call in parts.items()}


def _other(peaks_n: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Peaks of another recording: the same numbers in another order of time."""
    last = int(peaks_n[-1] >> 8)
    return np.sort(((last - (peaks_n >> 8)) << 8) | (peaks_n & 255)).astype(np.uint32)


def _milliseconds(call: Callable[[], object]) -> float:
    """Processor time of one call, the least of five, after one for warming up."""
    call()
    spent = []
    for _ in range(5):
        begin = time.process_time()
        call()
        spent.append(time.process_time() - begin)
    return 1e3 * min(spent)


def say(text: str) -> None:
    """One line to stderr, where progress goes."""
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
