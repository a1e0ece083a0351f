"""What a monitor takes from an encoder and a catalogue."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from index.catalogue import Catalogue
from stream_monitor.assembly import assemble
from stream_monitor.config import Config
from tests.fakes.encoder import FakeEncoder
from tests.fakes.library import library


def test_events_tell_what_made_them(tmp_path: Path) -> None:
    """Software, encoder, catalogue and configuration are told, the latter with what calibrated the confidence."""
    encoder, config = FakeEncoder(), Config()
    with Catalogue.open(
        library(tmp_path / "c", encoder, 1, 20.0), encoder_fingerprint=encoder.fingerprint
    ) as catalogue:
        made = assemble(encoder, catalogue, config)
        assert made.versions.software == version("stream-monitor")
        assert made.versions.encoder == encoder.fingerprint
        assert made.versions.catalogue == catalogue.version
        assert made.versions.config == f"{config.version}-{made.repertoire.calibration.label}"
        assert made.repertoire.index is catalogue.index
