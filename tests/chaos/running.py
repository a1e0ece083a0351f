"""Runs cases one after the other on one world, against the events of one undisturbed run. It breaks nothing itself."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
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


def watched(found: Events, world: World, folder: Path) -> int:
    """Compares the plays of the undisturbed run with those that `watch` finds in the same audio as files; how many.

    Raises:
        CaseError: They differ, or there are none.
    """
    config = folder / "watch.yaml"
    config.write_text("deterministic: true\n", encoding="utf-8")
    command = [sys.executable, "-m", "stream_monitor", "--log-level", "error", "watch", *map(str, world.whole)]
    command += ["--config", str(config), "--catalog", str(world.catalogue)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CaseError(f"watch ended with {done.returncode}: {done.stderr[-500:]}")
    names = {path.stem for path in world.whole}
    own = _plays([json.loads(line) for line in done.stdout.splitlines()], names)
    told = _plays(found.values(), names)
    if not own or own != told:
        raise CaseError(f"watch has {own - told} alone, and the undisturbed run {told - own}")
    return len(own)


def _plays(events: Iterable[dict[str, Any]], streams: set[str]) -> set[tuple[Any, ...]]:
    """What was played where in these streams, with everything that both ways say of it."""
    keys = ("stream_id", "match_type", "start_s", "end_s", "track_start_s", "revision", "confidence")
    final = [event["data"] for event in events if event["data"].get("status") == "final"]
    return {(e["track"]["track_id"], *(e[key] for key in keys)) for e in final if e["stream_id"] in streams}


def run_cases(names: Sequence[str], world: World, folder: Path, *, scale: Scale, seed: int) -> Iterator[dict[str, Any]]:
    """One result after the other; a case that fails is told and the next one is run."""
    with ExitStack() as stack:
        shared = stack.enter_context(Rig(kind="one", folder=folder / "shared"))
        oracle = undisturbed(shared, world, folder)
        proof = {
            "streams": world.streams,
            "events": len(oracle),
            "plays_as_watch_has_them": watched(oracle, world, folder),
        }
        yield {"case": "undisturbed", "good": True, "proof": proof}
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
