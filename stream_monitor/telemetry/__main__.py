"""`python -m stream_monitor.telemetry [PATH]`: asks the service of this machine, for an image without curl.

It reads host and port from the variables that the service reads, prints the answer, and ends with 0 for 200, else 1.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from os import environ
from typing import Final

from stream_monitor.config import load
from stream_monitor.errors import ConfigError

TIMEOUT_S: Final = 4.0
EVERYBODY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def ask(path: str, variables: Mapping[str, str]) -> tuple[bool, str]:
    """Whether the service answers that all is well, and its words.

    Args:
        path: `/healthz` or `/readyz`.
        variables: The environment.
    """
    try:
        settings = load(None, variables).telemetry
    except ConfigError as error:
        return False, str(error)
    if settings.port is None:
        return False, "STREAM_MONITOR__TELEMETRY__PORT is not set: nothing can be asked"
    connection = HTTPConnection(EVERYBODY.get(settings.host, settings.host), settings.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status == 200, answer.read(10_000).decode(errors="replace").rstrip()
    except (OSError, HTTPException) as error:
        return False, f"{settings.host}:{settings.port} does not answer: {error}"
    finally:
        connection.close()


if __name__ == "__main__":
    good, words = ask(sys.argv[1] if len(sys.argv) > 1 else "/healthz", environ)
    sys.stdout.write(f"{words}\n")
    sys.exit(0 if good else 1)
