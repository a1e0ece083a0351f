"""The bytes of one answer as blocks, read about once a second, with a time-out that only audio resets.

What comes meanwhile waits in the kernel: Python for each packet of thousands of stations would cost more than decoding
them. A block is bounded, and nothing is read while the one before is worked on, so a station that is not worked on
fills its own socket and no memory. Where the server cuts the body into chunks of its own, those that wait are taken
together. What was read before a drop or a stop is given before that is raised. It knows nothing of decoding.
"""

from __future__ import annotations

import asyncio
from typing import Final

from stream_monitor.errors import LostSourceError, StoppedError
from stream_monitor.stations.answer import Answer, told
from stream_monitor.stations.icy import IcyFilter
from stream_monitor.stations.waits import Waits

BLOCK_BYTES: Final = 65_536
"""About the largest block."""
_FULL_BYTES: Final = 32_768
"""After such a block there is probably more, and it is read at once."""
PAUSE_S: Final = 1.0
"""At most half of the time-out, so that the rest of it is left to read in."""
_DEBT_S: Final = 2.0
"""So far behind real time, a body is read without pauses."""
_WAITED_S: Final = 0.05
"""A read that took so long had to wait: all that was sent has been read."""


class Body:
    """One connection's bytes in order."""

    def __init__(self, answer: Answer, *, url: str, waits: Waits, timeout_s: float) -> None:
        """Args: `timeout_s`: how long no audio may come; `heard` says that some came."""
        self._chunks = answer.chunks
        self._chunked = answer.chunked
        self._icy = None if answer.icy_interval is None else IcyFilter(answer.icy_interval)
        self._url = url
        self._waits = waits
        self._timeout_s = timeout_s
        self._pause_s = min(PAUSE_S, timeout_s / 2)
        self._silent_s = 0.0
        """Seconds spent here since the last audio."""
        self._heard_until_s = asyncio.get_running_loop().time()
        """The loop's time up to which a stream in real time has been read."""
        self._hurries = False
        self._full = True
        self._ended = False
        self.broken: LostSourceError | StoppedError | None = None
        """What ended the body after the last bytes that were given."""
        self._waited_s = 0.0
        """How long the last read took."""

    def heard(self, seconds: float) -> None:
        """The last block held so much audio."""
        now_s = asyncio.get_running_loop().time()
        if seconds > 0:
            self._silent_s = 0.0
        if self._waited_s > _WAITED_S and seconds <= self._waited_s + _DEBT_S:
            # No more came than was sent meanwhile. More than that had waited itself, and the loop was slow.
            self._heard_until_s = now_s
        # What came ahead (a burst at the start) counts as little as it may: a later stall must not look like a debt.
        self._heard_until_s = min(self._heard_until_s + seconds, now_s)
        self._hurries = self._hurries or now_s - self._heard_until_s > _DEBT_S

    @property
    def behind_s(self) -> float:
        """How much later than it was sent the audio was heard that came last."""
        return asyncio.get_running_loop().time() - self._heard_until_s

    async def at_least(self, size: int, head: bytes = b"") -> bytes:
        """`head` and what follows it, `size` bytes or more; fewer where the body ends before, or is `broken`."""
        gathered = bytearray(head)
        try:
            while len(gathered) < size and self.broken is None and (data := await self._read()) is not None:
                gathered += data
        except (LostSourceError, StoppedError) as error:
            self.broken = error
        return bytes(gathered)

    async def block(self) -> bytes | None:
        """What came since the last block; None at the end of the body.

        Raises:
            LostSourceError: The connection dropped, or no audio came for too long.
            StoppedError: A stop came.
        """
        if self.broken is not None:
            raise self.broken
        if not (self._full or self._hurries or self._ended):
            await self._waits.pause(self._pause_s)
            self._silent_s += self._pause_s
        self._hurries = self._hurries or self._chunked
        data = await self._read()
        if data is None:
            return None
        gathered = bytearray(data)
        try:
            while self._hurries and len(gathered) < BLOCK_BYTES and (data := await self._read()) is not None:
                gathered += data
        except (LostSourceError, StoppedError) as error:
            self.broken = error
        self._full = len(gathered) >= _FULL_BYTES
        return bytes(gathered)

    async def _read(self) -> bytes | None:
        """The next bytes of audio, perhaps none; None at the end of the body, also when asked again."""
        if self._ended:
            return None
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        try:
            with told(self._url):
                async with self._waits.within(self._timeout_s - self._silent_s):
                    data = await anext(self._chunks, None)
        except TimeoutError:
            raise LostSourceError(f"{self._url}: no audio came within {self._timeout_s:g} s") from None
        waited_s = loop.time() - begun_s
        self._silent_s += waited_s
        self._waited_s = waited_s
        if data is None:
            self._ended = True
            return None
        if self._hurries and waited_s > _WAITED_S:
            self._hurries = False
        return data if self._icy is None else self._icy.audio(data)
