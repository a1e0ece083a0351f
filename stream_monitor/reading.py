"""A source's audio as segments: files and standard input once, addresses with reconnects.

It knows nothing of what is done with segments. Every stream ends with a segment marked `last`, whatever ended it;
an error of the input is raised only after that, so that whoever listens can close what is open first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from stream_monitor.decode import AudioInput
from stream_monitor.errors import CannotOpenError, InputError, StoppedError
from stream_monitor.live_reader import LiveReader
from stream_monitor.piped import PipeReader
from stream_monitor.reconnect import Address, ReconnectPolicy
from stream_monitor.segments import Segment, SegmentCutter
from stream_monitor.sources import Source
from stream_monitor.stopping import Stop


def read_segments(source: Source, *, stop: Stop, policy: ReconnectPolicy | None = None) -> Iterator[Segment]:
    """Yields a source's segments; after a stop the last segment comes early and nothing is raised.

    Args:
        source: What to read.
        stop: Ends waiting and reading, from any thread.
        policy: Time-outs and reconnects of addresses.

    Raises:
        InputError: After the last segment: what was wrong with the input.
    """
    if source.medium == "url":
        policy = policy or ReconnectPolicy()
        yield from LiveReader(Address(source, policy), policy, stop=stop).segments()
    else:
        yield from _read_once(source, stop)


def _read_once(source: Source, stop: Stop) -> Iterator[Segment]:
    cutter = SegmentCutter(stream=source.stream(), segment_samples=source.segment_samples)
    failure: InputError | None = None
    try:
        with _open(source, stop) as audio:
            for samples_S in audio.blocks():
                yield from cutter.push(samples_S)
    except StoppedError:
        pass
    except InputError as error:
        failure = error
    yield cutter.finish()
    if failure is not None:
        raise failure


def _open(source: Source, stop: Stop) -> AudioInput:
    if source.medium == "stdin":
        # Python has no standard input at all where the caller closed it (`<&-`).
        if sys.stdin is None:
            raise CannotOpenError("standard input is closed: there is nothing to read")
        reader = PipeReader(sys.stdin.fileno(), name="standard input", stop=stop, owned=False)
        return AudioInput(reader, stop=stop)
    return AudioInput(Path(source.location), stop=stop)
