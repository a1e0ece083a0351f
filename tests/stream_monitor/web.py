"""A real HTTP server on the loopback for tests: whole files, live streams, drops, stalls and HLS."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answer = Callable[["Visit"], None]


class Visit(BaseHTTPRequestHandler):
    """One request; an answer is a function of it."""

    protocol_version = "HTTP/1.0"
    server: Site

    def do_GET(self) -> None:
        """Answers by the site's table of paths."""
        path = self.path.split("?")[0]
        self.server.visits.append(path)
        self.count = self.server.visits.count(path)
        answer = self.server.answers.get(path)
        if answer is None:
            self.send_error(404)
            return
        try:
            answer(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def start(self, content_type: str, length: int | None = None) -> None:
        """Sends a good status line and the headers."""
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Says nothing."""


class Site(ThreadingHTTPServer):
    """The server: what is where, who came, and an event that lets stalled answers end."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Visit)
        self.answers: dict[str, Answer] = {}
        self.visits: list[str] = []
        self.over = threading.Event()

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def unread(self) -> int:
        """Bytes that were sent and that no program has taken from the kernel, over all connections."""
        here = f"0100007F:{self.server_address[1]:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
        established = [row for row in rows if here in row[1:3] and row[3] == "01"]
        return sum(int(queued, 16) for row in established for queued in row[4].split(":"))

    def file(self, path: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        """Serves a whole file."""

        def answer(visit: Visit) -> None:
            visit.start(content_type, len(content))
            visit.wfile.write(content)

        self.answers[path] = answer


@contextmanager
def serving() -> Iterator[Site]:
    """A running site."""
    site = Site()
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.over.set()
        site.shutdown()
        site.server_close()
        thread.join(5)
