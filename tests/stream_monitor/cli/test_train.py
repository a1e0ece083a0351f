"""`stream-monitor train`: from a training file to weights, on a tiny network."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from encoder.model import Encoder
from stream_monitor.cli import main

ENCODER = """
network: {kind: folded, stem: 2, widths: [4], blocks: [1], time_strides: [2]}
"""
TRAINING = """
encoder: encoder.yaml
rendered_works: 0
validation_sources: [aird]
training:
  data: {kind: notes, mixture: {aird: 1}, works_per_source: 8, speech_minutes: 0}
  stages:
    - name: contrastive
      batch: {cliques: 4, versions: 2, clip_s: [6, 20], whole_s: 20}
  device: cpu
  threads: 1
  evaluate_every: 0
  checkpoint_minutes: 0.0001
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A training file that takes a second."""
    (tmp_path / "encoder.yaml").write_text(ENCODER)
    (tmp_path / "train.yaml").write_text(TRAINING)
    return tmp_path / "train.yaml"


def test_a_few_steps_give_weights(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object on stdout names weights that load; progress goes to stderr."""
    run = tmp_path / "run"
    assert main(["train", "--config", str(recipe), "--steps", "2", "--output", str(run)]) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert Encoder.load(Path(result["weights"])).fingerprint.startswith(result["fingerprint"])
    assert 'step 2/2 stage="contrastive" loss=' in captured.err


def test_a_run_is_not_overwritten_but_resumed(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that holds a run is refused; --resume goes on from it."""
    run = tmp_path / "run"
    command = ["train", "--config", str(recipe), "--steps", "2"]
    assert main([*command, "--output", str(run)]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main([*command, "--output", str(run)]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--resume", str(run)]) == 0
    assert json.loads(capsys.readouterr().out)["fingerprint"] == first["fingerprint"]


def test_a_missing_training_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and the file's name."""
    assert main(["train", "--config", str(tmp_path / "nothing.yaml")]) == 2
    error = capsys.readouterr().err
    assert "nothing.yaml" in error
    assert error.count("\n") == 1


def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGKILL in the middle; resumed, it gives the very weights of the run that was left alone."""
    options = ["train", "--config", str(recipe), "--steps", "60"]
    assert main([*options, "--output", str(tmp_path / "whole")]) == 0
    whole = json.loads(capsys.readouterr().out)
    cut = tmp_path / "cut"
    process = subprocess.Popen(
        [sys.executable, "-m", "stream_monitor", *options, "--output", str(cut)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 120
    while not (cut / "checkpoint.pt").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    assert (cut / "checkpoint.pt").exists()
    assert not (cut / "weights").exists(), "the run was over before it was killed"
    assert main([*options, "--resume", str(cut)]) == 0
    resumed = json.loads(capsys.readouterr().out)
    assert resumed["fingerprint"] == whole["fingerprint"]
    assert resumed["scores"] == whole["scores"]
