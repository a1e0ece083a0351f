"""Every event that a test reads is checked against the schemas that ship with the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from stream_monitor.event_types import PLAY_TYPE, STATUS_TYPE, VERDICT_TYPE
from stream_monitor.events import play_schema, status_schema, verdict_schema


@cache
def _validators() -> dict[str, Draft202012Validator]:
    schemas = {PLAY_TYPE: play_schema(), STATUS_TYPE: status_schema(), VERDICT_TYPE: verdict_schema()}
    return {name: Draft202012Validator(schema) for name, schema in schemas.items()}


def checked(text: str) -> list[Mapping[str, Any]]:
    """The events of JSON Lines; each one valid, ids only once."""
    events = [json.loads(line) for line in text.splitlines()]
    for event in events:
        _validators()[event["type"]].validate(event)
    assert len({event["id"] for event in events}) == len(events)
    return events
