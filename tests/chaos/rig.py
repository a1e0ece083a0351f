"""Brokers for cases: one that cases share, one that a case may kill, three, one behind a proxy, one on a small disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.chaos.disk import SmallDisk
from tests.chaos.lab import CaseError
from tests.chaos.namespace import Namespace
from tests.chaos.proxy import Proxy
from tests.stack.kafka import Kafka
from tests.stack.server import HOST

DISK_MB = 192
"""Room for the world's records, and little more."""


@dataclass(kw_only=True, slots=True)
class Rig:
    """Servers in a folder; use it as a context manager."""

    kind: str
    folder: Path
    cluster: Kafka = field(init=False)
    proxies: list[Proxy] = field(default_factory=list)
    namespace: Namespace | None = None
    """Where workers run that can reach nothing but the proxies."""
    _disk: SmallDisk | None = None

    def __enter__(self) -> Self:
        if self.kind == "small disk":
            self._disk = SmallDisk(self.folder, megabytes=DISK_MB).__enter__()
        if self.kind == "proxy":
            self.namespace = Namespace()
            self.proxies = [Proxy()]
            self.cluster = Kafka(self.folder, advertised=[f"{HOST}:{proxy.port}" for proxy in self.proxies])
            for proxy, node in zip(self.proxies, self.cluster.nodes, strict=True):
                proxy.start(node.port, also=self.namespace)
        else:
            self.cluster = Kafka(self.folder, nodes=3 if self.kind == "three" else 1)
        self.cluster.start()
        return self

    def __exit__(self, *_: object) -> None:
        for proxy in self.proxies:
            proxy.stop()
        self.cluster.stop()
        if self.namespace is not None:
            self.namespace.close()
        if self._disk is not None:
            self._disk.__exit__()

    @property
    def small_disk(self) -> SmallDisk:
        """What the cluster's folder lies on.

        Raises:
            CaseError: It is a disk like any other.
        """
        if self._disk is None:
            raise CaseError("this cluster has no disk of its own")
        return self._disk

    @property
    def enter(self) -> tuple[str, ...]:
        """Words in front of a worker's command."""
        return self.namespace.enter if self.namespace is not None else ()

    @property
    def replication(self) -> int:
        """Copies that topics can have."""
        return len(self.cluster.nodes)
