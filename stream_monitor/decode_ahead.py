"""Several files decoded at a time by a few threads, ahead of whoever takes their segments, in bounded memory.

It knows nothing of what is done with segments. Each file's segments come in order; files come interleaved. Every file
ends with a `FileEnd`, which carries the hash of its samples and what was wrong with it.
"""

from __future__ import annotations

import queue
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xxhash

from stream_monitor.decode import AudioInput
from stream_monitor.errors import InputError, StoppedError
from stream_monitor.segments import Segment, SegmentCutter, StreamKey
from stream_monitor.stopping import Stop

_POLL_S = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class FileSegment:
    """One segment of the file at place `file` of the list."""

    file: int
    segment: Segment


@dataclass(frozen=True, kw_only=True, slots=True)
class FileEnd:
    """The file at place `file` of the list has been read."""

    file: int
    audio_hash: str
    """xxhash128 over its decoded 22,050 Hz mono float32 samples, in hexadecimal."""
    problem: InputError | None


class DecodeAhead:
    """Decodes files in `workers` threads; use it as a context manager and iterate once."""

    def __init__(self, paths: Sequence[Path], *, workers: int, stop: Stop, ahead_segments: int = 48) -> None:
        """Starts nothing yet.

        Args:
            paths: The files, in the order in which they are begun.
            workers: Files decoded at a time.
            stop: Ends everything from outside; the iteration then raises `StoppedError`.
            ahead_segments: Segments (5 s, 441 kB each) that may wait.
        """
        self._paths = paths
        self._outer_stop = stop
        self._inner_stop = Stop()
        self._queue: queue.Queue[FileSegment | FileEnd] = queue.Queue(maxsize=ahead_segments)
        self._pool = ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="decode")

    def __iter__(self) -> Generator[FileSegment | FileEnd, None, None]:
        """Yields what the threads decode, until every file has ended.

        Raises:
            StoppedError: The stop was set.
        """
        with self._pool, self._outer_stop.calling(self._inner_stop.set):
            futures = [self._pool.submit(self._decode, file, path) for file, path in enumerate(self._paths)]
            try:
                yield from self._drain(futures)
            finally:
                self._inner_stop.set()
                self._pool.shutdown(wait=True, cancel_futures=True)

    def _drain(self, futures: list[Future[None]]) -> Iterator[FileSegment | FileEnd]:
        ended = 0
        while ended < len(futures):
            if self._inner_stop.is_set():
                raise StoppedError("stopped while reading files")
            try:
                item = self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                _raise_crash(futures)
                continue
            ended += isinstance(item, FileEnd)
            yield item

    def _decode(self, file: int, path: Path) -> None:
        cutter = SegmentCutter(stream=StreamKey(kind="upload", stream_id=str(path)))
        digest = xxhash.xxh3_128()
        problem: InputError | None = None
        try:
            with AudioInput(path, stop=self._inner_stop) as audio:
                for samples_S in audio.blocks():
                    digest.update(np.ascontiguousarray(samples_S, dtype="<f4").data)
                    for segment in cutter.push(samples_S):
                        self._put(FileSegment(file=file, segment=segment))
        except InputError as error:
            problem = error
        except StoppedError:
            return
        self._put(FileSegment(file=file, segment=cutter.finish()))
        self._put(FileEnd(file=file, audio_hash=digest.hexdigest(), problem=problem))

    def _put(self, item: FileSegment | FileEnd) -> None:
        while not self._inner_stop.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return


def _raise_crash(futures: list[Future[None]]) -> None:
    """Raises what a thread raised that no input can cause (a fault of the program), where there is such."""
    for future in futures:
        if future.done() and not future.cancelled():
            future.result()
