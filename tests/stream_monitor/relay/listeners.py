"""Those who are told: `mosquitto_sub`, and an HTTP server that checks signatures by itself."""

from __future__ import annotations

import base64
import hmac
import json
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.stack.server import HOST

Answer = Callable[[int, str], tuple[int, dict[str, str]]]
"""From how many were posted and the event's id to status and headers."""


MESSAGE = "> "
"""What a message's line starts with; other lines say what `mosquitto_sub` does."""


class Subscriber:
    """A `mosquitto_sub` process and what it printed; whoever has one is subscribed."""

    def __init__(self, port: int, topic: str = "music/#", *options: str) -> None:
        command = ["stdbuf", "-oL", "mosquitto_sub", "-d", "-V", "5", "-h", HOST, "-p", str(port), "-t", topic]
        command += ["-q", "1", "-F", f"{MESSAGE}%t %r %p"]
        self._process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
        self._subscribed = threading.Event()
        self.lines: list[tuple[str, bool, dict[str, Any]]] = []
        """Topic, whether it was retained, payload; an empty payload is an empty object."""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        if not self._subscribed.wait(60):
            self.close()
            raise AssertionError("mosquitto_sub could not subscribe")

    def _read(self) -> None:
        for line in self._process.stdout or ():
            if line.startswith("Subscribed "):
                self._subscribed.set()
            if not line.startswith(MESSAGE):
                continue
            topic, retained, payload = line.removeprefix(MESSAGE).rstrip("\n").split(" ", 2)
            self.lines.append((topic, retained == "1", json.loads(payload or "{}")))

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Every event with its topic as it arrived, repeats included."""
        return [(topic, payload) for topic, _, payload in self.lines if "id" in payload]

    def events(self) -> list[str]:
        """Ids in the order of their arrival, each once."""
        return list(dict.fromkeys(payload["id"] for _, payload in self.told()))

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()
        self._thread.join(10)
        if self._process.stdout is not None:
            self._process.stdout.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Posted:
    """One request."""

    headers: dict[str, str]
    """By their names in small letters."""
    body: bytes
    at_s: float
    """When it came, on a clock that never goes back."""

    @property
    def event_id(self) -> str:
        """Of the event that is its body."""
        return str(json.loads(self.body)["id"])


class Hook:
    """An HTTP server that remembers what it was posted and answers as it is told to, 401 where a signature is wrong."""

    def __init__(self, answer: Answer = lambda *_: (204, {}), secret: bytes | None = None) -> None:
        self.posted: list[Posted] = []
        self.forged = 0
        """Requests without the right signature."""
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, more = hook._take(Posted(headers=headers, body=body, at_s=time.monotonic()), answer, secret)
                self.send_response(status)
                for name, value in {"content-length": "0", **more}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _take(self, posted: Posted, answer: Answer, secret: bytes | None) -> tuple[int, dict[str, str]]:
        self.posted.append(posted)
        if secret is not None and not signed(posted, secret):
            self.forged += 1
            return 401, {}
        return answer(len(self.posted), posted.event_id)

    def ids(self) -> list[str]:
        """Of the events that were posted, repeats included."""
        return [posted.event_id for posted in self.posted]

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def signed(posted: Posted, secret: bytes) -> bool:
    """As a receiver checks it: the time is about now, and one of the signatures is that of id, time and body."""
    headers = posted.headers
    if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
        return False
    told = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), posted.body])
    expected = base64.b64encode(hmac.new(secret, told, sha256).digest()).decode()
    versions = [each.split(",", 1) for each in headers["webhook-signature"].split(" ")]
    return any(version == "v1" and hmac.compare_digest(found, expected) for version, found in versions)
