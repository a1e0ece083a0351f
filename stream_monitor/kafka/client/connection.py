"""How every client gets in. It knows nothing of what a client does there."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Any, Literal

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaTimeoutError

from stream_monitor.errors import SettingsError
from stream_monitor.kafka.client.entrance import try_entrance
from stream_monitor.kafka.settings import KafkaSettings, MiB
from stream_monitor.secret_file import secret_in

LARGEST_RECORD = MiB
"""Kafka's default limit of a record."""
BATCH_BYTES, LINGER_MS = MiB, 5
"""Bigger batches double the throughput of audio."""
METADATA_S = 10.0
GIVE_UP_S = 1.0


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """What every client is given to get in.

    Raises:
        AccessError: The brokers let us not in.
        SettingsError: A certificate or the password cannot be read.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers.split(","),
        "bootstrap_timeout_ms": round(1e3 * settings.connect_s),
        "security_protocol": settings.security.upper(),
    }
    if settings.uses_tls:
        options["ssl_context"] = _tls_context(settings)
    if settings.uses_sasl:
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": _password(settings),
        }
    if settings.security != "plaintext":
        try_entrance(settings, options)
    return options


def lone_consumer(
    settings: KafkaSettings,
    isolation: Literal["read_committed", "read_uncommitted"] = "read_committed",
    reset: Literal["earliest", "latest"] = "latest",
) -> KafkaConsumer:
    """One that is in no group and commits nothing: whoever has it remembers where it is.

    Args:
        settings: Where to.
        isolation: Whether it sees what is not committed yet.
        reset: What is read where an offset is not there.

    Raises:
        AccessError, SettingsError: As `connection`.
        KafkaError: No broker answers.
    """
    return KafkaConsumer(
        **connection(settings),
        metrics_enabled=False,
        group_id=None,
        isolation_level=isolation,
        enable_auto_commit=False,
        auto_offset_reset=reset,
        max_partition_fetch_bytes=4 * MiB,
        allow_auto_create_topics=False,
    )


def give_up(producer: KafkaProducer) -> None:
    """Closes a producer at once; what is on its way is lost.

    The client's `close` waits for that first, and where its time is over it stays open and goes on sending.
    """
    producer._sender.force_close()
    with suppress(KafkaTimeoutError):
        producer.close(timeout=GIVE_UP_S)


def _tls_context(settings: KafkaSettings) -> ssl.SSLContext:
    files = (settings.ca_file, settings.certificate_file, settings.key_file)
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file is not None:
            # Without a password here the library would ask for one at the terminal.
            context.load_cert_chain(settings.certificate_file, settings.key_file, password="")
    except (OSError, ssl.SSLError) as error:
        named = ", ".join(str(path) for path in files if path is not None)
        reason = error.strerror or str(error)
        raise SettingsError(
            f"kafka: the certificates {named} cannot be used (PEM, no pass phrase): {reason}"
        ) from error
    return context


def _password(settings: KafkaSettings) -> str:
    secret = settings.password_file
    if secret is None:
        raise SettingsError("kafka.password_file is missing")
    return secret_in(secret, "kafka.password_file")
