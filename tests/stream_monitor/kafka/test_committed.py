"""What a worker finds committed on a real broker: positions and streams that belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Timer
from typing import Any, cast

import pytest

from stream_monitor.kafka.client import Admin, Consumer, LogReader, Partition, TransactionalProducer
from stream_monitor.kafka.committed import Committed
from stream_monitor.kafka.errors import BrokerError
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


def test_a_transaction_that_stays_open_is_told_with_what_to_do(
    dead: TransactionalProducer, settings: KafkaSettings, topics: TopicSettings
) -> None:
    """After a deadline, with where it is and the command that says whose it is."""
    with LogReader(settings, deadline_s=1.0) as reader, pytest.raises(BrokerError) as caught:
        list(reader.read(Partition(topic=topics.state, number=0), settled=True))
    assert f"{topics.state}-0 was read to offset" in str(caught.value)
    assert f"describe-producers --topic {topics.state} --partition 0" in str(caught.value)
