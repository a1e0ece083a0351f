"""Signatures as in Standard Webhooks: HMAC-SHA256 over id, time and body. It knows nothing of requests."""

from __future__ import annotations

import base64
import binascii
import hmac
from hashlib import sha256
from pathlib import Path
from typing import Final

from stream_monitor.errors import SettingsError
from stream_monitor.secret_file import secret_in

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
        SettingsError: It cannot be read, is empty, or has after `whsec_` nothing that is base64.
    """
    text = secret_in(path, "secret_file")
    if not text.startswith(PREFIX):
        return text.encode()
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise SettingsError(f"secret_file {path}: what follows {PREFIX} is not base64") from error
    if not key:
        raise SettingsError(f"secret_file {path}: no key follows {PREFIX}, so anybody could sign")
    return key
