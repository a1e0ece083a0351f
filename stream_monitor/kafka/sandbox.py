"""Bytes of strangers are decoded in processes of their own: what breaks there costs one dead letter, not the worker.

    submit → a free process → samples, or a poison with its code

A process that takes too long is killed (`decoder_timeout`); one that dies is replaced, and its segment is
tried once more before it is given up (`decoder_crashed`), since the system may have killed it for others' sake. Sides
that ask share the processes by time (`turns.py`): one whose segments are slow waits for itself. What a process may do
is written in `decoder_process.py`. It knows nothing of records, streams or Kafka.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Final, Self

import structlog
from pydantic import BaseModel, ConfigDict, Field

from stream_monitor.kafka.decoder_wire import ANSWER, heard_of, request
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.segment_audio import Announced
from stream_monitor.kafka.turns import Turns
from stream_monitor.segments import Samples

log = structlog.get_logger(__name__)

PIECE: Final = 1 << 20
LARGEST_ANSWER: Final = 64 << 20
LOOK_S: Final = 0.5
"""How often the limits are looked at while an answer is awaited."""
TICKS: Final = os.sysconf("SC_CLK_TCK")
PASSED_ON: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")
"""What a decoder sees of our environment."""


class SandboxSettings(BaseModel):
    """Processes that decode, and what they may use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    processes: int = Field(default=1, ge=1, le=64)
    """Decoder processes; one decodes about 500 streams of FLAC segments."""
    cpu_s: float = Field(default=2.0, gt=0.0, le=60.0)
    """A segment that takes more processor time is a dead letter, and its process is replaced. Usual are some ms."""
    timeout_s: float = Field(default=60.0, gt=0.0, le=600.0)
    """The same by the clock on the wall, which runs on where the machine has no time for a decoder."""
    memory_mb: int = Field(default=256, ge=32, le=65_536)
    """Memory of a process beyond what it needs for itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Limits:
    """How long a segment may take."""

    pid: int
    wall_s: float
    """On the monotonic clock."""
    cpu_s: float
    """Of the process's own time."""


class _CrashedError(Exception):
    """The process has gone."""


class _Decoder:
    """One process; asked by one thread at a time."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, said: Announced, value: bytes) -> Samples:
        for last_try in (False, True):
            process = self._running()
            try:
                return self._ask(process, said, value)
            except TimeoutError:
                self.stop()
                limits = f"{self._settings.cpu_s:g} s of processor time or {self._settings.timeout_s:g} s"
                raise PoisonError("decoder_timeout", f"segment {said.seq} was not decoded within {limits}") from None
            except _CrashedError:
                self.stop()
                log.warning("a decoder process died", exit_code=process.returncode, given_up=last_try)
        raise PoisonError(
            "decoder_crashed", f"segment {said.seq} ended its decoder twice (exit code {process.returncode})"
        )

    def stop(self) -> None:
        """Kills the process; the next segment starts another one."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            own = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "stream_monitor.kafka.decoder_process", str(self._settings.memory_mb)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                pipesize=PIECE,
                start_new_session=True,  # Ctrl-C is the worker's affair
                env={**own, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    os.set_blocking(pipe.fileno(), False)
        return self._process

    def _ask(self, process: subprocess.Popen[bytes], said: Announced, value: bytes) -> Samples:
        limits = _Limits(
            pid=process.pid,
            wall_s=time.monotonic() + self._settings.timeout_s,
            cpu_s=_cpu_s(process.pid) + self._settings.cpu_s,
        )
        for piece in request(said, value):
            self._send(process, piece, limits)
        letter, length = ANSWER.unpack(self._receive(process, ANSWER.size, limits))
        if length > LARGEST_ANSWER:
            raise _CrashedError
        return heard_of(letter, self._receive(process, length, limits))

    def _send(self, process: subprocess.Popen[bytes], piece: bytes, limits: _Limits) -> None:
        if process.stdin is None:
            raise _CrashedError
        left = memoryview(piece)
        while left:
            self._wait(process.stdin.fileno(), select.POLLOUT, limits)
            try:
                left = left[os.write(process.stdin.fileno(), left) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise _CrashedError from error

    def _receive(self, process: subprocess.Popen[bytes], length: int, limits: _Limits) -> bytearray:
        if process.stdout is None:
            raise _CrashedError
        received = bytearray(length)
        place = 0
        while place < length:
            self._wait(process.stdout.fileno(), select.POLLIN, limits)
            try:
                count = os.readv(process.stdout.fileno(), [memoryview(received)[place:]])
            except BlockingIOError:
                continue
            if count == 0:
                raise _CrashedError
            place += count
        return received

    def _wait(self, descriptor: int, event: int, limits: _Limits) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        while not poll.poll(1e3 * LOOK_S):
            if time.monotonic() > limits.wall_s or _cpu_s(limits.pid) > limits.cpu_s:
                raise TimeoutError


def _cpu_s(pid: int) -> float:
    """Processor time of a process so far; 0 where it has gone, which the pipes tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    said: Announced
    value: bytes
    samples: Future[Samples]


class Sandbox:
    """Some processes, and a thread for each that talks to it. Use it as a context manager."""

    def __init__(self, settings: SandboxSettings | None = None) -> None:
        """Nothing runs before `with`, and no process before the first segment."""
        self._settings = settings or SandboxSettings()
        self._free: SimpleQueue[_Decoder] = SimpleQueue()
        self._decoders = [_Decoder(self._settings) for _ in range(self._settings.processes)]
        self._turns: Turns[_Job] = Turns()
        self._threads: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        for decoder in self._decoders:
            self._free.put(decoder)
        self._threads = ThreadPoolExecutor(len(self._decoders), thread_name_prefix="sandbox")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Gives up what waits and ends the processes."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        for job in self._turns.clear():
            job.samples.cancel()
        for decoder in self._decoders:
            decoder.stop()

    def submit(self, whose: str, said: Announced, value: bytes) -> Future[Samples]:
        """Samples, sooner or later; of one side in the order of the calls where there is one process.

        Args:
            whose: The side that asks.
            said: What the segment is.
            value: Its bytes.

        Raises:
            RuntimeError: Outside of `with`.
        """
        if self._threads is None:
            raise RuntimeError("the sandbox is used outside of `with`")
        job = _Job(said=said, value=value, samples=Future())
        self._turns.put(whose, job)
        self._threads.submit(self._decode_next)
        return job.samples

    def _decode_next(self) -> None:
        """One job for each that was put in, though not always the same one."""
        decoder = self._free.get()
        whose, job = self._turns.take()
        begun_s = time.monotonic()
        try:
            if job.samples.set_running_or_notify_cancel():
                job.samples.set_result(decoder.decode(job.said, job.value))
        except Exception as error:  # noqa: BLE001  as in every executor: whoever asked is told
            job.samples.set_exception(error)
        finally:
            self._turns.done(whose, time.monotonic() - begun_s)
            self._free.put(decoder)
