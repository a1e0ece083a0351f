"""`calibrate check` over one trial and over several; what is heard is made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from stream_monitor.cli import calibrate as command
from stream_monitor.cli import loading
from stream_monitor.config import Config
from stream_monitor.trial.hearing import Hearing
from tests.fakes.encoder import FakeEncoder
from tests.stream_monitor.trial.test_verdict import LARGE, SMALL


@pytest.fixture
def trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two trials, of 10 and of 100 tracks."""
    heard: dict[str, tuple[int, list[Hearing]]] = {"small": (10, SMALL), "large": (100, LARGE)}

    def opened(folder: Path, weights: Path | None, workers: int) -> command.Trial:
        tracks = heard[folder.name][0]
        return command.Trial(
            folder=folder, weights=weights, catalogue=folder, tracks=tracks, config=Config(), workers=workers
        )

    monkeypatch.setattr(command, "_opened", opened)
    monkeypatch.setattr(command, "_hear", lambda trial, calibration, hours: heard[trial.folder.name][1])
    monkeypatch.setattr(loading, "load_encoder", lambda weights: FakeEncoder())
    for name in heard:
        (tmp_path / name).mkdir()
        (tmp_path / name / "world.json").write_text(json.dumps({"part": "test", "seed": 1}))
    return [tmp_path / name for name in heard]


def _check(output: Path, *worlds: Path) -> tuple[int, str]:
    arguments = [each for world in worlds for each in ("--world", str(world))]
    result = CliRunner().invoke(command.calibrate, ["check", *arguments, "--output", str(output)])
    return result.exit_code, result.output


def test_several_trials_are_told_apart_and_pooled(trials: list[Path], tmp_path: Path) -> None:
    """One command writes the figures of each catalogue size, those of all plays together, and a picture of both."""
    output = tmp_path / "results" / "trial.json"
    code, shown = _check(output, *trials)
    assert code == 0, shown
    told = json.loads(output.read_text())
    assert [(world["tracks"], world["plays"], world["world"]["part"]) for world in told["worlds"]] == [
        (10, 2, "test"),
        (100, 2, "test"),
    ]
    assert (told["pooled"]["plays"], told["pooled"]["right_share"]) == (4, 0.75)
    assert set(told["pooled"]) == {"plays", "right_share", "ece", "reliability"}
    assert output.with_suffix(".png").stat().st_size > 0
    assert [path.name for path in sorted(output.parent.iterdir())] == ["trial.json", "trial.png"]
    assert '"pooled"' in shown


def test_one_trial_is_written_in_the_same_form(trials: list[Path], tmp_path: Path) -> None:
    """A single trial is a list of one, and all plays are its own."""
    output = tmp_path / "trial.json"
    code, shown = _check(output, trials[0])
    assert code == 0, shown
    told = json.loads(output.read_text())
    [world] = told["worlds"]
    assert {name: world[name] for name in told["pooled"]} == told["pooled"]
    assert '"pooled"' not in shown


def test_a_trial_given_twice_is_refused(trials: list[Path], tmp_path: Path) -> None:
    """Pooled plays are counted once."""
    code, shown = _check(tmp_path / "trial.json", trials[0], trials[0])
    assert code == 2
    assert "twice" in shown
