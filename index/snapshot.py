"""The arrays of a catalogue on disk: two files that only grow, one of embeddings, one of *frames*: sketches,
peaks and tonal features.

What is *committed* is the length that the track table names; bytes beyond it are the rest of a change that did not
come to its end, and the next change writes over them. So the table's transaction is the one moment at which a change
happens. A *generation* is one pair of files; compaction writes the next pair and the table switches to it.

Each file begins with a page that says what it is: format, kind, generation, catalogue, encoder. Knows no metadata.

Legend: N embeddings, D dimensions, R rows, F bins, n frames, peaks or tonal rows, V values of a tonal row.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import xxhash
from numpy.typing import NDArray

from index.atomic import write_atomic
from index.errors import CatalogueCorrupt
from index.protocol import Float32Array

FORMAT_VERSION = 2
PAGE_BYTES = 4096
MAGIC = "stream-monitor catalogue"


@dataclass(frozen=True, kw_only=True, slots=True)
class SnapshotHeader:
    """What the first page of a file says."""

    catalogue_id: str
    encoder_fingerprint: str
    dimensions: int
    generation: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """Where a recording's arrays lie, and the hashes of their bytes.

    Attributes:
        first_row: Number of the first embedding among all rows.
        rows: How many embeddings.
        embedding_hash: xxh3 of their bytes, 16 hex digits.
        frame_offset: First byte of sketch, peaks and tonal features after the page of the header.
        sketch_frames: How many frames the sketch has.
        peaks: How many peaks.
        tonal_rows: How many rows of tonal features.
        tonal_width: Values of each, a byte each.
        frame_hash: xxh3 of the bytes of sketch, peaks and tonal features.
    """

    first_row: int
    rows: int
    embedding_hash: str
    frame_offset: int
    sketch_frames: int
    peaks: int
    tonal_rows: int
    tonal_width: int
    frame_hash: str

    @property
    def end_row(self) -> int:
        """One past the last row."""
        return self.first_row + self.rows

    @property
    def peak_offset(self) -> int:
        """First byte of the peaks; they lie on a multiple of 4."""
        return self.frame_offset + self.sketch_frames * 84

    @property
    def tonal_offset(self) -> int:
        """First byte of the tonal features."""
        return self.peak_offset + self.peaks * 4

    @property
    def frame_end(self) -> int:
        """One past the last byte of the tonal features."""
        return self.tonal_offset + self.tonal_rows * self.tonal_width


def digest(*arrays: NDArray[np.generic]) -> str:
    """xxh3 of the bytes of arrays, one after the other, as 16 hex digits."""
    state = xxhash.xxh3_64()
    for array in arrays:
        state.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return state.hexdigest()


class Snapshot:
    """One generation of array files, memory-mapped for reading.

    Args:
        folder: The catalogue's folder.
        header: What the files must say.
    """

    def __init__(self, folder: Path, header: SnapshotHeader) -> None:
        self.header = header
        self.embedding_path = folder / f"embeddings-{header.generation:06d}.f32"
        self.frame_path = folder / f"frames-{header.generation:06d}.bin"
        self._row_bytes = 4 * header.dimensions
        self._maps: tuple[Float32Array, NDArray[np.uint8]] = (
            np.empty((0, header.dimensions), dtype=np.float32),
            np.empty(0, dtype=np.uint8),
        )

    def create(self) -> None:
        """Write both files with nothing but their first page."""
        for path, kind in self._files():
            page = json.dumps({"magic": MAGIC, "format": FORMAT_VERSION, "kind": kind, **asdict(self.header)})
            write_atomic(path, lambda file, page=page: file.write(page.encode().ljust(PAGE_BYTES)))  # type: ignore[misc]  # default binds the loop's value

    def check(self, rows: int, frame_bytes: int) -> None:
        """Check that both files are what the table says and are not too short.

        Raises:
            CatalogueCorrupt: A file is missing, is another catalogue's, or was cut.
        """
        for path, kind in self._files():
            need = PAGE_BYTES + (rows * self._row_bytes if kind == "embeddings" else frame_bytes)
            try:
                with path.open("rb") as file:
                    page = json.loads(file.read(PAGE_BYTES))
                size = path.stat().st_size
            except FileNotFoundError as error:
                raise CatalogueCorrupt(f"{path} is missing: restore it from a backup or enrol again") from error
            except ValueError as error:
                raise CatalogueCorrupt(f"{path} has no readable first page: restore it or enrol again") from error
            expected = {"magic": MAGIC, "format": FORMAT_VERSION, "kind": kind, **asdict(self.header)}
            if page != expected:
                wrong = next(key for key in expected if not isinstance(page, dict) or page.get(key) != expected[key])
                raise CatalogueCorrupt(f"{path} belongs to another catalogue: its {wrong} is not the table's")
            if size < need:
                raise CatalogueCorrupt(f"{path} was cut: {size} bytes of {need}; restore it or enrol again")

    def map(self) -> None:
        """Map both files as they are now; what is mapped stays readable when a compaction deletes the files.

        Raises:
            FileNotFoundError: A compaction deleted them before.
        """
        embeddings = np.empty((0, self.header.dimensions), dtype=np.float32)
        frames = np.empty(0, dtype=np.uint8)
        rows = (self.embedding_path.stat().st_size - PAGE_BYTES) // self._row_bytes
        if rows > 0:
            shape = (rows, self.header.dimensions)
            embeddings = np.asarray(np.memmap(self.embedding_path, np.float32, "r", PAGE_BYTES, shape))
        if self.frame_path.stat().st_size > PAGE_BYTES:
            frames = np.asarray(np.memmap(self.frame_path, np.uint8, "r", PAGE_BYTES))
        self._maps = (embeddings, frames)

    def embeddings(self, first_row: int, end_row: int) -> Float32Array:
        """Embeddings by row, a view of the file, float32 [R, D]."""
        if end_row > len(self._maps[0]):
            self.map()
        return self._maps[0][first_row:end_row]

    def sketch(self, extent: Extent) -> NDArray[np.uint8]:
        """A recording's quantised frames, a view of the file, uint8 [n, 84]."""
        return self._frames(extent.frame_offset, extent.peak_offset).reshape(extent.sketch_frames, 84)

    def peaks(self, extent: Extent) -> NDArray[np.uint32]:
        """A recording's spectral peaks, a view of the file, uint32 [n]."""
        return self._frames(extent.peak_offset, extent.tonal_offset).view(np.uint32)

    def tonal(self, extent: Extent) -> NDArray[np.int8]:
        """A recording's quantised tonal features, a view of the file, int8 [n, V]."""
        flat = self._frames(extent.tonal_offset, extent.frame_end).view(np.int8)
        return flat.reshape(extent.tonal_rows, extent.tonal_width)

    def _frames(self, start: int, stop: int) -> NDArray[np.uint8]:
        if stop > len(self._maps[1]):
            self.map()
        return self._maps[1][start:stop]

    def _files(self) -> tuple[tuple[Path, str], tuple[Path, str]]:
        return (self.embedding_path, "embeddings"), (self.frame_path, "frames")


class SnapshotWriter:
    """Appends to a snapshot's files; what lies beyond the committed lengths is cut off first."""

    def __init__(self, snapshot: Snapshot, rows: int, frame_bytes: int) -> None:
        self._row_bytes = 4 * snapshot.header.dimensions
        self._files: list[BinaryIO] = []
        try:
            for path, size in (
                (snapshot.embedding_path, rows * self._row_bytes),
                (snapshot.frame_path, frame_bytes),
            ):
                file = path.open("r+b", buffering=0)
                self._files.append(file)
                file.truncate(PAGE_BYTES + size)
        except OSError:
            self.close()
            raise
        self.rows, self.frame_bytes = rows, frame_bytes

    def append(
        self,
        embedding_ND: Float32Array,
        sketch_nF: NDArray[np.uint8],
        peaks_n: NDArray[np.uint32],
        tonal_nV: NDArray[np.int8],
    ) -> Extent:
        """Write a recording's arrays behind the last ones; not durable before :meth:`sync`."""
        frame_offset = -(-self.frame_bytes // 8) * 8
        extent = Extent(
            first_row=self.rows,
            rows=len(embedding_ND),
            embedding_hash=digest(embedding_ND),
            frame_offset=frame_offset,
            sketch_frames=len(sketch_nF),
            peaks=len(peaks_n),
            tonal_rows=len(tonal_nV),
            tonal_width=tonal_nV.shape[1],
            frame_hash=digest(sketch_nF, peaks_n, tonal_nV),
        )
        embeddings, frames = self._files
        _write_at(embeddings, PAGE_BYTES + extent.first_row * self._row_bytes, embedding_ND)
        _write_at(frames, PAGE_BYTES + extent.frame_offset, sketch_nF)
        _write_at(frames, PAGE_BYTES + extent.peak_offset, peaks_n)
        _write_at(frames, PAGE_BYTES + extent.tonal_offset, tonal_nV)
        self.rows, self.frame_bytes = extent.end_row, extent.frame_end
        return extent

    def sync(self) -> None:
        """Make what was appended durable."""
        for file in self._files:
            os.fdatasync(file.fileno())

    def roll_back(self, rows: int, frame_bytes: int) -> None:
        """Forget what was appended beyond the committed lengths and give its space back."""
        self.rows, self.frame_bytes = rows, frame_bytes
        for file, size in zip(self._files, (rows * self._row_bytes, frame_bytes), strict=True):
            file.truncate(PAGE_BYTES + size)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


def _write_at(file: BinaryIO, offset: int, array: NDArray[np.generic]) -> None:
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    written = 0
    while written < len(data):
        written += os.pwrite(file.fileno(), data[written:], offset + written)
