"""W3C trace context."""

from __future__ import annotations

import pytest

from stream_monitor.telemetry.traceparent import checked, new

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_context_is_handed_on_as_it_came() -> None:
    """A context that follows the recommendation is kept to the letter, and new ones follow it and differ."""
    assert checked(GOOD) == GOOD
    made = {new() for _ in range(100)}
    assert len(made) == 100
    assert {checked(each) for each in made} == made


@pytest.mark.parametrize(
    "broken",
    [
        None,
        "",
        GOOD.upper(),
        GOOD + "\n",
        GOOD[:-1],
        GOOD.replace("00-", "ff-", 1),
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
    ],
)
def test_a_broken_context_is_ignored(broken: str | None) -> None:
    """What is no context is not handed on."""
    assert checked(broken) is None
