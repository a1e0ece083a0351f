"""Errors of the client as ours, in one line; where an access list is the reason, with the command that mends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kafka.errors import (
    AuthorizationError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailedError,
)

from stream_monitor.kafka.client.entrance import locked_out
from stream_monitor.kafka.errors import AccessError, BrokerError
from stream_monitor.kafka.settings import KafkaSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusals:
    """What one client makes of errors: it knows who it is and what it needs."""

    settings: KafkaSettings
    operation: str
    """What it does with topics, in Kafka's words: `Read`, `Write`, `Create`."""
    topics: tuple[str, ...] = ()
    """Named where the brokers name none."""
    transactional_id: str | None = None

    def at_start(self, error: KafkaError) -> BrokerError:
        """No connection could be made."""
        spoken = f"does it speak {self.settings.security} (kafka.security)?"
        return self.of(error, f"{self.settings.bootstrap_servers}: {words(error)}; is Kafka there? {spoken}")

    def of(self, error: KafkaError, otherwise: str = "") -> BrokerError:
        """An error of ours.

        Args:
            error: The client's.
            otherwise: What is said where no access list is the reason.
        """
        for each in _within(error):
            if isinstance(each, AuthorizationError):
                return self.missing(each)
            if isinstance(each, SaslAuthenticationFailedError):
                return AccessError(locked_out(self.settings, each))
        if SaslAuthenticationFailedError.__name__ in str(error):
            return AccessError(locked_out(self.settings, SaslAuthenticationFailedError()))
        for kind in (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
            if kind.__name__ in str(error):  # the client puts some into words only
                return self.missing(kind())
        return BrokerError(otherwise or f"{self.settings.bootstrap_servers}: {words(error)}")

    def missing(self, error: AuthorizationError) -> AccessError:
        """What is not allowed, and what allows it."""
        if isinstance(error, TransactionalIdAuthorizationFailedError):
            return self.access("Write", "transactional-id", self.transactional_id or "…")
        if isinstance(error, GroupAuthorizationFailedError):
            return self.access("Read", "group", self.settings.group_id)
        names = ",".join(_names(error) or self.topics)
        if isinstance(error, ClusterAuthorizationFailedError) and not names:
            return self.access(self.operation, "cluster")
        return self.access(self.operation, "topic", names or "…")

    def access(self, operation: str, kind: str, name: str = "") -> AccessError:
        """Names what an access list has to allow, with the command."""
        who = f"User:{self.settings.username}" if self.settings.uses_sasl else "User:…"
        what = " ".join((kind, name)).strip()
        servers = self.settings.bootstrap_servers
        return AccessError(
            f"{who} is not allowed {operation} of {what}; the administrator allows it by kafka-acls.sh"
            f" --bootstrap-server {servers} --add --allow-principal {who} --{what} --operation {operation}"
        )


def words(error: KafkaError) -> str:
    """An error of the client in one line, without the request that it quotes."""
    text = str(error).partition("\n")[0]
    quoted = text.rpartition("error_message='")[2] if "error_message='" in text else ""
    double = text.rpartition('error_message="')[2] if 'error_message="' in text else ""
    said = (double.partition('"')[0] or quoted.partition("'")[0]) or text
    return said[:300]


def _within(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it came from; the client puts some into an argument."""
    while error is not None:
        yield error
        yield from (each for each in error.args if isinstance(each, BaseException))
        error = error.__cause__


def _names(error: AuthorizationError) -> tuple[str, ...]:
    """Topics that an error names."""
    said = error.args[0] if error.args else ()
    if isinstance(said, set | frozenset | list | tuple):
        return tuple(sorted(map(str, said)))
    return (said,) if isinstance(said, str) and said and " " not in said else ()
