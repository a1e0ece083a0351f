"""Works that are played to train on, with the real synthesiser and codecs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encoder.errors import TrainingDataError
from encoder.training.config import RenderedData
from encoder.training.corpus import load_songs
from encoder.training.rendered_works import performance, rendered_works, sound

SMALL = RenderedData(sources=("aird",), works_per_source=2, versions=3, codec_share=1.0, speech_minutes=0.0)


def test_versions_rise_from_the_work_as_written() -> None:
    """The first is plain and in tune, the others are covers; the seed decides them; each has a key of its own."""
    song = load_songs(("aird",), part="train", limit=1)[0]
    takes = [performance(song, version, SMALL, 1) for version in range(3)]
    assert takes[0].arrangement.description[0] == "original"
    assert takes[0].tuning_cents == 0.0
    assert len({take.key for take in takes}) == 3
    assert performance(song, 2, SMALL, 1).key == takes[2].key
    assert performance(song, 2, SMALL, 2).key != takes[2].key


def test_works_are_played_once(tmp_path: Path) -> None:
    """Two works in three versions, through codecs; what is in the cache is not played again."""
    data = SMALL.model_copy(update={"cache": tmp_path})
    told: list[tuple[int, int]] = []
    works = rendered_works(data, 1, 2, lambda done, total: told.append((done, total)))
    assert told == [(3, 6), (6, 6)]
    assert [len(work.cqts) for work in works] == [3, 3]
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    assert len(files) == 6
    again = rendered_works(data, 1, 1, lambda done, total: None)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")} == files
    np.testing.assert_array_equal(again[1].cqts[2], works[1].cqts[2])


def test_a_codec_keeps_the_music() -> None:
    """As long as before, give or take a codec's delay, and nearly as loud."""
    song = load_songs(("aird",), part="train", limit=1)[0]
    take = performance(song, 0, SMALL, 1)
    assert take.codec is not None
    coded_S = sound(take)
    plain_S = sound(performance(song, 0, SMALL.model_copy(update={"codec_share": 0.0}), 1))
    assert abs(len(coded_S) - len(plain_S)) < 0.2 * 22_050
    assert np.sqrt(np.mean(coded_S**2)) == pytest.approx(np.sqrt(np.mean(plain_S**2)), rel=0.1)


def test_a_missing_soundfont_is_named() -> None:
    """Before anything is played."""
    with pytest.raises(TrainingDataError, match=r"no gone\.sf2 found: apt-get install"):
        rendered_works(SMALL.model_copy(update={"soundfonts": ("gone.sf2",)}), 1, 1, lambda done, total: None)
