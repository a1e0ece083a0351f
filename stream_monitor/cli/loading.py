"""What several commands load: the encoder and a catalogue. Knows nothing of what they are used for.

Imports are inside the functions, so that `--help` and wrong options cost no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from index.catalogue import Catalogue
    from stream_monitor.collaborators import EncoderLike


def load_encoder(weights: Path | None, *, device: str = "cpu") -> EncoderLike:
    """The encoder of a weights folder, or the one that ships with the package.

    Raises:
        EncoderError: The weights cannot be used.
    """
    from encoder.model import Encoder

    return Encoder.load(weights, device=device)


def open_catalogue(path: Path, encoder: EncoderLike | None, *, writable: bool = False) -> Catalogue:
    """An existing catalogue.

    Args:
        path: Its folder.
        encoder: Whose embeddings it must hold; None for commands that compare nothing.
        writable: Whether it will be changed.

    Raises:
        CatalogueError: There is none, or it cannot be used.
    """
    from index.catalogue import Catalogue

    if writable:
        refuse_a_copy(path)
    return Catalogue.open(path, encoder_fingerprint=None if encoder is None else encoder.fingerprint, writable=writable)


def open_or_create_catalogue(path: Path, encoder: EncoderLike) -> Catalogue:
    """A catalogue for writing, made where there is none.

    Raises:
        CatalogueError: It cannot be made, opened or locked.
    """
    from index.catalogue import Catalogue
    from index.errors import CatalogueMissing

    refuse_a_copy(path)
    try:
        return Catalogue.open(path, encoder_fingerprint=encoder.fingerprint, writable=True)
    except CatalogueMissing:
        return Catalogue.create(path, encoder_fingerprint=encoder.fingerprint)


def refuse_a_copy(path: Path) -> None:
    """Keeps commands off a folder that workers keep equal to the topic: a change there would be undone.

    Raises:
        SettingsError: It is one.
    """
    from stream_monitor.errors import SettingsError
    from stream_monitor.kafka.catalogue.mark import MARK

    if (path / MARK).exists():
        raise SettingsError(
            f"{path} is a copy of the topic that workers follow: enrol in another folder, and publish that"
        )
