"""One live address on the event loop: connect, look, decode, cut, hand over, and again after a drop.

What waits for the network runs on the loop; what computes runs in a pool, one piece of a station at a time, so its
samples stay in order and nothing is read while the last piece is not done. What a drop means is `reconnect`'s to say.
An answer that needs a demuxer goes to FFmpeg's own reader in a thread, for the rest of the station's life.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import structlog

from encoder.grid import SAMPLE_RATE
from stream_monitor.errors import InputError, LostSourceError, NotAudioError, StoppedError
from stream_monitor.readers import Arrival
from stream_monitor.reconnect import Address, ReconnectPolicy
from stream_monitor.segments import Segment
from stream_monitor.stations.answer import Door, OtherReaderError, opened
from stream_monitor.stations.body import Body
from stream_monitor.stations.elementary import LOOK_BYTES, ElementaryDecoder, look, needed
from stream_monitor.stations.followers import Followers
from stream_monitor.stations.roll import Roll, Standing
from stream_monitor.stations.waits import Waits

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What all stations of one loop share."""

    policy: ReconnectPolicy
    waits: Waits
    tls: ssl.SSLContext
    door: Door
    roll: Roll
    most_behind_s: float
    """A connection that is further behind is left."""
    ask_again_s: float | None
    """After this a station that was given up is asked anew; None is never."""
    pool: Executor
    """Computes."""
    followers: Followers
    check_open: Callable[[], None]
    """Raises `StoppedError` where nobody takes anything any more."""
    hand_over: Callable[[Arrival], None]
    """Takes what was read; called in the pool, may block."""


class Station:
    """Reads one address; `run` may be called once."""

    def __init__(self, address: Address, around: Surroundings) -> None:
        """Opens nothing yet."""
        self._address = address
        self._around = around
        self._url = address.source.location
        self._name = address.source.stream_id

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
                    self._stands("in_thread")
                    await self._around.followers.follow(self._address, reason=str(error), ends=error.ends)
                    return self._stands("ended")
                except InputError as refusal:
                    failure = refusal
            except InputError as error:
                failure = error
            self._stands("waiting")
            try:
                await self._computed(self._hand_over, self._address.dropped())
                delay_s = None if failure is None else self._address.retry_in_s(failure)
                if delay_s is None and failure is not None:
                    delay_s = self._give_up(failure)
                if delay_s is None:
                    break
                await self._around.waits.pause(delay_s)
            except StoppedError:
                break
        await self._computed(self._hand_over, [self._address.end()], None if self._around.waits.stopped else failure)
        if self._around.waits.stopped or failure is None:
            self._stands("ended")

    def _stands(self, standing: Standing) -> None:
        self._around.roll.is_now(self._name, standing)

    def _give_up(self, failure: InputError) -> float | None:
        """After how long to ask anew; None is never."""
        self._stands("given_up")
        again_s = self._around.ask_again_s
        log.error("given up", stream=self._name, reason=str(failure), asked_again_after_s=again_s)
        if again_s is None:
            return None
        self._address.asked_anew()
        # Not all at the same moment: those that were given up together came from one server.
        return again_s * random.uniform(0.75, 1.25)

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
            door=around.door,
            timeout_s=around.policy.connect_timeout_s,
            asking=lambda: self._stands("connecting"),
        ) as answer:
            answer.check_elementary()
            body = Body(answer, url=url, waits=around.waits, timeout_s=around.policy.read_timeout_s)
            head = await body.at_least(LOOK_BYTES)
            head = await body.at_least(needed(head), head)
            if not head:
                raise body.broken or LostSourceError(f"{url}: the server closed before any audio")
            try:
                found = await self._computed(look, head, url)
            except InputError as error:
                raise body.broken or error from error
            if not found.elementary:
                raise OtherReaderError(f"it says {answer.content_type} and sends {found.container}")
            self._address.begin(codec=found.codec, finite=False, live_playlist=False, reader="loop")
            self._stands("up")
            decoder = ElementaryDecoder(found, url)
            try:
                await self._follow(body, decoder, head[found.start :])
            except (LostSourceError, StoppedError):
                with suppress(NotAudioError):
                    await self._computed(self._end_connection, decoder)
                raise
            await self._computed(self._end_connection, decoder)
        raise LostSourceError(f"{url}: the server closed the connection")

    async def _follow(self, body: Body, decoder: ElementaryDecoder, block: bytes | None) -> None:
        """Decodes and hands over to the end of the body.

        Raises:
            LostSourceError: It was lost, or left because it was too far behind.
            StoppedError: A stop came.
        """
        most_s = self._around.most_behind_s
        while block is not None:
            body.heard(await self._computed(self._work, decoder, block))
            self._around.roll.is_behind(self._name, body.behind_s)
            if body.behind_s > most_s:
                self._around.roll.left_behind()
                late = f"{body.behind_s:.0f} s behind, produce.stations.most_behind_s is {most_s:g}"
                raise LostSourceError(f"{self._url}: left, since it is read too late ({late})")
            block = await body.block()

    async def _computed(self, function: Callable[..., T], *arguments: object) -> T:
        check_open = self._around.check_open

        def compute() -> T:
            check_open()  # whatever waits for its turn in the pool when nobody takes it any more is not worth doing
            return function(*arguments)

        check_open()
        return await asyncio.get_running_loop().run_in_executor(self._around.pool, compute)

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
