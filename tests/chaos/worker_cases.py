"""Cases in which workers are killed, or come and go."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter

from tests.chaos.case import WORKERS, Proof, Scale, until, until_assigned, until_told
from tests.chaos.following import Followers
from tests.chaos.lab import CaseError, Events, Lab
from tests.chaos.rig import Rig

LABELS = ("after send", "before offsets", "before commit", "after commit")


def labelled_kills(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """Of three workers one kills itself at a labelled point of a transaction; for each point on topics of its own."""
    aborted, passed_on = 0, Counter[str]()
    for number, label in enumerate(LABELS):
        here = lab.another(f"label-{number}")
        with Followers(here) as followers:
            here.start("one", label=label, times=rng.randint(1, 2))
            here.supervise("two", "three")
            until_assigned(here, *WORKERS)
            here.send_world()
            if (code := here.workers["one"].wait(180)) != -signal.SIGKILL:
                raise CaseError(f"the point {label!r} was not reached: exit code {code}")
            here.supervise("one")
            here.wait_for(oracle)
            passed_on += followers.compare()
        aborted += here.uncommitted()
        here.finish()
    return {"killed_at": list(LABELS), "aborted_records": aborted, "passed_on": dict(passed_on)}


def random_kills(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """kill -9 of one of three workers, or of all at once, at seeded random moments, most of them while they work; a new
    round on topics of its own whenever all has been told."""
    moments = kills = rounds = aborted = amid = 0
    passed_on = Counter[str]()
    while moments < scale.kills:
        here = lab.another(f"round-{rounds}")
        rounds += 1
        with Followers(here) as followers:
            here.send_world()
            here.supervise(*WORKERS)
            lives = dict.fromkeys(WORKERS, 0)
            while moments < scale.kills and len(here.events()) < len(oracle):
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
                moments += 1
                kills += len(victims)
                amid += 0 < len(here.events()) < len(oracle)
            here.wait_for(oracle)
            passed_on += followers.compare()
        aborted += here.uncommitted()
        here.finish()
    return {
        "moments": moments,
        "of_them_when_some_was_told": amid,
        "workers_killed": kills,
        "rounds": rounds,
        "aborted_records": aborted,
        "passed_on": dict(passed_on),
    }


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
    return {"exit_codes": lab.exits, "aborted_records": lab.uncommitted()}


def three_workers(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """Three workers; one is ended, the next one killed, and so on, each when it has partitions; all come back."""
    lab.supervise(*WORKERS)
    until_assigned(lab, *WORKERS)
    lab.send_first()
    until_told(lab)
    lives, told = dict.fromkeys(WORKERS, 0), []
    for turn in range(max(3, scale.kills // 10)):
        name = WORKERS[turn % 3]
        until(lambda n=name: lab.taken_over(n) > lives[n], what="a worker's partitions")
        lives[name] = lab.taken_over(name)
        told.append(len(lab.events()))
        lab.signal(name, signal.SIGKILL if turn % 2 else signal.SIGTERM)
        time.sleep(rng.uniform(0.0, 2.0))
    if told[0] >= told[-1]:
        raise CaseError(f"nothing was told while workers were killed: {told} events at each")
    lab.send_later()
    lab.wait_for(oracle)
    takeovers = {name: lab.taken_over(name) for name in WORKERS}
    return {"events_told_at_each": told, "takeovers": takeovers, "aborted_records": lab.uncommitted()}


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
