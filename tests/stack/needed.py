"""What happens where something that tests need cannot be had: with CI=true they fail, else they are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

from tests.stack.server import ServerError


def missing(what: str) -> NoReturn:
    """It is not there; `what` says what to do."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@contextmanager
def or_skipped(lacks: type[Exception] = ServerError) -> Iterator[None]:
    """Takes an error of this kind for: it is not there."""
    try:
        yield
    except lacks as error:
        missing(str(error))
