"""Settings of webhooks: what no request could be made with is refused when it is read."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from stream_monitor.config import load
from stream_monitor.errors import ConfigError, SettingsError
from stream_monitor.telemetry.relay_metrics import RelayMetrics
from stream_monitor.webhooks.posting import WebhookDestination
from stream_monitor.webhooks.settings import WebhookSettings
from stream_monitor.webhooks.signature import secret_of

ADDRESS = "https://example.org/plays"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "https://example.org:99999/"}, "port"),
        ({"url": "https://example.org:0/"}, "port"),
        ({"headers": {"x-name": "caf\u00e9"}}, "x-name: a header's value"),
        ({"headers": {"x-name": "two\nlines"}}, "x-name: a header's value"),
        ({"headers": {"x name": "one"}}, "is no name of a header"),
    ],
)
def test_what_no_request_can_be_made_with_is_refused(options: dict[str, Any], words: str) -> None:
    """The relay would end by it, again after each restart."""
    with pytest.raises(ValidationError, match=words):
        WebhookSettings.model_validate({"name": "shop", "url": ADDRESS, **options})


def test_a_header_from_a_file_has_to_be_one_line(tmp_path: Path) -> None:
    """It is told by its key and path, without what it holds."""
    (tmp_path / "token").write_text("hush\nhush", encoding="utf-8")
    settings = WebhookSettings(name="shop", url=ADDRESS, header_files={"authorization": tmp_path / "token"})
    with pytest.raises(SettingsError, match=r"header_files\.authorization") as caught:
        WebhookDestination(settings, RelayMetrics(CollectorRegistry()))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(("text", "key"), [("whsec_" + base64.b64encode(b"key").decode(), b"key"), ("any", b"any")])
def test_a_secret_is_base64_or_text(tmp_path: Path, text: str, key: bytes) -> None:
    """As Standard Webhooks hand them out, or as somebody types them."""
    (tmp_path / "secret").write_text(text + "\n", encoding="utf-8")
    assert secret_of(tmp_path / "secret") == key


def test_an_empty_key_signs_nothing(tmp_path: Path) -> None:
    """`whsec_` alone would let anybody sign."""
    (tmp_path / "secret").write_text("whsec_\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="no key follows"):
        secret_of(tmp_path / "secret")


def test_no_message_holds_who_an_address_lets_in_or_a_header(tmp_path: Path) -> None:
    """A configuration that is refused is printed, and may be in a log."""
    for wrong in ("url: 'ftp://me:hush@example.org/'", f"url: {ADDRESS}\n    headers: {{authorization: 'hush\u00e9'}}"):
        (tmp_path / "config.yaml").write_text(f"webhooks:\n  - name: shop\n    {wrong}\n", encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / "config.yaml")
        assert "hush" not in str(caught.value)
