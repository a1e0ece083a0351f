"""Who gets into a test broker, and how: listeners with TLS and SASL, users, access lists. Lines of its settings only.

The plain listener stays: it is the brokers' own and the administrator's, for whom no access list counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.stack.certificates import Authority

LISTENERS = ("SSL", "SASL_SSL", "SASL_PLAINTEXT")
ADMINISTRATOR = "User:ANONYMOUS"
MODULES = "org.apache.kafka.common.security"
AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"


@dataclass(frozen=True, kw_only=True, slots=True)
class KafkaAccess:
    """What a broker offers beside its plain listener."""

    authority: Authority
    """Signs the broker's certificate, and those that clients must show at the listener SSL."""
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names and passwords, for PLAIN and SCRAM-SHA-512."""
    access_lists: bool = False
    """Nobody may do what no list allows."""

    def settings(self, home: Path) -> dict[str, object]:
        """Keys of server.properties."""
        broker = self.authority.issue("broker")
        store = home / "broker.pem"
        store.write_text(broker.key.read_text() + broker.certificate.read_text())
        keys: dict[str, object] = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": store,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.authority.certificate.resolve(),
            "ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/",
            "listener.name.ssl.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        }
        plain = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        for listener in ("sasl_ssl", "sasl_plaintext"):
            prefix = f"listener.name.{listener}"
            keys[f"{prefix}.plain.sasl.jaas.config"] = f"{MODULES}.plain.PlainLoginModule required {plain};"
            keys[f"{prefix}.scram-sha-512.sasl.jaas.config"] = f"{MODULES}.scram.ScramLoginModule required;"
        if self.access_lists:
            keys |= {"authorizer.class.name": AUTHORIZER, "super.users": ADMINISTRATOR}
        return keys

    def format_options(self) -> Sequence[str]:
        """For the StorageTool: users of SCRAM are written where a node's data begins."""
        options: list[str] = []
        for name, password in self.users.items():
            options += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
        return options
