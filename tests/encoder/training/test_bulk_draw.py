"""Drawing many views at once against the compiled drawing of one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from encoder.grid import BINS
from encoder.training.augment import EMPTY_SPEECH, DrawnSong, arranged, draw_view, drawn_song
from encoder.training.bulk_draw import bulk_power, finished_views, padded_events
from encoder.training.config import AugmentConfig
from encoder.training.corpus import load_songs
from encoder.training.draw import COLUMN_S, LEAKAGE, draw_power
from encoder.training.drawn_versions import DrawnVersions
from encoder.training.versions import VersionRequest

COLUMNS = 215
Array = NDArray[np.float32]


@pytest.fixture(scope="module")
def songs() -> list[DrawnSong]:
    """Three pop songs and three tunes."""
    return [drawn_song(song) for song in load_songs(("pop909", "aird"), part="train", limit=3)]


@pytest.mark.parametrize("difficulty", [0.1, 1.0])
def test_bulk_power_is_the_power_of_each(songs: list[DrawnSong], difficulty: float) -> None:
    """The same events give the same spectrum, whatever else is in the batch."""
    parts = [arranged(song, 5.0, COLUMNS * COLUMN_S, 40 + n, difficulty) for n, song in enumerate(songs)]
    events, instruments, harmonics = zip(*parts, strict=True)
    power_VFC = bulk_power(
        torch.from_numpy(padded_events(events)),
        torch.from_numpy(np.stack(instruments)),
        torch.from_numpy(np.stack(harmonics)),
        COLUMNS,
    ).numpy()
    for own_E5, own_I4, own_IH, bulk_FC in zip(events, instruments, harmonics, power_VFC, strict=True):
        one_FC = np.zeros((BINS, COLUMNS), np.float32)
        draw_power(own_E5, own_I4, own_IH, LEAKAGE, one_FC)
        # A partial whose gain lies at the threshold, or between two steps of the table, may fall either way.
        np.testing.assert_allclose(bulk_FC, one_FC, atol=2e-3 * one_FC.max())
        assert np.corrcoef(bulk_FC.ravel(), one_FC.ravel())[0, 1] > 0.9999


def test_what_lies_over_the_notes_is_alike(songs: list[DrawnSong]) -> None:
    """Levels of bulk views and of compiled ones have the same spread: the same rooms, drums, noise and talk."""
    rng = np.random.default_rng(3)
    talk_FN = np.abs(rng.normal(size=(BINS, 2000))).astype(np.float32)
    seeds = range(100, 220)
    parts = [arranged(songs[seed % 6], 5.0, COLUMNS * COLUMN_S, seed, 0.8) for seed in seeds]
    events, instruments, harmonics = zip(*parts, strict=True)
    power_VFC = bulk_power(
        torch.from_numpy(padded_events(events)),
        torch.from_numpy(np.stack(instruments)),
        torch.from_numpy(np.stack(harmonics)),
        COLUMNS,
    )
    bulk_VFT = finished_views(
        power_VFC,
        difficulty=0.8,
        speech_FN=torch.from_numpy(talk_FN),
        per_frame=5,
        generator=torch.Generator().manual_seed(1),
    ).numpy()
    assert bulk_VFT.shape == (120, BINS, 43)
    assert np.isfinite(bulk_VFT).all()
    one_VFT = np.zeros_like(bulk_VFT)
    for seed, view_FT in zip(seeds, one_VFT, strict=True):
        song = songs[seed % 6]
        draw_view(song.notes_N5, song.chords_K4, 5.0, seed, 0.8, talk_FN, LEAKAGE, 5, view_FT)

    def levels(view_VFT: Array) -> Array:
        relative_VFT = 20 * np.log10(view_VFT / view_VFT.max(axis=(1, 2), keepdims=True) + 1e-9)
        return np.percentile(relative_VFT, (10, 25, 50, 75, 90))

    np.testing.assert_allclose(levels(bulk_VFT), levels(one_VFT), atol=2.5)


def test_bulk_views_are_a_function_of_their_requests(songs: list[DrawnSong]) -> None:
    """Equal requests give equal views on any number of threads; each has its own length."""
    versions = DrawnVersions({"pop909": songs}, {"pop909": 1.0}, EMPTY_SPEECH, torch.device("cpu"))
    requests = [
        VersionRequest(clique=n % 6, seed=n + 1, length_s=20.0 if n % 2 else 10.0, place=0.5, recording=0)
        for n in range(8)
    ]

    def views(pool: ThreadPoolExecutor | None) -> list[Array]:
        return versions.views(requests, average_frames=20, difficulty=0.5, augment=AugmentConfig(), pool=pool)

    with ThreadPoolExecutor(2) as pool:
        first, second = views(pool), views(None)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [view.shape[1] for view in first] == [21, 43] * 4
