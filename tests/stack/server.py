"""A server as a process of its own: started in a folder, waited for, ended. Knows nothing of which server it is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
START_S = 60.0
STOP_S = 30.0


class ServerError(Exception):
    """A server did not come up, or a program is missing; the message says what to do."""


@dataclass(kw_only=True, slots=True)
class Server:
    """A process that outlives its starter; `folder` holds its data, its log and its number."""

    name: str
    folder: Path
    command: Sequence[str]
    environment: dict[str, str] | None = None
    _process: subprocess.Popen[bytes] | None = None
    """Where this object started it."""

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """The process's number; None where it does not run."""
        if self._process is not None:
            return self._process.pid if self._process.poll() is None else None
        try:
            pid = int((self.folder / f"{self.name}.pid").read_text())
            os.kill(pid, 0)
            # A number may be given anew after a restart of the machine: its command must be this folder's.
            known = Path(f"/proc/{pid}/environ").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if f"STACK_FOLDER={self.folder}".encode() in known else None

    def start(self, ready: Callable[[], bool], timeout_s: float = START_S) -> None:
        """Starts it and waits until `ready`; one that runs already is left alone.

        Raises:
            ServerError: It ended or was not ready in time; the message holds the end of its log.
        """
        if self.pid is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    list(self.command),
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env={**os.environ, **(self.environment or {}), "STACK_FOLDER": str(self.folder)},
                )
            (self.folder / f"{self.name}.pid").write_text(str(self._process.pid))
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self.pid is None or time.monotonic() > deadline:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise ServerError(f"{self.name} did not come up within {timeout_s:.0f} s:\n{tail}")
            time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends it and waits; kills what does not end in time."""
        pid = self.pid
        if pid is None:
            return
        os.killpg(pid, how)
        deadline = time.monotonic() + STOP_S
        while self.pid is not None:
            if time.monotonic() > deadline:
                os.killpg(pid, signal.SIGKILL)
            time.sleep(0.05)
        (self.folder / f"{self.name}.pid").unlink(missing_ok=True)
        if self._process is not None:
            self._process.wait(STOP_S)  # takes the exit status
            self._process = None


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        with socket.create_connection((HOST, port), timeout=0.5):
            return True
    except OSError:
        return False


def asked(port: int, path: str) -> str:
    """What a server says there by HTTP, be it an error; nothing while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/{path}", timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()
    except OSError:
        return ""


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
