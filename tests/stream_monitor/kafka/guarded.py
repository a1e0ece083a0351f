"""A broker that lets in who it knows and allows what its access lists say, and configurations of those who try."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.stack.certificates import Authority
from tests.stack.kafka import Kafka
from tests.stack.kafka_access import KafkaAccess

PASSWORDS = {"worker": "kept-From-every-log-7319", "guest": "kept-From-every-log-2846"}
TOPICS = ("broadcast", "uploads", "events", "state", "catalog")
Rule = tuple[ResourceType, str, Sequence[ACLOperation]]
T = TypeVar("T")


class Guarded:
    """One broker in a folder, with the authority that signs its certificate."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority = Authority(folder / "certificates")
        access = KafkaAccess(authority=self.authority, users=PASSWORDS, access_lists=True)
        self.kafka = Kafka(folder / "kafka", access=access)
        for name, password in PASSWORDS.items():
            self.password_file(name, password)

    def password_file(self, name: str, password: str) -> str:
        """A file that holds a password."""
        path = self._folder / f"{name}.password"
        path.write_text(f"{password}\n", encoding="utf-8")
        return str(path)

    def by_password(self, name: str, **changes: Any) -> dict[str, Any]:
        """Keys of `kafka` of a user of SCRAM over TLS."""
        keys = {
            "bootstrap_servers": self.kafka.secured["SASL_SSL"],
            "security": "sasl_ssl",
            "ca_file": str(self.authority.certificate),
            "username": name,
            "password_file": str(self._folder / f"{name}.password"),
        }
        return {key: value for key, value in (keys | changes).items() if value is not None}

    def by_certificate(self, name: str, **changes: Any) -> dict[str, Any]:
        """Keys of `kafka` of a client with a certificate."""
        own = self.authority.issue(name)
        keys = {
            "bootstrap_servers": self.kafka.secured["SSL"],
            "security": "ssl",
            "ca_file": str(self.authority.certificate),
            "certificate_file": str(own.certificate),
            "key_file": str(own.key),
        }
        return {key: value for key, value in (keys | changes).items() if value is not None}

    def as_administrator(self) -> dict[str, Any]:
        """Keys of `kafka` of somebody who may do everything."""
        return {"bootstrap_servers": self.kafka.bootstrap}

    def forbid(self, name: str, *rules: Rule) -> None:
        """Takes from the access list what `allow` put there."""
        client = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        filters = _entries(ACLFilter, ResourcePatternFilter, name, rules)
        assert all(len(removed) == 1 for _, removed, _ in client.delete_acls(filters))
        client.close()

    def set_password(self, name: str, password: str) -> None:
        """On the brokers; connections that stand go on."""
        client = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        new = UserScramCredentialUpsertion(name, ScramMechanism.SCRAM_SHA_512, password)
        assert client.alter_user_scram_credentials([new]) == {name: None}
        client.close()

    def allow(self, name: str, *rules: Rule) -> None:
        """Adds to the access list; a name counts for all that begin with it."""
        client = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        client.create_acls(_entries(ACL, ResourcePattern, name, rules))
        client.close()


def _entries(entry: Callable[..., T], pattern: Callable[..., Any], name: str, rules: Sequence[Rule]) -> list[T]:
    """Of an access list, or to find them there; a name counts for all that begin with it."""
    prefixed = ACLResourcePatternType.PREFIXED
    return [
        entry(f"User:{name}", "*", operation, ACLPermissionType.ALLOW, pattern(kind, begin, prefixed))
        for kind, begin, operations in rules
        for operation in operations
    ]


def configuration(path: Path, mark: str, kafka: dict[str, Any], **more: Any) -> Path:
    """A configuration file with topics and group of `mark`'s own."""
    topics = {"partitions": 2, "replication": 1, "min_in_sync": 1} | {name: f"{mark}.{name}" for name in TOPICS}
    tree = {"kafka": {"group_id": mark, "instance_id": "one", "connect_s": 20.0, **kafka}, "topics": topics, **more}
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def needs_of_a_worker(mark: str) -> list[Rule]:
    """What docs/operations.md lists."""
    allowed = ACLOperation
    rules: list[Rule] = [
        (ResourceType.TOPIC, f"{mark}.", [allowed.DESCRIBE, allowed.DESCRIBE_CONFIGS]),
        (ResourceType.TOPIC, f"{mark}.broadcast", [allowed.READ, allowed.WRITE]),
        (ResourceType.TOPIC, f"{mark}.uploads", [allowed.READ, allowed.WRITE]),
        (ResourceType.TOPIC, f"{mark}.catalog", [allowed.READ]),
        (ResourceType.TOPIC, f"{mark}.events", [allowed.WRITE]),
        (ResourceType.TOPIC, f"{mark}.state", [allowed.READ, allowed.WRITE]),
        (ResourceType.GROUP, mark, [allowed.READ]),
        (ResourceType.TRANSACTIONAL_ID, mark, [allowed.WRITE]),
    ]
    return rules
