"""Changes of a catalogue that can be stopped at any of their steps. Run as a program it is killed there, step by step.

``python -m tests.index.scenarios FOLDER`` makes, for each scenario and each of its steps, a catalogue in FOLDER and a
child process that changes it and is killed at that step. It prints one line a child: scenario, step's number, its name.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from index.catalogue import Catalogue
from index.live_config import LiveConfig
from tests.index.recordings import DIMENSIONS, recording

LIVE = LiveConfig(min_graph_rows=4, background=False)
FINGERPRINT = "encoder-1"
BEFORE = {f"track-{number}" for number in range(4)}

Scenario = Callable[[Path, Callable[[str], None]], None]


def opened(path: Path, checkpoint: Callable[[str], None] = lambda step: None) -> Catalogue:
    """The catalogue of a scenario, for writing."""
    return Catalogue.open(path, encoder_fingerprint=FINGERPRINT, writable=True, live=LIVE, checkpoint=checkpoint)


def make_before(path: Path) -> None:
    """What there is before each change: four tracks and a graph."""
    with Catalogue.create(path, encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS, live=LIVE) as catalogue:
        catalogue.add_many([recording(number) for number in range(4)])
        catalogue.save_graph()


def add(path: Path, checkpoint: Callable[[str], None]) -> None:
    """Enrols two recordings in one call."""
    with opened(path, checkpoint) as catalogue:
        catalogue.add_many([recording(10), recording(11)])


def remove(path: Path, checkpoint: Callable[[str], None]) -> None:
    """Removes one."""
    with opened(path, checkpoint) as catalogue:
        catalogue.remove("track-1")


def compact(path: Path, checkpoint: Callable[[str], None]) -> None:
    """Removes one without stopping, and gives back its space."""
    with opened(path) as catalogue:
        catalogue.remove("track-1")
    with opened(path, checkpoint) as catalogue:
        catalogue.compact()


def save_graph(path: Path, checkpoint: Callable[[str], None]) -> None:
    """Enrols one without stopping, and saves the graph that holds it."""
    with opened(path) as catalogue:
        catalogue.add(recording(10))
    with opened(path, checkpoint) as catalogue:
        catalogue.save_graph()


def create(path: Path, checkpoint: Callable[[str], None]) -> None:
    """Makes an empty catalogue in another folder."""
    path = path / "new"
    Catalogue.create(path, encoder_fingerprint=FINGERPRINT, dimensions=DIMENSIONS, checkpoint=checkpoint).close()


SCENARIOS: dict[str, Scenario] = {
    "add": add,
    "remove": remove,
    "compact": compact,
    "save_graph": save_graph,
    "create": create,
}
AFTER: dict[str, tuple[set[str], ...]] = {
    "add": (BEFORE, BEFORE | {"track-10", "track-11"}),
    "remove": (BEFORE, BEFORE - {"track-1"}),
    "compact": (BEFORE - {"track-1"},),
    "save_graph": (BEFORE | {"track-10"},),
    "create": (BEFORE,),
}
"""What may be there after each scenario, wherever it was stopped."""


def steps_of(scenario: str, before: Path, scratch: Path) -> list[str]:
    """Names of the steps, in order."""
    steps: list[str] = []
    shutil.copytree(before, scratch)
    SCENARIOS[scenario](scratch, steps.append)
    shutil.rmtree(scratch)
    return steps


def stopper(stop_at: int, stop: Callable[[str], None]) -> Callable[[str], None]:
    """A checkpoint that calls ``stop`` at step number ``stop_at``."""
    seen: list[str] = []

    def checkpoint(step: str) -> None:
        seen.append(step)
        if len(seen) == stop_at + 1:
            stop(step)

    return checkpoint


def kill_everywhere(folder: Path) -> None:
    """See the module."""
    before = folder / "before"
    make_before(before)
    for scenario in SCENARIOS:
        for number, step in enumerate(steps_of(scenario, before, folder / "scratch")):
            path = folder / f"{scenario}-{number}"
            shutil.copytree(before, path)
            child = os.fork()
            if child == 0:
                SCENARIOS[scenario](path, stopper(number, lambda step: os.kill(os.getpid(), signal.SIGKILL)))
                os._exit(1)
            _, status = os.waitpid(child, 0)
            if not os.WIFSIGNALED(status):
                raise SystemExit(f"{scenario} was not stopped at {step!r}")
            sys.stdout.write(f"{scenario},{number},{step}\n")


if __name__ == "__main__":
    kill_everywhere(Path(sys.argv[1]))
