"""The folder of a training run: what was asked, where and on what it ran, how it went, and where it stands.

recipe.yaml      all settings, defaults written out
run.json         seed, commit, whether the work tree differed from it, versions, device, machine
checkpoint.pt    stage, step, network, proxies, optimiser; replaced atomically
metrics.jsonl    a line per report; lines after the checkpoint are taken back when a run goes on
tensorboard/     the same as events
curves.png       the same as a picture, at the end
weights/         the result

Knows nothing of networks or data.
"""

from __future__ import annotations

import json
import os
import pickle
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
import yaml

from encoder.errors import EncoderError, MissingPackageError

CHECKPOINT, METRICS, RECIPE, RUN, CURVES = "checkpoint.pt", "metrics.jsonl", "recipe.yaml", "run.json", "curves.png"
TENSORBOARD, WEIGHTS = "tensorboard", "weights"
CHECKPOINT_FORMAT = 2

Line = dict[str, Any]


class CheckpointError(EncoderError):
    """A checkpoint is missing, torn, of another format, or of another recipe."""


class RunFolder:
    """Writes and reads the files of one run; a context manager, since logs stay open."""

    def __init__(self, path: Path, decisive: dict[str, Any]) -> None:
        """Args: `decisive` is all that must be equal for the run to be resumed."""
        self.path = path
        self._recipe = json.dumps(decisive, sort_keys=True)
        path.mkdir(parents=True, exist_ok=True)
        self._log = (path / METRICS).open("a")
        self._events = _event_writer(path / TENSORBOARD)

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._log.close()
        self._events.close()

    def describe(self, settings: dict[str, Any], seed: int, device: str) -> None:
        """Writes what was asked and on what it runs."""
        (self.path / RECIPE).write_text(yaml.safe_dump(settings, sort_keys=False))
        about = {
            "seed": seed,
            **git_state(Path(__file__).parent),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
            "machine": platform.machine(),
            "cores": os.cpu_count(),
        }
        (self.path / RUN).write_text(json.dumps(about, indent=1) + "\n")

    def write(self, line: Line) -> None:
        """One line of metrics; numbers in it, also nested ones, become curves."""
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()
        for name, value in _numbers(line, ""):
            if name != "step":
                self._events.add_scalar(name, value, line["step"])

    def save(self, state: dict[str, Any]) -> None:
        """Replaces the checkpoint."""
        temporary = self.path / (CHECKPOINT + ".tmp")
        with temporary.open("wb") as sink:
            torch.save({"format": CHECKPOINT_FORMAT, "recipe": self._recipe, **state}, sink)
            sink.flush()
            os.fsync(sink.fileno())
        temporary.replace(self.path / CHECKPOINT)

    def load(self) -> dict[str, Any]:
        """The checkpoint.

        Raises:
            CheckpointError: There is none, or it is torn or of another format or recipe.
        """
        path = self.path / CHECKPOINT
        if not path.exists():
            raise CheckpointError(f"no checkpoint at {path}")
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        except (RuntimeError, OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
            reason = str(error).partition("\n")[0]
            raise CheckpointError(f"cannot read the checkpoint {path}: {reason}") from error
        if state.get("format") != CHECKPOINT_FORMAT:
            raise CheckpointError(f"{path} has format {state.get('format')}, this program reads {CHECKPOINT_FORMAT}")
        if state["recipe"] != self._recipe:
            raise CheckpointError(f"{path} belongs to another recipe; resume with the configuration that it began with")
        return state

    def take_back_after(self, step: int) -> None:
        """Leaves out metrics that a killed run wrote after its last checkpoint."""
        self._log.close()
        path = self.path / METRICS
        kept = [line for line in path.read_text().splitlines() if line and json.loads(line)["step"] <= step]
        path.write_text("".join(line + "\n" for line in kept if step))
        self._log = path.open("a")
        self._events.close()
        self._events = _event_writer(self.path / TENSORBOARD, step + 1)


def read_metrics(path: Path) -> list[Line]:
    """All lines of a run's metrics."""
    return [json.loads(line) for line in (path / METRICS).read_text().splitlines() if line]


def git_state(folder: Path) -> dict[str, Any]:
    """Commit of the code, and whether it was changed since; None for both where it is no work tree."""

    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(folder), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        except (FileNotFoundError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    changed = git("status", "--porcelain", "--untracked-files=no")
    return {"commit": git("rev-parse", "HEAD"), "changed": None if changed is None else bool(changed)}


def _event_writer(path: Path, purge_step: int | None = None) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingPackageError("training writes TensorBoard events: pip install 'stream-monitor[train]'") from error
    make: Callable[..., Any] = SummaryWriter
    return make(str(path), purge_step=purge_step)


def _numbers(value: Line, prefix: str) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, inner in value.items():
        if isinstance(inner, dict):
            found += _numbers(inner, f"{prefix}{name}/")
        elif isinstance(inner, int | float):
            found.append((f"{prefix}{name}", float(inner)))
    return found
