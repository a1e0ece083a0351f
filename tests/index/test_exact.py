"""The exact index against a sort of everything."""

from __future__ import annotations

import numpy as np
import pytest

from index.errors import DuplicateTrack, InvalidEmbedding, UnknownTrack
from index.exact import ExactIndex
from index.kernels import pair_similarities
from index.protocol import Neighbours
from index.rows import EmbeddingRows
from tests.index.recordings import DIMENSIONS, unit_vectors


def slow_neighbours(tracks: dict[int, np.ndarray], query_BD: np.ndarray, k: int) -> list[list[tuple[float, int, int]]]:
    """Sort everything by (similarity down, key, position)."""
    answers = []
    for query_D in query_BD:
        found = [
            (-float(similarity), key, position)
            for key, embedding_ND in tracks.items()
            for position, similarity in enumerate(pair_similarities(query_D[None], embedding_ND)[0])
        ]
        answers.append([(-negative, key, position) for negative, key, position in sorted(found)[:k]])
    return answers


def as_lists(found: Neighbours) -> list[list[tuple[float, int, int]]]:
    """Neighbours as the slow model gives them."""
    columns = (found.similarity_BK.tolist(), found.track_BK.tolist(), found.position_BK.tolist())
    return [list(zip(*row, strict=True)) for row in zip(*columns, strict=True)]


def filled(seed: int, counts: list[int]) -> tuple[ExactIndex, dict[int, np.ndarray]]:
    """An index of tracks 0, 1, ... with these numbers of embeddings, and the same as a dictionary."""
    index, tracks = ExactIndex(dimensions=DIMENSIONS), {}
    for key, count in enumerate(counts):
        tracks[key] = unit_vectors(seed + key, count)
        index.add(key, tracks[key])
    return index, tracks


def test_neighbours_are_a_sort_of_everything() -> None:
    """Similarity, key and position of every neighbour equal those of a full sort, after removals too."""
    index, tracks = filled(1, [5, 1, 17, 3, 40, 2])
    for key in (2, 5):
        index.remove(key)
        del tracks[key]
    query_BD = unit_vectors(99, 37)
    assert as_lists(index.neighbours(query_BD, 10)) == slow_neighbours(tracks, query_BD, 10)


def test_ties_lie_by_key_and_position() -> None:
    """Equal vectors come in the order of key and position, not of arrival."""
    index = ExactIndex(dimensions=DIMENSIONS)
    same = unit_vectors(7, 1)
    for key in (30, 10, 20):
        index.add(key, np.concatenate([same, same]))
    found = index.neighbours(same, 4)
    assert list(zip(found.track_BK[0].tolist(), found.position_BK[0].tolist(), strict=True)) == [
        (10, 0),
        (10, 1),
        (20, 0),
        (20, 1),
    ]


def test_fewer_than_k_live_rows_give_all_of_them() -> None:
    """K is the smaller of k and the number of live embeddings, down to none."""
    index, _ = filled(3, [2, 3])
    assert index.neighbours(unit_vectors(0, 4), 50).similarity_BK.shape == (4, 5)
    index.remove(0)
    index.remove(1)
    assert index.neighbours(unit_vectors(0, 4), 50).track_BK.shape == (4, 0)
    assert index.neighbours(np.empty((0, DIMENSIONS), dtype=np.float32)).track_BK.shape == (0, 0)


def test_answers_do_not_depend_on_batch_or_history() -> None:
    """A query's answer is bit-identical alone and in a batch, and in an index that grew in another order."""
    index, tracks = filled(5, [9, 30, 4, 11])
    other = ExactIndex(dimensions=DIMENSIONS)
    other.add(77, unit_vectors(1000, 13))
    for key in (3, 1, 0, 2):
        other.add(key, tracks[key])
    other.remove(77)
    query_BD = unit_vectors(50, 40)
    together = as_lists(index.neighbours(query_BD, 7))
    assert as_lists(other.neighbours(query_BD, 7)) == together
    assert [as_lists(index.neighbours(query_BD[i : i + 1], 7))[0] for i in range(40)] == together


def test_similarities_follow_the_order_of_the_keys() -> None:
    """Each track gives its own block; a key that is gone gives a block without columns."""
    index, tracks = filled(6, [3, 5, 2])
    index.remove(1)
    query_MD = unit_vectors(60, 4)
    blocks = index.similarities(query_MD, [2, 1, 0, 2])
    assert [block.shape for block in blocks] == [(4, 2), (4, 0), (4, 3), (4, 2)]
    np.testing.assert_array_equal(blocks[0], pair_similarities(query_MD, tracks[2]))
    np.testing.assert_array_equal(blocks[2], pair_similarities(query_MD, tracks[0]))
    table = index.similarity_table(query_MD, [2, 1, 0, 2])
    assert len(table) == 4
    np.testing.assert_array_equal(table[3], blocks[3])
    with pytest.raises(IndexError):
        table[4]
    assert index.similarities(query_MD, []) == []


def test_version_rises_with_every_change() -> None:
    """Adding and removing raise the version; refused calls and queries do not."""
    index, _ = filled(8, [1, 1])
    assert index.version == 2
    index.remove(0)
    with pytest.raises(UnknownTrack, match="track key 0 is not"):
        index.remove(0)
    with pytest.raises(DuplicateTrack, match="never used again"):
        index.add(0, unit_vectors(1, 1))
    with pytest.raises(DuplicateTrack):
        index.add(1, unit_vectors(1, 1))
    assert index.version == 3
    assert len(index) == 1


@pytest.mark.parametrize(
    ("embedding_ND", "message"),
    [
        (np.zeros((2, DIMENSIONS), dtype=np.float32), "row 0 has norm 0"),
        (np.full((1, DIMENSIONS), np.nan, dtype=np.float32), "norm nan"),
        (np.zeros((0, DIMENSIONS), dtype=np.float32), "is empty"),
        (unit_vectors(1, 2)[:, :5].copy(), r"shape \[n, 32\], got \[2, 5\]"),
        (unit_vectors(1, 2).astype(np.float64), "float32 array, got float64"),
        (unit_vectors(1, 2)[0], r"got \[32\]"),
    ],
)
def test_what_is_no_unit_vector_is_refused(embedding_ND: np.ndarray, message: str) -> None:
    """Embeddings of a wrong shape, type or length are refused with what was wrong."""
    index = ExactIndex(dimensions=DIMENSIONS)
    with pytest.raises(InvalidEmbedding, match=message):
        index.add(1, embedding_ND)
    assert len(index) == 0


def test_wrong_queries_are_refused() -> None:
    """A query of a wrong shape, a k below 1 and a negative key are refused."""
    index, _ = filled(1, [2])
    with pytest.raises(InvalidEmbedding, match="query_BD"):
        index.neighbours(unit_vectors(1, 2, 5))
    with pytest.raises(InvalidEmbedding, match="at least 1, got 0"):
        index.neighbours(unit_vectors(1, 2), 0)
    with pytest.raises(InvalidEmbedding, match="0 or above, got -1"):
        index.add(-1, unit_vectors(1, 2))


def test_rows_in_many_blocks_are_one_index() -> None:
    """A first block from elsewhere, long tracks and many small ones are searched alike."""
    base_RD, owner_R = unit_vectors(1, 6), np.array([4, 4, -1, -1, 9, 9])
    index = ExactIndex(EmbeddingRows(DIMENSIONS, base_RD, owner_R))
    tracks = {4: base_RD[:2], 9: base_RD[4:]}
    for key, count in ((10, 3), (11, 5000), (12, 4095), (13, 2), (14, 1)):
        tracks[key] = unit_vectors(key, count)
        index.add(key, tracks[key])
    index.remove(4)
    del tracks[4]
    query_BD = np.concatenate([unit_vectors(3, 2), tracks[9][:1], tracks[14]])
    assert as_lists(index.neighbours(query_BD, 20)) == slow_neighbours(tracks, query_BD, 20)
    blocks = index.similarities(query_BD, [13, 9, 12, 11])
    for key, block in zip((13, 9, 12, 11), blocks, strict=True):
        np.testing.assert_array_equal(block, pair_similarities(query_BD, tracks[key]))
