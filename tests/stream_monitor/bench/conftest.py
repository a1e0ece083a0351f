"""What the benchmark's tests need of the machine."""

from __future__ import annotations

import os

import pytest

from encoder.errors import TrainingDataError
from encoder.training.fluidsynth import find_soundfont


@pytest.fixture
def fluidsynth() -> None:
    """Skips where there is no soundfont to render with; with CI=true that is a failure."""
    try:
        find_soundfont(None)
    except TrainingDataError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
