"""Runs cases one after the other on one world, against the events of one undisturbed run. It breaks nothing itself."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.chaos.case import Scale
from tests.chaos.cases import CASES
from tests.chaos.lab import CaseError, Events, Lab
from tests.chaos.rig import Rig
from tests.chaos.world import World
from tests.stack.server import ServerError

QUIET_S = 8.0


def undisturbed(rig: Rig, world: World, folder: Path) -> Events:
    """The events of one worker that nothing happens to.

    Raises:
        CaseError: It tells hardly anything: then equal events would prove nothing.
    """
    lab = Lab(name="oracle", bootstrap=rig.cluster.bootstrap, folder=folder, world=world)
    lab.open()
    lab.send_world()
    lab.start("one")
    try:
        found, since = lab.events(), time.monotonic()
        while time.monotonic() - since < QUIET_S or not found:
            time.sleep(1.0)
            now = lab.events()
            if len(now) > len(found):
                found, since = now, time.monotonic()
    finally:
        lab.finish()
    plays = [e for e in found.values() if e["type"] == "music.play.v1" and e["data"]["status"] == "final"]
    if len(plays) < world.streams // 2:
        raise CaseError(f"the undisturbed run has {len(plays)} plays in {world.streams} streams")
    return found


def run_cases(names: Sequence[str], world: World, folder: Path, *, scale: Scale, seed: int) -> Iterator[dict[str, Any]]:
    """One result after the other; a case that fails is told and the next one is run."""
    with ExitStack() as stack:
        shared = stack.enter_context(Rig(kind="one", folder=folder / "shared"))
        oracle = undisturbed(shared, world, folder)
        yield {"case": "undisturbed", "good": True, "streams": world.streams, "events": len(oracle)}
        for number, name in enumerate(names):
            begun = time.monotonic()
            result: dict[str, Any] = {"case": name, "scale": scale.name, "seed": seed}
            try:
                case, kind = CASES[name]
                with ExitStack() as own:
                    rig = shared
                    if kind != "one":
                        rig = own.enter_context(Rig(kind=kind, folder=folder / f"case-{number}"))
                    lab = Lab(
                        name=f"case-{number}-{seed}",
                        bootstrap=rig.cluster.bootstrap,
                        folder=folder,
                        world=world,
                        replication=rig.replication,
                        enter=rig.enter,
                    )
                    own.callback(lab.finish)
                    lab.open()
                    result |= {"proof": case(rig, lab, oracle, scale, random.Random(seed)), "good": True}
            except (AssertionError, ServerError) as error:
                result |= {"good": False, "reason": str(error)[:2000]}
            yield result | {"seconds": round(time.monotonic() - begun)}
