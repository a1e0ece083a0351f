"""When the catalogue is looked at, and what is made of the answer."""

from __future__ import annotations

from index.errors import CatalogueError
from stream_monitor.catalogue_watch import CatalogueWatch
from stream_monitor.repertoire import CatalogueChange
from tests.fakes.clock import FakeClock

CHANGE = CatalogueChange(added=(1,), removed=(), version="b")


class Shelf:
    """Gives its answers one after the other; one question more is an error."""

    def __init__(self, *answers: CatalogueChange | CatalogueError | None) -> None:
        self._answers = list(answers)

    def refresh(self) -> CatalogueChange | None:
        """The next answer."""
        answer = self._answers.pop(0)
        if isinstance(answer, CatalogueError):
            raise answer
        return answer


def test_it_is_looked_at_once_in_an_interval_unless_it_is_asked_for() -> None:
    """The first time after one interval; a look out of turn puts the next one off."""
    clock, shelf = FakeClock(), Shelf(CHANGE, None, CHANGE)
    watch = CatalogueWatch(shelf, 10.0, clock)
    assert watch.look_when_due() is None
    clock.now_s = 10.0
    assert watch.look_when_due() == CHANGE
    assert watch.look_when_due() is None
    clock.now_s = 19.0
    assert watch.look() is None
    clock.now_s = 20.0
    assert watch.look_when_due() is None
    clock.now_s = 29.0
    assert watch.look_when_due() == CHANGE


def test_what_cannot_be_read_is_no_change_and_is_looked_at_again() -> None:
    """A file that is being written, a disk that is away for a moment."""
    clock = FakeClock()
    watch = CatalogueWatch(Shelf(CatalogueError("torn"), CHANGE), 1.0, clock)
    assert watch.look() is None
    clock.now_s = 1.0
    assert watch.look_when_due() == CHANGE


def test_an_interval_of_zero_is_never() -> None:
    """Not even where it is asked for."""
    watch = CatalogueWatch(Shelf(), 0.0, FakeClock())
    assert (watch.look_when_due(), watch.look()) == (None, None)
