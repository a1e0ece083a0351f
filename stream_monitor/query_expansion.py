"""Query expansion: what is like the best tracks found is likely to be right too.

A cut of 20 s may miss a version whose passage is arranged anew, while another version of the same work matches it well.
The two versions, compared whole, are much more alike than cut and version are. So the best track found, and then the
second, each speak for the tracks that are like them. The best track itself never changes. It knows nothing of
features, embeddings or catalogues. Measured on validation works, docs/experiments.md (2026-11-25).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

WEIGHTS: Final = (2.0, 1.0)
"""Of what the best track found says, and of the second; a third one adds nothing."""


def expanded(
    scores: Mapping[int, float], links: Callable[[int], Mapping[int, float]], score: Callable[[int], float]
) -> list[int]:
    """The tracks in a new order, best first, with those that the best of them brought in.

    A track gains `WEIGHTS` times the weaker of two links: from the piece to the track that speaks for it, and from
    there to it.

    Args:
        scores: Of tracks that were compared with the piece.
        links: How like a track is to others, on the same scale.
        score: Compares one more track with the piece.
    """
    own, total = dict(scores), dict(scores)
    first: list[int] = []
    for weight in WEIGHTS[: len(own)]:
        best = min((key for key in total if key not in first), key=lambda key: (-total[key], key))
        first.append(best)
        for key, link in links(best).items():
            if key not in own:
                own[key] = total[key] = score(key)
            total[key] += weight * max(0.0, min(own[best], link))
    return first + sorted(total.keys() - first, key=lambda key: (-total[key], key))
