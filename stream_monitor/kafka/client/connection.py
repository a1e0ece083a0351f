"""How every client gets in, and what an error of the client says in one line."""

from __future__ import annotations

from typing import Any

from kafka.errors import KafkaError

from stream_monitor.errors import SettingsError
from stream_monitor.kafka.settings import KafkaSettings, MiB

LARGEST_RECORD = MiB
"""Kafka's default limit of a record."""
BATCH_BYTES, LINGER_MS = MiB, 5
"""Bigger batches double the throughput of audio."""
METADATA_S = 10.0


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """What every client is given to get in.

    Raises:
        SettingsError: The password's file cannot be read.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers.split(","),
        "bootstrap_timeout_ms": round(1e3 * settings.connect_s),
        "security_protocol": settings.security.upper(),
    }
    if settings.security.endswith("ssl"):
        files = {"ssl_cafile": settings.ca_file, "ssl_certfile": settings.certificate_file}
        files["ssl_keyfile"] = settings.key_file
        options |= {name: str(path) for name, path in files.items() if path is not None}
    if settings.security.startswith("sasl"):
        secret = settings.password_file
        if secret is None:
            raise SettingsError("kafka.password_file is missing")
        try:
            password = secret.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise SettingsError(f"kafka.password_file {secret}: {error.strerror}") from error
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": password,
        }
    return options


def words(error: KafkaError) -> str:
    """An error of the client in one line, without the request that it quotes."""
    text = str(error).partition("\n")[0]
    quoted = text.rpartition("error_message='")[2] if "error_message='" in text else ""
    double = text.rpartition('error_message="')[2] if 'error_message="' in text else ""
    said = (double.partition('"')[0] or quoted.partition("'")[0]) or text
    return said[:300]
