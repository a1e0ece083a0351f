"""A dead letter: a record that could not be read, with what was wrong and where it had been. It reads and sends none.

The worker writes letters (`outbox.py`), `dlq list` shows them, `dlq replay` sends them where they came from. That a
letter was sent again is written beside it, in the same topic and in the same transaction: a receipt, an empty record
that names the letter's offset. So what was replayed is never forgotten before the letter itself, and needs no group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stream_monitor.kafka.client import Partition, Received

PREFIX: Final = "dlq_"
REPLAYS: Final = "dlq_replays"
"""How often a record was sent back; it stays with the record, so that one that comes back for ever is seen."""
ROUTE: Final = "dlq_route"
"""Who could not tell an event (`mqtt`, a webhook's name): it stays with the event, and nobody else tells it twice."""
RECEIPT: Final = "dlq_replayed"
"""Of a receipt: the offset of the letter, in the receipt's own partition."""

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """One record of a topic of dead letters."""

    place: Partition
    offset: int
    appended_ms: int
    origin: Partition | None
    """Where it was; None where the record does not say so, because it is no letter of ours."""
    origin_offset: int | None
    code: str
    message: str
    key: bytes | None
    value: bytes | None
    stream_kind: str | None
    stream_id: str | None
    replays: int
    """How often it had been sent back before it came here again."""
    headers: Sequence[tuple[str, bytes | None]]

    @property
    def size_bytes(self) -> int:
        """Of its value."""
        return len(self.value or b"")

    def headers_again(self) -> Headers:
        """Its headers for another try: those that it had at first, whose it is, and the count of tries."""
        own = [
            (name, value)
            for name, value in self.headers
            if value is not None and (name == ROUTE or not name.startswith(PREFIX))
        ]
        return [*own, (REPLAYS, str(self.replays + 1).encode())]


def letter_of(record: Received) -> Letter:
    """Reads what a letter says about itself; what it does not say is None, empty or 0."""
    said = {name: _text(value) for name, value in record.headers}
    number, offset = _number(said.get("dlq_partition")), _number(said.get("dlq_offset"))
    topic = said.get("dlq_topic")
    origin = Partition(topic=topic, number=number) if topic and number is not None else None
    return Letter(
        place=record.partition,
        offset=record.offset,
        appended_ms=record.appended_ms,
        origin=origin,
        origin_offset=offset,
        code=said.get("dlq_code", ""),
        message=said.get("dlq_message", ""),
        key=record.key,
        value=record.value,
        stream_kind=said.get("ce_kind"),
        stream_id=said.get("ce_streamid"),
        replays=_number(said.get(REPLAYS)) or 0,
        headers=record.headers,
    )


def receipt_of(record: Received) -> int | None:
    """The offset of the letter that a receipt is for; None where the record is no receipt."""
    return next((_number(_text(value)) for name, value in record.headers if name == RECEIPT), None)


def receipt(letter: Letter) -> Headers:
    """The headers of a letter's receipt."""
    return [(RECEIPT, str(letter.offset).encode())]


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="backslashreplace")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None
