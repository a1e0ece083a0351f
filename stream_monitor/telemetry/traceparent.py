"""W3C trace context: the `traceparent` of a segment, checked and handed on to what comes of it, and new ones.

It knows nothing of records or events. Nothing is traced here: a context that comes in goes out as it came.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

TRACEPARENT: Final = "traceparent"
_FORMAT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def checked(text: str | None) -> str | None:
    """A context that may be handed on; None where it is none, for a broken one is ignored and does no harm."""
    return text if text is not None and _FORMAT.fullmatch(text) else None


def new() -> str:
    """The context of a trace that begins here, marked as sampled."""
    return f"00-{_number(16)}-{_number(8)}-01"


def _number(size: int) -> str:
    """As many random bytes in hexadecimal digits, not all of them zero."""
    while not int(digits := secrets.token_hex(size), 16):
        continue
    return digits
