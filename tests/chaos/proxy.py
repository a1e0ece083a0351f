"""A TCP proxy that behaves as badly as it is told to: brokers advertise it, so clients never leave it again."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Literal

from tests.chaos.namespace import Namespace
from tests.stack.server import HOST, free_ports

Mode = Literal["pass", "reset", "latency", "black hole", "half open"]
PIECE = 1 << 16


class Proxy:
    """Listens on one port, in one network namespace or two, and passes on to another, in a thread of its own."""

    def __init__(self, *, latency_s: float = 2.0) -> None:
        """Listens nowhere before `start`.

        Args:
            latency_s: Of each direction in mode `latency`.
        """
        self.port = free_ports(1)[0]
        self.mode: Mode = "pass"
        self.bytes = dict.fromkeys(("pass", "latency", "swallowed"), 0)
        """Passed on as they came, passed on late, and lost."""
        self.resets = 0
        self._latency_s = latency_s
        self._target = 0
        self._links: set[asyncio.StreamWriter] = set()
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self, target: int, *, also: Namespace | None = None) -> None:
        """Passes on to this port from now on, those too who come to the same port in another namespace."""
        self._target = target
        self._thread.start()
        listening = [socket.create_server((HOST, self.port))]
        if also is not None:
            listening.append(also.listen(self.port))
        for each in listening:
            starting = asyncio.start_server(self._serve, sock=each)
            self._servers.append(asyncio.run_coroutine_threadsafe(starting, self._loop).result(10))

    def stop(self) -> None:
        """Cuts every link."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def turn(self, mode: Mode) -> None:
        """Behaves so from now on; `reset` also cuts every link that there is."""
        self.mode = mode
        if mode == "reset":
            self._on_loop(self._cut)

    def _on_loop(self, what: Callable[[], None]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (what(), done.set()))
        done.wait(10)

    async def _end(self) -> None:
        """Takes no more links, and waits for the end of those that there are."""
        for server in self._servers:
            server.close()
        self._cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _cut(self) -> None:
        for writer in self._links:
            writer.transport.abort()
            self.resets += 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "reset":
            writer.transport.abort()
            self.resets += 1
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
        except OSError:
            writer.transport.abort()
            return
        links = {writer, far_writer}
        self._links |= links
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer, back=True))
        except OSError:
            pass  # one side has gone: so does the other
        finally:
            self._links -= links
            for each in links:
                each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool = False) -> None:
        while piece := await reader.read(PIECE):
            while self.mode == "black hole":
                await asyncio.sleep(0.1)  # nothing is lost on a link that stands still: it comes later, or never
            if self.mode == "half open" and back:
                self.bytes["swallowed"] += len(piece)
                continue
            late = self.mode == "latency"
            if late:
                await asyncio.sleep(self._latency_s)
            self.bytes["latency" if late else "pass"] += len(piece)
            writer.write(piece)
            await writer.drain()
