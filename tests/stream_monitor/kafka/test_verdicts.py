"""Verdicts on uploads through a real broker: what is said of each, and that a worker's death changes nothing of it.

The same records are heard twice: by workers that are killed, the last segments coming only when an early verdict is
committed; then by one that nobody disturbs, in a group of its own. Both see the same log with the same times.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_monitor.cli import main
from stream_monitor.kafka.client import Producer, Received
from stream_monitor.kafka.payload import to_flac
from stream_monitor.kafka.records import FLAC, AudioRecord, headers_of, key_of
from stream_monitor.kafka.settings import KafkaSettings, dead_letters
from stream_monitor.segments import SEGMENT_SAMPLES, StreamKey
from tests.fakes.band import song
from tests.stack.kafka import Kafka
from tests.stream_monitor.kafka.test_run import DEADLINE_S, Workers, place, read_all, topics_of, undated, wait_for

__all__ = ["place"]
EPOCH = 1_795_000_000_000
IDLE_S = 5
NAMES = ("match", "clear", "lost", "spoilt", "idle")
Event = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What was committed of the five uploads."""

    disturbed: list[Event]
    undisturbed: list[Event]
    before_the_end: list[Event]
    """By the workers that were killed, while `match` still ran."""
    letters: list[Received]
    """Of both groups."""

    def verdicts(self, name: str) -> list[Event]:
        """Of one upload in the order in which they were told, as the undisturbed run has them."""
        return verdicts(self.undisturbed, name)


def verdicts(events: list[Event], name: str) -> list[Event]:
    """Of one upload, in the order in which they were told."""
    found = [event["data"] for event in events if event["type"] == "music.verdict.v1"]
    return [data for data in found if data["stream_id"] == name]


def judged(events: list[Event]) -> list[Event]:
    """The events, once every upload has its last verdict; nothing before."""
    done = all(any(not each["early"] for each in verdicts(events, name)) for name in NAMES)
    return events if done else []


def records(name: str, wave_S: np.ndarray) -> list[tuple[AudioRecord, bytes]]:
    """One upload as records."""
    pieces = [wave_S[at : at + SEGMENT_SAMPLES] for at in range(0, len(wave_S), SEGMENT_SAMPLES)]
    return [
        (
            AudioRecord(
                stream=StreamKey(kind="upload", stream_id=name, epoch=EPOCH),
                seq=seq,
                offset_samples=seq * SEGMENT_SAMPLES,
                samples=len(piece_S),
                sample_rate=22_050,
                channels=1,
                content_type=FLAC,
                captured_at=None,
                last=seq == len(pieces) - 1,
            ),
            to_flac(piece_S),
        )
        for seq, piece_S in enumerate(pieces)
    ]


def uploads() -> tuple[list[tuple[AudioRecord, bytes]], list[tuple[AudioRecord, bytes]]]:
    """What comes at first, all uploads in turns, and what comes later: the ends of `match` and of `clear`."""
    whole = {
        "match": records("match", np.concatenate((song(50, 5.0), song(0, 40.0), song(60, 90.0)))),
        "clear": records("clear", song(201, 30.0)),
        "lost": records("lost", song(202, 40.0)),
        "spoilt": records("spoilt", song(203, 40.0)),
        "idle": records("idle", song(204, 30.0)),
    }
    del whole["lost"][3]
    whole["spoilt"][4] = (whole["spoilt"][4][0], b"spoilt" * 100)
    whole["idle"][-1] = (replace(whole["idle"][-1][0], last=False), whole["idle"][-1][1])
    # Those that speak again are alone among those that do not end: only `idle` has been silent for too long.
    later = whole["match"][-2:]
    del whole["match"][-2:]
    clear = whole.pop("clear")
    rows = max(map(len, whole.values()))
    return [each[row] for row in range(rows) for each in whole.values() if row < len(each)], later + clear


def send(kafka: Kafka, topic: str, sent: list[tuple[AudioRecord, bytes]]) -> None:
    """As a producer does."""
    with Producer(KafkaSettings(bootstrap_servers=kafka.bootstrap)) as producer:
        for said, value in sent:
            producer.send(topic, key_of(said.stream), value, headers_of(said))
        producer.flush()


def group(folder: Path, kafka: Kafka, name: str) -> Path:
    """The configuration of a group that hears the same audio as the others, and tells it in topics of its own.

    One partition, so that the order of all records is that in which they were sent, and the last ones show that the
    partition has gone on without `idle`.
    """
    lines = [
        f"kafka: {{bootstrap_servers: '{kafka.bootstrap}', group_id: {name}-{folder.name}, static_membership: true}}",
        f"topics: {{partitions: 1, replication: 1, min_in_sync: 1, broadcast: broadcast-{folder.name},",
        f"  uploads: uploads-{folder.name}, catalog: catalog-{folder.name},",
        f"  events: events-{name}-{folder.name}, state: state-{name}-{folder.name}}}",
        "deterministic: true",
        f"service: {{commit_s: 0.05, poll_records: 6, session_s: 6, transaction_s: 6, idle_s: {IDLE_S}}}",
    ]
    path = folder / f"{name}.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert main(["topics", "create", "--config", str(path)]) == 0
    return path


def killed(workers: Workers, label: str, times: int) -> None:
    """A worker that dies at a labelled point."""
    process = workers.start(label, times)
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == -signal.SIGKILL


def heard_to_the_end(workers: Workers, kafka: Kafka, config: Path) -> list[Event]:
    """By one worker that ends in good order."""
    process = workers.start()
    events = wait_for(kafka, config, judged)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    return events


@pytest.fixture(scope="module")
def told(kafka: Kafka, place: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Both runs."""
    folder = tmp_path_factory.mktemp("verdicts")
    disturbed, undisturbed = group(folder, kafka, "disturbed"), group(folder, kafka, "undisturbed")
    first, later = uploads()
    topic = topics_of(disturbed).uploads
    running = [Workers(disturbed, place), Workers(undisturbed, place)]
    try:
        send(kafka, topic, first)
        sent_s = time.monotonic()
        for times, label in enumerate(("after send", "before offsets", "before commit"), start=1):
            killed(running[0], label, times)
        process = running[0].start()
        before = wait_for(kafka, disturbed, lambda events: events if verdicts(events, "match") else [])
        process.kill()
        process.communicate()
        time.sleep(max(0.0, sent_s + IDLE_S + 1.0 - time.monotonic()))
        send(kafka, topic, later)
        killed(running[0], "after commit", 1)
        events = heard_to_the_end(running[0], kafka, disturbed)
        oracle = heard_to_the_end(running[1], kafka, undisturbed)
    finally:
        for workers in running:
            workers.stop()
    return Told(
        disturbed=events,
        undisturbed=oracle,
        before_the_end=before,
        letters=read_all(kafka, dead_letters(topic), 1),
    )


def test_workers_that_are_killed_say_what_one_says_that_is_not(told: Told) -> None:
    """Dead at every labelled point and once from outside: ids and data are the same, no id twice, one dead letter."""
    assert undated(told.disturbed) == undated(told.undisturbed)
    assert len(told.letters) == 2  # one for each group


def test_a_match_is_told_while_the_upload_runs_and_not_again_by_another_worker(told: Told) -> None:
    """Committed before the upload's last segments came; the workers after that add only the last word."""
    (early,) = verdicts(told.before_the_end, "match")
    assert (early["early"], early["verdict"], early["action"]) == (True, "match", "block")
    assert [each["early"] for each in verdicts(told.disturbed, "match")] == [True, False]
    last = told.verdicts("match")[-1]
    assert (last["verdict"], last["action"], last["revision"]) == ("match", "block", 1)
    assert early["duration_s"] < last["duration_s"] == 135.0
    assert {play["track"]["track_id"] for play in last["plays"]} == {"tune0"}
    assert 30 < last["matched_s"] < 45


@pytest.mark.parametrize(("name", "reason"), [("lost", "missing"), ("spoilt", "poisoned"), ("idle", "idle")])
def test_what_was_not_heard_to_its_end_is_never_clear(told: Told, name: str, reason: str) -> None:
    """A segment that is lost, one that cannot be read, an end that never came: whatever is said is `incomplete`."""
    said = told.verdicts(name)
    assert {(each["verdict"], each["action"]) for each in said} == {("incomplete", "review")}
    assert reason in said[-1]["reasons"]
    # A hole is known before the end, silence only when it is the end.
    assert [each["early"] for each in said] == ([False] if name == "idle" else [True, False])


def test_strangers_that_were_heard_to_their_end_are_clear(told: Told) -> None:
    """Nothing is said of them before."""
    (only,) = told.verdicts("clear")
    assert (only["verdict"], only["action"], only["early"], only["coverage"]) == ("clear", "allow", False, 1.0)
