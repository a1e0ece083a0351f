"""Features of overlapping stretches: the same rows as without a memory, and old rows are indeed kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder import tonal_memory
from encoder.errors import AudioShapeError
from encoder.tonal import Float, features, network, reach
from encoder.tonal_memory import TonalMemory

ROWS = 400


def levels(seed: int, *, loud_from: int = ROWS) -> np.ndarray:
    """A sketch of changing chords; from `loud_from` on 30 dB louder, so that what was loud before becomes quiet."""
    rng = np.random.default_rng(seed)
    level = rng.integers(20, 50, (ROWS, 84))
    for start in range(0, ROWS, 10):
        level[start : start + 10, rng.integers(14, 70, 5)] = 130
    level[100:120] = 20
    level[loud_from:] += 80
    return level.astype(np.uint8)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    seed=st.integers(0, 5),
    loud_from=st.integers(0, ROWS),
    stretches=st.lists(st.tuples(st.integers(0, ROWS), st.integers(0, ROWS)).map(sorted), min_size=2, max_size=6),
)
def test_a_memory_changes_nothing(seed: int, loud_from: int, stretches: list[list[int]]) -> None:
    """Any stretches in any order, over any change of level: rows as without a memory."""
    level_NF, memory = levels(seed, loud_from=loud_from), TonalMemory()
    for start, stop in stretches:
        found, expected = memory.features(level_NF[start:stop], start), features(level_NF[start:stop], start)
        assert found.first == expected.first
        np.testing.assert_allclose(found.tonal_NCP, expected.tonal_NCP, atol=1e-5)


def test_only_new_rows_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stretch that moves by 40 rows costs its new rows and the edges, not all 150."""
    asked: list[int] = []

    def counted(registers_NRP: Float) -> Float:
        asked.append(len(registers_NRP))
        return network(registers_NRP)

    monkeypatch.setattr(tonal_memory, "network", counted)
    level_NF, memory = levels(7), TonalMemory()
    memory.features(level_NF[:300], 0)
    memory.features(level_NF[80:380], 80)
    assert asked[0] == 150
    own_first = 1  # row 0 of a stretch is smoothed with itself
    assert asked[1:] == [own_first + 2 * reach(), 40 + 2 * reach()]


def test_a_stretch_that_only_grows_keeps_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a stream's first minute stretches begin at one row, which need not be computed again."""
    level_NF, memory = levels(8), TonalMemory()
    memory.features(level_NF[:200], 0)
    asked: list[int] = []

    def counted(registers_NRP: Float) -> Float:
        asked.append(len(registers_NRP))
        return network(registers_NRP)

    monkeypatch.setattr(tonal_memory, "network", counted)
    memory.features(level_NF[:280], 0)
    assert sum(asked) <= 40 + 3 * (reach() + 1)


def test_a_wrong_shape_is_refused_and_forgotten() -> None:
    """An error leaves the memory as it was."""
    level_NF, memory = levels(9), TonalMemory()
    before = memory.features(level_NF, 0)
    with pytest.raises(AudioShapeError, match="sketch"):
        memory.features(level_NF[:, :80], 0)
    np.testing.assert_allclose(memory.features(level_NF, 0).tonal_NCP, before.tonal_NCP, atol=1e-6)
