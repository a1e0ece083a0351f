"""The answer of an HTTP server to whoever wants to hear: connected, redirected, refused, and what it says about itself.

It knows nothing of audio or epochs. What is wrong comes as an error of the monitor's tree: `LostSourceError` where
asking again may help.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from stream_monitor.errors import CannotOpenError, LostSourceError, MonitorError
from stream_monitor.stations.pace import Pace
from stream_monitor.stations.waits import Waits

ELEMENTARY_TYPES: Final = frozenset(
    {
        "audio/aac",
        "audio/aacp",
        "audio/mp3",
        "audio/mpeg",
        "audio/mpeg3",
        "audio/mpg",
        "audio/x-aac",
        "audio/x-aacp",
        "audio/x-hx-aac-adts",
        "audio/x-mp3",
        "audio/x-mpeg",
    }
)
"""Content types of bodies that need no demuxer."""
MOST_REDIRECTS: Final = 8
_HEADERS: Final = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "stream-monitor"}
_REFUSALS: Final = {
    400: "the server calls the request bad (400)",
    401: "the server asks for a password (401)",
    403: "the server forbids it (403)",
    404: "not found (404)",
}


class OtherReaderError(MonitorError):
    """The address is to be read by FFmpeg's own reader, in a thread; the words say why."""

    def __init__(self, reason: str, *, ends: bool = False) -> None:
        """Args: `ends`: whether it has an end that is known, so that a thread would be free again."""
        super().__init__(reason)
        self.ends = ends


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A server that is willing to send."""

    content_type: str
    """Lower case, without parameters; empty where it says nothing."""
    size_bytes: int | None
    """Length of the body; None where it has no end that is known."""
    icy_interval: int | None
    """Bytes of audio between two pieces of ICY metadata; None without any."""
    chunked: bool
    """Whether `chunks` are those that the server made, however small; else each is what had come until it was asked."""
    chunks: AsyncIterator[bytes]
    """The body as it comes."""

    def check_elementary(self) -> None:
        """Lets pass who says that he sends an endless elementary stream.

        Raises:
            OtherReaderError: Anything else.
        """
        if self.content_type not in ELEMENTARY_TYPES:
            raise OtherReaderError(
                f"it says {self.content_type or 'nothing of its type'}", ends=self.size_bytes is not None
            )
        if self.size_bytes is not None:
            raise OtherReaderError(f"it is a file of {self.size_bytes} bytes", ends=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """Who may ask when; one for all stations of a loop."""

    pace: Pace
    """Connections a second."""
    connecting: asyncio.Semaphore
    """Held while a connection is opened; bounds how many are."""

    @asynccontextmanager
    async def turn(self, waits: Waits) -> AsyncIterator[None]:
        """Held while a connection is opened.

        Raises:
            StoppedError: A stop came first.
        """
        async with waits.within(None):
            await self.connecting.acquire()
        try:
            await self.pace.turn(waits)
            yield
        finally:
            self.connecting.release()


def certificates(*, verify: bool) -> ssl.SSLContext:
    """What servers' certificates are checked against: one for all connections, since it takes long to make."""
    return httpx.create_ssl_context(verify=verify)


@asynccontextmanager
async def opened(
    url: str,
    *,
    tls: ssl.SSLContext,
    waits: Waits,
    door: Door,
    timeout_s: float,
    asking: Callable[[], None] = lambda: None,
) -> AsyncIterator[Answer]:
    """Asks a server for its stream and yields the answer; afterwards the connection is closed.

    Args:
        url: Where.
        tls: Certificates.
        waits: Ends every wait at a stop.
        door: Gives it its turn.
        timeout_s: How long opening may take.
        asking: Called when its turn has come.

    Raises:
        LostSourceError: Asking again may help.
        CannotOpenError: Refused.
        OtherReaderError: This is not HTTP.
        StoppedError: A stop came.
    """
    # A client for each connection: the pool of a shared one looks at all its connections whenever one is opened.
    async with AsyncExitStack() as cleanup:
        async with door.turn(waits):
            asking()
            client = await cleanup.enter_async_context(httpx.AsyncClient(verify=tls, timeout=None, headers=_HEADERS))
            try:
                with told(url):
                    async with waits.within(timeout_s):
                        response = await _ask(client, url)
            except TimeoutError:
                raise LostSourceError(f"{url}: no answer came within {timeout_s:g} s") from None
        cleanup.push_async_callback(response.aclose)
        yield _answer(url, response)


async def _ask(client: httpx.AsyncClient, url: str) -> httpx.Response:
    """The answer after all redirects, whose bodies are not read: they may be of any size."""
    request = client.build_request("GET", url)
    for _ in range(MOST_REDIRECTS + 1):
        response = await client.send(request, stream=True)
        if response.next_request is None:
            return response
        request = response.next_request
        await response.aclose()
    raise CannotOpenError(f"{url}: sends on to another address more than {MOST_REDIRECTS} times")


def _answer(url: str, response: httpx.Response) -> Answer:
    status = response.status_code
    if status >= 500:
        raise LostSourceError(f"{url}: the connection failed: status {status} {response.reason_phrase}")
    if status != 200:
        raise CannotOpenError(f"{url}: {_REFUSALS.get(status, f'the server refuses the request ({status})')}")
    headers = response.headers
    return Answer(
        content_type=headers.get("content-type", "").partition(";")[0].strip().lower(),
        size_bytes=_number(headers.get("content-length")),
        icy_interval=_number(headers.get("icy-metaint")),
        chunked="chunked" in headers.get("transfer-encoding", "").lower(),
        chunks=response.aiter_raw(),
    )


@contextmanager
def told(url: str) -> Iterator[None]:
    """What httpx raises, as an error of the monitor's tree.

    Raises:
        MonitorError: See `opened`.
    """
    try:
        yield
    except httpx.RemoteProtocolError as error:
        # h11 refuses the status line and quotes it.
        if "illegal status line" in str(error) and "ICY " in str(error):
            raise OtherReaderError("it answers as SHOUTcast 1, which is not HTTP") from error
        raise LostSourceError(f"{url}: the connection failed: {error}") from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise CannotOpenError(f"{url}: cannot be asked: {error}") from error
    except httpx.TransportError as error:
        words = str(error) or type(error).__name__
        if "CERTIFICATE_VERIFY_FAILED" in words:
            words += "; `produce.stations.verify_tls: false` takes any certificate"
        raise LostSourceError(f"{url}: the connection failed: {words}") from error


def _number(text: str | None) -> int | None:
    """A whole number above 0; None where there is none."""
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else None
