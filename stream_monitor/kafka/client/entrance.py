"""A first connection that says why the brokers let us not in.

The client tries again until its time is over and then says no more than that; it keeps the reason to itself. So each
address is tried once before. Where nobody answers, nothing is said here: the client waits for brokers that still start.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kafka.errors import SaslAuthenticationFailedError, UnsupportedSaslMechanismError
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from stream_monitor.kafka.errors import AccessError
from stream_monitor.kafka.settings import KafkaSettings

OTHER_NAME: Final = (62, 64)
"""OpenSSL's codes of a certificate for another host name or address."""
OUT_OF_TIME: Final = (9, 10)
"""Of a certificate that is not valid yet, or no longer."""
CUT_OFF: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""As a broker that goes down does it, too."""


TRIES, PAUSE_S = 4, 0.2
"""Of an address where the reason was not heard."""
CORRECT: Final = "correct kafka.username, kafka.password_file, kafka.sasl_mechanism, or the user on the brokers"
NAME_IT: Final = (
    "kafka.bootstrap_servers (and the brokers' advertised.listeners) have to name it as its certificate does"
)
TRUST_IT: Final = "kafka.ca_file has to hold the certificate of the authority that signed it"
RENEW_IT: Final = "the brokers have to get a new one, or this machine's clock is wrong; nothing here goes round it"
SHOW_IT: Final = (
    "kafka.security has to be the listener's; kafka.certificate_file and kafka.key_file have to be what it asks for"
)


def try_entrance(settings: KafkaSettings, options: Mapping[str, Any]) -> None:
    """Connects to one address after the other until one lets us in.

    Args:
        settings: What the message names.
        options: Of a client.

    Raises:
        AccessError: None does, and one says why.
    """
    refused, until_s = None, time.monotonic() + settings.connect_s
    for address in options["bootstrap_servers"]:
        for _ in range(TRIES):
            error, greeted = _error({**options, "bootstrap_servers": [address]}, until_s)
            if error is None:
                return
            reason = _reason(settings, error)
            if reason or not greeted or time.monotonic() > until_s:
                break
            time.sleep(PAUSE_S)
        else:
            reason = _cut_off(settings)
        refused = refused or (reason and f"{address} {reason}")
    if refused:
        raise AccessError(refused)


def _error(options: Mapping[str, Any], until_s: float) -> tuple[BaseException | None, bool]:
    """What came of one connection, and whether a broker had begun to speak with us."""
    left_ms = max(0.0, 1e3 * (until_s - time.monotonic()))
    net = NetworkSelector(**options)
    manager = KafkaConnectionManager(net, **options)
    try:
        (broker,) = manager.cluster.bootstrap_brokers()
        entering = manager.get_connection(broker.node_id, timeout_ms=left_ms, refresh_metadata_on_err=False)
        net.poll(timeout_ms=left_ms, future=entering.init_future)
        error = entering.init_future.exception if entering.init_future.is_done else TimeoutError()
        return error, entering.broker_version_data is not None
    finally:
        manager.close()
        net.close()


def _reason(settings: KafkaSettings, error: BaseException) -> str | None:
    """Why, and what to do; None where it is no refusal."""
    for each in _chain(error):
        if isinstance(each, SaslAuthenticationFailedError | UnsupportedSaslMechanismError):
            return f"does not let in {_user(settings)} ({_said(each)}): {CORRECT}"
        if isinstance(each, ssl.SSLCertVerificationError):
            advice = {
                **dict.fromkeys(OTHER_NAME, NAME_IT),
                **dict.fromkeys(OUT_OF_TIME, RENEW_IT),
            }.get(each.verify_code, TRUST_IT)
            return f"is not trusted ({each.verify_message}): {advice}"
        if isinstance(each, ssl.SSLError) and not isinstance(each, CUT_OFF):
            return f"does not agree on TLS ({each.reason or each}): {SHOW_IT}"
        if settings.uses_sasl and isinstance(each, ValueError):  # a wrong answer to SCRAM
            return f"does not know the password of {_user(settings)} ({_said(each)}): {CORRECT}"
    return None


def locked_out(settings: KafkaSettings, error: SaslAuthenticationFailedError) -> str:
    """For somebody who was let in before: the password was changed meanwhile, or the user is gone."""
    return f"{settings.bootstrap_servers} does not let in {_user(settings)} any more ({_said(error)}): {CORRECT}"


def _cut_off(settings: KafkaSettings) -> str:
    """A broker that says no and hangs up in one breath: the client may have heard the second only."""
    return f"ends the connection when it is shown {_user(settings)}: {CORRECT}"


def _user(settings: KafkaSettings) -> str:
    return f"user {settings.username!r} by {settings.sasl_mechanism}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it came from; the client puts some into an argument."""
    while error is not None:
        yield error
        yield from (each for each in error.args if isinstance(each, BaseException))
        error = error.__cause__ or error.__context__


def _said(error: BaseException) -> str:
    """The brokers' words, which do not repeat the password."""
    text = " ".join(str(error.args[0] if error.args else type(error).__name__).split())
    return text.removeprefix(f"{SaslAuthenticationFailedError.__name__}: ")[:200]
