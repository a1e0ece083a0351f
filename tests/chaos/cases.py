"""What is broken, case by case. Each returns what shows that it hit; the events are compared by the caller."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from stream_monitor.cli import main
from tests.chaos.lab import CaseError, Events, Lab
from tests.chaos.proxy import Mode
from tests.chaos.rig import Rig

LABELS = ("after send", "before offsets", "before commit", "after commit")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """How much of a case is run."""

    name: str
    kills: int
    storm_s: float
    black_hole_s: float


SMALL = Scale(name="small", kills=6, storm_s=20.0, black_hole_s=15.0)
FULL = Scale(name="full", kills=100, storm_s=300.0, black_hole_s=60.0)

Proof = dict[str, Any]
Case = Callable[[Rig, Lab, Events, Scale, random.Random], Proof]


def labelled_kills(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """A worker kills itself at each labelled point of a transaction, one after the other; then one works to the end."""
    lab.send_world()
    for label in LABELS:
        lab.start("one", label=label, times=rng.randint(1, 2))
        lab.exits.append(lab.workers["one"].wait(180))
    if lab.exits != [-signal.SIGKILL] * len(LABELS):
        raise CaseError(f"a labelled point was not reached: exit codes {lab.exits}")
    aborted = lab.aborted()
    lab.supervise("one")
    lab.wait_for(oracle)
    return {"killed_at": list(LABELS), "aborted_records": aborted}


def random_kills(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """kill -9 at seeded random times, some of them before a worker has even begun."""
    lab.send_world()
    for _ in range(scale.kills):
        lab.start("one")
        time.sleep(rng.uniform(2.0, 9.0))
        lab.kill("one")
    told = len(lab.events())
    lab.supervise("one")
    lab.wait_for(oracle)
    return {"kills": scale.kills, "events_told_between_kills": told, "aborted_records": lab.aborted()}


def zombie(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """A worker is stopped past its session in the middle of its work; another takes over; it wakes up and is fenced."""
    lab.start("one")
    lab.start("two")
    for name in ("one", "two"):
        _until(partial(_has_partitions, lab, name))
    lab.send_world()
    _until(lambda: len(lab.events()) > 0)
    lab.signal("one", signal.SIGSTOP)
    time.sleep(14.0)
    lab.signal("one", signal.SIGCONT)
    lab.supervise("one", "two")
    lab.wait_for(oracle)

    def seen() -> tuple[int, bool]:
        log = lab.log("one").read_text()
        return log.count("partitions taken over"), "another worker has taken over" in log

    _until(lambda: seen()[0] > 1 or seen()[1], 60.0)
    again, fenced = seen()
    return {"fenced": fenced, "takeovers_of_the_sleeper": again, "exit_codes": lab.exits}


def three_workers(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """Three workers; one is killed, one is ended, both come back, again and again."""
    names = ("one", "two", "three")
    lab.supervise(*names)
    time.sleep(12.0)
    lab.send(lab.world.first)
    for turn in range(max(3, scale.kills // 10)):
        lab.signal(names[turn % 3], signal.SIGKILL if turn % 2 else signal.SIGTERM)
        time.sleep(rng.uniform(2.0, 6.0))
    lab.send(lab.world.later)
    lab.wait_for(oracle)
    takeovers = {name: lab.log(name).read_text().count("partitions taken over") for name in names}
    return {"takeovers": takeovers, "exit_codes": lab.exits, "aborted_records": lab.aborted()}


def rebalance_storm(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """A second worker joins and leaves as fast as it can while the first one works."""
    lab.supervise("one")
    lab.send_world()
    ends = time.monotonic() + scale.storm_s
    joins = 0
    while time.monotonic() < ends:
        lab.start("two")
        time.sleep(rng.uniform(5.0, 8.0))
        lab.signal("two", signal.SIGTERM)
        lab.workers["two"].wait(60)
        joins += 1
    lab.wait_for(oracle)
    return {"joins": joins, "takeovers": lab.log("one").read_text().count("partitions taken over")}


def broker_killed(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """The broker gets SIGKILL, later SIGTERM, while transactions go on; it is started again, as are workers."""
    lab.send_world()
    lab.supervise("one", "two")
    for how in (signal.SIGKILL, signal.SIGTERM):
        _until(lambda: len(lab.events()) > 0)
        rig.cluster.nodes[0].server.stop(how)
        time.sleep(3.0)
        rig.cluster.nodes[0].start()
    lab.wait_for(oracle)
    logs = lab.log("one").read_text() + lab.log("two").read_text()
    return {"exit_codes": lab.exits, "transactions_that_failed": logs.count("transaction failed")}


def node_of_three_killed(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """Of three brokers each in turn is killed and comes back: leaders, coordinators and the controller among them."""
    lab.send_world()
    lab.supervise("one", "two")
    for node in rig.cluster.nodes:
        node.server.stop(signal.SIGKILL)
        time.sleep(8.0)
        node.start()
        time.sleep(4.0)
    lab.wait_for(oracle)
    return {"brokers_killed": len(rig.cluster.nodes), "exit_codes": lab.exits, "aborted_records": lab.aborted()}


def bad_link(mode: Mode, seconds: float | None = None) -> Case:
    """All clients go through a proxy which the broker advertises; it misbehaves in the middle of the work."""

    def case(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
        lab.send_world()
        lab.supervise("one")
        _until(lambda: "partitions taken over" in (lab.log("one").read_text() if lab.log("one").exists() else ""))
        proxy = rig.proxies[0]
        for _ in range(4 if mode == "reset" else 1):
            proxy.turn(mode)
            time.sleep(1.0 if mode == "reset" else seconds or scale.black_hole_s)
            proxy.turn("pass")
            time.sleep(rng.uniform(2.0, 4.0))
        lab.wait_for(oracle)
        proof: Proof = {"bytes": dict(proxy.bytes), "resets": proxy.resets, "exit_codes": lab.exits}
        if mode == "reset" and not proxy.resets:
            raise CaseError("no link was reset")
        return proof

    case.__doc__ = bad_link.__doc__
    return case


def poison(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """Eleven kinds of records that cannot be read lie between the others: each is a dead letter, all else the same."""
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
    lab.supervise("one")
    lab.wait_for(oracle)
    letters = lab.dead_letters()
    if len(letters) != len(kinds):
        raise CaseError(f"{len(letters)} dead letters for {len(kinds)} records that cannot be read")
    codes = sorted({dict(letter.headers)["dlq_code"].decode() for letter in letters})
    return {"kinds": [name for name, _, _ in kinds], "codes": codes}


def log_begins_later(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """Audio is deleted that a worker still needed: the log says so, statuses have stretches without signal."""
    lab.send(lab.world.first)
    lab.start("one")
    _until(lambda: len(lab.events()) > 0)
    lab.kill("one")
    admin = KafkaAdminClient(bootstrap_servers=lab.bootstrap)
    topics = (lab.topics.broadcast, lab.topics.uploads)
    places = [TopicPartition(topic, n) for topic in topics for n in range(lab.partitions)]
    ends = admin.list_partition_offsets(dict.fromkeys(places, -1))
    cut = {place: int(ends[place].offset * 0.8) for place in places}
    admin.delete_records(cut)
    admin.close()
    lab.supervise("one")
    time.sleep(6.5)
    lab.send(lab.world.later)
    ended = len(lab.world.later) // 2
    _until(lambda: sum(e["data"].get("state") in ("ended", "idle") for e in lab.events().values()) >= ended)
    told = "audio is gone that was still needed: a gap" in lab.log("one").read_text()
    silent = sum(
        e["data"]["seconds"].get("no_signal", 0.0) > 0 for e in lab.events().values() if e["type"] == "stream.status.v1"
    )
    if not told or not silent:
        raise CaseError(f"a silent jump: said in the log {told}, statuses with a gap {silent}")
    return {"records_deleted": sum(cut.values()), "statuses_with_a_gap": silent}


def catalogue_changes(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """A track that nobody plays is enrolled and removed while a worker is killed and replays: the same events."""
    from tests.fakes.band import song
    from tests.stream_monitor.sound import write_audio

    path = rig.folder / f"{lab.name}-other.wav"
    write_audio(path, song(777, 40.0)[None], 22_050)
    lab.send_world()
    lab.start("one")
    _until(lambda: len(lab.events()) > 0)
    if main(["catalog", "add", str(path), "--catalog", str(lab.world.catalogue)]):
        raise CaseError("the track could not be enrolled")
    lab.kill("one")
    lab.start("one")
    time.sleep(8.0)
    if main(["catalog", "remove", path.stem, "--catalog", str(lab.world.catalogue)]):
        raise CaseError("the track could not be removed")
    lab.kill("one")
    lab.supervise("one")
    lab.wait_for(oracle)
    return {"kills": 2, "aborted_records": lab.aborted()}


def clock_off(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """A worker whose clock is an hour fast (libfaketime), and another whose clock is an hour slow after a kill."""
    lab.send_world()
    for offset in ("+1h", "-1h"):
        lab.start("one", before=["faketime", "-f", offset])
        _until(lambda: len(lab.events()) > 0)
        time.sleep(3.0)
        lab.kill("one")
    lab.start("one", before=["faketime", "-f", "+1h"])
    lab.wait_for(oracle)
    stamps = [json.loads(r.value or b"")["time"] for r in lab.records(lab.topics.events, lab.partitions)]
    return {"first_detected_at": min(stamps), "last_detected_at": max(stamps)}


def slow_encoder(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """A worker so slow (stopped 80% of the time) that its work takes longer than a session, and polling must go on."""
    lab.send_world()
    lab.start("one")
    for _ in range(20):
        time.sleep(0.3)
        lab.signal("one", signal.SIGSTOP)
        time.sleep(1.2)
        lab.signal("one", signal.SIGCONT)
    lab.supervise("one")
    lab.wait_for(oracle)
    return {"takeovers": lab.log("one").read_text().count("partitions taken over"), "exit_codes": lab.exits}


def _has_partitions(lab: Lab, name: str) -> bool:
    return "partitions taken over" in lab.log(name).read_text()


def _until(true: Callable[[], bool], deadline_s: float = 180.0) -> None:
    deadline = time.monotonic() + deadline_s
    while not true():
        if time.monotonic() > deadline:
            raise CaseError("what a case waits for did not come")
        time.sleep(0.2)


CASES: dict[str, tuple[Case, str]] = {
    "labelled kills": (labelled_kills, "one"),
    "random kills": (random_kills, "one"),
    "zombie": (zombie, "one"),
    "three workers": (three_workers, "one"),
    "rebalance storm": (rebalance_storm, "one"),
    "broker killed": (broker_killed, "own"),
    "one of three brokers killed": (node_of_three_killed, "three"),
    "links reset": (bad_link("reset"), "proxy"),
    "2 s latency": (bad_link("latency", 20.0), "proxy"),
    "black hole": (bad_link("black hole"), "proxy"),
    "half-open links": (bad_link("half open"), "proxy"),
    "poison": (poison, "one"),
    "log begins later": (log_begins_later, "one"),
    "catalogue changes": (catalogue_changes, "one"),
    "clock off by an hour": (clock_off, "one"),
    "slow encoder": (slow_encoder, "one"),
}
"""What is done, and on which cluster: the shared one, one of its own, one of three nodes, one behind a proxy."""
