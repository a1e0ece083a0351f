"""The team: equal results in equal order with any number of workers, one line never in two hands, errors come out."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.team import Team

TIMEOUT_S = 30.0


@given(
    lines=st.lists(st.integers(0, 5), max_size=40),
    workers=st.integers(1, 4),
)
def test_a_team_does_what_one_worker_does(lines: list[int], workers: int) -> None:
    """Each line's pieces see the state that the pieces before left, whoever does them; results keep their order."""
    seen: Counter[int] = Counter()

    def work(piece: tuple[int, int]) -> tuple[int, int]:
        seen[piece[1]] += 1
        return piece[0], seen[piece[1]]

    pieces = list(enumerate(lines))
    alone = [(place, lines[: place + 1].count(line)) for place, line in pieces]
    with Team(workers) as team:
        assert team.map(work, pieces, lambda piece: piece[1]) == alone


def test_two_lines_are_worked_on_at_a_time() -> None:
    """Two workers meet at a barrier, which one could not pass."""
    barrier = threading.Barrier(2, timeout=TIMEOUT_S)
    with Team(2) as team:
        assert sorted(team.map(lambda piece: barrier.wait(), [0, 1], lambda piece: piece)) == [0, 1]


@pytest.mark.parametrize("workers", [1, 2])
def test_outside_of_with_and_with_one_worker_the_caller_does_everything(workers: int) -> None:
    """No thread is started by a constructor, none is left behind, and a team can be entered again."""
    team = Team(workers)
    here = threading.current_thread()

    def who(piece: int) -> threading.Thread:
        return threading.current_thread()

    assert set(team.map(who, range(8), lambda piece: piece)) == {here}
    for _ in range(2):
        with team:
            threads = set(team.map(who, range(8), lambda piece: piece))
        assert not any(thread.is_alive() for thread in threads - {here})
        assert len(threads) <= workers
    assert set(team.map(who, range(8), lambda piece: piece)) == {here}


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_an_error_comes_out_of_whichever_thread_and_ends_the_work(workers: int) -> None:
    """The caller gets the error that was raised; pieces behind it in its line are not begun, and nothing runs on."""
    begun: list[int] = []

    def work(piece: int) -> int:
        begun.append(piece)
        if piece == 4:
            raise KeyError(piece)
        return piece

    with Team(workers) as team:
        with pytest.raises(KeyError):
            team.map(work, range(1000), lambda piece: piece % 5)
        assert not {9, 14, 19} & set(begun)
        assert team.map(lambda piece: piece, range(5), lambda piece: piece) == [0, 1, 2, 3, 4]


def test_of_two_errors_the_first_in_order_is_raised() -> None:
    """Both workers fail at the same time; what is raised does not depend on who was quicker."""
    barrier = threading.Barrier(2, timeout=TIMEOUT_S)

    def work(piece: int) -> None:
        barrier.wait()
        raise ValueError(f"piece {piece}")

    with Team(2) as team, pytest.raises(ValueError, match="piece 0"):
        team.map(work, [0, 1], lambda piece: piece)


def test_an_interrupt_of_the_caller_waits_for_the_helpers_and_goes_on() -> None:
    """Ctrl-C in the caller's piece comes out at once behind the helper's piece; what was waiting is not begun."""
    caller = threading.current_thread()
    barrier = threading.Barrier(2, timeout=TIMEOUT_S)
    done: list[int] = []

    def work(piece: int) -> None:
        if piece < 2:
            barrier.wait()
        if threading.current_thread() is caller:
            raise KeyboardInterrupt
        done.append(piece)

    with Team(2) as team, pytest.raises(KeyboardInterrupt):
        team.map(work, range(100), lambda piece: piece)
    assert len(done) < 100
