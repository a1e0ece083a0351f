"""Where webhooks are and how they are asked. Values only; secrets are read from files when used."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from stream_monitor.relay.filter import FilterSettings

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""RFC 9110, 5.6.2."""
ONE_LINE = "a header's value is one line of ASCII; write other letters percent-encoded"
OWN_HEADERS = frozenset({"content-type", "content-length", "host", "webhook-id", "webhook-timestamp"})


def can_be_sent(value: str) -> bool:
    """Whether it can be the value of a header."""
    return value.isascii() and value.isprintable()


class WebhookSettings(BaseModel):
    """One of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """Its Kafka group is `<kafka.group_id>-webhook-<name>`: under a new name it is told everything anew."""
    url: str = Field(pattern=r"^https?://[^\s/]+\S*$")
    """Address that takes POST requests."""
    filter: FilterSettings = FilterSettings()
    """What is told."""
    secret_file: Path | None = None
    """Requests are signed with what it holds (`whsec_` and base64, or any text); null signs none."""
    headers: dict[str, str] = {}
    """More headers. Those that hold secrets come from `header_files`."""
    header_files: dict[str, Path] = {}
    """Headers whose value is what a file holds, e.g. `{authorization: /run/secrets/token}`."""
    ca_file: Path | None = None
    """Certificates that the address's is checked against; null takes those that ship with httpx."""
    timeout_s: float = Field(default=10.0, gt=0.0, le=300.0)
    """How long one request may take."""
    tries: int = Field(default=10, ge=1, le=1000)
    """After so many an event goes to the dead letters."""
    retry_first_s: float = Field(default=1.0, gt=0.0, le=60.0)
    """First wait before another try; it doubles, with jitter."""
    retry_most_s: float = Field(default=300.0, gt=0.0, le=86_400.0)
    """The longest, also where the address asks for more (Retry-After)."""
    in_flight: int = Field(default=4, ge=1, le=256)
    """Requests at a time; those of one stream wait for each other."""

    @field_validator("url")
    @classmethod
    def _can_be_asked(cls, value: str) -> str:
        try:
            port = urlsplit(value).port
        except ValueError:
            port = 0
        if port == 0:
            raise ValueError("its port is not a number from 1 to 65535")
        return value

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not can_be_sent(text):
                raise ValueError(f"{name}: {ONE_LINE}")
        return value

    @field_validator("headers", "header_files")
    @classmethod
    def _have_names(cls, value: dict[str, object]) -> dict[str, object]:
        odd = sorted(name for name in value if not HEADER_NAME.fullmatch(name))
        if odd:
            raise ValueError(f"{odd[0]!r} is no name of a header: letters, digits and - without spaces")
        return value

    @field_validator("name")
    @classmethod
    def _free(cls, value: str) -> str:
        if value == "mqtt":
            raise ValueError("mqtt is not the name of a webhook")
        return value

    @field_validator("headers", "header_files")
    @classmethod
    def _not_ours(cls, value: dict[str, object]) -> dict[str, object]:
        taken = sorted(OWN_HEADERS & {name.lower() for name in value})
        if taken:
            raise ValueError(f"the header {taken[0]} is set by the relay")
        return value


def _different(webhooks: tuple[WebhookSettings, ...]) -> tuple[WebhookSettings, ...]:
    names = [each.name for each in webhooks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two webhooks have the name {twice[0]!r}")
    return webhooks


Webhooks = Annotated[tuple[WebhookSettings, ...], AfterValidator(_different)]
