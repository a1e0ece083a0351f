"""What a monitor takes from an encoder and a catalogue: the repertoire, and the versions that its events tell.

`watch` and the benchmarks put it together here, so that what is measured is what runs. It opens and reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from stream_monitor.collaborators import EncoderLike
from stream_monitor.config import Config
from stream_monitor.events import Versions
from stream_monitor.repertoire import CatalogueLike, CatalogueRepertoire


@dataclass(frozen=True, kw_only=True, slots=True)
class Assembly:
    """Both, made for each other."""

    repertoire: CatalogueRepertoire
    versions: Versions


def assemble(encoder: EncoderLike, catalogue: CatalogueLike, config: Config) -> Assembly:
    """Prepares an open catalogue for an encoder.

    Args:
        encoder: Whose embeddings the catalogue holds, and whose calibration counts.
        catalogue: The tracks.
        config: Rules of plays; its version and the calibration's label are told with every event.
    """
    plays = config.plays
    if config.deterministic:
        plays = plays.model_copy(update={"verifier": plays.verifier.model_copy(update={"incremental": False})})
    repertoire = CatalogueRepertoire(
        catalogue,
        calibration=encoder.calibration,
        floor=config.pipeline.matcher.loose_score,
        config=plays,
    )
    versions = Versions(
        software=version("stream-monitor"),
        encoder=encoder.fingerprint,
        catalogue=catalogue.version,
        config=f"{config.version}-{repertoire.calibration.label}",
    )
    return Assembly(repertoire=repertoire, versions=versions)
