"""docs/metrics.md says what the code measures."""

from __future__ import annotations

from pathlib import Path

from tests.stream_monitor.telemetry.reference import page

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_the_page_is_made_from_the_code() -> None:
    """docs/metrics.md holds every metric with its labels and its meaning, and no other."""
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "python -m tests.stream_monitor.telemetry.reference > docs/metrics.md"
    )
