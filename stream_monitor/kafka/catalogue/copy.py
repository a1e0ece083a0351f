"""The folder that is a copy of the topic: opened for its one writer, made where there is none, made anew where it must.

A folder that holds a catalogue of somebody's own is never touched. Knows nothing of Kafka.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog

from index.atomic import storage_errors
from index.catalogue import Catalogue
from index.errors import CatalogueCorrupt, CatalogueFormat, CatalogueMissing, EncoderMismatch
from index.graph_file import check_graph_file
from index.live_config import LiveConfig
from index.memory import needed_bytes
from index.writer_lock import WriterLock
from stream_monitor.errors import SettingsError, StoppedError
from stream_monitor.kafka.catalogue.mark import read_mark, write_mark
from stream_monitor.kafka.settings import MiB
from stream_monitor.stopping import Stop

log = structlog.get_logger(__name__)

FILES: Final = ("catalogue.sqlite*", "embeddings-*", "frames-*", "graph*")


class NotACopyError(SettingsError):
    """A folder that holds a catalogue of its own is to be a copy of the topic; exit code 2."""


class TooLargeError(SettingsError):
    """A catalogue that needs more memory than it may have; exit code 2."""


def open_copy(folder: Path, *, encoder: str, dimensions: int) -> Catalogue:
    """The folder's catalogue, open for writing.

    Args:
        folder: Where the copy is, or is to be.
        encoder: Fingerprint of the encoder.
        dimensions: Of an embedding.

    Raises:
        NotACopyError: It holds a catalogue that is no copy.
        CatalogueLocked: Another process writes it.
        CatalogueError: It cannot be read or written.
    """
    mark = read_mark(folder)
    try:
        opened = Catalogue.open(folder, encoder_fingerprint=encoder, writable=True)
    except CatalogueMissing:
        return Catalogue.create(folder, encoder_fingerprint=encoder, dimensions=dimensions)
    except (EncoderMismatch, CatalogueFormat, CatalogueCorrupt) as error:
        if mark is None:
            raise
        log.warning("the copy of the catalogue is thrown away and made anew", path=str(folder), reason=str(error))
        with storage_errors(f"making {folder} anew"):
            lock = WriterLock(folder)
            lock.acquire()
            try:
                write_mark(folder, mark.model_copy(update={"whole": False}))  # so that a crash here leaves no lie
                for pattern in FILES:
                    for path in sorted(folder.glob(pattern)):
                        path.unlink()
            finally:
                lock.release()
        return Catalogue.create(folder, encoder_fingerprint=encoder, dimensions=dimensions)
    if mark is None and len(opened):
        opened.close()
        raise NotACopyError(
            f"{folder} holds a catalogue of its own, not a copy of the topic: publish it with `stream-monitor catalog"
            f" publish --catalog {folder}`, and give `run` another folder (--catalog, or the key catalog)"
        )
    return opened


def make_graph(folder: Path, encoder: str, stop: Stop) -> None:
    """Makes the graph beside the catalogue where it is missing, once for all workers of the machine.

    Raises:
        StoppedError: The stop was set; a graph that is not whole is not saved.
        CatalogueError: The folder cannot be written.
    """
    with Catalogue.open(
        folder, encoder_fingerprint=encoder, writable=True, live=LiveConfig(background=False)
    ) as opened:
        state = opened.view.state
        if state.rows < LiveConfig().min_graph_rows:
            return
        if check_graph_file(folder, state.header, state.rows, whole=False) is None:
            return
        log.info("the index is being built, once for this machine", embeddings=state.rows)

        def go_on(done: int, total: int) -> None:
            if stop.is_set():
                raise StoppedError(f"the index was not built to its end: {done} of {total}")

        opened.save_graph(go_on)


def check_memory(tracks: int, embeddings: int, budget: int, where: str) -> None:
    """Refuses a catalogue that needs more memory than a worker may give it.

    Raises:
        TooLargeError: It does; the message says how much.
    """
    needed = needed_bytes(tracks, embeddings)
    if needed > budget:
        raise TooLargeError(
            f"{where}: {tracks} tracks with {embeddings} embeddings need {needed / MiB:.0f} MiB of memory and"
            f" {budget / MiB:.0f} are allowed: set catalogue.memory_mb higher, take a larger machine, or remove tracks"
        )
