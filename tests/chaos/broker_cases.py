"""Cases in which brokers are killed, or the way to them is bad."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter

from tests.chaos.case import WORKERS, Case, Proof, Scale, until, until_assigned, until_told
from tests.chaos.following import Followers
from tests.chaos.lab import CaseError, Events, Lab
from tests.chaos.proxy import Mode
from tests.chaos.raw_log import partitions_in_transaction
from tests.chaos.rig import Rig
from tests.chaos.roles import Roles


def broker_killed(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """The broker gets SIGKILL, then SIGTERM on topics of its own, while a worker stands still in an open transaction;
    the worker goes on while there is no broker."""
    node, written, failed, aborted, passed_on = rig.cluster.nodes[0], {}, 0, 0, Counter[str]()
    for how in (signal.SIGKILL, signal.SIGTERM):
        here = lab.another(how.name.lower())
        with Followers(here) as followers:
            here.start("one", label="before commit", times=2, how=signal.SIGSTOP)
            here.supervise("two", "three")
            until_assigned(here, *WORKERS)
            here.send_first()
            until(lambda here=here: here.stopped("one"), what="a transaction of the worker that stands still")
            written[how.name] = partitions_in_transaction(here.bootstrap, f"{here.name}-one")
            if not written[how.name]:
                raise CaseError("no transaction of the worker that stands still is open")
            node.server.stop(how)
            here.signal("one", signal.SIGCONT)
            time.sleep(3.0)
            node.start()
            here.supervise("one")
            here.send_later()
            here.wait_for(oracle)
            passed_on += followers.compare()
        failed += _failed(here)
        aborted += here.uncommitted()
        lab.exits += here.exits
        here.finish()
    return {
        "partitions_in_the_open_transaction": written,
        "transactions_that_failed": failed,
        "aborted_records": aborted,
        "exit_codes": lab.exits,
        "passed_on": dict(passed_on),
    }


def node_of_three_killed(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """Of three brokers first the leader of most partitions with events is killed, then the controller, each found out
    after events were told and while others are to come; it comes back when its offices have others."""
    proof: Proof = {}
    failed = aborted = 0
    for office in ("leader", "controller"):
        here = lab.another(office)
        here.supervise(*WORKERS)
        until_assigned(here, *WORKERS)
        here.send_first()
        until_told(here)
        roles = Roles(here.bootstrap)
        number = roles.controller if office == "controller" else roles.leads_most(here.topics.events, roles.controller)
        node = next(each for each in rig.cluster.nodes if each.node_id == number)
        since = time.monotonic()
        node.server.stop(signal.SIGKILL)
        told = len(here.events())
        if told >= len(oracle):
            raise CaseError(f"all was told when the {office} was killed")
        until(lambda here=here, number=number: _is_replaced(here, number), what=f"others in the place of the {office}")
        proof[f"{office}_killed"] = (
            f"node {number}, after {told} events, replaced within {time.monotonic() - since:.0f} s"
        )
        own = Counter(topic.removeprefix(f"{here.name}.") for topic, _ in roles.led(number) if _concerns(here, topic))
        proof[f"moved_from_the_{office}"] = dict(own)
        here.send_later()
        node.start()
        here.wait_for(oracle)
        failed += _failed(here)
        aborted += here.uncommitted()
        lab.exits += here.exits
        here.finish()
    return proof | {"transactions_that_failed": failed, "aborted_records": aborted, "exit_codes": lab.exits}


def _is_replaced(lab: Lab, number: int) -> bool:
    roles = Roles(lab.bootstrap)
    return roles.controller != number and not roles.led(number) and not roles.led(Roles.NOBODY)


def _concerns(lab: Lab, topic: str) -> bool:
    return topic.startswith((f"{lab.name}.", "__"))


def _failed(lab: Lab) -> int:
    """Transactions of which a worker said that they failed, or ended since they did not come back."""
    words = ("transaction failed", "a transaction did not come back", "another worker has taken over")
    return sum(lab.said(name, each) for name in WORKERS for each in words)


def broker_disk_full(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """The broker's disk is full while workers work, so it ends; with room again it comes back and all goes on."""
    lab.send_world()
    lab.supervise(*WORKERS)
    until_told(lab)
    disk, server = rig.small_disk, rig.cluster.nodes[0].server
    disk.fill()
    until(lambda: server.pid is None, what="the broker's end")
    room_bytes = disk.room_bytes  # its log lies there too, and can say nothing
    time.sleep(3.0)
    disk.make_room()
    rig.cluster.nodes[0].start()
    lab.wait_for(oracle)
    return {"broker": "ended by itself", "room_left_bytes": room_bytes, "exit_codes": lab.exits}


def bad_link(mode: Mode, seconds: float | None = None) -> Case:
    """Workers see nothing but a proxy, which the broker advertises; it misbehaves in the middle of the work."""

    def case(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
        lab.send_world()
        lab.supervise(*WORKERS)
        until_assigned(lab, *WORKERS)
        proxy, direct = rig.proxies[0], rig.cluster.nodes[0].port
        if rig.namespace is None or rig.namespace.reaches(direct):
            raise CaseError(f"a worker can go past the proxy, to port {direct}")
        for _ in range(4 if mode == "reset" else 1):
            proxy.turn(mode)
            time.sleep(1.0 if mode == "reset" else seconds or scale.black_hole_s)
            proxy.turn("pass")
            time.sleep(rng.uniform(2.0, 4.0))
        lab.wait_for(oracle)
        if mode == "reset" and not proxy.resets:
            raise CaseError("no link was reset")
        past = "none: a network namespace of its own"
        return {"bytes": dict(proxy.bytes), "resets": proxy.resets, "exit_codes": lab.exits, "way_past_the_proxy": past}

    case.__doc__ = bad_link.__doc__
    return case
