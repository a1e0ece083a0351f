"""A worker's part in following the topic: one of a machine's workers writes the copy, the others wait to take over.

Every worker starts a thread that asks for the folder's writer lock, which ends with the process that has it. Who has
the lock follows; the rest read the mark. The worker itself only reads the folder, as any other catalogue.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from index.catalogue import Catalogue
from index.errors import CatalogueError, CatalogueLocked
from stream_monitor.clock import Clock
from stream_monitor.errors import MonitorError, StoppedError
from stream_monitor.kafka.catalogue.copy import check_memory, make_graph, open_copy
from stream_monitor.kafka.catalogue.follower import Follower
from stream_monitor.kafka.catalogue.mark import Mark, read_mark
from stream_monitor.kafka.catalogue.published import topic_id
from stream_monitor.kafka.catalogue.settings import CatalogueSettings
from stream_monitor.kafka.client import Partition, Tail
from stream_monitor.kafka.settings import KafkaSettings, TopicSettings
from stream_monitor.stopping import Stop

log = structlog.get_logger(__name__)

POLL_S: Final = 0.5
STANDBY_S: Final = 1.0
LONGEST_RETRY_S: Final = 30.0
JOIN_S: Final = 60.0
TOLD: Final = 5
"""So many unusable tracks are named among the reasons for not being ready."""


class Following:
    """Follows inside `with`; `wait` until the copy is what the topic was at the start."""

    def __init__(
        self,
        settings: CatalogueSettings,
        kafka: KafkaSettings,
        topics: TopicSettings,
        folder: Path,
        *,
        encoder: str,
        dimensions: int,
        graph: bool,
        clock: Clock,
    ) -> None:
        """Starts nothing.

        Args:
            settings: When a copy is late, and how large it may be.
            kafka: Where the topic is.
            topics: Its name, and how long tombstones are kept.
            folder: The copy.
            encoder: Fingerprint of this worker's encoder.
            dimensions: Of an embedding.
            graph: Whether the index needs one.
            clock: Time.
        """
        self._settings = settings
        self._kafka = kafka
        self._partition = Partition(topic=topics.catalog, number=0)
        self._keep_s = 3600.0 * topics.tombstone_hours
        self._folder = folder
        self._encoder = encoder
        self._dimensions = dimensions
        self._graph = graph
        self._clock = clock
        self._stop = Stop()
        self._in_step = threading.Event()
        self._broken: Exception | None = None
        self._trouble: str | None = None
        self._identity = ""
        self._target = 0
        self._thread = threading.Thread(target=self._run, name="catalogue", daemon=True)

    def __enter__(self) -> Self:
        """Looks where the topic ends now, and begins.

        Raises:
            TopicError: There is no such topic.
            BrokerError: No broker answers.
        """
        self._identity = topic_id(self._kafka, self._partition.topic)
        with Tail(self._kafka, self._partition) as tail:
            self._target = tail.ends()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends; another worker of the machine follows from here on."""
        self._stop.set()
        self._thread.join(JOIN_S)
        if self._thread.is_alive():
            log.warning("the thread that follows the catalogue did not end in time", waited_s=JOIN_S)

    def wait(self, stopping: Callable[[], bool]) -> bool:
        """Waits until the copy holds all that was in the topic at the start; False where `stopping` came first.

        Raises:
            SettingsError, CatalogueError: The folder cannot be a copy, or the catalogue is too large.
        """
        told_s = time.monotonic()
        while not self._in_step.is_set():
            if self._broken is not None:
                raise self._broken
            if not self._thread.is_alive():
                raise MonitorError("the thread that follows the catalogue has ended: the log says why")
            mark = read_mark(self._folder)
            if mark is not None and mark.encoder == self._encoder:
                check_memory(mark.tracks, mark.embeddings, self._settings.memory_bytes, str(self._folder))
            if stopping():
                return False
            if time.monotonic() - told_s > 10.0:
                told_s = time.monotonic()
                log.info("waiting for the catalogue", reasons=list(self.ready()))
            self._stop.wait(0.1)
        return True

    def ready(self) -> Sequence[str]:
        """Why this worker's catalogue is not what the topic says; nothing where it is. Any thread may ask."""
        if self._broken is not None:
            return [f"the catalogue is not followed: {self._broken}"]
        if not self._thread.is_alive():
            return ["the catalogue is not followed: its thread has ended"]
        try:
            mark = read_mark(self._folder)
        except CatalogueError as error:
            return [str(error)]
        if mark is None:
            return [self._trouble or "the catalogue is not copied yet"]
        reasons = self._behind(mark)
        if mark.unusable:
            reasons.append(f"{mark.unusable} records or tracks of {mark.topic} cannot be used")
            reasons += [f"offset {each.offset}: {each.code}: {each.message}" for each in mark.troubles[:TOLD]]
        return reasons

    def unusable(self) -> int:
        """Records and tracks that cannot be used. Any thread may ask."""
        try:
            mark = read_mark(self._folder)
        except CatalogueError:  # `ready` tells
            return 0
        return 0 if mark is None else mark.unusable

    def _behind(self, mark: Mark) -> list[str]:
        if (mark.topic, mark.identity, mark.encoder) != (self._partition.topic, self._identity, self._encoder):
            return [f"{self._folder} is a copy of {mark.topic} ({mark.identity}) for encoder {mark.encoder}"]
        if not mark.whole:
            return [f"the catalogue is being read from {mark.topic}: {mark.tracks} tracks so far"]
        if mark.offset < self._target:
            return [f"the catalogue is {self._target - mark.offset} offsets behind {mark.topic}"]
        age_s = self._clock.utc_now().timestamp() - mark.in_step_ms / 1e3
        if age_s > self._settings.late_s:
            return [f"the catalogue was in step with {mark.topic} {age_s:.0f} s ago" + f": {self._trouble or 'wait'}"]
        return []

    # The thread.

    def _run(self) -> None:
        retry_s = STANDBY_S
        while not self._stop.is_set():
            try:
                self._follow()
            except StoppedError:
                return
            except CatalogueLocked:  # another worker of this machine follows
                self._trouble, retry_s = None, STANDBY_S
                mark = read_mark(self._folder)
                if mark is not None and not self._behind(mark):
                    self._in_step.set()
                self._stop.wait(STANDBY_S)
            except (MonitorError, CatalogueError) as error:
                if not error.retriable:
                    self._broken = error
                    log.critical("the catalogue is followed no more", reason=str(error))
                    return
                self._trouble = str(error)
                log.warning("the catalogue cannot be followed now", reason=str(error), again_in_s=retry_s)
                self._stop.wait(retry_s)
                retry_s = min(2 * retry_s, LONGEST_RETRY_S)

    def _follow(self) -> None:
        """Has the lock, until the stop or an error."""
        if self._graph and not self._in_step.is_set():
            self._follow_until(lambda: self._in_step_once)
            make_graph(self._folder, self._encoder, self._stop)
        self._follow_until(lambda: False)

    @property
    def _in_step_once(self) -> bool:
        mark = read_mark(self._folder)
        return mark is not None and not self._behind(mark)

    def _follow_until(self, enough: Callable[[], bool]) -> None:
        with open_copy(self._folder, encoder=self._encoder, dimensions=self._dimensions) as catalogue:
            identity = topic_id(self._kafka, self._partition.topic)
            if identity != self._identity:  # the topic was made anew meanwhile
                self._identity, self._target = identity, 0
            self._follow_with(catalogue, enough)

    def _follow_with(self, catalogue: Catalogue, enough: Callable[[], bool]) -> None:
        with Tail(self._kafka, self._partition) as tail:
            follower = Follower(
                catalogue,
                tail,
                read_mark(self._folder),
                Mark(topic=self._partition.topic, identity=self._identity, encoder=self._encoder),
                dimensions=self._dimensions,
                keep_s=self._keep_s,
                clock=self._clock,
            )
            while not self._stop.is_set():
                follower.step(POLL_S)
                self._trouble = None
                if enough():
                    return
                if not self._behind(follower.mark):
                    self._in_step.set()
