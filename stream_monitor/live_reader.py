"""A live address as segments, for ever, by FFmpeg's own reader: whatever FFmpeg reads, in a thread for each address.

It knows nothing of plays, and leaves to `reconnect.Address` what a drop means and when to ask again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stream_monitor.decode import AudioFormat
from stream_monitor.errors import InputError, LostSourceError, StoppedError
from stream_monitor.live_input import LiveInput
from stream_monitor.reconnect import Address, ReconnectPolicy
from stream_monitor.segments import Segment
from stream_monitor.stopping import Stop


class LiveReader:
    """Reads one address; `segments` may be called once."""

    def __init__(
        self, address: Address, policy: ReconnectPolicy, *, stop: Stop, wait: Callable[[float], bool] | None = None
    ) -> None:
        """Prepares; nothing is opened before `segments`.

        Args:
            address: Where its reading stands.
            policy: Time-outs.
            stop: Ends everything.
            wait: Sleeps and says whether a stop came.
        """
        self._address = address
        self._policy = policy
        self._stop = stop
        self._wait = wait or stop.wait

    def segments(self) -> Iterator[Segment]:
        """Yields segments until the address ends, a stop comes, or it is given up; the last one is marked.

        Raises:
            InputError: After the last segment: why the address was given up.
        """
        failure: InputError | None = None
        while True:
            try:
                yield from self._read_connection()
                failure = None
                break
            except StoppedError:
                break
            except InputError as error:
                failure = error
            yield from self._address.dropped()
            delay_s = self._address.retry_in_s(failure)
            if delay_s is None or self._wait(delay_s):
                break
        yield self._address.end()
        if failure is not None and not self._stop.is_set():
            raise failure

    def _read_connection(self) -> Iterator[Segment]:
        """Connects once and yields what comes; ends where the input ended, raises where the connection did."""
        with self._connect() as audio:
            finite = _is_finite(audio.format)
            if self._address.closed_meanwhile(finite=finite):
                return
            self._address.begin(
                codec=audio.format.codec,
                finite=finite,
                live_playlist=audio.format.container == "hls" and not finite,
                reader="thread",
            )
            for samples_S in audio.blocks():
                yield from self._address.take(samples_S)
        if not finite:
            raise LostSourceError(f"{self._address.source.location}: the server closed the connection")

    def _connect(self) -> LiveInput:
        return LiveInput(
            self._address.source.location,
            stop=self._stop,
            connect_timeout_s=self._policy.connect_timeout_s,
            read_timeout_s=self._policy.read_timeout_s,
        )


def _is_finite(form: AudioFormat) -> bool:
    """A file of known length, or an HLS playlist that is closed."""
    if form.container == "hls":
        return form.duration_s is not None
    return form.size_bytes is not None
