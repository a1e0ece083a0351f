"""The classical baselines against plain loops and cases worked by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from stream_monitor.evaluation.chroma import (
    EMBEDDED,
    EXTENSION_COST,
    ONSET_COST,
    centred,
    chroma,
    longest_match,
    qmax,
    recurrences,
    transpositions,
)


def plain_qmax(recurrence_QR: npt.NDArray[np.bool_]) -> float:
    """Equation 4 of the paper, cell by cell; what lies outside of the plot is 0 and no recurrence."""
    value: dict[tuple[int, int], float] = {}

    def at(q: int, r: int) -> float:
        return value.get((q, r), 0.0)

    def cost(q: int, r: int) -> float:
        inside = q >= 0 and r >= 0
        return ONSET_COST if inside and recurrence_QR[q, r] else EXTENSION_COST

    for q in range(recurrence_QR.shape[0]):
        for r in range(recurrence_QR.shape[1]):
            before = [(q - 1, r - 1), (q - 2, r - 1), (q - 1, r - 2)]
            if recurrence_QR[q, r]:
                value[q, r] = 1.0 + max(at(*cell) for cell in before)
            else:
                value[q, r] = max(0.0, *(at(*cell) - cost(*cell) for cell in before))
    return max(value.values(), default=0.0)


@pytest.mark.parametrize("seed", range(6))
def test_qmax_is_its_equation(seed: int) -> None:
    """Random plots, some dense, some with a diagonal."""
    rng = np.random.default_rng(seed)
    plot_QR = rng.random((23, 31)) < rng.uniform(0.05, 0.5)
    plot_QR[np.arange(20), np.arange(20) + 3] |= rng.random(20) < 0.9
    assert longest_match(plot_QR) == pytest.approx(plain_qmax(plot_QR))


def test_a_diagonal_counts_its_cells_and_a_gap_costs() -> None:
    """Ten cells are ten; one missing costs five, since the cell before it matched, and the path goes on."""
    plot_QR = np.eye(10, dtype=np.bool_)
    assert longest_match(plot_QR) == 10.0
    long_QR = np.eye(30, dtype=np.bool_)
    long_QR[15, 15] = False
    assert longest_match(long_QR) == pytest.approx(15 - ONSET_COST + 14)


def test_recurrences_are_mutual_neighbours() -> None:
    """Equal sequences recur on the diagonal."""
    rows_QE = np.random.default_rng(1).random((40, 6), dtype=np.float32)
    assert recurrences(rows_QE, rows_QE).diagonal().all()
    assert recurrences(rows_QE, rows_QE).mean() < 0.1


def test_chroma_moves_with_the_key_and_not_with_the_octave() -> None:
    """A semitone turns it by one; an octave not at all; silence is zero."""
    sketch_nF = np.zeros((8, 84), np.uint8)
    sketch_nF[:, 24] = 220
    moved_nF, higher_nF = np.roll(sketch_nF, 1, axis=1), np.roll(sketch_nF, 12, axis=1)
    np.testing.assert_allclose(chroma(moved_nF), np.roll(chroma(sketch_nF), 1, axis=1))
    np.testing.assert_allclose(chroma(higher_nF), chroma(sketch_nF))
    assert not chroma(np.zeros((8, 84), np.uint8)).any()
    assert np.linalg.norm(centred(chroma(sketch_nF))[0]) == pytest.approx(1.0)


def test_the_transposition_is_found_and_other_music_is_less_alike() -> None:
    """A passage in another key fits its own song better than another."""
    rng = np.random.default_rng(2)
    song_RP, other_RP = (np.repeat(rng.random((60, 12)) ** 3, 3, axis=0).astype(np.float32) for _ in range(2))
    query_QP = np.roll(song_RP[40:100], 5, axis=1)
    assert 7 in transpositions(query_QP, song_RP)
    assert qmax(query_QP, song_RP) > 2 * qmax(query_QP, other_RP)
    assert qmax(query_QP[:EMBEDDED], song_RP) == 0.0
