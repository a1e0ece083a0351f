"""`relay` put together: a route for each destination, all in one event loop. It decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from stream_monitor.clock import SystemClock
from stream_monitor.config import Config
from stream_monitor.errors import MonitorError, SettingsError
from stream_monitor.kafka.client import Admin
from stream_monitor.kafka.outbox import Labelled
from stream_monitor.kafka.settings import KafkaSettings, dead_letters
from stream_monitor.kafka.topics import check_usable
from stream_monitor.mqtt.publishing import NAME, MqttDestination
from stream_monitor.relay.backoff import Backoff
from stream_monitor.relay.dead_letters import DeadLetters
from stream_monitor.relay.destination import Destination
from stream_monitor.relay.feed import Feed
from stream_monitor.relay.filter import Filter, FilterSettings
from stream_monitor.relay.open_plays import OpenPlays
from stream_monitor.relay.route import Route
from stream_monitor.telemetry import Heartbeat, Probes, new_registry
from stream_monitor.telemetry.relay_metrics import RelayMetrics
from stream_monitor.webhooks.posting import WebhookDestination


def serve(
    config: Config, stopping: Callable[[], bool], *, only: str | None = None, at: Labelled = lambda _: None
) -> None:
    """Relays until `stopping`.

    Args:
        config: Everything.
        stopping: Asked several times a second.
        only: `mqtt` or the name of a webhook; None is all of them.
        at: See `Labelled`.

    Raises:
        SettingsError: Something cannot be used, or there is nothing to do.
        TopicError: The topic of events or of their dead letters is missing, or cannot be used as it is.
        BrokerError: No Kafka broker answers at the start.
        AccessError: The brokers do not allow what it needs, whenever that comes out.
    """
    names = chosen(config, only)
    needed = {config.topics.events, dead_letters(config.topics.events)}
    with Admin(config.kafka) as admin:
        check_usable(admin, config.topics, needed)
    try:
        asyncio.run(_relay(config, names, stopping, at))
    except ExceptionGroup as group:
        ours, rest = group.split(MonitorError)
        if ours is None or rest is not None:
            raise
        raise _first(ours) from group


def chosen(config: Config, only: str | None) -> list[str]:
    """Names of the routes.

    Raises:
        SettingsError: There is none, or not the one that is asked for.
    """
    known = ([] if config.mqtt.host is None else [NAME]) + [each.name for each in config.webhooks]
    if not known:
        raise SettingsError("there is nobody to tell: set mqtt.host, or webhooks")
    if only is not None and only not in known:
        raise SettingsError(f"--only {only}: there are {', '.join(known)}")
    return known if only is None else [only]


def _first(group: ExceptionGroup[MonitorError]) -> MonitorError:
    """An error out of the tasks that it went through."""
    found = group.exceptions[0]
    return _first(found) if isinstance(found, ExceptionGroup) else found


def group_of(config: Config, name: str) -> KafkaSettings:
    """A route's own group."""
    return config.kafka.beside("relay" if name == NAME else f"webhook-{name}")


async def _relay(config: Config, names: Sequence[str], stopping: Callable[[], bool], at: Labelled) -> None:
    registry, clock = new_registry(), SystemClock()
    metrics = RelayMetrics(registry)
    webhooks = {each.name: each for each in config.webhooks}

    def waits() -> Backoff:
        return Backoff(config.relay.retry_first_s, config.relay.retry_most_s)

    hearts, routes = [], []
    async with AsyncExitStack() as stack:
        for name in names:
            destination: Destination
            settings: FilterSettings
            if name == NAME:
                destination, settings = MqttDestination(config.mqtt, waits, metrics, at=at), config.mqtt.filter
            else:
                destination, settings = WebhookDestination(webhooks[name], metrics), webhooks[name].filter
            kafka, hours = group_of(config, name), config.relay.state_hours
            plays = OpenPlays(Filter(settings), hours)
            feed = await stack.enter_async_context(
                Feed(kafka, config.topics.events, memory_hours=hours, session_s=config.service.session_s)
            )
            hearts.append(Heartbeat(clock, config.telemetry.stalled_s))
            letters = DeadLetters(kafka, name, waits())
            route = Route(
                feed,
                destination,
                plays,
                letters,
                settings=config.relay,
                metrics=metrics,
                heart=hearts[-1],
                at=at,
            )
            routes.append(route)
        stack.enter_context(
            Probes(
                config.telemetry,
                lambda: [reason for route in routes for reason in route.complaints()],
                alive=lambda: [reason for heart in hearts for reason in heart.complaints()],
                registry=registry,
            )
        )
        async with asyncio.TaskGroup() as tasks:
            for route in routes:
                tasks.create_task(route.run(stopping))
