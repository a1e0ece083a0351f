"""One live address on the event loop: connect, look, decode, cut, hand over, and again after a drop.

What waits for the network runs on the loop; what computes runs in a pool, one piece of a station at a time, so its
samples stay in order and nothing is read while the last piece is not done. What a drop means is `reconnect`'s to say.
An answer that needs a demuxer goes to FFmpeg's own reader in a thread, for the rest of the station's life.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

from encoder.grid import SAMPLE_RATE
from stream_monitor.errors import InputError, LostSourceError, StoppedError
from stream_monitor.readers import Arrival
from stream_monitor.reconnect import Address, ReconnectPolicy
from stream_monitor.segments import Segment
from stream_monitor.stations.answer import OtherReaderError, opened
from stream_monitor.stations.body import Body
from stream_monitor.stations.elementary import LOOK_BYTES, ElementaryDecoder, look, needed
from stream_monitor.stations.followers import Followers
from stream_monitor.stations.waits import Waits

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What all stations of one loop share."""

    policy: ReconnectPolicy
    waits: Waits
    tls: ssl.SSLContext
    connecting: asyncio.Semaphore
    """Held by those that are opening a connection."""
    pool: Executor
    """Computes."""
    followers: Followers
    hand_over: Callable[[Arrival], None]
    """Takes what was read; called in the pool, may block."""


class Station:
    """Reads one address; `run` may be called once."""

    def __init__(self, address: Address, around: Surroundings) -> None:
        """Opens nothing yet."""
        self._address = address
        self._around = around
        self._url = address.source.location

    async def run(self) -> None:
        """Reads until the address ends, is given up, or a stop comes; the last segment is handed over in any case."""
        failure: InputError | None = None
        while True:
            try:
                await self._read_connection()
            except StoppedError:
                break
            except OtherReaderError as error:
                try:
                    return await self._around.followers.follow(self._address, reason=str(error), ends=error.ends)
                except InputError as refusal:
                    failure = refusal
            except InputError as error:
                failure = error
            try:
                await self._computed(self._hand_over, self._address.dropped())
                delay_s = None if failure is None else self._address.retry_in_s(failure)
                if delay_s is None:
                    break
                await self._around.waits.pause(delay_s)
            except StoppedError:
                break
        await self._computed(self._hand_over, [self._address.end()], None if self._around.waits.stopped else failure)

    async def _read_connection(self) -> None:
        """Connects once and hands over what comes; raises where the connection ended, whatever ended it.

        Raises:
            InputError: It could not be opened, was lost, or was closed.
            OtherReaderError: It needs a demuxer.
            StoppedError: A stop came.
        """
        around, url = self._around, self._url
        async with opened(
            url,
            tls=around.tls,
            waits=around.waits,
            connecting=around.connecting,
            timeout_s=around.policy.connect_timeout_s,
        ) as answer:
            answer.check_elementary()
            body = Body(answer, url=url, waits=around.waits, timeout_s=around.policy.read_timeout_s)
            head = await body.at_least(LOOK_BYTES)
            head = await body.at_least(needed(head), head)
            if not head:
                raise LostSourceError(f"{url}: the server closed before any audio")
            found = await self._computed(look, head, url)
            if not found.elementary:
                raise OtherReaderError(f"it says {answer.content_type} and sends {found.container}")
            self._address.begin(codec=found.codec, finite=False, live_playlist=False, reader="loop")
            decoder = ElementaryDecoder(found, url)
            block: bytes | None = head[found.start :]
            while block is not None:
                body.heard(await self._computed(self._work, decoder, block))
                block = await body.block()
            await self._computed(self._end_connection, decoder)
        raise LostSourceError(f"{url}: the server closed the connection")

    async def _computed(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._around.pool, function, *arguments)

    def _work(self, decoder: ElementaryDecoder, block: bytes) -> float:
        """Decodes and hands over; how many seconds of audio the block held."""
        heard = 0
        for samples_S in decoder.push(block):
            heard += len(samples_S)
            self._hand_over(self._address.take(samples_S))
        return heard / SAMPLE_RATE

    def _end_connection(self, decoder: ElementaryDecoder) -> None:
        for samples_S in decoder.finish():
            self._hand_over(self._address.take(samples_S))

    def _hand_over(self, segments: list[Segment], error: InputError | None = None) -> None:
        for segment in segments:
            self._around.hand_over(Arrival(source=self._address.source, segment=segment, error=error))
