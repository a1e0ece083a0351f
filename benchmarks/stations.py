"""Live stations read on one event loop against a thread for each: processor time, threads and memory.

    python -m benchmarks.stations [--stations 200] [--seconds 30] [--output FOLDER]
    python -m benchmarks.stations --service --stations 2000 [--playing 500]

With --service see station_load.py: `produce` itself, a broker, and stations of which many do not play.

Radio on the loopback, in real time and from a process of its own: MP3 at 128 kbit/s and AAC at 64 kbit/s, 44.1 kHz
stereo. Each reader is a process of its own that connects, decodes, cuts and encodes as `produce` does, and hands its
segments to a sender that only counts. Figures are those of `--seconds` during which all stations play. Writes
DATE-stations.json into benchmarks/results/ and prints it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.station_load import carry
from encoder.grid import SAMPLE_RATE
from stream_monitor.bench.machine import describe
from stream_monitor.cli.logging import quiet_logging
from stream_monitor.cli.open_files import allow_open_files
from stream_monitor.clock import SystemClock
from stream_monitor.hand_off import HandOff
from stream_monitor.kafka.payload import to_flac
from stream_monitor.kafka.producing import Feed
from stream_monitor.readers import Arrival, Readers, ReadersConfig
from stream_monitor.reading import read_segments
from stream_monitor.reconnect import ReconnectPolicy
from stream_monitor.sources import parse_sources
from stream_monitor.stations.settings import StationSettings
from stream_monitor.stations.stations import Stations
from stream_monitor.stopping import Stop
from tests.stream_monitor.sound import melody, write_audio

CODECS = {"mp3": 128_000, "aac": 64_000}
READERS = ("loop", "threads")
MUSIC_S = 60.0
WARM_S = 5.0
"""After the first segment of every station."""
START_S = 180.0
"""Within which every station must have brought one."""
QUEUE_SEGMENTS = 64


class Counter:
    """The sender: counts what it is given."""

    def __init__(self) -> None:
        self.segments = 0
        self.samples = 0
        self.payload_bytes = 0
        self.streams: set[str] = set()

    def send(self, arrival: Arrival) -> None:
        """Takes a segment, encoded here where the reader left it to whoever sends, as `produce` does."""
        value = to_flac(arrival.segment.samples_S) if arrival.encoded is None else arrival.encoded
        self.segments += 1
        self.samples += len(arrival.segment.samples_S)
        self.payload_bytes += len(value)
        self.streams.add(arrival.source.stream_id)


def status(name: str) -> int:
    """A number of this process's /proc/self/status."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.split(f"{name}:")[1].split()[0])


def feed_of(reader: str, urls: list[str], arrivals: HandOff[Arrival], stop: Stop) -> Feed:
    """One of the two readers on the same addresses."""
    sources = parse_sources([f"fm-{number:05d}={url}" for number, url in enumerate(urls)])
    policy = ReconnectPolicy()
    if reader == "loop":
        return Stations(
            sources, settings=StationSettings(), policy=policy, arrivals=arrivals, encode=to_flac, stop=stop
        )
    read = partial(read_segments, stop=stop, policy=policy)
    return Readers(sources, read, config=ReadersConfig(), stop=stop, clock=SystemClock(), arrivals=arrivals)


def probe(reader: str, url: str, stations: int, seconds: float) -> dict[str, Any]:
    """In a process of its own: starts so many stations, waits until all play, and counts for so long."""
    allow_open_files(stations)
    stop, given_up, counter = Stop(), Stop(), Counter()
    arrivals: HandOff[Arrival] = HandOff(limit=QUEUE_SEGMENTS, deadline_s=120.0, stop=given_up)
    feed = feed_of(reader, [url] * stations, arrivals, stop)

    def take_for(wait_s: float) -> None:
        until_s = time.monotonic() + wait_s
        while time.monotonic() < until_s:
            for arrival in arrivals.take(wait_s=0.1, at_most=QUEUE_SEGMENTS):
                counter.send(arrival)

    threads, memory_kb, started_s = status("Threads"), status("VmRSS"), time.monotonic()
    feed.start()
    while len(counter.streams) < stations:
        if time.monotonic() - started_s > START_S:
            sys.exit(f"{reader}: {len(counter.streams)} of {stations} stations play after {START_S:g} s")
        take_for(0.2)
    all_play_s = time.monotonic() - started_s
    take_for(WARM_S)
    cpu_s, wall_s, samples = time.process_time(), time.monotonic(), counter.samples
    take_for(seconds)
    cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - wall_s
    audio_s = (counter.samples - samples) / SAMPLE_RATE
    result = {
        "audio_s": round(audio_s, 1),
        "of_real_time": round(audio_s / (stations * wall_s), 3),
        "cpu_ms_per_audio_s": round(1000 * cpu_s / audio_s, 3),
        "cores": round(cpu_s / wall_s, 3),
        "threads": status("Threads") - threads,
        "mb_per_station": round((status("VmRSS") - memory_kb) / 1024 / stations, 3),
        "all_play_after_s": round(all_play_s, 1),
    }
    stop.set()
    given_up.set()
    left = feed.join(30.0)
    return result | {"failures": len(feed.failures), "left_behind": len(left)}


@contextmanager
def radio(files: list[Path]) -> Iterator[str]:
    """The server's process; its address."""
    command = [sys.executable, "-m", "tests.stream_monitor.radio", *map(str, files)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def measure(stations: int, seconds: float) -> dict[str, dict[str, Any]]:
    """Both readers on both codecs, one after the other."""
    found: dict[str, dict[str, Any]] = {codec: {} for codec in CODECS}
    with tempfile.TemporaryDirectory() as folder:
        wave_CS = melody(1, MUSIC_S, rate=44_100, channels=2)
        files = [
            write_audio(Path(folder) / f"radio.{codec}", wave_CS, 44_100, bit_rate=rate)
            for codec, rate in CODECS.items()
        ]
        with radio(files) as address:
            for codec in CODECS:
                for reader in READERS:
                    command = [sys.executable, "-m", "benchmarks.stations", "--probe", reader]
                    command += ["--url", f"{address}/radio.{codec}"]
                    command += ["--stations", str(stations), "--seconds", str(seconds)]
                    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                    found[codec][reader] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measures, writes, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--service", action="store_true", help="`produce` into a real broker.")
    parser.add_argument("--playing", type=int, help="With --service: how many of the stations play; a quarter.")
    parser.add_argument("--probe", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe is not None:
        quiet_logging()
        print(json.dumps(probe(options.probe, options.url, options.stations, options.seconds)))  # noqa: T201  the answer
        return
    command = "python -m benchmarks.stations" + " --service" * options.service
    result = {
        "machine": describe(1, f"{command} --stations {options.stations} --seconds {options.seconds:g}"),
        "stations": options.stations,
        "seconds": options.seconds,
        "decode_threads": StationSettings().decode_threads,
    }
    if options.service:
        playing = options.stations // 4 if options.playing is None else options.playing
        result["service"] = carry(options.stations, playing, options.seconds)
    else:
        result["readers"] = measure(options.stations, options.seconds)
    text = json.dumps(result, indent=1)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"{datetime.now(UTC).date()}-stations{'-service' * options.service}.json"
    path.write_text(text + "\n", encoding="utf-8")
    print(text)  # noqa: T201  the result


if __name__ == "__main__":
    main()
