"""When a producer says that live audio is lost, and when that it is over."""

from __future__ import annotations

from structlog.testing import capture_logs

from stream_monitor.errors import MonitorError
from stream_monitor.kafka.losses import EVERY_S, QUIET_S, Losses
from tests.fakes.clock import FakeClock

DROPPED = "live audio is dropped: the brokers do not take it within produce.deliver_s"
AGAIN = "the brokers take audio again; what was dropped is a gap in its streams"


def test_a_loss_is_told_at_once_then_seldom_and_when_it_is_over() -> None:
    """It is over when records arrive and none was lost for a while; the next one is told anew, the total stays."""
    clock = FakeClock()
    losses = Losses(clock)

    def look(delivered: int) -> list[tuple[str, int, int]]:
        with capture_logs() as told:
            losses.look(delivered)
        return [(line["event"], line["segments"], line["streams"]) for line in told]

    assert look(5) == []
    losses.lost("a", MonitorError("timed out"))
    losses.lost("a", MonitorError("timed out"))
    losses.lost("b", MonitorError("timed out"))
    assert look(5) == [(DROPPED, 3, 2)]
    assert losses.complaints() == ("3 segments of 2 streams were dropped: timed out",)
    losses.lost("b", MonitorError("timed out"))
    clock.now_s += QUIET_S / 2
    assert look(6) == []
    clock.now_s += EVERY_S
    losses.lost("b", MonitorError("timed out"))
    assert look(7) == [(DROPPED, 5, 2)]
    clock.now_s += QUIET_S
    assert look(7) == []
    assert look(8) == [(AGAIN, 5, 2)]
    assert (losses.complaints(), losses.segments) == ((), 5)
    losses.lost("c", MonitorError("timed out"))
    assert look(9) == [(DROPPED, 1, 1)]
