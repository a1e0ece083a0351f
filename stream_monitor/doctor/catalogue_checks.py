"""The catalogue: a folder of its own, or the copy of a topic; and what that topic holds. It knows nothing of audio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from index.catalogue import Catalogue
from index.errors import CatalogueCorrupt, CatalogueFormat, CatalogueMissing, EncoderMismatch
from index.memory import needed_bytes
from stream_monitor.config import Config
from stream_monitor.doctor.finding import Check, Finding, bad, good, warn
from stream_monitor.doctor.memory import GIB, free_bytes
from stream_monitor.kafka.catalogue.copy import check_memory
from stream_monitor.kafka.catalogue.glance import glance
from stream_monitor.kafka.catalogue.mark import read_mark
from stream_monitor.kafka.client import Partition, Tail

PUBLISH: Final = "`stream-monitor catalog publish` fills it"


class CatalogueChecks:
    """Where `run` would look for tracks."""

    def __init__(self, config: Config, folder: Path | None, fingerprint: Callable[[], str]) -> None:
        """Prepares.

        Args:
            config: Whether the topic is followed, and where it is.
            folder: The catalogue or the copy; None where none is named.
            fingerprint: The encoder's.
        """
        self._config = config
        self._folder = folder
        self._fingerprint = fingerprint

    @property
    def checks(self) -> list[Check]:
        """In the order in which they are told."""
        wait_s = 3 * self._config.kafka.connect_s + 30.0
        follows = self._config.catalogue.follow_topic
        needs = ("topics", "encoder") if follows else ()
        return [
            Check(name="catalogue", look=self._catalogue, deadline_s=120.0, needs=("encoder",)),
            Check(name="catalogue topic", look=self._topic, deadline_s=wait_s, needs=needs),
        ]

    def _catalogue(self) -> Sequence[Finding]:
        folder = self._folder
        if folder is None:
            return [bad("catalogue", "none is named", "set the key catalog, or give --catalog DIR")]
        if not self._config.catalogue.follow_topic:
            return [self._opened(folder)]
        mark = read_mark(folder)
        try:
            found = self._opened(folder)
        except CatalogueMissing:
            return [good("catalogue", f"{folder} is not there yet: `run` makes it, from topic {self._topic_name}")]
        except (EncoderMismatch, CatalogueFormat, CatalogueCorrupt) as error:
            if mark is None:
                raise
            return [warn("catalogue", f"{error}", f"nothing: `run` makes the copy anew, from topic {self._topic_name}")]
        if mark is None:
            advice = f"publish it (`stream-monitor catalog publish --catalog {folder}`) and name another folder"
            return [bad("catalogue", f"{folder} is a catalogue of its own, no copy of a topic", advice)]
        return [found]

    def _opened(self, folder: Path) -> Finding:
        """Measured as `run` measures it: what it would refuse is bad here, too.

        Raises:
            TooLargeError: It needs more memory than a worker may give it.
            CatalogueError: It cannot be read.
        """
        with Catalogue.open(folder, encoder_fingerprint=self._fingerprint()) as catalogue:
            info = catalogue.info()
        budget = self._config.catalogue.memory_bytes
        check_memory(info.tracks, info.embeddings, budget, str(folder))
        need, free = needed_bytes(info.tracks, info.embeddings), free_bytes()
        told = (
            f"{info.tracks} tracks, {info.embeddings} embeddings of this encoder, {need / GIB:.2f} GiB to hold at most"
            f" and {budget / GIB:.2f} allowed"
        )
        if not info.tracks:
            advice = PUBLISH if self._config.catalogue.follow_topic else "`stream-monitor catalog add` enrols tracks"
            return warn("catalogue", f"{folder} is empty", advice)
        if free is not None and need > free:
            advice = "a machine with more memory, or a smaller catalogue"
            return bad("catalogue", f"{told}; {free / GIB:.2f} GiB are free", advice)
        if info.graph != "ok" and info.graph_bytes:
            return warn("catalogue", f"{told}; graph: {info.graph}", "the first start of a worker builds it anew")
        return good("catalogue", told)

    @property
    def _topic_name(self) -> str:
        return self._config.topics.catalog

    def _topic(self) -> Sequence[Finding]:
        if not self._config.catalogue.follow_topic:
            return [good("catalogue topic", "not followed: catalogue.follow_topic is false")]
        topic, ours = self._topic_name, self._fingerprint()
        with Tail(self._config.kafka, Partition(topic=topic, number=0)) as tail:
            seen = glance(tail)
        if not (seen.encoders or seen.unreadable):
            return [warn("catalogue topic", f"{topic} holds no tracks", PUBLISH)]
        told = f"{topic} holds tracks of {', '.join(sorted(seen.encoders)) or 'another format'}"
        if seen.encoders != {ours} or seen.unreadable:
            advice = f"this encoder is {ours}: enrol with it, and `stream-monitor catalog publish --replace`"
            return [bad("catalogue topic", f"{told}; {seen.unreadable} of {seen.looked_at} cannot be read", advice)]
        return [good("catalogue topic", f"{told}, this encoder")]
