"""Whether a loop still turns: it beats, and is asked when it last did. It knows nothing of what the loop does."""

from __future__ import annotations

from collections.abc import Sequence

from stream_monitor.clock import Clock


class Heartbeat:
    """One loop's; beaten by one thread and asked by others."""

    def __init__(self, clock: Clock, stalled_s: float) -> None:
        """Not a beat yet: what comes before the first one (a catalogue that is loaded) may take its time.

        Args:
            clock: Time.
            stalled_s: After so long without a beat the loop has stalled.
        """
        self._clock = clock
        self._stalled_s = stalled_s
        self._beaten_s: float | None = None

    def beat(self) -> None:
        """The loop has turned."""
        self._beaten_s = self._clock.monotonic_s()

    def end(self) -> None:
        """The loop has ended in good order: nobody waits for another beat."""
        self._beaten_s = None

    def complaints(self) -> Sequence[str]:
        """Why the service is not healthy; nothing while the loop turns, or is not running."""
        beaten_s = self._beaten_s
        if beaten_s is None or self._clock.monotonic_s() - beaten_s <= self._stalled_s:
            return ()
        silent_s = self._clock.monotonic_s() - beaten_s
        return (f"the loop has not turned for {silent_s:.0f} s, {self._stalled_s:g} s are allowed",)
