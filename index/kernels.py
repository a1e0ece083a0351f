"""The one function that says how alike two vectors are, compiled. Knows nothing of tracks or of searching.

Every similarity of the package comes out of ``_span_similarities``. One compiled loop adds the products in one order,
so the result is a pure function of the two vectors. A BLAS product is not: its bits change with the batch's shape.

Legend: M queries, D dimensions, R rows, S spans of rows.
"""

from __future__ import annotations

import numba
import numpy as np

from index.protocol import Float32Array, Int64Array


def pair_similarities(query_MD: Float32Array, row_RD: Float32Array) -> Float32Array:
    """Inner product of every query with every row, float32 [M, R]."""
    value_MR = np.empty((len(query_MD), len(row_RD)), dtype=np.float32)
    zero = np.zeros(1, dtype=np.int64)
    span_similarities(query_MD, row_RD, zero, np.array([len(row_RD)], dtype=np.int64), zero, value_MR)
    return value_MR


def span_similarities(
    query_MD: Float32Array,
    row_RD: Float32Array,
    start_S: Int64Array,
    count_S: Int64Array,
    column_S: Int64Array,
    value_MR: Float32Array,
) -> None:
    """Write the products of all queries with the spans of rows, each from its column of ``value_MR`` on."""
    _span_similarities(
        np.ascontiguousarray(query_MD), np.ascontiguousarray(row_RD), start_S, count_S, column_S, value_MR
    )


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})  # type: ignore[untyped-decorator, unused-ignore]  # numba has no types
def _span_similarities(
    query_MD: Float32Array,
    row_RD: Float32Array,
    start_S: Int64Array,
    count_S: Int64Array,
    column_S: Int64Array,
    value_MR: Float32Array,
) -> None:
    queries, dimensions = query_MD.shape
    for span in range(start_S.shape[0]):
        for row in range(count_S[span]):
            source = start_S[span] + row
            for query in range(queries):
                total = np.float32(0.0)
                for dimension in range(dimensions):
                    total += query_MD[query, dimension] * row_RD[source, dimension]
                value_MR[query, column_S[span] + row] = total
