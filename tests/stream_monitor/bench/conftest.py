"""What the benchmark's tests need of the machine."""

from __future__ import annotations

import pytest

from encoder.errors import TrainingDataError
from encoder.training.fluidsynth import find_soundfont
from tests.stack.needed import or_skipped


@pytest.fixture
def fluidsynth() -> None:
    """Skips where there is no soundfont to render with; with CI=true that is a failure."""
    with or_skipped(TrainingDataError):
        find_soundfont(None)
