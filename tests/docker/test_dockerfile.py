"""The image's recipe. No Docker engine runs where the tests do: it is linted and read, not built."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from stream_monitor.config import load
from stream_monitor.telemetry import Probes, TelemetrySettings
from stream_monitor.telemetry.__main__ import ask

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"


def _instructions() -> list[str]:
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    return [line for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line]


def _environment() -> dict[str, str]:
    words = [word for line in _instructions() if line.startswith("ENV ") for word in line.split()[1:]]
    return dict(word.split("=", 1) for word in words)


def test_hadolint_has_nothing_to_say() -> None:
    """The linter of Dockerfiles finds no fault."""
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_that_is_copied_is_there_and_not_ignored() -> None:
    """What the recipe copies exists, and .dockerignore lets exactly that through."""
    copied = {
        source
        for line in _instructions()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == let_through
    assert all((ROOT / name).exists() for name in copied)


def test_the_packages_are_those_of_the_project() -> None:
    """The image takes the project's own lists of packages, with the extras that the service needs."""
    text = " ".join(_instructions())
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert "--constraint constraints.txt" in text and "--requirement pyproject.toml" in text
    for extra in ("mqtt", "store"):
        assert f"--extra {extra}" in text and extra in extras


def test_nobody_is_root_and_bases_are_pinned() -> None:
    """Every outside image has a tag, and the program runs as a user without rights."""
    stages: set[str] = set()
    for line in _instructions():
        if line.startswith("FROM "):
            _, base, _, name = line.split()
            assert base in stages or (":" in base and not base.endswith(":latest")), line
            stages.add(name)
    assert {"cpu", "gpu"} <= stages
    assert "USER 10001:10001" in _instructions()


def test_the_image_sets_keys_that_there_are() -> None:
    """The variables of the image are keys of the configuration, the port among them."""
    config = load(None, _environment())
    assert (config.telemetry.host, config.telemetry.port) == ("0.0.0.0", 9464)


@pytest.mark.parametrize(("complaint", "code"), [((), 0), (("the loop stands still",), 1)])
def test_the_health_check_asks_the_service(complaint: tuple[str, ...], code: int) -> None:
    """The image's health check ends with 0 where /healthz is good, else with 1 and the reason."""
    health = next(line for line in _instructions() if line.startswith("HEALTHCHECK"))
    assert 'CMD ["python", "-m", "stream_monitor.telemetry"]' in health
    with Probes(TelemetrySettings(host="127.0.0.1", port=0), lambda: (), alive=lambda: complaint) as probes:
        variables = {
            "STREAM_MONITOR__TELEMETRY__HOST": "0.0.0.0",
            "STREAM_MONITOR__TELEMETRY__PORT": str(probes.port),
        }
        done = subprocess.run(
            [sys.executable, "-m", "stream_monitor.telemetry"],
            env={"PYTHONPATH": str(ROOT), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == code, done.stderr
    assert done.stdout.strip() == (complaint[0] if complaint else "alive")


def test_a_health_check_without_a_service_says_so() -> None:
    """Where nothing listens, no port is set or a key is wrong, the check fails with the reason."""
    with Probes(TelemetrySettings(port=0), lambda: ()) as probes:
        port = probes.port
    good, words = ask("/healthz", {"STREAM_MONITOR__TELEMETRY__PORT": str(port)})
    assert not good and f"127.0.0.1:{port} does not answer" in words
    good, words = ask("/healthz", {})
    assert not good and "STREAM_MONITOR__TELEMETRY__PORT is not set" in words
    good, words = ask("/healthz", {"STREAM_MONITOR__TELEMETRY__PORT": "many"})
    assert not good and "telemetry.port" in words
