"""The one that brings a folder to where the topic is: reads, folds, adds, removes, and writes the mark.

A folder that is another topic's, was out of step for longer than tombstones are kept, or lacks something, is read anew
from the beginning: what is equal stays, and what the topic does not have is taken out at the end. All of it happens
in the folder that the machine's workers read, and holds none of them up. Knows nothing of threads or of searching.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import structlog

from index.catalogue import Catalogue
from index.track import AlreadyEnrolled, NewTrack, Refused
from stream_monitor.clock import Clock
from stream_monitor.kafka.catalogue.fold import Change, Gone, Put, TrackFold, Unusable
from stream_monitor.kafka.catalogue.mark import Mark, write_mark
from stream_monitor.kafka.catalogue.track_record import describe
from stream_monitor.kafka.catalogue.troubles import Troubles
from stream_monitor.kafka.client import Received
from stream_monitor.kafka.errors import BrokerError

log = structlog.get_logger(__name__)

POLL_RECORDS: Final = 64
MARK_EVERY_S: Final = 5.0
KEPT_OUT: Final = 64
"""So many tracks that are another one's twin are kept, to come in when that one goes; a restart finds the others."""


class Log(Protocol):
    """What is asked of `client.Tail`."""

    def seek(self, offset: int) -> None: ...

    def begins(self) -> int: ...

    def ends(self) -> int: ...

    def position(self) -> int: ...

    def poll(self, wait_s: float, at_most: int) -> list[Received]: ...


class Follower:
    """Follows one topic into one folder, whose catalogue it alone writes."""

    def __init__(
        self,
        catalogue: Catalogue,
        log_: Log,
        mark: Mark | None,
        wanted: Mark,
        *,
        dimensions: int,
        keep_s: float,
        clock: Clock,
    ) -> None:
        """Decides where to begin; reads and changes nothing.

        Args:
            catalogue: Open for writing.
            log_: The topic.
            mark: What the folder says of itself; None for a new one.
            wanted: Topic, identity and encoder as they are now.
            dimensions: Of an embedding.
            keep_s: How long tombstones are kept.
            clock: Time.
        """
        self._catalogue = catalogue
        self._log = log_
        self._fold = TrackFold(wanted.encoder, dimensions)
        self._clock = clock
        self._troubles = Troubles()
        self._seen: set[str] | None = None
        self._kept_out: dict[str, Put] = {}
        self._embeddings = _embeddings(catalogue)
        self._written_s = float("-inf")
        reason = self._anew(mark, wanted, keep_s)
        self.mark = wanted if mark is None or reason else mark
        if reason:
            log.info("the catalogue is read from the whole topic", topic=wanted.topic, reason=reason)
            self._begin_anew()
        else:
            self._log.seek(self.mark.offset)

    def step(self, wait_s: float) -> int:
        """Takes the next records, if any come in time; the number of tracks that came or went.

        Raises:
            BrokerError: The brokers refuse, or the topic is another one now. The step may be taken by a new follower.
            CatalogueError: The folder cannot be written; likewise.
        """
        end = self._log.ends()
        if end < self.mark.offset:
            raise BrokerError(f"topic {self.mark.topic} ends at {end}, {self.mark.offset} was read: it was made anew")
        changes = self._fold.take(self._log.poll(wait_s, POLL_RECORDS))
        at_end = self._log.position() >= end
        if at_end:
            changes += self._fold.at_end()
        changed = self._apply(changes)
        if at_end and self._seen is not None:
            changed += self._take_out(self._seen)
            self._seen = None
            log.info("the catalogue is a copy of the topic", tracks=len(self._catalogue), offset=self._log.position())
        if changed:
            self._embeddings = _embeddings(self._catalogue)
        self._write_mark(at_end, bool(changes) or at_end != self.mark.whole)
        return changed

    def _anew(self, mark: Mark | None, wanted: Mark, keep_s: float) -> str | None:
        """Why the folder cannot simply go on; None where it can."""
        now_ms = 1e3 * self._clock.utc_now().timestamp()
        if mark is None:
            return "the folder is new"
        if (mark.topic, mark.identity) != (wanted.topic, wanted.identity):
            return f"it was a copy of {mark.topic} ({mark.identity})"
        if not mark.whole:
            return "it was not finished"
        if mark.unusable:
            return f"{mark.unusable} tracks could not be used"
        if now_ms - mark.in_step_ms > 1e3 * keep_s:
            return f"it was out of step for {(now_ms - mark.in_step_ms) / 3.6e6:.0f} h: tombstones may be gone"
        if not self._log.begins() <= mark.offset <= self._log.ends():
            return f"offset {mark.offset} is not in the topic"
        return None

    def _begin_anew(self) -> None:
        self._seen, self._troubles, self._kept_out = set(), Troubles(), {}
        self.mark = self.mark.model_copy(update={"whole": False, "offset": 0})
        self._log.seek(self._log.begins())

    def _apply(self, changes: Sequence[Change]) -> int:
        """Brings the catalogue to where the newest change of each track says."""
        newest: dict[str, Put | Gone] = {}
        for change in changes:
            if isinstance(change, Unusable):
                self._troubles.add(change)
            else:
                newest.pop(change.track_id, None)
                newest[change.track_id] = change
                self._troubles.forget(change.track_id)
                self._kept_out.pop(change.track_id, None)
        puts = [change for change in newest.values() if isinstance(change, Put) and not self._has(change)]
        gone = [change.track_id for change in newest.values() if isinstance(change, Gone)]
        changed = self._remove([*gone, *(put.track_id for put in puts)])
        if self._seen is not None:
            self._seen -= set(gone)
            self._seen |= {change.track_id for change in newest.values() if isinstance(change, Put)}
        changed += self._add([*puts, *self._free_to_come_in()])
        return changed

    def _has(self, put: Put) -> bool:
        track = self._catalogue.find(put.track_id)
        return track is not None and describe(self._catalogue.view.roster.stored(track.key)).edition == put.edition

    def _remove(self, track_ids: Iterable[str]) -> int:
        known = [track_id for track_id in track_ids if self._catalogue.find(track_id) is not None]
        for track_id in known:
            self._catalogue.remove(track_id)
        return len(known)

    def _add(self, puts: Sequence[Put]) -> int:
        if self._seen is not None:
            # A track that has another id now: what the folder has of before may not keep it out.
            twins = [self._catalogue.find_audio(put.new.audio_hash) for put in puts]
            self._remove({twin.track_id for twin in twins if twin is not None and twin.track_id not in self._seen})
        news: list[NewTrack] = [put.new for put in puts]
        added = 0
        for put, result in zip(puts, self._catalogue.add_many(news), strict=True):
            if isinstance(result, Refused):
                self._troubles.add(_trouble_of(put, "refused", str(result.error)))
            elif isinstance(result, AlreadyEnrolled):
                message = f"track {put.track_id!r} is the same audio as {result.track.track_id!r}: remove one of them"
                self._troubles.add(_trouble_of(put, "same_audio", message))
                if len(self._kept_out) < KEPT_OUT:
                    self._kept_out[put.track_id] = put
            else:
                added += 1
                self._troubles.forget(put.track_id)
                self._kept_out.pop(put.track_id, None)
        return added

    def _free_to_come_in(self) -> list[Put]:
        """Tracks that another one with the same audio kept out, which has gone."""
        audio_hashes = {put.new.audio_hash: put for put in self._kept_out.values()}
        return [put for audio_hash, put in audio_hashes.items() if self._catalogue.find_audio(audio_hash) is None]

    def _take_out(self, seen: set[str]) -> int:
        """Removes what the whole topic did not name; what it names and cannot be read stays as it was."""
        known = [track.track_id for track in self._catalogue.tracks()]
        return self._remove([each for each in known if each not in seen and each not in self._troubles])

    def _write_mark(self, at_end: bool, news: bool) -> None:
        now = self._clock.utc_now()
        offset = self._log.position() if self._fold.held_from is None else self._fold.held_from
        whole = self._seen is None
        self.mark = self.mark.model_copy(
            update={
                "offset": offset if whole else 0,
                "whole": whole,
                "in_step_ms": round(1e3 * now.timestamp()) if at_end and whole else self.mark.in_step_ms,
                "tracks": len(self._catalogue),
                "embeddings": self._embeddings,
                "unusable": len(self._troubles),
                "troubles": self._troubles.told,
            }
        )
        if news or self._clock.monotonic_s() - self._written_s >= MARK_EVERY_S:
            write_mark(self._catalogue.path, self.mark)
            self._written_s = self._clock.monotonic_s()


def _trouble_of(put: Put, code: str, message: str) -> Unusable:
    return Unusable(track_id=put.track_id, offset=put.offset, code=code, message=message)


def _embeddings(catalogue: Catalogue) -> int:
    return sum(stored.extent.rows for stored in catalogue.view.roster)
