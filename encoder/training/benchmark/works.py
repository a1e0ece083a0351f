"""Which works the benchmark is made of: of the split's part `test` only. Knows nothing of sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from encoder.training.split import Assignment, evenly_spread, load_split, works

POP, TUNES, COMPOSED, VARIANTS = "pop909", "tunes", "composed", "variants"
BOOKS = ("oneill", "ryan", "aird")
TUNES_PER_BOOK = 35
COMPOSED_WORKS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkWork:
    """A work, the clique that it counts to, and the part of the benchmark that is scored apart."""

    work_id: str
    clique: str
    subset: str


def arranged_works() -> list[BenchmarkWork]:
    """POP909 601 to 700, 35 tunes of each book, 100 composed ones; of each group of look-alikes one."""
    groups = load_split()
    taken: set[str] = set()
    found = []
    test = works("test")
    pop = [name for name in test if name.startswith("pop909-") and 601 <= int(name.partition("-")[2]) <= 700]
    composed = [name for name in test if name.startswith("composed-")][:COMPOSED_WORKS]
    books = [
        (TUNES, _spread([name for name in test if name.startswith(f"{book}-")], groups, TUNES_PER_BOOK))
        for book in BOOKS
    ]
    for subset, names in ((POP, pop), *books, (COMPOSED, composed)):
        for name in names:
            if groups[name].group not in taken:
                taken.add(groups[name].group)
                found.append(BenchmarkWork(work_id=name, clique=groups[name].group, subset=subset))
    return found


def variant_works() -> list[BenchmarkWork]:
    """Tunes of which the books hold several settings: oral variants that nobody here made."""
    groups = load_split()
    members: dict[str, list[str]] = {}
    for name in works("test"):
        if name.startswith(tuple(f"{book}-" for book in BOOKS)):
            members.setdefault(groups[name].group, []).append(name)
    return [
        BenchmarkWork(work_id=name, clique=group, subset=VARIANTS)
        for group, names in sorted(members.items())
        if len(names) > 1
        for name in names
    ]


def _spread(names: Sequence[str], groups: dict[str, Assignment], count: int) -> list[str]:
    """So many names, evenly spread, of different groups."""
    one_each: dict[str, str] = {}
    for name in names:
        one_each.setdefault(groups[name].group, name)
    return evenly_spread(list(one_each.values()), count)
