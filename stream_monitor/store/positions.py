"""How far each partition was stored: kept beside the rows, moved on only from where it was expected to be.

So what is stored is stored once, whatever becomes of Kafka's own offsets: of two stores that write the same stretch
one is overtaken, and nothing of its transaction stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from stream_monitor.kafka.client import Partition
from stream_monitor.store.errors import OvertakenError
from stream_monitor.store.inserting import insert
from stream_monitor.store.schema import positions


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """How far a partition was stored."""

    topic_id: str
    """Of the topic that it was; another one of the same name has another."""
    next_offset: int


def stored(connection: Connection, run_id: str, topic: str) -> Mapping[Partition, Stored]:
    """Every partition of a topic that was ever stored under a run."""
    wanted = select(positions.c.partition, positions.c.topic_id, positions.c.next_offset).where(
        positions.c.run_id == run_id, positions.c.topic == topic
    )
    return {
        Partition(topic=topic, number=number): Stored(topic_id=topic_id, next_offset=offset)
        for number, topic_id, offset in connection.execute(wanted)
    }


def move(connection: Connection, run_id: str, partition: Partition, before: Stored | None, after: Stored) -> None:
    """Sets a position.

    Args:
        connection: Inside the transaction that writes the rows.
        run_id: Whose.
        partition: Which.
        before: What it has to be now; None where there is none.
        after: What it becomes.

    Raises:
        OvertakenError: It is something else.
    """
    place = {"run_id": run_id, "topic": partition.topic, "partition": partition.number}
    new = {"topic_id": after.topic_id, "next_offset": after.next_offset}
    if before is None:
        new_row = insert(connection, positions).values(**place, **new).on_conflict_do_nothing()
        moved = len(connection.execute(new_row.returning(positions.c.partition)).all())
    else:
        here = [positions.c[name] == value for name, value in place.items()]
        as_expected = [positions.c.topic_id == before.topic_id, positions.c.next_offset == before.next_offset]
        moved = connection.execute(update(positions).where(*here, *as_expected).values(**new)).rowcount
    if moved != 1:
        raise OvertakenError(
            f"{partition.topic}-{partition.number} was stored beyond offset"
            f" {0 if before is None else before.next_offset} by another store of run {run_id}"
        )


def forget(connection: Connection, run_id: str, topic: str) -> None:
    """The topic will be read from its begin."""
    connection.execute(delete(positions).where(positions.c.run_id == run_id, positions.c.topic == topic))
