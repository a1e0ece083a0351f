"""Checks stand alone: what fails or hangs is one line."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from stream_monitor.doctor.examination import examine
from stream_monitor.doctor.finding import Check, Finding, good


def test_a_check_that_fails_or_hangs_hides_no_other() -> None:
    """Each is told as bad with its reason; what needs it is left out, the others are looked at."""
    never = threading.Event()

    def fails() -> Sequence[Finding]:
        raise ZeroDivisionError

    def hangs() -> Sequence[Finding]:
        never.wait()
        return []

    checks = [
        Check(name="first", look=fails),
        Check(name="second", look=hangs, deadline_s=0.1),
        Check(name="third", look=lambda: [good("third", "fine")], needs=("fifth", "first")),
        Check(name="fourth", look=lambda: [good("fourth", "fine")], needs=("third",)),
        Check(name="fifth", look=lambda: [good("fifth", "fine")]),
    ]
    found = list(examine(checks))
    never.set()
    assert [(each.subject, each.level) for each in found] == [
        ("first", "bad"),
        ("second", "bad"),
        ("third", "warn"),
        ("fourth", "warn"),
        ("fifth", "good"),
    ]
    assert found[0].message == "ZeroDivisionError"
    assert found[1].message == "no answer within 0.1 s"
    assert found[3].message == "not looked at: third must be good first"
