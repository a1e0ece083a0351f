"""Filters that nothing could ever pass are refused when they are read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from stream_monitor.errors import SettingsError
from stream_monitor.relay.filter import Filter, FilterSettings


def test_a_type_that_there_is_not_is_refused() -> None:
    """Else every event would be kept back without a word."""
    with pytest.raises(ValidationError, match=r"music\.play\.v1"):
        FilterSettings.model_validate({"types": ["music.plays.v1"]})


def test_a_column_that_neither_events_nor_metadata_have_is_refused(tmp_path: Path) -> None:
    """With the columns that there are."""
    (tmp_path / "tracks.csv").write_text("track_id,title,path,label\nt1,One,one.mp3,A\n", encoding="utf-8")
    wanted = {"lable": ("A",)}
    with pytest.raises(SettingsError, match=r"there is no metadata.*artist, isrc"):
        Filter(FilterSettings(columns=wanted))
    with pytest.raises(SettingsError, match=r"neither events nor the metadata have 'lable'.*label"):
        Filter(FilterSettings(columns=wanted, metadata=tmp_path / "tracks.csv"))
    Filter(FilterSettings(columns={"label": ("A",), "isrc": ("X",)}, metadata=tmp_path / "tracks.csv"))
