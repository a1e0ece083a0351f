"""Tonal features of stretches that overlap, as those of a stream's newest minute do: old rows are not computed again.

A row of features rests on the registers of the rows around it (`encoder.tonal.reach`). Where those are the same as in
the stretch before, so is the row. Registers themselves are made anew each time, for the loud rows of a stretch decide
what counts as quiet in it; they are cheap. It knows nothing of streams or of alignment.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from encoder.tonal import FEATURE_ROWS, Features, Float, network, reach, registers


class TonalMemory:
    """Features of one stretch after another of one stream."""

    def __init__(self) -> None:
        """Starts with no stretch."""
        self._before: tuple[Float, Features] | None = None
        """Registers and features of the newest stretch."""

    def features(self, sketch_NF: NDArray[np.uint8], first_row: int = 0) -> Features:
        """What `encoder.tonal.features` gives, to float rounding (1e-5).

        Args:
            sketch_NF: Levels [n, 84] as `encoder.sketch` makes them.
            first_row: Place of the first row on the stream's row grid.

        Raises:
            AudioShapeError: the sketch is not [n, 84].
        """
        registers_NRP = registers(sketch_NF, first_row)
        first = -(-first_row // FEATURE_ROWS)
        found = Features(first=first, tonal_NCP=self._rows(registers_NRP, first))
        self._before = (registers_NRP, found)
        return found

    def _rows(self, registers_NRP: Float, first: int) -> Float:
        """All rows: those that stay, and on either side of them what the network gives."""
        start, stop, moved = self._unchanged(registers_NRP, first)
        if self._before is None or start >= stop:
            return network(registers_NRP)
        around, count = reach(), len(registers_NRP)
        left_NCP = network(registers_NRP[: start + around])[:start]
        right_NCP = network(registers_NRP[stop - around :])[around:] if stop < count else left_NCP[:0]
        kept_NCP = self._before[1].tonal_NCP[start + moved : stop + moved]
        return np.concatenate((left_NCP, kept_NCP, right_NCP))

    def _unchanged(self, registers_NRP: Float, first: int) -> tuple[int, int, int]:
        """Rows [start, stop) that are as they were, and how far they have moved; the longest such run."""
        if self._before is None:
            return 0, 0, 0
        before_NRP, known = self._before
        moved, around = first - known.first, reach()
        start, stop = max(0, -moved), min(len(registers_NRP), len(before_NRP) - moved)
        if start >= stop:
            return 0, 0, moved
        same_N = (registers_NRP[start:stop] == before_NRP[start + moved : stop + moved]).all(axis=(1, 2))
        breaks_B = np.concatenate(([-1], np.flatnonzero(~same_N), [stop - start]))
        longest = int(np.argmax(np.diff(breaks_B)))
        begin, end = start + int(breaks_B[longest]) + 1, start + int(breaks_B[longest + 1])
        # Where both stretches begin (or end) with the same row, nothing was there before it (after it) either time.
        begins_alike = begin == 0 and moved == 0
        ends_alike = end == len(registers_NRP) and end + moved == len(before_NRP)
        return (begin if begins_alike else begin + around), (end if ends_alike else end - around), moved
