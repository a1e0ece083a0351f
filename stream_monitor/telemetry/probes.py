"""Metrics and health over HTTP: GET /metrics, /healthz, /readyz. It knows nothing of what is measured.

    /metrics   the registry's metrics in Prometheus' text format
    /healthz   200 "alive", or 503 with complaints: a restart may help
    /readyz    200 "ready", or 503 with what is not ready yet, one reason a line: wait, or look

Bounded: a few connections at a time, each with a time-out; further ones are closed at once.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Gauge, generate_latest

from stream_monitor.errors import SettingsError
from stream_monitor.telemetry.settings import TelemetrySettings

log = structlog.get_logger(__name__)

CONNECTIONS: Final = 16
TIMEOUT_S: Final = 5.0
TEXT: Final = "text/plain; charset=utf-8"
READY: Final = ("stream_monitor_ready", "1 where /readyz says ready, else 0.")

Reasons = Callable[[], Sequence[str]]
"""Why not; nothing where all is well. Called by threads of the server."""


class Probes:
    """The server of one process, running inside `with`."""

    def __init__(
        self,
        settings: TelemetrySettings,
        ready: Reasons,
        *,
        alive: Reasons = lambda: (),
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        """Starts nothing.

        Args:
            settings: Where to answer.
            ready: Why the service cannot do its work yet.
            alive: Why it should be restarted.
            registry: What /metrics shows.
        """
        self._settings = settings
        self._ready = ready
        self._alive = alive
        self._registry = registry
        self._gauge: Gauge | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int | None:
        """The port that answers; None where none does."""
        return None if self._server is None else int(self._server.server_address[1])

    def __enter__(self) -> Self:
        """Answers from here on, where a port is set.

        Raises:
            SettingsError: The address cannot be used.
        """
        if self._settings.port is None:
            return self
        host, port = self._settings.host, self._settings.port
        try:
            self._server = _Server(host, port, self._answer)
        except OSError as error:
            raise SettingsError(
                f"telemetry.host {host!r}, telemetry.port {port}: {error.strerror or error}; set another, or null for"
                " no server"
            ) from error
        self._gauge = Gauge(*READY, registry=self._registry)
        self._gauge.set_function(lambda: 0 if self._ready() else 1)
        self._thread = threading.Thread(target=self._server.serve_forever, name="probes", daemon=True)
        self._thread.start()
        log.info("metrics and health are served", host=host, port=self.port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Answers no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        if self._thread is not None:
            self._thread.join(TIMEOUT_S)
        if self._gauge is not None:
            self._registry.unregister(self._gauge)
        self._server = self._thread = self._gauge = None

    def _answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body of a path."""
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)
        if path in ("/healthz", "/readyz"):
            good, reasons = ("alive", self._alive()) if path == "/healthz" else ("ready", self._ready())
            return (503 if reasons else 200), TEXT, ("\n".join(reasons or (good,)) + "\n").encode()
        return 404, TEXT, b"there are /metrics, /healthz and /readyz\n"


class _Server(ThreadingHTTPServer):
    """A few threads at a time."""

    daemon_threads = True
    request_queue_size = CONNECTIONS

    def __init__(self, host: str, port: int, answer: Callable[[str], tuple[int, str, bytes]]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.answer = answer
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__((host, port), _Visit)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Takes a connection, or closes it where there are too many."""
        if not self._free.acquire(blocking=False):
            log.warning("a connection to the probes is closed: too many at a time", most=CONNECTIONS)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or an answer that failed: told, and no more."""
        log.warning("a request to the probes failed", exc_info=True)


class _Visit(BaseHTTPRequestHandler):
    """One request."""

    server: _Server
    timeout: ClassVar[float] = TIMEOUT_S

    def do_GET(self) -> None:
        """Answers by the path."""
        status, content_type, body = self.server.answer(self.path.split("?")[0])
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Says nothing: a probe asks every few seconds."""
