"""The sandbox's inside: `python -m stream_monitor.kafka.decoder_process MEGABYTES` decodes what comes over its pipes.

FFmpeg reads bytes of strangers here. Before the first of them the process gives up what an intruder would want: memory
beyond what a segment needs, files that grow, and every new file or socket. It has none of the worker's
environment, so no secrets either. It ends with its input. It knows nothing of Kafka.
"""

from __future__ import annotations

import io
import os
import resource
import sys
import wave
from pathlib import Path
from typing import BinaryIO

import structlog

from encoder.grid import SAMPLE_RATE
from stream_monitor.kafka.decoder_wire import REQUEST, announced_of, answer
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.segment_audio import Announced, samples_of
from stream_monitor.segments import Samples


def main(megabytes: str) -> None:
    """Answers requests until its input ends."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    # Whatever prints must not print into an answer.
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    _warm_up()
    _give_up(int(megabytes) << 20)
    while len(lengths := source.read(REQUEST.size)) == REQUEST.size:
        words, value = REQUEST.unpack(lengths)
        said = announced_of(source.read(words))
        for piece in answer(_heard(said, source.read(value))):
            _write(sink, piece)


def _heard(said: Announced, value: bytes) -> Samples | PoisonError:
    try:
        return samples_of(said, value)
    except PoisonError as error:
        return error
    except MemoryError:
        return PoisonError("decoder_memory", f"segment {said.seq}: decoding it takes more memory than is allowed")


def _write(sink: BinaryIO, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[sink.write(left) :]


def _warm_up() -> None:
    """Imports and opens whatever decoding needs, resampling and refusal included: later nothing can be opened."""
    sink = io.BytesIO()
    with wave.open(sink, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(bytes(4 * 44_100))
    said = Announced(seq=0, samples=SAMPLE_RATE, container="wav", sample_rate=44_100, channels=2)
    samples_of(said, sink.getvalue())
    for container in ("flac", "mp3", "aac", "mp4", "ogg"):
        _heard(Announced(seq=0, samples=SAMPLE_RATE, container=container, sample_rate=44_100, channels=2), b"none")


def _give_up(memory_bytes: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limits = {
        resource.RLIMIT_AS: pages * resource.getpagesize() + memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 0,  # those that are open stay
    }
    for which, most in limits.items():
        resource.setrlimit(which, (most, most))


if __name__ == "__main__":
    main(*sys.argv[1:])
