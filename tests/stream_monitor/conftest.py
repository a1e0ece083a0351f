"""What several folders of these tests need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stream_monitor.web import Site, serving


@pytest.fixture
def site() -> Iterator[Site]:
    """A running HTTP server."""
    with serving() as running:
        yield running
