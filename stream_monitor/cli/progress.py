"""A progress bar on stderr, only where stderr is a terminal. Knows nothing of what progresses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressBar:
    """One bar; without a terminal nothing is drawn."""

    def __init__(self, progress: Progress, label: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=total, speed="")
        self._begun_s = time.monotonic()

    def step(self, *, heard_s: float) -> None:
        """One more is done; `heard_s` is the audio heard so far, shown as a multiple of real time."""
        taken_s = max(1e-9, time.monotonic() - self._begun_s)
        speed = f"{heard_s / 3600:.1f} h, {heard_s / taken_s:.0f} x real time"
        self._progress.update(self._task, advance=1, speed=speed)

    def to(self, done: int, total: int, label: str | None = None) -> None:
        """So many of so many are done; a new label where something else is done now."""
        self._progress.update(self._task, completed=done, total=total)
        if label is not None:
            self._progress.update(self._task, description=label)


@contextmanager
def progress_bar(label: str, *, total: int | None) -> Iterator[ProgressBar]:
    """A bar that is drawn while the context lasts and gone afterwards."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[speed]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield ProgressBar(progress, label, total)
