"""Radio for thousands of listeners out of one process: real time, as an Icecast server does it, and worse stations too.

    python -m tests.stream_monitor.transmitter FILE   serves an MP3 or AAC file and prints two ports

What a path's first part says is what its station does (`BEHAVIOURS`); the rest tells stations apart. The second port
takes no connection at all: whoever asks there waits. A listener who lets more than `QUEUE_BYTES` wait is dropped, as
Icecast does it, and counted; `/counts` tells. It knows nothing of who listens.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Final

from tests.stream_monitor.radio import Programme, programme

QUEUE_BYTES: Final = 512 * 1024
"""Icecast's own limit of what waits for a listener."""
TURNS: Final = 8
"""Listeners are served in so many groups, each once a second."""
BURST_S: Final = 6
"""Listeners begin with up to so much audio at once, each with another, so that their segments do not end together."""
BEHAVIOURS: Final = ("play", "silent", "mute", "slow", "moved", "missing", "busy", "drops")
SLOW_S: Final = 4.0
DROP_S: Final = 20.0


class Listener(asyncio.Protocol):
    """One connection."""

    def __init__(self, transmitter: Transmitter) -> None:
        self._transmitter = transmitter
        self._asked = b""
        self.transport: asyncio.Transport
        self.begun_s = 0.0
        self.ahead_s = 0.0
        self.sent_frames = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Waits for the question."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=2 * QUEUE_BYTES)

    def data_received(self, data: bytes) -> None:
        """Answers when the question is whole."""
        self._asked += data
        if self._asked.endswith(b"\r\n\r\n"):
            self._transmitter.answer(self, self._asked.split()[1].decode())

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone."""
        self._transmitter.playing.discard(self)

    def says(self, status: str, **headers: str) -> None:
        """The answer's head."""
        lines = [f"HTTP/1.0 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        self.transport.write("\r\n".join((*lines, "", "")).encode())


class Transmitter:
    """All stations; they play the same."""

    def __init__(self, played: Programme) -> None:
        self.playing: set[Listener] = set()
        self.counts: Counter[str] = Counter()
        self._played = played
        self._loop_bytes = b"".join(played.frames) * 2
        self._places = list(accumulate(map(len, played.frames * 2), initial=0))

    def answer(self, listener: Listener, path: str) -> None:
        """Does what the path says."""
        behaviour = path.split("/")[1]
        self.counts[behaviour] += 1
        kind = self._played.content_type
        match behaviour:
            case "play" | "drops":
                self._play(listener)
                if behaviour == "drops":
                    asyncio.get_running_loop().call_later(DROP_S, listener.transport.close)
            case "silent":
                listener.says("200 OK", Content_Type=kind)
            case "mute":
                pass
            case "slow":
                asyncio.get_running_loop().call_later(SLOW_S, self._play, listener)
            case "moved":
                listener.says("302 Found", Location=f"/play/{path.split('/')[2]}")
                listener.transport.close()
            case "counts":
                listener.says("200 OK", Content_Type="application/json")
                told = json.dumps({**self.counts, "playing": len(self.playing)})
                listener.transport.write(told.encode())
                listener.transport.close()
            case _:
                listener.says("503 Service Unavailable" if behaviour == "busy" else "404 Not Found")
                listener.transport.close()

    async def play(self) -> None:
        """Sends to everybody what is due, for ever."""
        loop = asyncio.get_running_loop()
        turn = 0
        begun_s = loop.time()
        while True:
            now_s = loop.time()
            for listener in list(self.playing):
                if id(listener) // 64 % TURNS == turn % TURNS:
                    self._send(listener, now_s)
            turn += 1
            await asyncio.sleep(max(0.0, begun_s + turn / TURNS - loop.time()))

    def _play(self, listener: Listener) -> None:
        if listener.transport.is_closing():
            return
        listener.says("200 OK", Content_Type=self._played.content_type)
        listener.begun_s = asyncio.get_running_loop().time()
        listener.ahead_s = self.counts.total() * 0.37 % BURST_S
        self.playing.add(listener)

    def _send(self, listener: Listener, now_s: float) -> None:
        length = len(self._played.frames)
        due = int((now_s - listener.begun_s + listener.ahead_s) / self._played.frame_s)
        while listener.sent_frames < due:
            start = listener.sent_frames % length
            count = min(due - listener.sent_frames, length)
            listener.transport.write(self._loop_bytes[self._places[start] : self._places[start + count]])
            listener.sent_frames += count
        if listener.transport.get_write_buffer_size() > QUEUE_BYTES:
            self.counts["dropped"] += 1
            listener.transport.abort()
            self.playing.discard(listener)


def deaf() -> tuple[socket.socket, list[socket.socket]]:
    """A port whose queue of connections is full and stays so: the kernel answers nobody any more."""
    server = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = [socket.socket() for _ in range(4)]
    for each in waiting:
        each.setblocking(False)
        each.connect_ex(server.getsockname())
    return server, waiting


async def transmit(path: Path) -> None:
    """Serves until it is killed."""
    transmitter = Transmitter(programme(path))
    server = await asyncio.get_running_loop().create_server(
        lambda: Listener(transmitter), "127.0.0.1", 0, backlog=4_096
    )
    nobody, waiting = deaf()
    print(server.sockets[0].getsockname()[1], nobody.getsockname()[1], flush=True)  # noqa: T201  the answer
    await transmitter.play()
    del waiting


if __name__ == "__main__":
    asyncio.run(transmit(Path(sys.argv[1])))
