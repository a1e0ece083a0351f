"""A worker's catalogue, opened: a folder of its own, or the copy of the topic once that is what the topic was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from index.catalogue import Catalogue
from index.live_config import LiveConfig
from stream_monitor.clock import Clock
from stream_monitor.config import Config
from stream_monitor.kafka.catalogue.copy import check_memory
from stream_monitor.kafka.catalogue.following import Following


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenedCatalogue:
    """What a worker looks in."""

    catalogue: Catalogue
    refresh_s: float
    """How often to ask it for changes."""
    following: Following | None

    def ready(self) -> Sequence[str]:
        """Why it is not what it should be; nothing where it is. Any thread may ask."""
        reasons = list(self.following.ready()) if self.following is not None else []
        if left_out := len(self.catalogue.left_out):
            reasons.append(f"{left_out} tracks are left out: they need more than catalogue.memory_mb allows")
        return reasons

    def unusable(self) -> int:
        """Records and tracks that cannot be used, or are left out. Any thread may ask."""
        return len(self.catalogue.left_out) + (self.following.unusable() if self.following is not None else 0)


@contextmanager
def opened_catalogue(
    config: Config,
    folder: Path,
    stopping: Callable[[], bool],
    *,
    encoder: str,
    dimensions: int,
    clock: Clock,
    waiting: Callable[[Callable[[], Sequence[str]]], None] = lambda unready: None,
) -> Iterator[OpenedCatalogue | None]:
    """Opens a worker's catalogue; None where `stopping` came before it could be opened.

    Args:
        config: Whether to follow the topic, and how much memory there is.
        folder: The catalogue, or the copy.
        stopping: Ends the waiting.
        encoder: Fingerprint of the encoder.
        dimensions: Of an embedding.
        clock: Time.
        waiting: Given what says why, before a wait begins.

    Raises:
        SettingsError: It needs too much memory, or the folder cannot be a copy.
        CatalogueError: It cannot be read.
        TopicError, BrokerError: It cannot be followed.
    """
    kind, settings = "exact" if config.deterministic else config.index, config.catalogue
    with ExitStack() as stack:
        following = None
        if settings.follow_topic:
            following = Following(
                settings,
                config.kafka,
                config.topics,
                folder,
                encoder=encoder,
                dimensions=dimensions,
                graph=kind == "hnsw",
                clock=clock,
            )
            stack.enter_context(following)
            waiting(following.ready)
            if not following.wait(stopping):
                yield None
                return
        live = LiveConfig(memory_bytes=settings.memory_bytes)
        catalogue = stack.enter_context(Catalogue.open(folder, encoder_fingerprint=encoder, index=kind, live=live))
        embeddings = sum(track.embeddings for track in catalogue.tracks())
        check_memory(len(catalogue), embeddings, settings.memory_bytes, str(folder))
        refresh_s = settings.refresh_s if following is not None else config.monitor.catalog_refresh_s
        yield OpenedCatalogue(catalogue=catalogue, refresh_s=refresh_s, following=following)
