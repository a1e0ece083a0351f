"""Real servers for the tests of this folder, as those of the store have them."""

from __future__ import annotations

from tests.stream_monitor.store.conftest import postgres, postgres_url, url

__all__ = ["postgres", "postgres_url", "url"]
