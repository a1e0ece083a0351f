"""The deployment files as trees, for the tests that look through them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DOCKER = Path(__file__).parents[2] / "docker"
COMPOSE = DOCKER / "compose.yaml"
KUBERNETES = DOCKER / "kubernetes"

Tree = dict[str, Any]


def compose() -> Tree:
    """docker/compose.yaml, its anchors and merges done."""
    tree: Tree = yaml.safe_load(COMPOSE.read_text())
    return tree


def kubernetes(folder: Path = KUBERNETES) -> Iterator[tuple[str, Tree]]:
    """Every manifest of a folder, with the name of its file."""
    for path in sorted(folder.glob("*.yaml")):
        for manifest in yaml.safe_load_all(path.read_text()):
            yield path.name, manifest


def pods() -> Iterator[tuple[Tree, Tree]]:
    """Each manifest that makes pods, and the pods' spec."""
    for _, manifest in kubernetes():
        if manifest["kind"] in ("StatefulSet", "Deployment", "Job", "CronJob"):
            yield manifest, manifest["spec"]["template"]["spec"]
