"""Radio for tests and benchmarks: many endless stations on one event loop, each at the pace of its music.

    python -m tests.stream_monitor.radio FILE...   serves MP3 and AAC files by their names and prints the port

Only frames are sent, over and over, no tags. It knows nothing of who listens.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av

PIECE_S: Final = 0.25
"""Audio that is sent at a time."""
CONTENT_TYPES: Final = {".mp3": "audio/mpeg", ".aac": "audio/aac"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Programme:
    """What a path plays, over and over."""

    content_type: str
    frames: tuple[bytes, ...]
    frame_s: float


def programme(path: Path) -> Programme:
    """The frames of a file."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = tuple(bytes(packet) for packet in container.demux(stream) if packet.size)
        frame_s = stream.codec_context.frame_size / stream.rate
        return Programme(content_type=CONTENT_TYPES[path.suffix], frames=frames, frame_s=frame_s)


class Radio:
    """Answers every request until the loop ends."""

    def __init__(self, programmes: dict[str, Programme], burst_s: Callable[[int], float]) -> None:
        """Args: `programmes`: by path; `burst_s`: audio that listener 0, 1, ... is sent at once, as Icecast does."""
        self._programmes = programmes
        self._burst_s = burst_s
        self._visits = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Plays to one listener until he has gone."""
        try:
            asked = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            played = self._programmes[asked]
            ahead_s = self._burst_s(self._visits)
            self._visits += 1
            writer.write(f"HTTP/1.0 200 OK\r\nContent-Type: {played.content_type}\r\n\r\n".encode())
            loop = asyncio.get_running_loop()
            begun_s, sent = loop.time(), 0
            while True:
                due = int((loop.time() - begun_s + ahead_s) / played.frame_s) + 1
                writer.write(b"".join(played.frames[number % len(played.frames)] for number in range(sent, due)))
                sent = due
                await writer.drain()
                await asyncio.sleep(PIECE_S)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def serve(radio: Radio, ready: Callable[[int], None], over: asyncio.Event) -> None:
    """Serves on a free port of the loopback, which `ready` is told, until `over`."""
    server = await asyncio.start_server(radio.answer, "127.0.0.1", 0, backlog=1_024)
    ready(server.sockets[0].getsockname()[1])
    await over.wait()
    server.close()


@contextmanager
def on_air(programmes: dict[str, Programme], burst_s: Callable[[int], float]) -> Iterator[str]:
    """A radio in a thread of its own; its address without a path."""
    ports: list[int] = []
    started, loop, over = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    def ready(port: int) -> None:
        ports.append(port)
        started.set()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve(Radio(programmes, burst_s), ready, over))

    thread = threading.Thread(target=run, name="radio", daemon=True)
    thread.start()
    assert started.wait(60)
    try:
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(60)


def main(files: Sequence[str]) -> None:
    """Serves until it is killed; listeners begin up to 5 s apart in the music, so that their segments do, too."""
    radio = Radio({f"/{Path(name).name}": programme(Path(name)) for name in files}, lambda number: number % 20 * 0.25)
    asyncio.run(serve(radio, lambda port: print(port, flush=True), asyncio.Event()))  # noqa: T201  the answer


if __name__ == "__main__":
    main(sys.argv[1:])
