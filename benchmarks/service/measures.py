"""What is measured of the service: each function is one experiment and returns its figures."""

from __future__ import annotations

import json
import pickle
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from signal import SIGKILL
from typing import Any

from benchmarks.service.material import SEGMENT_S, Stream
from benchmarks.service.records import in_turns
from benchmarks.service.service import Service, WorkerProcess
from stream_monitor.kafka.client import Received

CHUNK_S, HOP_S = 20, 10
UNTRANSACTED = ("-m", "benchmarks.service.untransacted")


def chunks_of(streams: Sequence[Stream]) -> int:
    """Chunks that these streams have."""
    return sum((stream.seconds - CHUNK_S) // HOP_S + 1 for stream in streams)


def embedded(service: Service, streams: Sequence[Stream]) -> dict[str, Any]:
    """The pipeline without a broker on the same records."""
    records = [(each.key, each.value, each.headers) for each in in_turns(streams, datetime.now(UTC))]
    path = service.folder / "records.pickle"
    path.write_bytes(pickle.dumps(records))
    command = [sys.executable, "-m", "benchmarks.service.embedded", str(service.config), str(service.catalogue)]
    done = subprocess.run([*command, str(path)], stdout=subprocess.PIPE, check=True)
    told = json.loads(done.stdout)
    return _figures(streams, told["wall_s"], told["cpu_s"]) | {"events": told["events"]}


def through_kafka(
    service: Service, streams: Sequence[Stream], *, workers: int = 1, module: Sequence[str] = ()
) -> dict[str, Any]:
    """An archive of segments that waits in Kafka, from taking over to the last event."""
    service.create()
    service.send(in_turns(streams, datetime.now(UTC)))
    running = [service.start(f"w{number}", module=module) for number in range(workers)]
    begun = min(service.wait_taken_over(worker) for worker in running)
    before_s = sum(worker.cpu_s() for worker in running)
    records = service.wait_ended(len(streams))
    cpu_s = sum(worker.cpu_s() for worker in running) - before_s
    ended = max(record.appended_ms for record in records) / 1000
    service.stop()
    return _figures(streams, ended - begun, cpu_s) | {"events": len(records), "workers": workers}


def live(service: Service, streams: Sequence[Stream], *, kill_at_s: float | None = None) -> dict[str, Any]:
    """Streams at the speed of sound: how long after a chunk's last sample its events are there, and after a kill."""
    service.create()
    worker = service.start()
    service.wait_taken_over(worker)
    time.sleep(1.0)
    started_at, started_s = datetime.now(UTC), time.monotonic()
    killed: dict[str, float] = {}

    def kill() -> None:
        killed["at"] = time.time()
        worker.end(SIGKILL)
        service.workers.remove(worker)
        service.start()

    timer = None if kill_at_s is None else threading.Timer(kill_at_s, kill)
    if timer is not None:
        timer.start()
    memory = _Memory(service)
    with memory:
        service.send(in_turns(streams, started_at, spread=True), paced_from=started_s)
        sent_s = time.monotonic() - started_s
        records = service.wait_ended(len(streams))
    drained_s = time.monotonic() - started_s - sent_s
    service.stop()
    result: dict[str, Any] = {"streams": len(streams), "seconds": streams[0].seconds, "drained_after_s": drained_s}
    if "at" in killed:
        after = [r.appended_ms / 1000 for r in records if r.appended_ms / 1000 > killed["at"] and _is_play(r)]
        result["first_event_after_kill_s"] = min(after) - killed["at"]
    else:
        result["capture_to_event_s"] = _latencies(records)
    return result | {"own_memory_mb": memory.figures()}


class _Memory:
    """Looks at the workers' memory every second."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._seen: list[float] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(1.0):
            self._seen.append(sum(_alive(worker) for worker in list(self._service.workers)) / 1e6)

    def figures(self) -> dict[str, float]:
        """Of the first third, and the most."""
        first = self._seen[: max(1, len(self._seen) // 3)]
        return {"first_third_most": round(max(first)), "most": round(max(self._seen)), "last": round(self._seen[-1])}


def _alive(worker: WorkerProcess) -> float:
    return float(worker.resident_bytes()) if worker.process.poll() is None else 0.0


def _is_play(record: Received) -> bool:
    return b'"type":"music.play.v1"' in (record.value or b"")


def _latencies(records: Sequence[Received]) -> dict[str, float]:
    """From the last sample of a chunk to the record of what it told.

    Chunks of a stream end every 10 s, so the time since the last one that can have been the reason is the remainder.
    What was told within the first second after a chunk's end cannot be of it (its segment is not full).
    """
    late = []
    for record in records:
        if not _is_play(record):
            continue
        data = json.loads(record.value or b"")["data"]
        if data["status"] in ("provisional", "updated"):
            since_s = (record.appended_ms - data["epoch"]) / 1000
            if since_s >= CHUNK_S:
                late.append((since_s - 1.0) % HOP_S + 1.0)
    late.sort()
    return {
        "events": len(late),
        "median": statistics.median(late),
        "p99": late[min(len(late) - 1, round(0.99 * len(late)))],
        "of_it_until_the_segment_is_full": float(SEGMENT_S),
    }


def _figures(streams: Sequence[Stream], wall_s: float, cpu_s: float) -> dict[str, Any]:
    audio_s = sum(stream.seconds for stream in streams)
    return {
        "streams": audio_s / wall_s,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "cpu_ms_per_chunk": 1e3 * cpu_s / chunks_of(streams),
    }
