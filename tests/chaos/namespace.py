"""A network namespace with nothing but a loopback of its own: who is started in it reaches only what listens in it."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable
from typing import TypeVar

from tests.stack.server import HOST, ServerError

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 1

T = TypeVar("T")


class Namespace:
    """Of one case. It ends with the last process in it, after `close`."""

    def __init__(self) -> None:
        """Makes it.

        Raises:
            ServerError: The machine does not allow it.
        """
        self._fd = _in_thread(_make)

    @property
    def enter(self) -> tuple[str, ...]:
        """Words in front of a command that is to run in it; needs util-linux."""
        return ("nsenter", f"--net=/proc/{os.getpid()}/fd/{self._fd}", "--")

    def listen(self, port: int) -> socket.socket:
        """A socket of this process that listens in there."""
        return _in_thread(lambda: self._within(lambda: socket.create_server((HOST, port))))

    def reaches(self, port: int) -> bool:
        """Whether somebody in there can connect to a port of the loopback."""
        return _in_thread(lambda: self._within(lambda: _connects(port)))

    def close(self) -> None:
        """Lets go of it."""
        os.close(self._fd)

    def _within(self, what: Callable[[], T]) -> T:
        _libc("setns", self._fd, CLONE_NEWNET)
        return what()


def _make() -> int:
    _libc("unshare", CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:  # its loopback is down at first
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _connects(port: int) -> bool:
    with socket.socket() as link:
        return link.connect_ex((HOST, port)) == 0


def _libc(name: str, *arguments: int) -> None:
    """A call of Linux that Python has only from 3.12 on; it concerns the calling thread and no other."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        reason = os.strerror(ctypes.get_errno())
        raise ServerError(f"no network namespace for the test: {name} says {reason!r}; run it as root")


def _in_thread(what: Callable[[], T]) -> T:
    """What a thread returns that ends with it, since a thread that has gone into a namespace is not used again."""
    out: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            out.append(what())
        except (OSError, ServerError) as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return out[0]
