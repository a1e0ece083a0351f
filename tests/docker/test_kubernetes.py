"""The Kubernetes manifests against their schemas, against each other, and against the real command line."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from stream_monitor.config import load
from tests.command_lines import check
from tests.docker.manifests import KUBERNETES, Tree, kubernetes, pods

VERSIONS = ("1.31", "1.37")
"""The oldest version that the manifests are for, and the newest."""
CONFIGURATION = "/etc/stream-monitor/service.yaml"


@pytest.mark.parametrize("version", VERSIONS)
def test_they_fit_their_schemas(version: str) -> None:
    """Each manifest is what its kind allows, unknown keys refused."""
    manifests = [*kubernetes(), *((name, each) for name, each in kubernetes(KUBERNETES / "examples"))]
    assert len(manifests) > 7
    for name, manifest in manifests:
        if manifest["apiVersion"].startswith("monitoring.coreos.com/"):
            continue  # a kind of the Prometheus Operator, which brings its schema itself
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            pytest.fail(f"{name}: {error.message}")


def _configuration(tmp_path: Path) -> Path:
    path = tmp_path / "service.yaml"
    data = next(each["data"] for _, each in kubernetes() if each["kind"] == "ConfigMap")
    path.write_text(data[Path(CONFIGURATION).name])
    return path


def test_every_command_is_one_that_there_is() -> None:
    """The real command line takes the arguments of each container, with the file that is mounted."""
    for _, pod in pods():
        for container in pod["containers"]:
            check(["--log-json", *container["args"]])
            assert container["args"][container["args"].index("--config") + 1] == CONFIGURATION
            assert any(mount["mountPath"] == str(Path(CONFIGURATION).parent) for mount in container["volumeMounts"])


def test_the_configuration_is_good(tmp_path: Path) -> None:
    """The ConfigMap loads with each container's variables, and a pod's name becomes the Kafka instance."""
    path = _configuration(tmp_path)
    for manifest, pod in pods():
        for container in pod["containers"]:
            variables = {each["name"]: each.get("value", "worker-0") for each in container.get("env", [])}
            config = load(path, variables)
            if manifest["kind"] == "StatefulSet":
                assert config.kafka.instance_id == "worker-0"
                assert config.kafka.static_membership


def test_a_pods_name_is_its_instance() -> None:
    """The StatefulSet hands each pod its name, so that a pod that comes back fences what was left of it."""
    workers = next(pod for manifest, pod in pods() if manifest["kind"] == "StatefulSet")
    (variable,) = workers["containers"][0]["env"]
    assert variable["name"] == "STREAM_MONITOR__KAFKA__INSTANCE_ID"
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


def test_selectors_find_their_pods() -> None:
    """Services, budgets and policies name labels that pods have."""
    labels = [m["spec"]["template"]["metadata"]["labels"] for m, _ in pods()]
    for name, manifest in kubernetes():
        spec = manifest.get("spec", {})
        wanted = {
            "Service": spec.get("selector"),
            "PodDisruptionBudget": spec.get("selector", {}).get("matchLabels"),
            "NetworkPolicy": spec.get("podSelector", {}).get("matchLabels"),
        }.get(manifest["kind"])
        if wanted is not None:
            assert any(wanted.items() <= each.items() for each in labels), name


def test_probes_ask_what_is_answered() -> None:
    """Each long-running container is asked for /healthz and /readyz on the port that the image serves."""
    for manifest, pod in pods():
        if manifest["kind"] == "Job":
            continue
        for container in pod["containers"]:
            assert container["ports"] == [{"name": "metrics", "containerPort": 9464}]
            assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
            assert container["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
            assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}


def test_pods_are_restricted() -> None:
    """Not root, nothing written but volumes, no capability, no token of the cluster."""
    for _, pod in pods():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_secrets_that_are_mounted_have_an_example(tmp_path: Path) -> None:
    """Each Secret that a pod mounts is shown, with the file that the configuration reads."""
    shown: dict[str, Tree] = {
        each["metadata"]["name"]: each["stringData"]
        for _, each in kubernetes(KUBERNETES / "examples")
        if each["kind"] == "Secret"
    }
    mounted = {volume["secret"]["secretName"] for _, pod in pods() for volume in pod["volumes"] if "secret" in volume}
    assert mounted == set(shown)
    text = yaml.safe_dump(load(_configuration(tmp_path), {}).model_dump(mode="json"))
    for files in shown.values():
        for file in files:
            assert f"/run/secrets/{file}" in text, file
