"""Outcomes of the pipeline to events in a sink. It knows nothing of how plays are found or of where the sink writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog

from stream_monitor.clock import Clock
from stream_monitor.events import Versions, play_event
from stream_monitor.outcome import Outcome, StreamEnd
from stream_monitor.plays import PlayChange
from stream_monitor.segments import StreamKey
from stream_monitor.sink import EventSink
from stream_monitor.status_event import condition_event, status_event
from stream_monitor.verdict import Verdict
from stream_monitor.verdict_event import verdict_event

log = structlog.get_logger(__name__)


class Publisher:
    """Makes and writes the events of every outcome, in order."""

    def __init__(
        self, sink: EventSink, *, versions: Versions, clock: Clock, files_start: datetime | None = None
    ) -> None:
        """Prepares.

        Args:
            sink: Where events go.
            versions: What makes them.
            clock: Gives `detected_at`.
            files_start: Wall clock of the first sample of every stream whose epoch is 0; None where it is not known.
        """
        self.published = 0
        self._sink = sink
        self._versions = versions
        self._clock = clock
        self._files_start = files_start

    def publish(self, outcomes: Iterable[Outcome]) -> None:
        """Writes the events of these outcomes.

        Raises:
            SinkError: They could not be written.
        """
        events = [event for outcome in outcomes for event in self._events(outcome)]
        self._sink.write(events)
        self.published += len(events)

    def catalogue_changed(self, version: str) -> None:
        """From now on events are made with this version of the catalogue."""
        self._versions = replace(self._versions, catalogue=version)

    def _events(self, outcome: Outcome) -> Iterator[Mapping[str, Any]]:
        for change in outcome.step.changes:
            yield self._play(change)
        for condition in outcome.conditions:
            yield condition_event(
                outcome.stream,
                condition,
                versions=self._versions,
                detected_at=self._clock.utc_now(),
                stream_start=self._stream_start(outcome.stream),
            )
        if outcome.verdict is not None:
            yield self._verdict(outcome.verdict)
        status = outcome.status if isinstance(outcome, StreamEnd) else outcome.period
        if status is not None:
            yield status_event(
                status,
                versions=self._versions,
                detected_at=self._clock.utc_now(),
                stream_start=self._stream_start(status.stream),
                counts=outcome.counts if isinstance(outcome, StreamEnd) else None,
            )

    def _play(self, change: PlayChange) -> Mapping[str, Any]:
        log.info(
            "play",
            status=change.status,
            stream=change.stream.stream_id,
            track=change.track.track_id,
            confidence=round(change.confidence, 3),
            reason=change.reason,
        )
        return play_event(
            change,
            versions=self._versions,
            detected_at=self._clock.utc_now(),
            stream_start=self._stream_start(change.stream),
        )

    def _verdict(self, verdict: Verdict) -> Mapping[str, Any]:
        stream, early = verdict.stream.stream_id, verdict.early
        log.info("verdict", stream=stream, verdict=verdict.word, action=verdict.action, early=early)
        return verdict_event(
            verdict,
            versions=self._versions,
            detected_at=self._clock.utc_now(),
            stream_start=self._stream_start(verdict.stream),
        )

    def _stream_start(self, stream: StreamKey) -> datetime | None:
        """Wall clock of an epoch's first sample: the epoch itself, or what was said about files."""
        return self._files_start if stream.epoch == 0 else datetime.fromtimestamp(stream.epoch / 1000, UTC)
