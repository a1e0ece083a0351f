"""One store put together: database, consumer, probes. It decides nothing; `keeper.py` does the work."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from stream_monitor.clock import SystemClock
from stream_monitor.config import Config
from stream_monitor.kafka.client import Admin, CommittingConsumer
from stream_monitor.kafka.errors import TopicError
from stream_monitor.kafka.settings import KafkaSettings
from stream_monitor.store.database import Database
from stream_monitor.store.journal import Journal
from stream_monitor.store.keeper import Keeper
from stream_monitor.store.schema import LIVE
from stream_monitor.store.versions import upgrade
from stream_monitor.telemetry import Heartbeat, Probes, new_registry
from stream_monitor.telemetry.store_metrics import StoreMetrics


class EventTopic:
    """The topic that is read, as the brokers have it."""

    def __init__(self, settings: KafkaSettings, name: str) -> None:
        self._settings = settings
        self.name = name

    def topic_id(self) -> str:
        """Its id now.

        Raises:
            TopicError: There is no such topic.
            BrokerError: The brokers refuse.
        """
        with Admin(self._settings) as admin:
            found = admin.describe(self.name, [])
        if found is None:
            raise TopicError(f"topic {self.name} is missing: `stream-monitor topics create` makes it")
        return found.topic_id


def keep(
    config: Config,
    stopping: Callable[[], bool],
    *,
    run_id: str = LIVE,
    topic: str | None = None,
    from_beginning: bool = False,
) -> None:
    """Stores match events until `stopping`.

    Args:
        config: Everything.
        stopping: Asked in each turn.
        run_id: What the events belong to.
        topic: Where they are; None takes the configured one.
        from_beginning: Read the topic from its begin, whatever was stored; what is there already is no change.

    Raises:
        StoreSettingsError, SchemaError, TopicError: Something cannot be used.
        BrokerError: No broker answers at the start.
        AccessError: The brokers do not allow what it needs, whenever that comes out.
    """
    events = EventTopic(config.kafka, topic or config.topics.events)
    events.topic_id()
    group = config.kafka.beside("store" if run_id == LIVE else f"store-{run_id}")
    clock, registry = SystemClock(), new_registry()
    heart = Heartbeat(clock, config.telemetry.stalled_s)
    with ExitStack() as stack:
        database = stack.enter_context(Database(config.store))
        consumer = stack.enter_context(
            CommittingConsumer(group, [events.name], session_s=config.service.session_s, reset="none")
        )
        journal = Journal(database, run_id)

        def prepare() -> None:
            upgrade(database)
            journal.begin(events.name, from_beginning=from_beginning)

        keeper = Keeper(
            consumer,
            events,
            journal,
            prepare,
            settings=config.store,
            metrics=StoreMetrics(registry),
            clock=clock,
            beat=heart.beat,
        )
        stack.enter_context(Probes(config.telemetry, keeper.complaints, alive=heart.complaints, registry=registry))
        keeper.run(stopping)
