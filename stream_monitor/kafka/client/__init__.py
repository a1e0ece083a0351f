"""The Kafka client, behind our own words and errors; the only package that imports it. Nothing connects at import.

Facts that it rests on are in docs/decisions/0013-kafka-service.md.
"""

from stream_monitor.kafka.client.admin import Admin, TopicState
from stream_monitor.kafka.client.committing import CommittingConsumer
from stream_monitor.kafka.client.connection import LARGEST_RECORD
from stream_monitor.kafka.client.consumer import COMMITTED_S, Consumer
from stream_monitor.kafka.client.examiner import BrokerState, Examiner, Trial
from stream_monitor.kafka.client.log_reader import LogReader
from stream_monitor.kafka.client.producer import Producer
from stream_monitor.kafka.client.records import Membership, Partition, Received
from stream_monitor.kafka.client.tail import Tail
from stream_monitor.kafka.client.transactions import TransactionalProducer

__all__ = [
    "COMMITTED_S",
    "LARGEST_RECORD",
    "Admin",
    "BrokerState",
    "CommittingConsumer",
    "Consumer",
    "Examiner",
    "LogReader",
    "Membership",
    "Partition",
    "Producer",
    "Received",
    "Tail",
    "TopicState",
    "TransactionalProducer",
    "Trial",
]
