"""Apache Kafka from Maven's artifacts, in KRaft mode: one node or several, each broker and controller."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.stack.kafka_access import LISTENERS, KafkaAccess
from tests.stack.server import HOST, Server, ServerError, free_ports, listens

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "stream-monitor"
CLUSTER_ID = "c3RyZWFtLW1vbml0b3ItMQ"
HEAP = "-Xmx512m"


def jars() -> Path:
    """The folder of Kafka's jars; fetched once for each version of pom.xml (44 MB).

    Raises:
        ServerError: Java or Maven is missing, or Maven cannot fetch them.
    """
    for program, package in (("java", "default-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None:
            raise ServerError(f"{program} is missing: apt-get install {package}")
    mark = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    folder = CACHE / f"kafka-{mark}"
    if not folder.is_dir():
        half = folder.with_name(f"{folder.name}.{os.getpid()}")
        command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={half}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerError(f"Maven could not fetch Kafka:\n{(done.stdout + done.stderr)[-2000:]}")
        if folder.is_dir():  # another process was quicker
            shutil.rmtree(half)
        else:
            half.rename(folder)
    return folder


@dataclass(frozen=True, kw_only=True, slots=True)
class KafkaNode:
    """One node of a cluster."""

    node_id: int
    port: int
    controller_port: int
    advertised: str
    """host:port that clients are told."""
    server: Server

    def start(self) -> None:
        """Starts it and waits until it takes connections."""
        self.server.start(lambda: listens(self.port))


class Kafka:
    """A cluster in a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        ports: Sequence[int] | None = None,
        nodes: int = 1,
        advertised: Sequence[str] | None = None,
        access: KafkaAccess | None = None,
    ) -> None:
        """Writes what the nodes need; nothing runs before `start`.

        Args:
            folder: Data, settings and logs of all nodes.
            ports: Of the nodes; None takes free ones.
            nodes: How many.
            advertised: host:port that clients are told instead, e.g. those of proxies.
            access: Listeners with TLS and SASL on free ports beside the plain one of the first node; None is none.
        """
        libraries = jars()
        folder = folder.resolve()
        self.ports = list(ports or free_ports(nodes))
        controllers = free_ports(nodes)
        voters = ",".join(f"{n + 1}@{HOST}:{port}" for n, port in enumerate(controllers))
        self.nodes = []
        self.secured: dict[str, str] = {}
        """host:port of the listeners of `access`."""
        for n, (port, controller) in enumerate(zip(self.ports, controllers, strict=True)):
            home = folder / f"node-{n + 1}"
            told = advertised[n] if advertised else f"{HOST}:{port}"
            known = home / "server.properties"
            if known.is_file():  # a cluster of before goes on with its own ports
                lines = dict(line.split("=", 1) for line in known.read_text().splitlines())
                controller = int(lines["listeners"].rsplit(":", 1)[1])
            else:
                home.mkdir(parents=True, exist_ok=True)
                keys = _settings(n + 1, nodes, port, controller, told, voters, home / "data")
                options: list[str] = []
                if access is not None:
                    self._secure(keys, access.settings(home))
                    options += access.format_options()
                known.write_text("".join(f"{key}={value}\n" for key, value in keys.items()))
                _java(libraries, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(known), *options)
            command = ["java", HEAP, "-cp", f"{libraries}/*", "kafka.Kafka", str(known)]
            self.nodes.append(
                KafkaNode(
                    node_id=n + 1,
                    port=port,
                    controller_port=controller,
                    advertised=told,
                    server=Server(name="kafka", folder=home, command=command),
                )
            )

    @property
    def bootstrap(self) -> str:
        """What clients are given."""
        return ",".join(node.advertised for node in self.nodes)

    def _secure(self, keys: dict[str, object], more: dict[str, object]) -> None:
        """Adds listeners to a node's settings; the controller's stays the last."""
        own = {name: f"{HOST}:{port}" for name, port in zip(LISTENERS, free_ports(len(LISTENERS)), strict=True)}
        addresses = "".join(f"{name}://{address}," for name, address in own.items())
        for key in ("listeners", "advertised.listeners"):
            keys[key] = f"{addresses}{keys[key]}"
        keys["listener.security.protocol.map"] = ",".join(
            (*(f"{name}:{name}" for name in LISTENERS), str(keys["listener.security.protocol.map"]))
        )
        keys |= more
        self.secured = self.secured or own

    def start(self) -> None:
        """Starts all nodes: first all processes, then the waiting, since controllers wait for each other."""
        for node in self.nodes:
            node.server.start(lambda: True)
        for node in self.nodes:
            node.start()

    def stop(self) -> None:
        """Ends all nodes."""
        for node in reversed(self.nodes):
            node.server.stop()


def _settings(
    node_id: int, nodes: int, port: int, controller: int, advertised: str, voters: str, data: Path
) -> dict[str, object]:
    copies = min(3, nodes)
    return {
        "process.roles": "broker,controller",
        "node.id": node_id,
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{advertised}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": max(1, copies - 1),
        "transaction.state.log.num.partitions": 4,
        "group.initial.rebalance.delay.ms": 0,
    }


def _java(libraries: Path, main: str, *arguments: str) -> None:
    command = ["java", "-cp", f"{libraries}/*", main, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"{main} failed:\n{(done.stdout + done.stderr)[-2000:]}")
