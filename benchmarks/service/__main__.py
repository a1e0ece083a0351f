"""The Kafka service against the embedded pipeline, on a real broker on this machine: `python -m benchmarks.service`.

    python -m benchmarks.service [--streams 200] [--seconds 60] [--only compare --only live ...]

The broker shares the machine's cores with what is measured. Writes benchmarks/results/DATE-service.json and prints it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.service.material import Stream, streams_of
from benchmarks.service.measures import UNTRANSACTED, embedded, live, through_kafka
from benchmarks.service.service import Service
from encoder.model import Encoder
from stream_monitor.bench.drawn import catalogue_folder, prepare_catalogue
from stream_monitor.bench.machine import describe
from stream_monitor.bench.music import music_of, prepare_music
from stream_monitor.bench.plan import BenchPlan, default_cache
from stream_monitor.cli.logging import quiet_logging
from stream_monitor.cli.threads import calm_blas, share_cores
from tests.stack.kafka import Kafka

EXPERIMENTS = ("compare", "transactions", "workers", "live", "recovery", "overload")


def main() -> None:
    """Makes what is needed, then one experiment after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--tracks", type=int, default=1000)
    parser.add_argument("--stations", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--capacity", type=float, help="streams that the machine carries, where compare is not run")
    parser.add_argument("--only", action="append", choices=EXPERIMENTS)
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "results")
    options = parser.parse_args()
    quiet_logging()
    calm_blas()
    share_cores()  # every process of it, as the command line has it
    plan = BenchPlan(cache=default_cache(), tracks=options.tracks, streams=options.stations, mp3_streams=1)
    fingerprint = Encoder.load().fingerprint
    for what, steps in (
        ("music", prepare_music(plan)),
        ("catalogue", prepare_catalogue(plan, plan.tracks, fingerprint)),
    ):
        for done, total in steps:
            sys.stderr.write(f"\r{what} {done}/{total}")
    sys.stderr.write("\nsegments\n")
    result: dict[str, Any] = {
        "machine": describe(plan.threads, " ".join(["python", "-m", "benchmarks.service", *sys.argv[1:]])),
        "encoder": fingerprint,
        "plan": {"streams": options.streams, "seconds": options.seconds, "tracks": options.tracks, "segment_s": 5},
    }
    with tempfile.TemporaryDirectory() as folder:
        kafka = Kafka(Path(folder) / "kafka")
        kafka.start()
        try:
            _experiments(
                result,
                set(options.only or EXPERIMENTS),
                streams_of(music_of(plan).flac, options.streams, options.seconds),
                repeats=options.repeats,
                capacity=options.capacity,
                make=lambda name, partitions, extra: Service(
                    bootstrap=kafka.bootstrap,
                    name=name,
                    folder=Path(folder),
                    catalogue=catalogue_folder(plan, plan.tracks, fingerprint),
                    partitions=partitions,
                    extra=extra,
                ),
            )
        finally:
            kafka.stop()
            options.output.mkdir(parents=True, exist_ok=True)
            path = options.output / f"{datetime.now(tz=UTC):%Y-%m-%d}-service.json"
            path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            sys.stdout.write(json.dumps(result, indent=1) + "\n")


def _experiments(
    result: dict[str, Any],
    wanted: set[str],
    streams: list[Stream],
    *,
    repeats: int,
    capacity: float | None,
    make: Callable[[str, int, dict[str, object]], Service],
) -> None:
    def say(name: str, figures: dict[str, Any]) -> dict[str, Any]:
        sys.stderr.write(f"{name}: {json.dumps(figures)}\n")
        return figures

    if "compare" in wanted:
        pairs = []
        for turn in range(repeats):
            service = make(f"compare-{turn}", 6, {})
            kafka = say("kafka", through_kafka(service, streams))
            pairs.append({"kafka": kafka, "embedded": say("embedded", embedded(service, streams))})
        ratio = statistics.median(pair["kafka"]["streams"] / pair["embedded"]["streams"] for pair in pairs)
        cpu = statistics.median(pair["kafka"]["cpu_s"] / pair["embedded"]["cpu_s"] for pair in pairs)
        result["compare"] = {"runs": pairs, "streams_ratio": ratio, "cpu_ratio": cpu}
        capacity = statistics.median(pair["kafka"]["streams"] for pair in pairs)
    if "transactions" in wanted:
        pairs = [
            {
                "with": say("with transactions", through_kafka(make(f"with-{turn}", 6, {}), streams)),
                "without": say("without", through_kafka(make(f"without-{turn}", 6, {}), streams, module=UNTRANSACTED)),
            }
            for turn in range(repeats)
        ]
        ratio = statistics.median(pair["with"]["streams"] / pair["without"]["streams"] for pair in pairs)
        cpu = statistics.median(pair["with"]["cpu_s"] / pair["without"]["cpu_s"] for pair in pairs)
        result["transactions"] = {"runs": pairs, "streams_ratio": ratio, "cpu_ratio": cpu}
    if "workers" in wanted:
        one = say("one worker", through_kafka(make("one", 2, {}), streams))
        two = say("two workers", through_kafka(make("two", 2, {}), streams, workers=2))
        ratio = two["cpu_ms_per_chunk"] / one["cpu_ms_per_chunk"]
        result["workers"] = {"one": one, "two": two, "cpu_ratio": ratio}
    if capacity is None:
        return
    half = streams_like(streams, round(capacity / 2))
    if "live" in wanted:
        result["live"] = say("live at half of the capacity", live(make("live", 6, {}), half))
    if "recovery" in wanted:
        result["recovery"] = say("recovery", live(make("recovery", 6, {}), half, kill_at_s=35.0))
    if "overload" in wanted:
        overload = live(make("overload", 6, {}), streams_like(streams, round(2 * capacity)))
        del overload["capture_to_event_s"]  # told modulo a hop: of no meaning for a worker that lags by more
        result["overload"] = say("overload", overload)


def streams_like(streams: list[Stream], count: int) -> list[Stream]:
    """So many streams with the same audio in turns."""
    return [
        Stream(stream_id=f"st-{number:05d}", payloads=streams[number % len(streams)].payloads)
        for number in range(count)
    ]


if __name__ == "__main__":
    main()
