"""compose.yaml against the schema of compose files, against itself, and against the real command line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema

from stream_monitor.config import load
from tests.command_lines import check
from tests.docker.manifests import DOCKER, Tree, compose
from tests.stack.needed import missing

SCHEMA_MODULE = "github.com/compose-spec/compose-go/v2@v2.16.2"
OURS = "stream-monitor:"


def _ours() -> dict[str, Tree]:
    return {name: each for name, each in compose()["services"].items() if each["image"].startswith(OURS)}


def _mounts(service: Tree) -> dict[str, str]:
    """Folder or file outside by its place inside."""
    return {inside: outside for outside, inside in (each.split(":")[:2] for each in service.get("volumes", []))}


def test_it_fits_the_schema_of_compose_files() -> None:
    """The file is what the compose specification's own JSON Schema allows."""
    if shutil.which("go") is None:
        missing("go is missing, and the schema comes as a Go module: apt-get install golang-go")
    download = ["go", "mod", "download", "-json", SCHEMA_MODULE]
    done = subprocess.run(download, cwd="/", capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        missing(f"the schema cannot be fetched: {(done.stderr or done.stdout)[-200:]}")
    schema = json.loads((Path(json.loads(done.stdout)["Dir"]) / "schema" / "compose-spec.json").read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(compose())


def test_the_services_are_there() -> None:
    """Brokers, database, two workers, relay, store, metrics."""
    tree = compose()
    assert {"kafka", "topics", "mosquitto", "postgres", "worker", "prometheus", "grafana"} <= set(tree["services"])
    assert tree["services"]["worker"]["deploy"]["replicas"] == 2


def test_every_command_is_one_that_there_is() -> None:
    """The real command line takes the command of each of our containers."""
    for service in _ours().values():
        check(["--log-json", *service["command"]])


def test_every_configuration_is_good() -> None:
    """The file that a command is given is mounted, and loads with the container's variables."""
    for service in _ours().values():
        inside = service["command"][service["command"].index("--config") + 1]
        path = DOCKER / _mounts(service)[inside]
        config = load(path, {name: str(value) for name, value in service.get("environment", {}).items()})
        assert config.kafka.bootstrap_servers == "kafka:9092"
        assert config.topics.replication == 1, "there is one broker"


def test_what_is_mounted_and_depended_on_is_there() -> None:
    """Files, named volumes, secrets and the services that others wait for exist."""
    tree = compose()
    for name, service in tree["services"].items():
        for outside in _mounts(service).values():
            assert (DOCKER / outside).exists() if outside.startswith(".") else outside in tree["volumes"], outside
        assert set(service.get("secrets", [])) <= set(tree["secrets"])
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "test" in tree["services"][other]["healthcheck"], f"{name} waits for {other}"
            else:
                assert how["condition"] == "service_completed_successfully"
                assert tree["services"][other]["restart"] == "no"


def test_secrets_are_files_that_containers_see() -> None:
    """A path under /run/secrets that a configuration names is a secret of the container that reads it."""
    for name, service in _ours().items():
        path = DOCKER / _mounts(service)["/etc/stream-monitor/service.yaml"]
        keys = load(path, {}).model_dump(mode="json")
        own = keys.get({"relay": "mqtt"}.get(name, name), {})
        for file in re.findall(r"/run/secrets/(\w+)", json.dumps(own)):
            assert file in service["secrets"], f"{name} reads {file}"


def test_images_are_pinned_and_ports_stay_on_the_machine() -> None:
    """No image floats, and nothing is published to the network."""
    for service in compose()["services"].values():
        assert re.search(r":[^:]+$", service["image"]) and not service["image"].endswith("latest")
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))


def test_containers_of_ours_have_few_rights() -> None:
    """Read-only, without capabilities, and with a time to drain that is longer than the drain."""
    for service in _ours().values():
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
