"""A worker's metrics, from what passes through its parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from encoder.grid import SAMPLE_RATE
from stream_monitor.kafka.client import Membership, Partition, Received
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.observation import ALONE, OUTSIDE, Observation
from stream_monitor.kafka.partition import Position
from stream_monitor.kafka.records import FLAC, AudioRecord, headers_of, key_of, parse
from stream_monitor.outcome import HeardChunk
from stream_monitor.plays import TrackerStep
from stream_monitor.segments import StreamKey
from stream_monitor.telemetry import Heartbeat
from stream_monitor.telemetry.worker_metrics import WorkerMetrics
from tests.fakes.clock import FakeClock

AUDIO = Partition(topic="audio.broadcast", number=1)
OTHER = Partition(topic="audio.uploads", number=0)
FM = StreamKey(kind="broadcast", stream_id="fm-1", epoch=7)
SAMPLES = 5 * SAMPLE_RATE
CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Watched:
    """An observation, its clock, and what it has measured."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self._registry = CollectorRegistry()
        heart = Heartbeat(self.clock, 60)
        self.alive = heart.complaints
        self.observation = Observation(WorkerMetrics(self._registry), heart, self.clock)

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(f"stream_monitor_worker_{name}", labels)

    @property
    def now_ms(self) -> int:
        return round(1e3 * self.clock.utc_now().timestamp())

    def take_over(self, frontier: int, generation: int = 1, partition: Partition = AUDIO) -> None:
        """Becomes a member, restores, and comes round again."""
        group = Membership(group=None, generation=("me", generation), partitions=frozenset({partition}))
        self.observation.joined(group)
        self.observation.found(partition, frontier)
        self.observation.turned()

    def record(self, offset: int, *, age_s: float = 0.0, traceparent: str | None = None) -> Received:
        """A segment at an offset, its place in the stream the same."""
        said = AudioRecord(
            stream=FM,
            seq=offset,
            offset_samples=offset * SAMPLES,
            samples=SAMPLES,
            sample_rate=SAMPLE_RATE,
            channels=1,
            content_type=FLAC,
            captured_at=self.clock.utc_now() - timedelta(seconds=age_s + 5),
            traceparent=traceparent,
        )
        return Received(
            partition=AUDIO,
            offset=offset,
            appended_ms=self.now_ms - round(1e3 * age_s),
            key=key_of(FM),
            value=b"audio",
            headers=headers_of(said),
        )

    def come(self, *records: Received) -> None:
        """They come in and are parsed."""
        for record in records:
            try:
                said = parse(record.key, record.value, record.headers)
            except PoisonError:
                said = None
            self.observation.came(record, said)

    def commit(self, frontier: int, events: list[dict[str, Any]] | None = None) -> None:
        """A transaction that took a tenth of a second."""
        self.observation.committed(events or [], [], {AUDIO: Position(replay_from=0, frontier=frontier)}, 0.1)


def play(status: str) -> dict[str, Any]:
    """The event of a play, as far as it is looked at."""
    return {"type": "music.play.v1", "data": {"stream_kind": "broadcast", "stream_id": "fm-1", "status": status}}


def test_ready_when_the_streams_are_restored() -> None:
    """Starting, without partitions, restoring, ready; and again with every assignment."""
    watched = Watched()
    assert watched.observation.unready()[0].startswith("starting")
    watched.observation.turned()
    assert watched.observation.unready() == (OUTSIDE,)
    watched.observation.joined(Membership(group=None, generation=("", -1), partitions=frozenset()))
    assert watched.observation.unready() == (OUTSIDE,)
    watched.observation.joined(Membership(group=None, generation=("me", 1), partitions=frozenset({AUDIO})))
    assert watched.observation.unready() == ("streams are restored",)
    watched.clock.now_s = 3.0
    watched.observation.turned()
    assert not watched.observation.unready()
    assert (watched("partitions_assigned"), watched("rebalances_total")) == (1, 1)
    assert watched("restore_seconds_sum") == 3.0
    watched.take_over(0, generation=2, partition=OTHER)
    assert watched("rebalances_total") == 2


def test_a_worker_that_is_out_of_its_group_or_hears_of_no_broker_is_not_ready() -> None:
    """Until it has taken partitions over again, or a broker answers; one that was given none waits and is ready."""
    watched = Watched()
    watched.take_over(0)
    watched.observation.turned(alone=True)
    assert watched.observation.unready() == (ALONE,)
    watched.observation.turned()
    assert not watched.observation.unready()
    watched.observation.left()
    watched.observation.turned()
    assert watched.observation.unready() == (OUTSIDE,)
    watched.observation.joined(Membership(group=None, generation=("me", 1), partitions=frozenset()))
    watched.observation.turned()
    assert not watched.observation.unready()
    assert watched("partitions_assigned") == 0


def test_a_worker_that_restores_for_long_lives_and_is_not_ready() -> None:
    """Where the group goes on meanwhile nothing was restored; what is taken over then is, in its own time."""
    watched = Watched()
    watched.observation.joined(Membership(group=None, generation=("me", 1), partitions=frozenset({AUDIO})))
    for _ in range(5):
        watched.clock.now_s += 30.0
        watched.observation.restores(going_on=True)
        assert not watched.alive()
        assert watched.observation.unready() == ("streams are restored",)
    watched.observation.restores(going_on=False)
    watched.observation.turned()
    assert watched.observation.unready() == (OUTSIDE,)
    watched.take_over(0, generation=2)
    assert not watched.observation.unready()
    assert (watched("restore_seconds_count"), watched("restore_seconds_sum")) == (1, 0.0)


def test_lag_is_that_of_the_frontier() -> None:
    """Records that were not heard and the age of the oldest of them; nothing once all are heard, whatever L is."""
    watched = Watched()
    watched.take_over(frontier=10)
    watched.come(*(watched.record(offset, age_s=40) for offset in (8, 9, 10, 11)))
    watched.observation.lag({AUDIO: 15})
    place = {"topic": "audio.broadcast", "partition": "1"}
    assert (watched("frontier_lag_records", **place), watched("frontier_lag_seconds", **place)) == (5, 40)
    watched.commit(12)
    watched.observation.lag({AUDIO: 15})
    assert (watched("frontier_lag_records", **place), watched("frontier_lag_seconds", **place)) == (3, 40)
    watched.come(*(watched.record(offset, age_s=2) for offset in (12, 13, 14)))
    watched.commit(15)
    watched.observation.lag({AUDIO: 15})
    assert (watched("frontier_lag_records", **place), watched("frontier_lag_seconds", **place)) == (0, 0)


def test_a_partition_that_is_gone_has_no_lag() -> None:
    """What another worker reads now is no longer told by this one."""
    watched = Watched()
    watched.take_over(frontier=0)
    watched.observation.lag({AUDIO: 5})
    watched.take_over(0, generation=2, partition=OTHER)
    watched.observation.lag({OTHER: 2})
    assert watched("frontier_lag_records", topic="audio.broadcast", partition="1") is None
    assert watched("frontier_lag_records", topic="audio.uploads", partition="0") == 2


def test_audio_is_counted_once() -> None:
    """Records below the frontier are told as replayed; gaps and repetitions behind it are counted."""
    watched = Watched()
    watched.take_over(frontier=2)
    watched.come(*(watched.record(offset) for offset in (0, 1, 2, 3, 6)))
    assert watched("replayed_records_total", topic="audio.broadcast") == 2
    assert watched("records_total", topic="audio.broadcast") == 3
    assert watched("audio_seconds_total", kind="broadcast") == 15
    assert (watched("gaps_total", kind="broadcast"), watched("gap_seconds_total", kind="broadcast")) == (1, 10)


def test_an_event_is_late_by_the_time_since_its_audio() -> None:
    """From the capture of the chunk's last sample to the commit."""
    watched = Watched()
    watched.take_over(frontier=0)
    watched.come(watched.record(0))  # captured from 5 s ago until now
    chunk = HeardChunk(
        stream=FM, index=0, start_sample=0, end_sample=SAMPLES, level_dbfs=0.0, sounding=True, candidates=0,
        considered=0, step=TrackerStep(changes=(object(),)),  # type: ignore[arg-type]
    )  # fmt: skip
    watched.observation.heard([chunk])
    watched.clock.now_s = 2.0
    watched.commit(1, [play("provisional")])
    assert watched("capture_to_event_seconds_sum", basis="capture") == pytest.approx(2.0)
    assert watched("plays_total", kind="broadcast", status="provisional") == 1
    assert watched("events_total", type="music.play.v1") == 1
    assert watched("transaction_seconds_count") == 1


def test_dead_letters_and_aborted_transactions_are_counted() -> None:
    """By topic and code, once they are committed; a transaction that failed by its outcome."""
    watched = Watched()
    watched.take_over(frontier=0)
    error = PoisonError("bad_header", "ce_seq is x")
    watched.come(Received(partition=AUDIO, offset=0, appended_ms=0, key=b"", value=b"", headers=()))
    watched.observation.aborted()
    watched.observation.committed([], [(watched.record(0), error)], {}, 0.1)
    assert watched("dead_letters_total", topic="audio.broadcast", code="bad_header") == 1
    assert watched("transactions_total", outcome="aborted") == 1
    assert watched("transactions_total", outcome="committed") == 1


def test_the_trace_of_a_segment_is_passed_on() -> None:
    """Events of a stream carry the context of its newest segment in a header of their record."""
    watched = Watched()
    watched.take_over(frontier=0)
    assert watched.observation.headers(play("final")) == ()
    watched.come(watched.record(0, traceparent=CONTEXT))
    assert watched.observation.headers(play("final")) == (("traceparent", CONTEXT.encode()),)


def test_the_catalogue_in_use_is_told_by_one_version() -> None:
    """Of a catalogue that changes the old version goes and the change is counted."""
    watched = Watched()
    state = ["a", 3]
    watched.observation.listens_with(32, lambda: (str(state[0]), int(state[1])))
    watched.observation.following([FM])
    state[:] = ["b", 4]
    watched.observation.following([FM])
    assert (watched("streams_open", kind="broadcast"), watched("streams_open", kind="upload")) == (1, 0)
    assert watched("catalogue_version_info", version="a") is None
    assert watched("catalogue_version_info", version="b") == 1
    assert (watched("catalogue_tracks"), watched("catalogue_changes_total"), watched("batch_size")) == (4, 1, 32)


def test_queues_pauses_and_the_catalogue_are_asked_when_a_scrape_comes() -> None:
    """Their figures are those of that moment; a catalogue that is late makes a restored worker not ready."""
    watched = Watched()
    waiting, reasons = [1, 2], ["the catalogue is late"]
    watched.observation.queues({"upload": lambda: len(waiting)})
    watched.observation.looks_in(lambda: reasons, lambda: len(reasons))
    watched.observation.paused(2)
    watched.take_over(0)
    assert watched.observation.unready() == ("the catalogue is late",)
    assert watched("queued_records", kind="upload") == watched("partitions_paused") == 2
    assert watched("catalogue_unusable") == 1
    waiting.clear()
    reasons.clear()
    assert watched.observation.unready() == ()
    assert watched("queued_records", kind="upload") == watched("catalogue_unusable") == 0


def test_time_is_told_in_utc() -> None:
    """The last turn of the loop is a Unix time."""
    watched = Watched()
    watched.observation.turned()
    assert watched("loop_turned_timestamp_seconds") == datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
