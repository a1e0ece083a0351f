"""Topics of MQTT from a template and what events say. It knows nothing of brokers."""

from __future__ import annotations

import unicodedata
from string import Formatter
from typing import Final
from urllib.parse import quote

from stream_monitor.relay.alert import Alert, Stream

OF_STREAM: Final = frozenset({"stream_kind", "stream_id"})
OF_EVENT: Final = OF_STREAM | {"status", "type"}
LONGEST: Final = 1024
"""Letters of a template. MQTT allows topics of 65,535 bytes; four texts of an event are less, percent-encoded."""


def checked(template: str, *, of_stream: bool = False) -> str:
    """A template that can be filled in.

    Args:
        template: E.g. `music/{stream_kind}/{stream_id}/{status}`.
        of_stream: Whether there is no event, only a stream.

    Raises:
        ValueError: It cannot.
    """
    known = OF_STREAM if of_stream else OF_EVENT
    try:
        names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        advice = "a name stands in braces, {stream_id}, and a brace itself is {{ or }}"
        raise ValueError(f"{template!r}: {error}: {advice}") from error
    if len(template) > LONGEST or len(set(names)) < len(names):
        raise ValueError(f"{template[:80]!r}: at most {LONGEST} letters, and each name once")
    for text, name, spec, conversion in Formatter().parse(template):
        if any(letter in "+#" or unicodedata.category(letter) == "Cc" for letter in text):
            raise ValueError(f"{template!r}: a topic has no +, # or control characters")
        if name is not None and (name not in known or spec or conversion):
            raise ValueError(f"{template!r}: {{{name}}} is not one of {', '.join(sorted(known))}")
    if of_stream and "{stream_id}" not in template:
        raise ValueError(f"{template!r}: without {{stream_id}} streams would overwrite each other")
    if not template or template.startswith("$"):
        raise ValueError(f"{template!r}: a topic is not empty and does not begin with $")
    return template


def topic_of(template: str, alert: Alert) -> str:
    """The topic of an event; what it says cannot make levels or wildcards."""
    stream = alert.stream
    return _filled(template, stream_kind=stream.kind, stream_id=stream.stream_id, status=alert.status, type=alert.type)


def state_topic_of(template: str, stream: Stream) -> str:
    """The topic of what is open in a stream."""
    return _filled(template, stream_kind=stream.kind, stream_id=stream.stream_id)


def _filled(template: str, **values: str) -> str:
    return template.format(**{name: quote(value, safe="") for name, value in values.items()})
