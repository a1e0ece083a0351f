"""Prometheus' configuration and alerts, Grafana's dashboard: they name what the code has, and fire when they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.docker.manifests import DOCKER, compose
from tests.stack.needed import missing
from tests.stream_monitor.telemetry.reference import all_metrics

PROMETHEUS = DOCKER / "prometheus"
DASHBOARD = DOCKER / "grafana" / "dashboards" / "stream-monitor.json"
RUNBOOK = Path("docs/operations.md")
FROM_OUTSIDE = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
"""Prometheus' own, and those of every Python process."""
TARGET_LABELS = {"job", "instance", "component", "le"}
_METRIC = re.compile(r"\b(?:stream_monitor|process)_[a-z0-9_]+|\bup\b")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")
_SELECTED = re.compile(r"([a-z_0-9]+)\{([^}]*)\}")


def _alerts() -> list[dict[str, str]]:
    (group,) = yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())["groups"]
    return list(group["rules"])


def _panels() -> list[dict[str, object]]:
    return [each for each in json.loads(DASHBOARD.read_text())["panels"] if each["type"] != "row"]


def _expressions() -> Iterator[tuple[str, str]]:
    for alert in _alerts():
        yield alert["alert"], alert["expr"]
    for panel in _panels():
        for target in panel["targets"]:  # type: ignore[attr-defined]
            yield f"panel {panel['title']!r}", target["expr"]


def _promtool(*arguments: str) -> None:
    if shutil.which("promtool") is None:
        missing("promtool is missing: apt-get install prometheus")
    done = subprocess.run(
        ["promtool", *arguments], cwd=DOCKER.parent, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_metric_that_is_named_is_there() -> None:
    """Alerts and dashboard ask for series that the code makes, and group and select by labels that they have."""
    known = all_metrics()
    for where, expression in _expressions():
        named = set(_METRIC.findall(expression))
        assert named, where
        assert named <= set(known) | FROM_OUTSIDE, f"{where}: {named - set(known)}"
        labels = TARGET_LABELS | {label for name in named & set(known) for label in known[name]}
        for group in _GROUPED.findall(expression):
            assert {label.strip() for label in group.split(",")} <= labels, f"{where}: by ({group})"
        for name, selection in _SELECTED.findall(expression):
            chosen = {part.split("=")[0].strip(" !~") for part in selection.split(",")}
            assert chosen <= TARGET_LABELS | set(known.get(name, ())), f"{where}: {name}{{{selection}}}"


def test_every_metric_is_on_the_dashboard() -> None:
    """Nothing is measured that nobody can see."""
    shown = {name for _, expression in _expressions() for name in _METRIC.findall(expression)}
    bases = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown}
    missing = {re.sub(r"_(bucket|count|sum)$", "", name) for name in all_metrics()} - bases
    assert not missing


def test_the_dashboard_is_one_that_grafana_reads() -> None:
    """Panels have places that do not overlap, ids of their own, and the provisioned data source."""
    (source,) = yaml.safe_load((DOCKER / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    board = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and place["x"] + place["w"] <= 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": source["uid"]}


def test_every_alert_has_its_section_in_the_runbook() -> None:
    """An alert says which part of the runbook helps, and that part is there."""
    text = (DOCKER.parent / RUNBOOK).read_text()
    titles = [line[3:].lower() for line in text.splitlines() if line.startswith("## ")]
    sections = {re.sub(r"[^a-z0-9 -]", "", title).replace(" ", "-") for title in titles}
    for alert in _alerts():
        file, _, section = alert["annotations"]["runbook"].partition("#")  # type: ignore[index]
        assert file == str(RUNBOOK) and section in sections, f"{alert['alert']}: {section}"
        assert alert["alert"] in text, f"{alert['alert']} is not in {RUNBOOK}"


def test_every_alert_has_its_test() -> None:
    """alerts_test.yaml shows for each alert that it fires, and that it is silent when all is well."""
    cases = yaml.safe_load(Path(__file__).with_name("alerts_test.yaml").read_text())["tests"]
    shown = [(each["alertname"], bool(each["exp_alerts"])) for case in cases for each in case["alert_rule_test"]]
    assert {name for name, fires in shown if fires} == {alert["alert"] for alert in _alerts()}
    assert {name for name, fires in shown if not fires} == {alert["alert"] for alert in _alerts()}


def test_the_alerts_fire_when_they_should() -> None:
    """Prometheus' own tool runs the alerts on made-up series."""
    _promtool("test", "rules", "tests/docker/alerts_test.yaml")


def test_the_configuration_is_good() -> None:
    """Prometheus' own tool reads the configuration, and the targets are services of compose.yaml."""
    path = PROMETHEUS / "prometheus.yaml"
    names = {
        name
        for job in yaml.safe_load(path.read_text())["scrape_configs"]
        for target in job.get("dns_sd_configs", [])
        for name in target["names"]
    }
    assert names <= set(compose()["services"])
    _promtool("check", "config", str(path.relative_to(DOCKER.parent)))
