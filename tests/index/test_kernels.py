"""The similarity function is pure."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from index.kernels import pair_similarities, span_similarities
from tests.index.recordings import unit_vectors


def test_similarity_is_the_inner_product() -> None:
    """The compiled loop agrees with a double-precision product."""
    query_MD, row_RD = unit_vectors(1, 5, 512), unit_vectors(2, 40, 512)
    expected = query_MD.astype(np.float64) @ row_RD.astype(np.float64).T
    np.testing.assert_allclose(pair_similarities(query_MD, row_RD), expected, atol=3e-7)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 9), st.integers(1, 33), st.sampled_from([7, 32, 512]))
def test_bits_do_not_depend_on_the_batch_or_the_place(seed: int, queries: int, rows: int, dimensions: int) -> None:
    """Two vectors have one similarity, bit for bit, whatever lies beside them and wherever they lie in memory."""
    query_MD, row_RD = unit_vectors(seed, queries, dimensions), unit_vectors(seed + 1, rows, dimensions)
    together = pair_similarities(query_MD, row_RD)
    shifted = np.empty((rows + 1) * dimensions + 3, dtype=np.float32)[3 + dimensions :].reshape(rows, dimensions)
    shifted[:] = row_RD
    np.testing.assert_array_equal(pair_similarities(query_MD, shifted), together)
    for query in range(queries):
        for row in (0, rows - 1):
            alone = pair_similarities(query_MD[query : query + 1].copy(), row_RD[row : row + 1].copy())
            assert alone[0, 0] == together[query, row]


def test_spans_land_in_their_columns() -> None:
    """Each span of rows is written from its own column on, in any order."""
    query_MD, row_RD = unit_vectors(3, 2), unit_vectors(4, 10)
    whole = pair_similarities(query_MD, row_RD)
    value_MR = np.full((2, 6), np.nan, dtype=np.float32)
    span_similarities(query_MD, row_RD, np.array([7, 0]), np.array([2, 4]), np.array([0, 2]), value_MR)
    np.testing.assert_array_equal(value_MR, whole[:, [7, 8, 0, 1, 2, 3]])
