"""Signatures as in Standard Webhooks: HMAC-SHA256 over id, time and body. It knows nothing of requests."""

from __future__ import annotations

import base64
import binascii
import hmac
from hashlib import sha256
from pathlib import Path
from typing import Final

from stream_monitor.errors import SettingsError

PREFIX: Final = "whsec_"


def signature(secret: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`.

    Args:
        secret: The key.
        event_id: As in `webhook-id`.
        timestamp: Seconds since 1970, as in `webhook-timestamp`.
        body: Of the request.
    """
    told = b"%b.%d.%b" % (event_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.new(secret, told, sha256).digest()).decode()


def secret_of(path: Path) -> bytes:
    """The key that a file holds.

    Raises:
        SettingsError: It cannot be read, is empty, or is not base64 after `whsec_`.
    """
    text = text_of(path, "secret_file")
    if not text.startswith(PREFIX):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise SettingsError(f"secret_file {path}: what follows {PREFIX} is not base64") from error


def text_of(path: Path, key: str) -> str:
    """What a file of secrets holds, without its end of line.

    Raises:
        SettingsError: It cannot be read, or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{key} {path}: {getattr(error, 'strerror', None) or error}") from error
    if not text:
        raise SettingsError(f"{key} {path}: is empty")
    return text
