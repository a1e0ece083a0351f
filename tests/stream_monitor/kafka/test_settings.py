"""Settings of the way in: what contradicts itself or cannot be read is refused before a broker is asked."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stream_monitor.errors import SettingsError
from stream_monitor.kafka.client.connection import connection
from stream_monitor.kafka.settings import KafkaSettings
from tests.stack.certificates import Authority


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"security": "sasl_ssl"}, "sasl needs username and password_file"),
        ({"username": "worker", "password_file": "p"}, "is given and security is plaintext"),
        (
            {"security": "sasl_plaintext", "username": "u", "password_file": "p", "ca_file": "c"},
            "certificates are given",
        ),
        ({"security": "ssl", "key_file": "k"}, "key_file needs certificate_file"),
    ],
)
def test_keys_that_would_be_passed_over_are_refused(keys: dict[str, Any], words: str) -> None:
    """A password that is never shown, or certificates that secure nothing, are a mistake."""
    with pytest.raises(ValidationError, match=words):
        KafkaSettings.model_validate(keys)


def test_a_group_beside_the_workers_has_no_static_members() -> None:
    """A relay or a store that is replaced gives its partitions up at once, and two on one machine work together."""
    workers = KafkaSettings(group_id="g", static_membership=True, instance_id="pod-0", connect_s=3.0)
    beside = workers.beside("store")
    assert (beside.group_id, beside.static_membership, beside.instance_id) == ("g-store", False, None)
    assert beside.connect_s == 3.0


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """One that is gone, one that is no certificate, and a key with a pass phrase, which nobody is asked for."""
    own = Authority(tmp_path).issue("worker")
    locked = tmp_path / "locked.key"
    command = ["openssl", "pkey", "-in", str(own.key), "-aes128", "-passout", "pass:secret", "-out", str(locked)]
    subprocess.run(command, check=True, capture_output=True)
    ssl = {"security": "ssl"}
    sasl = {"security": "sasl_plaintext", "username": "worker"}
    (tmp_path / "latin").write_bytes(b"\xe4\n")
    for keys, named in (
        ({**ssl, "ca_file": tmp_path / "gone.pem"}, "gone.pem cannot be used"),
        ({**ssl, "ca_file": own.key}, "worker.key cannot be used"),
        ({**ssl, "certificate_file": own.certificate, "key_file": locked}, "locked.key cannot be used"),
        ({**sasl, "password_file": tmp_path / "gone"}, "kafka.password_file .*gone: it cannot be read: No such file"),
        ({**sasl, "password_file": tmp_path / "latin"}, "kafka.password_file .*latin: it is not UTF-8"),
    ):
        with pytest.raises(SettingsError, match=named):
            connection(KafkaSettings.model_validate(keys))
