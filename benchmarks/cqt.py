"""Times the front end: our CQT against nnAudio's in one run, and the resampler against real time.

Run: `python benchmarks/cqt.py [--threads 2] [--seconds 3]`. Prints a table and writes a dated JSON under
benchmarks/results/. "20 s" of ours are two blocks of 431 frames with their halo, as the monitor computes them; of
nnAudio's one window of 20 s.
"""

import argparse
import datetime
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from encoder.cqt import ConstantQ
from encoder.grid import BLOCK_FRAMES, CHUNK_SAMPLES, HOP
from encoder.reference_cqt import ReferenceConstantQ
from encoder.resample import StreamingResampler

RESULTS = Path(__file__).parent / "results"
BATCHES = (1, 8, 32)
RATES = (44_100, 48_000, 96_000)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0, help="time to spend on each figure")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    machine = describe_machine(arguments.threads)
    say(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_1min']}, torch {torch.__version__}")
    say(f"{arguments.threads} threads, ms per 20 s of audio: least wall, median wall, median CPU of all threads")
    result: dict[str, Any] = {"machine": machine, "cqt": [], "resample": []}
    for batch in BATCHES:
        row = time_cqt(batch, arguments.seconds)
        result["cqt"].append(row)
        say(
            f"CQT, batch {batch:3d}: "
            f"ours {row['ours_ms']:.2f}, {row['ours_median_ms']:.2f}, {row['ours_cpu_ms']:.2f}; "
            f"nnAudio {row['nnaudio_ms']:.1f}, {row['nnaudio_median_ms']:.1f}, {row['nnaudio_cpu_ms']:.1f}; "
            f"ratio {row['ratio']:.1f}, of medians {row['ratio_of_medians']:.1f}, of CPU {row['ratio_of_cpu']:.1f}"
        )
    say(f"relative L2 error against nnAudio on white noise: {result['cqt'][0]['relative_l2_error']:.1e}")
    for rate in RATES:
        speed = time_resampler(rate)
        result["resample"].append({"rate_hz": rate, "times_real_time": speed})
        say(f"resampler, {rate} Hz: {speed:,.0f} times real time, one stream")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.date.today().isoformat()}-cqt-{arguments.threads}-threads.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    say(f"written: {path}")


def time_cqt(batch: int, seconds: float) -> dict[str, Any]:
    """Both transforms on the same noise, taking turns, so that both meet the same neighbours on the machine."""
    ours = ConstantQ()
    support = ours.support_samples
    theirs = ReferenceConstantQ(0)
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randn(2 * batch, (BLOCK_FRAMES - 1) * HOP + 1 + 2 * support, generator=generator)
    windows = torch.randn(batch, CHUNK_SAMPLES, generator=generator)
    sample = blocks[:1]
    difference = ours(sample) - ReferenceConstantQ(support)(sample)
    ours_runs: list[tuple[float, float]] = []
    theirs_runs: list[tuple[float, float]] = []
    ours(blocks)
    theirs(windows)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(theirs_runs) < 3:
        theirs_runs.append(timed(lambda: theirs(windows)))
        ours_runs.extend(timed(lambda: ours(blocks)) for _ in range(5))
    ours_ms, ours_median_ms, ours_cpu_ms = summary_ms(ours_runs, batch)
    theirs_ms, theirs_median_ms, theirs_cpu_ms = summary_ms(theirs_runs, batch)
    return {
        "batch": batch,
        "ours_ms": ours_ms,
        "ours_median_ms": ours_median_ms,
        "ours_cpu_ms": ours_cpu_ms,
        "nnaudio_ms": theirs_ms,
        "nnaudio_median_ms": theirs_median_ms,
        "nnaudio_cpu_ms": theirs_cpu_ms,
        "ratio": theirs_ms / ours_ms,
        "ratio_of_medians": theirs_median_ms / ours_median_ms,
        "ratio_of_cpu": theirs_cpu_ms / ours_cpu_ms,
        "relative_l2_error": float(difference.norm() / ReferenceConstantQ(support)(sample).norm()),
        "support_samples": support,
    }


def summary_ms(runs: list[tuple[float, float]], batch: int) -> tuple[float, float, float]:
    """Least and median wall time and median CPU time, per 20 s."""
    wall, cpu = zip(*runs, strict=True)
    return min(wall) * 1e3 / batch, statistics.median(wall) * 1e3 / batch, statistics.median(cpu) * 1e3 / batch


def time_resampler(rate: int) -> float:
    """Speed against real time of one stream pushed in segments of 5 s, best of five."""
    segments = list(np.random.default_rng(0).uniform(-1, 1, (6, 5 * rate)).astype(np.float32))
    StreamingResampler(rate)  # the tables of a rate are made once

    def run() -> None:
        resampler = StreamingResampler(rate)
        for segment in segments:
            resampler.push(segment)
        resampler.flush()

    return 30 / min(timed(run)[0] for _ in range(5))


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of one call; on a busy machine the second says more."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def describe_machine(threads: int) -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown"),
        "cores": os.cpu_count(),
        "threads": threads,
        "load_1min": round(os.getloadavg()[0], 2),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
