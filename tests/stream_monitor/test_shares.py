"""How sources are dealt out to processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.config import Config, EncoderSettings
from stream_monitor.shares import process_count, share_of_threads, shares
from stream_monitor.sources import Source


def source(name: str, medium: str = "file", location: str = "/nowhere") -> Source:
    return Source(stream_id=name, kind="upload", medium=medium, location=location)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sources", "config", "expected"),
    [
        (1, Config(), 1),
        (7, Config(), 1),
        (8, Config(), 2),
        (100, Config(), 4),
        (100, Config(encoder=EncoderSettings(device="cuda:0")), 1),
        (100, Config(processes=9), 9),
        (2, Config(processes=9), 2),
        (100, Config(processes=3, encoder=EncoderSettings(device="cuda:0")), 3),
    ],
)
def test_so_many_processes(sources: int, config: Config, expected: int) -> None:
    """One for each core that has enough to do; what the configuration says wins."""
    assert process_count([source(str(n)) for n in range(sources)], config, cores=4) == expected


def test_standard_input_has_one_reader() -> None:
    """A process that is started has no standard input, so there is none."""
    assert process_count([source("-", "stdin"), *(source(str(n)) for n in range(50))], Config(processes=4), 4) == 1


@given(media=st.lists(st.sampled_from(["file", "url"]), min_size=1, max_size=40), processes=st.integers(1, 6))
def test_every_source_is_watched_once(media: list[str], processes: int) -> None:
    """Nothing is left out or doubled, order stays, live sources are spread."""
    sources = [source(str(n), medium) for n, medium in enumerate(media)]
    dealt = shares(sources, processes)
    assert sorted((each for share in dealt for each in share), key=lambda each: int(each.stream_id)) == sources
    for share in dealt:
        assert [int(each.stream_id) for each in share] == sorted(int(each.stream_id) for each in share)
    live = [sum(each.medium == "url" for each in share) for share in dealt]
    assert max(live) - min(live) <= 1


def test_a_long_file_is_balanced_by_short_ones(tmp_path: Path) -> None:
    """One file of 60 bytes against six of 10."""
    sources = []
    for n, size in enumerate([10, 10, 60, 10, 10, 10, 10]):
        path = tmp_path / str(n)
        path.write_bytes(b"x" * size)
        sources.append(source(str(n), location=str(path)))
    assert sorted(len(share) for share in shares(sources, 2)) == [1, 6]


def test_threads_are_shared() -> None:
    """Two processes on two cores follow with one thread and decode with one."""
    config = share_of_threads(Config(), 2)
    assert (config.pipeline.workers, config.monitor.decode_threads) == (1, 1)
    assert config.version == Config().version
    assert share_of_threads(Config(), 1) == Config()
