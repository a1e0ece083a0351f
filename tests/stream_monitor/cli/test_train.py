"""`stream-monitor train`: from a training file to weights, on a tiny network."""

from __future__ import annotations

import json
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
  mixture: {aird: 1}
  works_per_source: 8
  songs_per_step: 4
  views_per_song: 2
  speech_minutes: 0
  threads: 1
  evaluate_every: 0
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
    assert "step 2/2 loss=" in captured.err


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
