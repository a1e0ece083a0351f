"""Brokers for cases: one that cases share, one that a case may kill, three, or one that is reached by a proxy only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.chaos.proxy import Proxy
from tests.stack.kafka import Kafka
from tests.stack.server import HOST


@dataclass(kw_only=True, slots=True)
class Rig:
    """Servers in a folder; use it as a context manager."""

    kind: str
    folder: Path
    cluster: Kafka = field(init=False)
    proxies: list[Proxy] = field(default_factory=list)

    def __enter__(self) -> Self:
        if self.kind == "proxy":
            self.proxies = [Proxy()]
            self.cluster = Kafka(self.folder, advertised=[f"{HOST}:{proxy.port}" for proxy in self.proxies])
            for proxy, node in zip(self.proxies, self.cluster.nodes, strict=True):
                proxy.start(node.port)
        else:
            self.cluster = Kafka(self.folder, nodes=3 if self.kind == "three" else 1)
        self.cluster.start()
        return self

    def __exit__(self, *_: object) -> None:
        for proxy in self.proxies:
            proxy.stop()
        self.cluster.stop()

    @property
    def replication(self) -> int:
        """Copies that topics can have."""
        return len(self.cluster.nodes)
