"""Cases in which records cannot be read, are gone, or the catalogue changes meanwhile."""

from __future__ import annotations

import random
import signal
import time

from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from stream_monitor.cli import main
from stream_monitor.kafka.client import LARGEST_RECORD
from tests.chaos.case import WORKERS, Proof, Scale, until, until_assigned, until_told
from tests.chaos.lab import CaseError, Events, Lab
from tests.chaos.rig import Rig
from tests.fakes.band import song
from tests.stream_monitor.sound import write_audio


def poison(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """Fifteen kinds of records that cannot be read lie between others: each is a dead letter, all else the same."""
    good = next(record for record in lab.world.first if record.kind == "broadcast")
    headers = dict(good.headers)
    sound = good.value

    def with_headers(**changed: bytes | None) -> list[tuple[str, bytes]]:
        names = {name.replace("_", "-") if name == "content_type" else name: value for name, value in changed.items()}
        return [(name, value) for name, value in {**headers, **names}.items() if value is not None]

    kinds: list[tuple[str, bytes | None, list[tuple[str, bytes]]]] = [
        ("no headers", sound, []),
        ("another type", sound, with_headers(ce_type=b"other")),
        ("a missing number", sound, with_headers(ce_seq=None)),
        ("a number that is none", sound, with_headers(ce_samples=b"many")),
        ("another stream's key", sound, with_headers(ce_streamid=b"someone")),
        ("an unknown format", sound, with_headers(content_type=b"text/html")),
        ("no audio", b"", with_headers()),
        ("noise", bytes(rng.randrange(256) for _ in range(5000)), with_headers()),
        ("half a file", sound[: len(sound) // 2], with_headers()),
        ("an hour in one segment", sound, with_headers(ce_samples=b"79380000")),
        ("a start in microseconds", sound, with_headers(ce_epoch=headers["ce_epoch"] + b"000")),
        ("a place beyond the calendar", sound, with_headers(ce_sampleoffset=b"9" * 18)),
        ("a time before the calendar", sound, with_headers(ce_time=b"0001-01-01T00:00:00+01:00")),
        ("noise as large as a record may be", rng.randbytes(LARGEST_RECORD - 800), with_headers()),
        ("text that is no UTF-8", sound, with_headers(ce_kind=b"\xff\xfe")),
    ]
    producer = KafkaProducer(bootstrap_servers=lab.bootstrap)
    pieces = len(lab.world.first) // len(kinds)
    for place, (_, value, own) in enumerate(kinds):
        lab.send(lab.world.first[place * pieces : (place + 1) * pieces])
        producer.send(lab.topics.broadcast, value=value, key=good.key, headers=own).get(10)
    producer.close()
    lab.send(lab.world.first[len(kinds) * pieces :])
    time.sleep(6.5)
    lab.send(lab.world.later)
    lab.supervise(*WORKERS)
    lab.wait_for(oracle)
    letters = lab.dead_letters()
    if len(letters) != len(kinds):
        raise CaseError(f"{len(letters)} dead letters for {len(kinds)} records that cannot be read")
    codes = sorted({dict(letter.headers)["dlq_code"].decode() for letter in letters})
    return {"kinds": [name for name, _, _ in kinds], "codes": codes}


def log_begins_later(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """Audio is deleted that a worker still needed: the log says so, statuses have stretches without signal."""
    for name in WORKERS:
        lab.start(name)
    until_assigned(lab, *WORKERS)
    lab.send_first()
    until_told(lab)
    for name in WORKERS:
        lab.kill(name)
    admin = KafkaAdminClient(bootstrap_servers=lab.bootstrap)
    topics = (lab.topics.broadcast, lab.topics.uploads)
    places = [TopicPartition(topic, n) for topic in topics for n in range(lab.partitions)]
    ends = admin.list_partition_offsets(dict.fromkeys(places, -1))
    cut = {place: int(ends[place].offset * 0.8) for place in places}
    admin.delete_records(cut)
    admin.close()
    lab.supervise(*WORKERS)
    lab.send_later()
    ended = len(lab.world.later) // 2
    until(lambda: sum(e["data"].get("state") in ("ended", "idle") for e in lab.events().values()) >= ended)
    told = sum(lab.said(name, "audio is gone that was still needed: a gap") for name in WORKERS)
    silent = sum(
        e["data"]["seconds"].get("no_signal", 0.0) > 0 for e in lab.events().values() if e["type"] == "stream.status.v1"
    )
    if not told or not silent:
        raise CaseError(f"a silent jump: said in the logs {told} times, statuses with a gap {silent}")
    return {"records_deleted": sum(cut.values()), "gaps_told_in_logs": told, "statuses_with_a_gap": silent}


def catalogue_changes(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """A track that nobody plays is enrolled and removed while a worker is killed and replays: the same plays. Their
    events may differ: confidences depend on the catalogue's size, and a play may be told a chunk later by it."""
    path = rig.folder / f"{lab.name}-other.wav"
    write_audio(path, song(777, 40.0)[None], 22_050)
    lab.supervise("two", "three")
    lab.start("one", label="before commit", times=2, how=signal.SIGSTOP)
    until_assigned(lab, *WORKERS)
    lab.send_first()
    until(lambda: lab.stopped("one"), what="a transaction of the worker that is to be killed")
    if main(["catalog", "add", str(path), "--catalog", str(lab.world.catalogue)]):
        raise CaseError("the track could not be enrolled")
    told = [len(lab.events())]
    lab.kill("one")
    lab.start("one")
    until(lambda: lab.taken_over("one") > 1, what="the take-over with one track more")
    if main(["catalog", "remove", path.stem, "--catalog", str(lab.world.catalogue)]):
        raise CaseError("the track could not be removed")
    told.append(len(lab.events()))
    lab.kill("one")
    lab.supervise("one")
    lab.send_later()
    lab.wait_for_plays(oracle)
    changes = {name: lab.said(name, "catalogue changed") for name in WORKERS}
    if not (aborted := lab.uncommitted()) or not max(changes.values()):
        raise CaseError(f"{aborted} records aborted, changes of the catalogue seen: {changes}")
    return {"kills_after_events": told, "aborted_records": aborted, "changes_seen": changes}
