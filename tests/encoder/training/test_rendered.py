"""Scores on played works: an encoder that knows the answer is perfect, one that knows nothing is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from encoder.cqt import ConstantQ
from encoder.model import Encoder
from encoder.training.arrange import plain
from encoder.training.corpus import load_songs
from encoder.training.rendered import Recording, chunks_of, frames_of, score_rendered

Array = NDArray[np.float32]


def test_frames_of_a_rendering_are_kept_and_read_back(tmp_path: Path) -> None:
    """The second call gives the first one's frames without playing again; an encoder cannot tell them apart."""
    (song,) = load_songs(("aird",), part="train", limit=1)
    transform = ConstantQ()
    first = frames_of(plain(song), transform, tmp_path)
    second = frames_of(plain(song), transform, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    np.testing.assert_allclose(first, second, atol=1e-3 * float(first.max()))
    rows = Encoder.load().embed([chunks_of(first)[0], chunks_of(second)[0]]).embedding_BD
    assert rows[0] @ rows[1] > 0.999


@pytest.mark.parametrize(("seconds", "chunks"), [(5, 0), (6.1, 1), (20.1, 1), (35, 3), (40.1, 3)])
def test_chunks_lie_on_the_grid(seconds: float, chunks: int) -> None:
    """Under 6 s nothing, then one, then one every 10 s and a tail."""
    frames = round(seconds * 22_050 / 512)
    found = chunks_of(np.zeros((84, frames), np.float32))
    assert len(found) in (chunks, chunks + 1)
    assert all(chunk.shape[1] <= 861 for chunk in found)


def test_an_encoder_that_hears_the_work_scores_one() -> None:
    """Works that differ in one bin each are found at every length."""
    recordings = []
    for number in range(4):
        frames_FT = np.zeros((84, 2000), np.float32)
        frames_FT[number] = 1.0
        recordings.append(Recording(work_id=str(number), frames_FT=frames_FT))

    def embed(chunks: Sequence[Array]) -> Array:
        return np.array([chunk.mean(axis=1) for chunk in chunks], np.float32).reshape(-1, 84)

    scores = score_rendered(embed, recordings, recordings[:2], lengths_s=(6.0, 30.0), places=2)
    assert list(scores) == ["6s", "30s", "full"]
    assert [score.queries for score in scores.values()] == [4, 4, 2]
    assert all(score.mean_average_precision == 1.0 for score in scores.values())
