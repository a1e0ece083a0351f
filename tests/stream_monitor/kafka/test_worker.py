"""The worker on a log in memory: any order, loss, repetition and deaths give what a plain pipeline hears in the log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_monitor.kafka.client import Partition, Received
from tests.fakes.clock import FakeClock
from tests.fakes.log import Life, Log
from tests.stream_monitor.kafka.audio_log import BAD, COUNT, HOMES, Fate, logged
from tests.stream_monitor.kafka.bench import Bench, everything

LABELS = ("after send", "before offsets", "before commit", "after commit", "poll")
Streams = dict[str, list[dict[str, Any]]]


def told(events: Sequence[Mapping[str, Any]]) -> Streams:
    """Each stream's events in the order in which they were told, without when they were found out."""
    found: Streams = {}
    for event in json.loads(json.dumps(events)):
        data = {key: value for key, value in event["data"].items() if key != "detected_at"}
        found.setdefault(event["source"], []).append({"id": event["id"], "type": event["type"], **data})
    return found


def positions(log: Log) -> dict[Partition, tuple[int, int]]:
    """L and F of each partition, as they are committed."""
    return {home: (first, int(json.loads(about)["frontier"])) for home, (first, about) in log.offsets.items()}


def spoilt(record: Received) -> bool:
    """Whether it can be decoded, or says where it belongs."""
    return record.value == BAD or ("ce_seq", b"?") in record.headers


places = st.integers(0, COUNT - 1)
shares = st.lists(st.frozensets(st.sampled_from(HOMES), min_size=1), min_size=1, max_size=3).map(tuple)
lives = st.builds(
    Life, shares=shares, every=st.integers(3, 12), label=st.sampled_from(LABELS), times=st.integers(1, 12)
)
fates = st.builds(
    Fate,
    seed=st.integers(0, 9999),
    delayed=st.frozensets(st.tuples(places, st.integers(1, 12)), max_size=8),
    lost=st.frozensets(places, max_size=4),
    again=st.frozensets(places, max_size=4),
    spoilt=st.frozensets(places, max_size=3),
    odd=st.frozensets(places, max_size=2),
    silences=st.frozensets(places, max_size=3),
    steps_back=st.frozensets(places, max_size=1),
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(fate=fates, deaths=st.lists(lives, max_size=8), commit_s=st.sampled_from((0.5, 2.5)))
def test_whatever_comes_and_whenever_workers_die_the_log_is_heard_once(
    bench: Bench, fate: Fate, deaths: list[Life], commit_s: float
) -> None:
    """Every event is the model's and in its order, no id comes twice, each spoilt record is one dead letter.

    Workers are given some partitions, then others, and die at their labelled points; the last one hears the rest. In
    the end all streams but the last ones have ended, and nothing of them is kept.
    """
    log, clock = logged(fate), FakeClock()
    for life in deaths:
        bench.work(log, clock, life, commit_s)
    assert bench.work(log, clock, everything(HOMES), commit_s)
    events = [json.loads(each) for each in log.events]
    assert len({event["id"] for event in events}) == len(events)
    assert told(events) == told(bench.model(log))
    records = [record for each in log.audio.values() for record in each]
    assert sorted(log.letters) == sorted((r.key, r.value) for r in records if spoilt(r))
    assert log.open_streams() == {f"{kind}/last{n}".encode() for kind in ("upload", "broadcast") for n in (0, 1)}
    assert positions(log) == {home: (len(log.audio[home]) - 2, len(log.audio[home])) for home in HOMES}
