"""What a worker finds committed on a real broker: positions and streams that belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Timer
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from stream_monitor.kafka.client import Admin, Consumer, LogReader, Partition, TransactionalProducer
from stream_monitor.kafka.committed import Committed
from stream_monitor.kafka.errors import BrokerError
from stream_monitor.kafka.observed import ObservedConsumer
from stream_monitor.kafka.partition import Position
from stream_monitor.kafka.settings import KafkaSettings, TopicSettings
from tests.stream_monitor.kafka.test_client import joined


class AsTheyAre:
    """Snapshots that nobody reads."""

    def decode(self, value: bytes) -> Any:
        """The record's value."""
        return value


@pytest.fixture
def topics(admin: Admin, request: pytest.FixtureRequest) -> TopicSettings:
    """This test's own."""
    mark = f"left-{abs(hash(request.node.nodeid)):x}"
    topics = TopicSettings(broadcast=f"{mark}-audio", state=f"{mark}-state", partitions=1)
    admin.create(topics.broadcast, 1, 1, {})
    admin.create(topics.state, 1, 1, {"cleanup.policy": "compact"})
    return topics


@pytest.fixture
def dead(settings: KafkaSettings, topics: TopicSettings) -> Iterator[TransactionalProducer]:
    """Whose worker died after it had sent a snapshot: its transaction is open."""
    with TransactionalProducer(settings, f"{topics.state}-dead", transaction_s=60.0) as producer:
        producer.begin()
        producer.send(topics.state, b"broadcast/fm", b"never said", partition=0)
        producer._client.flush(30)
        yield producer


@pytest.mark.parametrize("end", ["fenced", "commit"])
def test_streams_are_those_of_the_positions_while_a_dead_worker_s_transaction_is_open(
    dead: TransactionalProducer, settings: KafkaSettings, topics: TopicSettings, end: str
) -> None:
    """Another one has committed snapshots and positions since: whoever takes over then waits for the snapshots.

    It gets none that was aborted, and all that were committed, however late.
    """
    audio, state = Partition(topic=topics.broadcast, number=0), Partition(topic=topics.state, number=0)
    mine = settings.model_copy(update={"group_id": topics.state})
    with (
        Consumer(mine, [topics.broadcast]) as consumer,
        TransactionalProducer(settings, f"{topics.state}-next") as following,
        LogReader(settings) as reader,
    ):
        joined(consumer, 1)
        following.begin()
        following.send(topics.state, b"broadcast/fm", b"at 7", partition=0)
        following.send_positions({audio: (5, '{"frontier": 7, "partitions": 1}')}, consumer.membership())
        following.commit()
        assert list(reader.read(state)) == []

        def fenced() -> None:
            TransactionalProducer(settings, f"{topics.state}-dead").__exit__()

        ended: Callable[[], None] = dead.commit if end == "commit" else fenced
        timer = Timer(2.0, ended)
        timer.start()
        found = Committed(consumer, reader, cast(Any, AsTheyAre()), topics)
        assert found.position(audio).frontier == 7
        assert list(found.streams(0)) == [b"at 7"]
        timer.join()
        values = [record.value for record in reader.read(state)]
        assert values == ([b"never said", b"at 7"] if end == "commit" else [b"at 7"])


@pytest.mark.parametrize("text", ["", "by hand", "7", '{"frontier": null}'])
def test_an_offset_that_an_administrator_has_set_is_gone_on_from(
    settings: KafkaSettings, topics: TopicSettings, text: str
) -> None:
    """Nothing of ours is beside it: what comes from there on is new."""
    place = TopicPartition(topics.broadcast, 0)
    mine = settings.model_copy(update={"group_id": topics.state})
    by_hand = KafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers, group_id=mine.group_id, enable_auto_commit=False
    )
    by_hand.assign([place])
    by_hand.commit({place: OffsetAndMetadata(3, text, -1)})
    by_hand.close()
    seen: list[int] = []
    observation = SimpleNamespace(found=lambda _, offset: seen.append(offset))
    with ObservedConsumer(cast(Any, observation), mine, [topics.broadcast]) as consumer:
        found = Committed(consumer, cast(Any, None), cast(Any, None), topics)
        assert found.position(Partition(topic=topics.broadcast, number=0)) == Position(replay_from=3, frontier=3)
    assert seen == [0, 3]


def test_a_transaction_that_stays_open_is_told_with_what_to_do(
    dead: TransactionalProducer, settings: KafkaSettings, topics: TopicSettings
) -> None:
    """After a deadline, with where it is and the command that says whose it is."""
    with LogReader(settings, deadline_s=1.0) as reader, pytest.raises(BrokerError) as caught:
        list(reader.read(Partition(topic=topics.state, number=0), settled=True))
    assert f"{topics.state}-0 was read to offset" in str(caught.value)
    assert f"describe-producers --topic {topics.state} --partition 0" in str(caught.value)
