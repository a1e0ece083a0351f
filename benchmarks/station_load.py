"""`produce` on a list of thousands of stations, into a real broker: what it carries, and what it says beyond that.

One server process plays MP3 of 32 kbit/s in real time to those that play; the rest of the list is silent, slow, moved,
refused, busy, unreachable, without an address, or drops again and again, in equal parts. Afterwards every record is
read back: numbers without a hole, and how late segments came. `benchmarks.stations --service` calls it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

import yaml
from kafka import KafkaConsumer, TopicPartition

from stream_monitor.kafka.records import parse
from tests.stack.kafka import Kafka
from tests.stream_monitor.sound import melody, write_audio

BIT_RATE: Final = 32_000
TROUBLE: Final = ("silent", "mute", "slow", "moved", "missing", "busy", "drops", "deaf", "closed", "unnamed")
TICKS: Final = os.sysconf("SC_CLK_TCK")


def listed(stations: int, playing: int, ports: tuple[int, int]) -> list[dict[str, str]]:
    """The list: those that play and those that do not, mixed as they would be."""
    port, deaf = ports
    places = {"deaf": f"127.0.0.1:{deaf}", "closed": "127.0.0.1:9", "unnamed": "station.invalid"}
    found: list[dict[str, str]] = []
    for number in range(stations):
        before = number * playing // stations
        plays = (number + 1) * playing // stations > before
        kind = "play" if plays else TROUBLE[(number - before) % len(TROUBLE)]
        url = f"http://{places.get(kind, f'127.0.0.1:{port}')}/{kind}/{number}"
        found.append({"id": f"{kind}-{number:05d}", "source": url})
    return found


@contextmanager
def transmitter(folder: Path) -> Iterator[tuple[int, int]]:
    """The server; its two ports."""
    path = write_audio(folder / "music.mp3", melody(1, 60.0), 22_050, bit_rate=BIT_RATE)
    command = [sys.executable, "-m", "tests.stream_monitor.transmitter", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port, deaf = map(int, process.stdout.readline().split())
            yield port, deaf
        finally:
            process.kill()


def seen(pid: int) -> dict[str, float]:
    """Processor seconds, threads, files and memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    times = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return {
        "cpu_s": (int(times[11]) + int(times[12])) / TICKS,
        "threads": int(status.split("Threads:")[1].split()[0]),
        "memory_mb": int(status.split("VmRSS:")[1].split()[0]) / 1024,
        "files": len(list(Path(f"/proc/{pid}/fd").iterdir())),
    }


def read_back(bootstrap: str, topic: str) -> dict[str, Any]:
    """Every record: whether numbers have holes, and how long after its last sample was due a segment came."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_bytes=32 << 20)
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    following: dict[Any, tuple[int, int]] = {}
    audio_s: Counter[str] = Counter()
    late_s: list[float] = []
    holes = records = 0
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        for batch in consumer.poll(timeout_ms=1_000).values():
            for each in batch:
                record = parse(each.key, each.value, each.headers)
                records += 1
                holes += following.get(record.stream, (0, 0)) != (record.seq, record.start_sample)
                following[record.stream] = (record.seq + 1, record.end_sample)
                audio_s[record.stream.stream_id] += (record.end_sample - record.start_sample) / 22_050
                late_s.append((each.timestamp - record.stream.epoch) / 1_000 - record.end_sample / 22_050)
    consumer.close()
    late_s.sort()
    played_s = sorted(seconds for stream, seconds in audio_s.items() if stream.startswith("play-"))
    return {
        "records": records,
        "holes_within_an_epoch": holes,
        "epochs": len(following),
        "audio_s_of_a_playing_station": {"least": round(played_s[0], 1), "most": round(played_s[-1], 1)},
        "playing_stations_heard": len(played_s),
        "late_s": {"median": round(median(late_s), 1), "most": round(late_s[-1], 1)},
    }


def carry(stations: int, playing: int, seconds: float) -> dict[str, Any]:
    """Runs `produce` on a list for so long after its start-up, then SIGTERM."""
    with tempfile.TemporaryDirectory(prefix="stations-") as name:
        folder = Path(name)
        kafka = Kafka(folder / "kafka")
        kafka.start()
        try:
            with transmitter(folder) as ports:
                (folder / "stations.yaml").write_text(yaml.safe_dump({"stations": listed(stations, playing, ports)}))
                return _carry(folder, kafka, ports[0], stations, seconds)
        finally:
            kafka.stop()


def _carry(folder: Path, kafka: Kafka, port: int, stations: int, seconds: float) -> dict[str, Any]:
    config = folder / "config.yaml"
    topics = {"replication": 1, "min_in_sync": 1}
    config.write_text(yaml.safe_dump({"kafka": {"bootstrap_servers": kafka.bootstrap}, "topics": topics}))
    command = [sys.executable, "-m", "stream_monitor", "--log-json"]
    subprocess.run([*command, "topics", "create", "--config", str(config)], check=True, stdout=subprocess.DEVNULL)
    log = folder / "log"
    asked = [*command, "produce", "--stations", str(folder / "stations.yaml"), "--config", str(config)]
    with log.open("wb") as said:
        process = subprocess.Popen(asked, stderr=said)
        try:
            started_s, all_asked_s = time.monotonic(), None
            while all_asked_s is None and time.monotonic() - started_s < 300 and process.poll() is None:
                time.sleep(0.5)
                if b"all stations were asked once" in log.read_bytes():
                    all_asked_s = round(time.monotonic() - started_s, 1)
            before, begun_s = seen(process.pid), time.monotonic()
            most = before
            while time.monotonic() - begun_s < seconds:
                time.sleep(1.0)
                now = seen(process.pid)
                most = {key: max(most[key], value) for key, value in now.items()}
            cores = (most["cpu_s"] - before["cpu_s"]) / (time.monotonic() - begun_s)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/counts") as answer:
                counts = json.load(answer)
            process.send_signal(signal.SIGTERM)
            ended_s = time.monotonic()
            code = process.wait(120)
            ended_s = time.monotonic() - ended_s
        finally:
            process.kill()
            process.wait()
    told = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    (Path(tempfile.gettempdir()) / "stations-service.log").write_text(log.read_text())
    found = read_back(kafka.bootstrap, "audio.broadcast")
    at_the_end = [line for line in told if line["event"] in ("stations", "all stations were asked once")][-1:]
    return {
        "listed": stations,
        "all_asked_after_s": all_asked_s,
        "cores": round(cores, 2),
        "most": {key: round(value, 1) for key, value in most.items() if key != "cpu_s"},
        "memory_mb_per_station": round(most["memory_mb"] / stations, 2),
        "server": counts,
        "warnings": dict(Counter(line["event"] for line in told if line["level"] != "info").most_common(8)),
        "last_told": at_the_end,
        "exit_code": code,
        "ended_after_s": round(ended_s, 1),
        **found,
    }
