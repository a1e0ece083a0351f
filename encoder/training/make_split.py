"""Makes the split by work: groups works that share a melody, assigns groups to parts, writes ``data/split.csv``.

``python -m encoder.training.make_split`` was run before any training, and is run again when the corpus grows: works
that are in the file already keep their part, because weights may have learnt from them; only a held-out work that turns
out to have a sibling in training joins it. What was decided and why is in docs/decisions/0003-corpus-and-split.md.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from encoder.training import compose
from encoder.training.corpus import load_songs
from encoder.training.notes import Song
from encoder.training.similarity import melody_grams, merge, shared_pairs
from encoder.training.split import PARTS, SPLIT_FILE, load_split

SEED = 20261122
SAME_SHARE = 0.12
"""Works that share this much of the smaller one's grams are one group; unrelated POP909 songs stay under 0.07."""
SAME_SHARED = 6
TEST_FROM = 601
"""POP909 songs from this number on are for tests only."""
POP909_VALIDATION = 60
BOOK_SHARES = {"train": 0.68, "validation": 0.10, "test": 0.17, "demo": 0.05}
COMPOSED_SEEDS = {
    "train": range(0, 3000),
    "validation": range(100_000, 100_600),
    "test": range(200_000, 201_200),
    "demo": range(300_000, 300_300),
}
"""Seeds of composed works; stretches lie far apart, so that a part can grow."""

GENERIC = {
    "",
    "untitled",
    "march",
    "jig",
    "reel",
    "minuet",
    "hornpipe",
    "quick step",
    "waltz",
    "air",
    "gavot",
    "allemande",
}


def main() -> None:
    """Writes the split."""
    songs = load_songs(("pop909", "oneill", "ryan", "aird"))
    composed = {part: [compose.compose(seed) for seed in seeds] for part, seeds in COMPOSED_SEEDS.items()}
    grams = {song.work_id: melody_grams(song) for song in [*songs, *(s for part in composed.values() for s in part)]}
    pairs = same_work_pairs(songs, grams)
    group_of = merge(list(grams), pairs)
    frozen = {work_id: row.part for work_id, row in load_split().items()} if SPLIT_FILE.is_file() else {}
    part_of_group = assign([song.work_id for song in songs], group_of, frozen)
    with SPLIT_FILE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["work_id", "group", "part"])
        for song in songs:
            group = group_of[song.work_id]
            writer.writerow([song.work_id, group, part_of_group[group]])
        seen = dict(part_of_group)
        for part, part_songs in composed.items():
            for song in part_songs:
                group = group_of[song.work_id]
                # A composed work that repeats a melody of another part is left out: there are enough others.
                if seen.setdefault(group, part) == part:
                    writer.writerow([song.work_id, group, part])


def same_work_pairs(songs: Sequence[Song], grams: Mapping[str, frozenset[int]]) -> list[tuple[str, str]]:
    """Pairs to be merged: much shared melody, or one title and any shared melody."""
    pairs = shared_pairs(grams, minimum=1)
    title = {song.work_id: plain_title(song.title) for song in songs}
    same = []
    for first, second, share in pairs:
        count = round(share * min(len(grams[first]), len(grams[second])))
        one_title = title.get(first, "") == title.get(second, "") and title.get(first, "") not in GENERIC
        if (share >= SAME_SHARE and count >= SAME_SHARED) or one_title:
            same.append((first, second))
    return same


def plain_title(title: str) -> str:
    """A title without articles, kinds of dance, punctuation and case, to see that two books mean one tune."""
    words = re.sub(r"[^a-z ]", "", title.lower().replace("&", "and")).split()
    dropped = {"the", "a", "reel", "jig", "hornpipe", "strathspey", "setting", "st", "nd", "rd", "clog", "fling"}
    return " ".join(word for word in words if word not in dropped)


def assign(
    work_ids: Iterable[str], group_of: Mapping[str, str], frozen: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Part of each group: POP909's rules first, then the books by shares, both in a seeded random order.

    Groups with works in `frozen` (work to part) keep that part, the training part if there are several.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for work_id in work_ids:
        members[group_of[work_id]].append(work_id)
    rng = np.random.default_rng(SEED)
    parts: dict[str, str] = {}
    for group, ids in members.items():
        known = {frozen[work_id] for work_id in ids if work_id in frozen} if frozen else set()
        if known:
            parts[group] = min(known, key=PARTS.index)
    pop_groups = [
        g for g, ids in sorted(members.items()) if g not in parts and any(w.startswith("pop909-") for w in ids)
    ]
    open_groups = []
    for group in pop_groups:
        numbers = [int(work_id.split("-")[1]) for work_id in members[group] if work_id.startswith("pop909-")]
        if max(numbers) >= TEST_FROM:
            parts[group] = "test"
        else:
            open_groups.append(group)
    chosen = rng.choice(len(open_groups), min(POP909_VALIDATION, len(open_groups)), replace=False)
    parts.update(dict.fromkeys(open_groups, "train"))
    parts.update(dict.fromkeys((open_groups[i] for i in chosen), "validation"))
    book_groups = [group for group in sorted(members) if group not in parts]
    order = rng.permutation(len(book_groups))
    bounds = np.cumsum(list(BOOK_SHARES.values())) * len(book_groups)
    for place, index in enumerate(order):
        parts[book_groups[index]] = list(BOOK_SHARES)[int(np.searchsorted(bounds, place + 0.5))]
    return parts


if __name__ == "__main__":
    main()
