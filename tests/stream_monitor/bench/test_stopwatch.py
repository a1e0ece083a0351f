"""The stopwatch: stages inside stages."""

from __future__ import annotations

from stream_monitor.bench.stopwatch import Stopwatch


def test_a_stage_inside_another_is_taken_out_of_it() -> None:
    """The inner stage's work is counted once, for the inner stage."""
    watch = Stopwatch()
    with watch.stage("outer"), watch.stage("inner"):
        sum(range(3_000_000))
    spent = watch.spent()
    assert set(spent) == {"outer", "inner"}
    assert spent["inner"].cpu_s > 10 * spent["outer"].cpu_s


def test_a_stage_that_raises_is_ended() -> None:
    """After an error the stage around goes on being counted."""
    watch = Stopwatch()
    with watch.stage("outer"):
        try:
            with watch.stage("inner"):
                raise KeyError("inside")
        except KeyError:
            pass
        sum(range(1_000_000))
    assert watch.spent()["outer"].cpu_s > watch.spent()["inner"].cpu_s
