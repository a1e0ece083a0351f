"""The gate lets readers in together and writers alone, and never waits for ever."""

from __future__ import annotations

import threading

import pytest

from index.errors import IndexBusy
from index.gate import Gate


def test_readers_share_and_a_writer_is_alone() -> None:
    """Two readers hold the gate at once; a writer that comes then is told that the index is busy."""
    gate = Gate(timeout_s=0.05)
    with gate.reading():
        with gate.reading():
            pass
        with pytest.raises(IndexBusy, match="other threads are using"), gate.writing():
            pass
    with gate.writing():
        with pytest.raises(IndexBusy, match="another thread is changing"), gate.reading():
            pass
        with pytest.raises(IndexBusy), gate.writing():
            pass
    with gate.writing(), pytest.raises(ZeroDivisionError):
        raise ZeroDivisionError
    with gate.reading():
        pass


def test_a_waiting_writer_goes_before_later_readers() -> None:
    """A reader that comes after a waiting writer passes after it."""
    gate = Gate(timeout_s=30)
    order: list[str] = []

    def write() -> None:
        with gate.writing():
            order.append("writer")

    def read() -> None:
        with gate.reading():
            order.append("reader")

    with gate.reading():
        writer = threading.Thread(target=write)
        writer.start()
        with gate._changed:
            assert gate._changed.wait_for(lambda: True)
        while not gate._writers_waiting:  # ends when the thread has come to the gate, not after a time
            pass
        reader = threading.Thread(target=read)
        reader.start()
    writer.join(30)
    reader.join(30)
    assert order == ["writer", "reader"]
