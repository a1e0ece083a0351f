"""Which node of a cluster leads what, and which is the controller. It changes nothing."""

from __future__ import annotations

from collections import Counter
from typing import Final

from kafka import KafkaAdminClient


class Roles:
    """As the brokers say when it is asked; use it anew for each question."""

    NOBODY: Final = -1
    """Leads what has no leader."""

    def __init__(self, bootstrap: str) -> None:
        """Asks.

        Args:
            bootstrap: host:port of some nodes; one that is away does no harm.
        """
        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        try:
            topics = admin.describe_topics()
            quorum = admin.describe_metadata_quorum()
        finally:
            admin.close()
        self.controller = int(quorum["topics"][0]["partitions"][0]["leader_id"])
        self._leaders = {
            (t["name"], p["partition_index"]): int(p["leader_id"]) for t in topics for p in t["partitions"]
        }

    def led(self, node: int) -> frozenset[tuple[str, int]]:
        """The partitions that a node leads."""
        return frozenset(place for place, leader in self._leaders.items() if leader == node)

    def leads_most(self, topic: str, but: int) -> int:
        """The node that leads most of a topic's partitions, other than one."""
        counts = Counter(leader for (name, _), leader in self._leaders.items() if name == topic and leader != but)
        return counts.most_common(1)[0][0]
