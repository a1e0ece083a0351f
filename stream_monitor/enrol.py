"""Audio files as the encoder hears them, in batches across files; and a heard file as a track for the catalogue.

It knows nothing of where a catalogue is or of what is asked of it: `catalog add` and `identify` both listen through
here, with the chunker that streams use, so that a file gives the same chunks wherever it is heard.

B batch, D embedding, F bins, N embeddings of a file.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from encoder.grid import MIN_SAMPLES, SAMPLE_RATE
from encoder.tonal_print import tonal_print
from index.track import NewTrack
from stream_monitor.chunk import BlockRequest, Chunk
from stream_monitor.chunker import Chunker
from stream_monitor.collaborators import EncoderLike
from stream_monitor.decode_ahead import DecodeAhead, FileEnd
from stream_monitor.errors import InputError, SilentInputError, TooShortError
from stream_monitor.segments import StreamKey
from stream_monitor.stopping import Stop

BATCH_BLOCKS = 16
BATCH_CHUNKS = 32


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HeardFile:
    """One file as the encoder heard it; silent chunks are left out."""

    path: Path
    duration_samples: int
    audio_hash: str
    embedding_ND: npt.NDArray[np.float32]
    starts_N: npt.NDArray[np.int64]
    """First sample of each embedding's chunk."""
    ends_N: npt.NDArray[np.int64]
    sketch_nF: npt.NDArray[np.uint8]
    peaks_n: npt.NDArray[np.uint32]
    problem: InputError | None
    """What was wrong with the file although something was heard of it (truncated, damaged)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UnheardFile:
    """A file of which nothing can be said, and why."""

    path: Path
    problem: InputError


@dataclass(kw_only=True, slots=True)
class _Listening:
    """One file on its way through the encoder."""

    path: Path
    chunker: Chunker
    sketch: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    peaks: list[npt.NDArray[np.uint32]] = field(default_factory=list)
    embeddings: list[npt.NDArray[np.float32]] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    waiting_chunks: int = 0
    end: FileEnd | None = None
    closed: bool = False

    def take(self, chunks: Sequence[Chunk]) -> None:
        """Keeps the sketch and the peaks that came with `chunks`, whose embeddings are to follow."""
        for chunk in chunks:
            self.sketch += [rows.rows_NF for rows in chunk.sketch]
            self.peaks.append(chunk.peaks_n)
            self.waiting_chunks += 1


class Listener:
    """Hears files: decodes ahead in a few threads, and runs one batched encoder in the caller's thread."""

    def __init__(self, encoder: EncoderLike, *, decode_threads: int = 2, stop: Stop | None = None) -> None:
        """Args: `stop` ends the listening from any thread."""
        self._encoder = encoder
        self._decode_threads = decode_threads
        self._stop = stop or Stop()
        self._support_samples = -encoder.block_window(0)[0]
        self._blocks: list[tuple[_Listening, BlockRequest]] = []
        self._chunks: list[tuple[_Listening, Chunk]] = []

    def hear(self, paths: Sequence[Path]) -> Generator[HeardFile | UnheardFile, None, None]:
        """Yields each file once it has been heard, those that are done first first.

        Raises:
            StoppedError: The stop was set.
        """
        self._blocks, self._chunks = [], []
        files: dict[int, _Listening] = {}
        with closing(iter(DecodeAhead(paths, workers=self._decode_threads, stop=self._stop))) as items:
            for item in items:
                if item.file not in files:
                    files[item.file] = self._begin(paths[item.file])
                listening = files[item.file]
                if isinstance(item, FileEnd):
                    listening.end = item
                else:
                    self._blocks += [(listening, request) for request in listening.chunker.push(item.segment)]
                if len(self._blocks) >= BATCH_BLOCKS:
                    self._run_blocks()
                yield from self._finished(files)
        while self._blocks or self._chunks or files:
            self._run_blocks()
            self._close_drained(files)
            self._run_chunks()
            yield from self._finished(files)

    def _begin(self, path: Path) -> _Listening:
        key = StreamKey(kind="upload", stream_id=str(path))
        return _Listening(path=path, chunker=Chunker(key, support_samples=self._support_samples))

    def _run_blocks(self) -> None:
        """Turns the waiting blocks into frames, and the frames into chunks."""
        batch, self._blocks = self._blocks[:BATCH_BLOCKS], self._blocks[BATCH_BLOCKS:]
        if not batch:
            return
        frames_BFT = self._encoder.frames(np.stack([request.wave_S for _, request in batch]))
        for (listening, request), frames_FT in zip(batch, frames_BFT, strict=True):
            chunks = listening.chunker.accept(request.block, frames_FT)
            listening.take(chunks)
            self._chunks += [(listening, chunk) for chunk in chunks]
        while len(self._chunks) >= BATCH_CHUNKS:
            self._run_chunks()

    def _run_chunks(self) -> None:
        """Turns the waiting chunks into embeddings."""
        batch, self._chunks = self._chunks[:BATCH_CHUNKS], self._chunks[BATCH_CHUNKS:]
        if not batch:
            return
        result = self._encoder.embed([chunk.frames_FT for _, chunk in batch])
        for (listening, chunk), row_D, sounding in zip(batch, result.embedding_BD, result.sounding_B, strict=True):
            listening.waiting_chunks -= 1
            if sounding:
                listening.embeddings.append(row_D.copy())
                listening.spans.append((chunk.start_sample, chunk.end_sample))

    def _close_drained(self, files: Mapping[int, _Listening]) -> None:
        """Takes the tail chunks of files whose blocks have all been turned into frames."""
        for listening in files.values():
            if listening.end is None or listening.closed or not listening.chunker.drained:
                continue
            listening.closed = True
            end = listening.chunker.close()
            listening.take(end.chunks)
            self._chunks += [(listening, chunk) for chunk in end.chunks]
            state = listening.chunker.state
            # What came after the last chunk, where the file ends just there.
            listening.sketch += [rows.rows_NF for rows in state.sketches]
            listening.peaks += [*state.peaks, state.peak_builder.flush()]

    def _finished(self, files: dict[int, _Listening]) -> Iterator[HeardFile | UnheardFile]:
        """Yields, and forgets, the files of which nothing is outstanding."""
        self._close_drained(files)
        for file in [file for file, listening in files.items() if listening.closed and not listening.waiting_chunks]:
            yield _result(files.pop(file))


def _result(listening: _Listening) -> HeardFile | UnheardFile:
    end, samples = listening.end, listening.chunker.state.next_sample
    if end is None:
        raise ValueError(f"{listening.path} has not ended")
    if samples < MIN_SAMPLES:
        short = TooShortError(
            f"{listening.path}: {samples / SAMPLE_RATE:.1f} s of audio; at least {MIN_SAMPLES / SAMPLE_RATE:.0f} s are"
            " needed, so there is no result"
        )
        return UnheardFile(path=listening.path, problem=end.problem or short)
    if not listening.embeddings:
        silent = SilentInputError(f"{listening.path}: holds only silence ({samples / SAMPLE_RATE:.1f} s)")
        return UnheardFile(path=listening.path, problem=end.problem or silent)
    starts_ends = np.array(listening.spans, dtype=np.int64)
    return HeardFile(
        path=listening.path,
        duration_samples=samples,
        audio_hash=end.audio_hash,
        embedding_ND=np.stack(listening.embeddings),
        starts_N=np.ascontiguousarray(starts_ends[:, 0]),
        ends_N=np.ascontiguousarray(starts_ends[:, 1]),
        sketch_nF=np.concatenate(listening.sketch),
        peaks_n=np.concatenate(listening.peaks),
        problem=end.problem,
    )


def new_track(heard: HeardFile, track_id: str, metadata: Mapping[str, str]) -> NewTrack:
    """The heard file as a track that a catalogue can take."""
    return NewTrack(
        track_id=track_id,
        metadata=dict(metadata),
        audio_hash=heard.audio_hash,
        duration_samples=heard.duration_samples,
        embedding_ND=heard.embedding_ND,
        starts_N=heard.starts_N,
        sketch_nF=heard.sketch_nF,
        peaks_n=heard.peaks_n,
        tonal_nV=tonal_print(heard.sketch_nF),
    )
