"""Cases in which a worker's machine is in trouble: it stands still, is slow, has another time, or a full disk."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

from stream_monitor.cli import main
from tests.chaos.case import WORKERS, Proof, Scale, until, until_assigned, until_quiet, until_told
from tests.chaos.disk import SmallDisk
from tests.chaos.lab import CaseError, Events, Lab
from tests.chaos.rig import Rig
from tests.chaos.sleeping import SLEEPS
from tests.fakes.band import song
from tests.stream_monitor.sound import write_audio

FAKETIME = "/usr/$LIB/faketime/libfaketimeMT.so.1"
"""As ld.so reads it, where Debian has it."""
SLOW_POLL_S = 10
"""Who does not poll for so long is out, in the case of slow encoders; otherwise it is a minute."""
SHORT_S = 0.8
"""How long a batch takes that is short enough. Up to three go through between two polls."""


def asleep(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """A worker is stopped for longer than a transaction may last; whatever it was at, it wakes up and harms nothing."""
    for name in WORKERS:
        lab.start(name)
    until_assigned(lab, *WORKERS)
    until_quiet(lab, *WORKERS)
    lab.send_world()
    until_told(lab)
    others = lab.taken_over("two")
    lab.signal("one", signal.SIGSTOP)
    time.sleep(18.0)
    until(lambda: lab.taken_over("two") > others, what="the others' take-over")
    before = lab.taken_over("one")
    lab.signal("one", signal.SIGCONT)
    lab.supervise(*WORKERS)
    lab.wait_for(oracle)
    until(lambda: lab.taken_over("one") > before, what="the sleeper's take-over")
    return {"takeovers": {name: lab.taken_over(name) for name in WORKERS}, "exit_codes": lab.exits}


def slow_encoder(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """Encoders so slow that what waits takes much longer than a worker may go without a poll: while one batch takes
    less, nobody loses partitions. Then one whose batch takes longer: it loses them, and no event is doubled."""
    steady, lost = lab.another("steady"), lab.another("lost")
    steady.reconfigure(service={"poll_records": 2})  # batches are small, so there are many
    for name in WORKERS:
        steady.start(name, program=("tests.chaos.sleeping", str(SLOW_POLL_S), str(SHORT_S), "all"))
    until_assigned(steady, *WORKERS)
    until_quiet(steady, *WORKERS)
    before = [steady.taken_over(name) for name in WORKERS]
    steady.send_world()
    steady.wait_for(oracle)
    slept_s = {name: round(SHORT_S * steady.said(name, SLEEPS)) for name in WORKERS}
    if max(slept_s.values()) < 1.5 * SLOW_POLL_S:
        raise CaseError(
            f"the encoders slept {slept_s} s, and no worker much longer than the poll interval of {SLOW_POLL_S} s"
        )
    after = [steady.taken_over(name) for name in WORKERS]
    if after != before or _ended(steady):
        raise CaseError(f"partitions were lost though each batch was short: take-overs {before}, then {after}")
    steady.finish()

    for name in WORKERS:
        late = "2,4" if name == "one" else "none"
        lost.start(name, program=("tests.chaos.sleeping", str(SLOW_POLL_S), str(2 * SLOW_POLL_S), late))
    until_assigned(lost, *WORKERS)
    until_quiet(lost, *WORKERS)
    takeovers = {name: lost.taken_over(name) for name in WORKERS}
    lost.send_world()
    until(lambda: lost.said("one", SLEEPS) > 0, what="a batch that takes too long")
    until(lambda: lost.taken_over("two") > takeovers["two"], what="a take-over of what the slow worker had")
    until(lambda: lost.taken_over("one") > takeovers["one"], what="the slow worker's own take-over, when it was back")
    lost.wait_for(oracle)
    if _ended(lost):
        raise CaseError("a worker ended")
    more = {name: lost.taken_over(name) - takeovers[name] for name in WORKERS}
    return {
        "poll_interval_s": SLOW_POLL_S,
        "short_batches_slept_s": slept_s,
        "takeovers_meanwhile": 0,
        "long_batches": lost.said("one", SLEEPS),
        "takeovers_by_them": more,
        "workers_that_ended": 0,
    }


def _ended(lab: Lab) -> bool:
    return any(process.poll() is not None for process in lab.workers.values())


def clock_off(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """Of three workers one has a clock that is an hour fast (libfaketime), one an hour slow, one the right one; all are
    killed twice and have each other's clocks then, so that streams go on at another time."""
    lab.send_first()
    offsets = ["+1h", "-1h", "+0"]
    for turn in range(3):
        told = len(lab.events())
        before = {name: lab.taken_over(name) for name in WORKERS}
        for name, offset in zip(WORKERS, offsets[turn:] + offsets[:turn], strict=True):
            lab.start(name, before=_at_another_time(offset))
        for name in WORKERS:
            until(lambda n=name, b=before: lab.taken_over(n) > b[n], what=f"partitions for {name}")
        if turn < 2:
            until(lambda told=told: len(lab.events()) > told, what="an event more")
            for name in WORKERS:
                lab.kill(name)
    lab.send_later()
    lab.wait_for(oracle)
    stamps = [json.loads(r.value or b"")["time"] for r in lab.records(lab.topics.events, lab.partitions)]
    now = datetime.now(UTC)
    hours = Counter(round((datetime.fromisoformat(each) - now).total_seconds() / 3600) for each in stamps)
    if set(hours) != {-1, 0, 1}:
        raise CaseError(f"events are not of all three clocks: so many are so many hours from now: {hours}")
    return {"events_told_hours_from_now": {f"{hour:+d} h": hours[hour] for hour in sorted(hours)}}


def _at_another_time(offset: str) -> list[str]:
    """Words in front of a command. Not the program `faketime`: it stays the parent, and kill -9 would hit that."""
    return ["env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME={offset}"]


def worker_disk_full(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """The disk with the workers' copy of the catalogue is full when a track is enrolled: it is heard on, and told; the
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
        for name in WORKERS:
            lab.start(name)
        until_assigned(lab, *WORKERS)
        disk.fill()
        if main(["catalog", "add", str(path), "--catalog", str(publisher)]) or main(publish):
            raise CaseError("the track could not be published")
        until(lambda: any(lab.said(name, "No space left") for name in WORKERS), what="a worker's complaint")
        lab.send_world()
        lab.wait_for(oracle)
        disk.make_room()
        for name in WORKERS:
            until(lambda n=name: lab.said(n, "catalogue changed") > 0, what=f"the new track at {name}")
        complaints = sum(lab.said(name, "No space left") for name in WORKERS)
        lab.finish()
    return {"complaints": complaints, "workers_with_the_new_track": len(WORKERS)}
