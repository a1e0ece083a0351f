"""Cases in which workers are killed, put to sleep, slowed down, or come and go."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime

from stream_monitor.cli import main
from tests.chaos.case import WORKERS, Proof, Scale, until, until_assigned, until_told
from tests.chaos.disk import SmallDisk
from tests.chaos.lab import CaseError, Events, Lab
from tests.chaos.rig import Rig
from tests.fakes.band import song
from tests.stream_monitor.sound import write_audio

FAKETIME = "/usr/$LIB/faketime/libfaketimeMT.so.1"
"""As ld.so reads it, where Debian has it."""
LABELS = ("after send", "before offsets", "before commit", "after commit")


def labelled_kills(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """Of three workers one kills itself at a labelled point of a transaction; for each point on topics of its own."""
    aborted = 0
    for number, label in enumerate(LABELS):
        here = lab.another(f"label-{number}")
        here.start("one", label=label, times=rng.randint(1, 2))
        here.supervise("two", "three")
        until_assigned(here, *WORKERS)
        here.send_world()
        if (code := here.workers["one"].wait(180)) != -signal.SIGKILL:
            raise CaseError(f"the point {label!r} was not reached: exit code {code}")
        here.supervise("one")
        here.wait_for(oracle)
        aborted += here.aborted()
        here.finish()
    return {"killed_at": list(LABELS), "aborted_records": aborted}


def random_kills(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """kill -9 of one of three workers, or of all at once, at seeded random times, most of them while they work; a new
    round on topics of its own whenever all has been told."""
    kills = rounds = aborted = 0
    told: list[int] = []
    while kills < scale.kills:
        here = lab.another(f"round-{rounds}")
        rounds += 1
        here.send_world()
        here.supervise(*WORKERS)
        lives = dict.fromkeys(WORKERS, 0)
        while kills < scale.kills and len(here.events()) < len(oracle):
            name = rng.choice(WORKERS)
            if rng.random() < 0.1:  # before it has begun
                time.sleep(rng.uniform(0.5, 4.0))
            else:
                until(lambda n=name, h=here, b=lives[name]: h.taken_over(n) > b, what="a worker's partitions")
                time.sleep(rng.uniform(0.0, 2.0))
            victims = WORKERS if rng.random() < 0.6 else (name,)
            for each in victims:
                lives[each] = here.taken_over(each)
                here.signal(each, signal.SIGKILL)
            kills += len(victims)
            told += [len(here.events())] * len(victims)
        here.wait_for(oracle)
        aborted += here.aborted()
        here.finish()
    amid = sum(0 < each < len(oracle) for each in told)
    return {"kills": kills, "of_them_when_some_was_told": amid, "rounds": rounds, "aborted_records": aborted}


def zombie(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """A worker sleeps past its session in the middle of a transaction; another takes over; awake, it is fenced."""
    lab.reconfigure(service={"transaction_s": 30})  # else its requests are given up before it is fenced
    lab.start("one", label="before offsets", times=2, how=signal.SIGSTOP)
    lab.start("two")
    lab.start("three")
    until_assigned(lab, *WORKERS)
    lab.send_world()
    until(lambda: lab.stopped("one"), what="a transaction of the worker that is put to sleep")
    taken_over = lab.taken_over("two")
    until(lambda: lab.taken_over("two") > taken_over, what="the other worker's take-over")
    lab.signal("one", signal.SIGCONT)
    code = lab.workers["one"].wait(60)
    if code not in (3, 4):
        raise CaseError(f"the worker that slept ended with {code}, and neither fenced (3) nor by its watchdog (4)")
    lab.supervise(*WORKERS)
    lab.wait_for(oracle)
    return {"exit_codes": lab.exits, "aborted_records": lab.aborted()}


def asleep(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """A worker is stopped for longer than a transaction may last; whatever it was at, it wakes up and harms nothing."""
    lab.start("one")
    lab.start("two")
    until_assigned(lab, "one", "two")
    lab.send_world()
    until_told(lab)
    lab.signal("one", signal.SIGSTOP)
    time.sleep(18.0)
    before = lab.taken_over("one")
    lab.signal("one", signal.SIGCONT)
    lab.supervise("one", "two")
    lab.wait_for(oracle)
    until(lambda: lab.taken_over("one") > before, what="the sleeper's take-over")
    return {"takeovers_of_the_sleeper": lab.taken_over("one"), "exit_codes": lab.exits}


def three_workers(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """Three workers; one is killed, one is ended, both come back, again and again."""
    lab.supervise(*WORKERS)
    time.sleep(12.0)
    lab.send(lab.world.first)
    for turn in range(max(3, scale.kills // 10)):
        lab.signal(WORKERS[turn % 3], signal.SIGKILL if turn % 2 else signal.SIGTERM)
        time.sleep(rng.uniform(2.0, 6.0))
    lab.send(lab.world.later)
    lab.wait_for(oracle)
    takeovers = {name: lab.taken_over(name) for name in WORKERS}
    return {"takeovers": takeovers, "exit_codes": lab.exits, "aborted_records": lab.aborted()}


def rebalance_storm(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """A third worker joins and leaves as fast as it can while the two others work."""
    lab.supervise("one", "three")
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
    return {"joins": joins, "takeovers": lab.taken_over("one")}


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
    return {"takeovers": lab.taken_over("one"), "exit_codes": lab.exits}


def clock_off(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """A worker whose clock is an hour fast (libfaketime), another whose clock is an hour slow after a kill, then a fast
    one again."""
    lab.send_world()
    for offset in ("+1h", "-1h"):
        told = len(lab.events())
        lab.start("one", before=_at_another_time(offset))
        until(lambda told=told: len(lab.events()) > told, what="an event more")
        lab.kill("one")
    lab.start("one", before=_at_another_time("+1h"))
    lab.wait_for(oracle)
    stamps = [json.loads(r.value or b"")["time"] for r in lab.records(lab.topics.events, lab.partitions)]
    hours = sorted(
        {round((datetime.fromisoformat(each) - datetime.now(UTC)).total_seconds() / 3600) for each in stamps}
    )
    if hours != [-1, 1]:
        raise CaseError(f"the clocks were not an hour off: events are of {hours} hours from now")
    return {"events_told_hours_from_now": hours}


def _at_another_time(offset: str) -> list[str]:
    """Words in front of a command. Not the program `faketime`: it stays the parent, and kill -9 would hit that."""
    return ["env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME={offset}"]


def worker_disk_full(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """The disk with the worker's copy of the catalogue is full when a track is enrolled: it is heard on, and told; the
    track comes when there is room."""
    path = rig.folder / f"{lab.name}-other.wav"
    write_audio(path, song(777, 40.0)[None], 22_050)
    publisher = rig.folder / f"{lab.name}-publisher"
    shutil.copytree(lab.world.catalogue, publisher)
    publish = ["catalog", "publish", "--catalog", str(publisher), "--config", str(lab.config)]
    with SmallDisk(rig.folder / f"{lab.name}-disk", megabytes=16) as disk:
        lab.reconfigure(catalogue={"follow_topic": True})
        lab.world = replace(lab.world, catalogue=disk.folder / "catalogue")
        if main(publish):
            raise CaseError("the catalogue could not be published")
        lab.start("one")
        until_assigned(lab, "one")
        disk.fill()
        if main(["catalog", "add", str(path), "--catalog", str(publisher)]) or main(publish):
            raise CaseError("the track could not be published")
        until(lambda: "No space left" in lab.log("one").read_text(), what="the worker's complaint")
        lab.send_world()
        lab.wait_for(oracle)
        disk.make_room()
        until(lambda: "catalogue changed" in lab.log("one").read_text(), what="the new track")
        complaints = lab.log("one").read_text().count("No space left")
        lab.finish()
    return {"complaints": complaints, "exit_codes": lab.exits}
