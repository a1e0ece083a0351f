"""What lies in a log, be it committed, aborted or neither; and which transaction is open."""

from __future__ import annotations

from collections.abc import Sequence

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

Place = tuple[str, int, int]
"""Topic, partition, offset."""


def raw_records(bootstrap: str, topics: Sequence[str], partitions: int) -> set[Place]:
    """All records of topics that have so many partitions each; marks of transactions are none."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, isolation_level="read_uncommitted", enable_auto_commit=False
    )
    try:
        places = [TopicPartition(topic, n) for topic in topics for n in range(partitions)]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        ends, found = consumer.end_offsets(places), set()
        while any(consumer.position(place) < ends[place] for place in places):
            for batch in consumer.poll(timeout_ms=500).values():
                found |= {(each.topic, each.partition, each.offset) for each in batch}
        return found
    finally:
        consumer.close(autocommit=False)


def partitions_in_transaction(bootstrap: str, name: str) -> int:
    """How many partitions a transaction has written to that is open now; 0 where none is."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        told = admin.describe_transactions([name])[name]
    finally:
        admin.close()
    return len(told.topic_partitions) if told.state.value == "Ongoing" else 0
