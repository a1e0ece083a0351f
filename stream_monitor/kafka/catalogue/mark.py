"""How far a folder is a copy of the topic: `topic.json` beside the catalogue, which all workers of a machine read.

It is written whole or not at all, after the changes that it speaks of: an old mark only means that records are read
again. It knows nothing of Kafka.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from index.atomic import storage_errors, write_atomic
from index.errors import CatalogueCorrupt

MARK: Final = "topic.json"
FORMAT: Final = 1
TOLD: Final = 100
"""So many unusable tracks are kept by name; the rest are counted."""


class Trouble(BaseModel):
    """A track that cannot be used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    track_id: str
    offset: int
    code: str
    message: str


class Mark(BaseModel):
    """What `topic.json` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    topic: str
    identity: str
    """The topic's id: another one after it was deleted and made again, and in every other cluster."""
    encoder: str
    """Fingerprint of the encoder."""
    offset: int = 0
    """Everything below is in the folder."""
    whole: bool = False
    """False while the folder is compared with all of the topic: what is no longer there is not yet taken out."""
    in_step_ms: int = 0
    """When the end of the topic was reached last, Unix milliseconds."""
    tracks: int = 0
    embeddings: int = 0
    unusable: int = 0
    """Records or tracks that cannot be used."""
    troubles: tuple[Trouble, ...] = ()
    """Some of them."""


def read_mark(folder: Path) -> Mark | None:
    """The folder's mark; None where it has none.

    Raises:
        CatalogueCorrupt: There is one, and it cannot be read.
    """
    try:
        text = (folder / MARK).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        return Mark.model_validate_json(text)
    except ValidationError as error:
        raise CatalogueCorrupt(
            f"{folder / MARK} cannot be read: stop the workers of this machine and delete {folder}, it is made again"
        ) from error


def write_mark(folder: Path, mark: Mark) -> None:
    """Writes it.

    Raises:
        CatalogueStorage, CatalogueReadOnly: The disk is full, or the folder cannot be written.
    """
    with storage_errors(f"writing {folder / MARK}"):
        write_atomic(folder / MARK, lambda file: file.write(mark.model_dump_json(indent=1).encode()))
