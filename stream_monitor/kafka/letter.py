"""A dead letter: a record that could not be read, with what was wrong and where it had been. It reads and sends none.

The worker writes letters (`outbox.py`), `dlq list` shows them, `dlq replay` sends them where they came from. That a
letter was sent again is written beside it, in the same topic and in the same transaction: a receipt, an empty record
that names the letter's offset. So what was replayed is never forgotten before the letter itself, and needs no group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stream_monitor.kafka.client import Partition, Received

PREFIX: Final = "dlq_"
REPLAYS: Final = "dlq_replays"
"""How often a record was sent back; it stays with the record, so that one that comes back for ever is seen."""
ROUTE: Final = "dlq_route"
"""Who could not tell an event (`mqtt`, a webhook's name): it stays with the event, and nobody else tells it twice."""
LEFT_OUT: Final = "dlq_left_out_bytes"
"""Of a letter that with all that the record held would be larger than a record may be: so much stayed where it was."""
RECEIPT: Final = "dlq_replayed"
"""Of a receipt: the offset of the letter, in the receipt's own partition."""

MESSAGE_CHARS: Final = 1000
NAMES: Final = ("ce_kind", "ce_streamid")
"""Whose a record is; where they are no longer than `NAME_BYTES` each letter has them."""
NAME_BYTES: Final = 1024
RECORD_BYTES, HEADER_BYTES = 128, 16
"""At most, what Kafka's format adds to a record and to each of its headers."""

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
    left_out_bytes: int
    """How much of the record is not in the letter, which was too large; 0 where all of it is."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A letter to be sent."""

    key: bytes | None
    value: bytes | None
    """Empty where there is no key either: the client takes no record without both."""
    headers: Headers

    @property
    def size_bytes(self) -> int:
        """At most, as a record."""
        named = sum(len(name.encode()) + len(value) + HEADER_BYTES for name, value in self.headers)
        return RECORD_BYTES + len(self.key or b"") + len(self.value or b"") + named


def about(record: Received, code: str, message: str) -> dict[str, str]:
    """Headers of a record's letter: where it was, and what was wrong with it."""
    return {
        "dlq_topic": record.partition.topic,
        "dlq_partition": str(record.partition.number),
        "dlq_offset": str(record.offset),
        "dlq_code": code,
        "dlq_message": message,
    }


def draft(record: Received, notes: Mapping[str, str], most_bytes: int) -> Draft:
    """The letter of a record; where it would be too large, one without what the record held, which says so.

    Args:
        record: What cannot be read.
        notes: See `about`.
        most_bytes: How large a record may be.
    """
    said: Headers = [(name, text[:MESSAGE_CHARS].encode(errors="backslashreplace")) for name, text in notes.items()]
    own: Headers = [(name, value) for name, value in record.headers if value is not None]
    value = b"" if record.key is None and record.value is None else record.value
    whole = Draft(key=record.key, value=value, headers=own + said)
    if whole.size_bytes <= most_bytes:
        return whole
    names = {name.lower(): value for name, value in own if name.lower() in NAMES and len(value) <= NAME_BYTES}
    left_out = len(record.key or b"") + len(record.value or b"") + sum(len(name) + len(value) for name, value in own)
    return Draft(key=None, value=b"", headers=[*names.items(), *said, (LEFT_OUT, str(left_out).encode())])


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
        left_out_bytes=_number(said.get(LEFT_OUT)) or 0,
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
