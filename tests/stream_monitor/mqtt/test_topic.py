"""Templates of topics: which can be filled in, and what is said of the others."""

from __future__ import annotations

import pytest

from stream_monitor.mqtt.topic import checked


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("music/{stream_id", "a name stands in braces"),
        ("music/}", "a name stands in braces"),
        ("music/{}", "is not one of"),
        ("music/{stream_id}/\t", "control characters"),
        ("music/\x00", "control characters"),
        ("music/+", "no \\+, #"),
        ("", "is not empty"),
        ("$SYS/{stream_id}", "does not begin with"),
    ],
)
def test_a_template_that_no_broker_takes_is_refused(template: str, words: str) -> None:
    """When it is read, not when the first event comes."""
    with pytest.raises(ValueError, match=words):
        checked(template)


def test_a_brace_may_be_doubled() -> None:
    """As in Python."""
    assert checked("music/{{x}}/{stream_id}") == "music/{{x}}/{stream_id}"
