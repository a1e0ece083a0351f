"""Cases in which brokers are killed, or the way to them is bad."""

from __future__ import annotations

import random
import signal
import time

from tests.chaos.case import WORKERS, Case, Proof, Scale, until, until_assigned, until_told
from tests.chaos.lab import CaseError, Events, Lab
from tests.chaos.proxy import Mode
from tests.chaos.rig import Rig


def broker_killed(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """The broker gets SIGKILL, later SIGTERM, while transactions go on; it is started again, as are workers."""
    lab.send_world()
    lab.supervise(*WORKERS)
    for how in (signal.SIGKILL, signal.SIGTERM):
        until_told(lab)
        rig.cluster.nodes[0].server.stop(how)
        time.sleep(3.0)
        rig.cluster.nodes[0].start()
    lab.wait_for(oracle)
    logs = "".join(lab.log(name).read_text() for name in WORKERS)
    return {"exit_codes": lab.exits, "transactions_that_failed": logs.count("transaction failed")}


def node_of_three_killed(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """Of three brokers each in turn is killed and comes back: leaders, coordinators and the controller among them."""
    lab.send_world()
    lab.supervise(*WORKERS)
    for node in rig.cluster.nodes:
        node.server.stop(signal.SIGKILL)
        time.sleep(8.0)
        node.start()
        time.sleep(4.0)
    lab.wait_for(oracle)
    return {"brokers_killed": len(rig.cluster.nodes), "exit_codes": lab.exits, "aborted_records": lab.aborted()}


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
