"""The monitor: readers, pipeline and events together, with real files' worth of samples and fake sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoder.grid import SAMPLE_RATE
from index.catalogue import Catalogue
from index.errors import CatalogueStorage
from stream_monitor.batcher import BatcherConfig
from stream_monitor.errors import DamagedError, MonitorError, SinkError
from stream_monitor.events import Versions
from stream_monitor.monitor import Monitor, MonitorConfig, MonitorResult
from stream_monitor.outcome import Outcome
from stream_monitor.pipeline import Pipeline, PipelineConfig
from stream_monitor.publisher import Publisher
from stream_monitor.readers import Failure
from stream_monitor.segments import Segment, StreamKey, StreamKind
from stream_monitor.sink import FileSink
from stream_monitor.sources import Source
from stream_monitor.stopping import Stop
from tests.fakes.band import song
from tests.fakes.clock import FakeClock
from tests.fakes.encoder import FakeEncoder
from tests.fakes.library import Wave, cut, encoder_with_cohort, hear, library, repertoire
from tests.fakes.schemas import checked

VERSIONS = Versions(software="1", encoder="fake", catalogue="c", config="x")


class Shelf:
    """Sources by name: samples, or an error that comes after them."""

    def __init__(self, **waves: Wave) -> None:
        self.waves = waves
        self.errors: dict[str, MonitorError] = {}
        self.endless: set[str] = set()

    def sources(self, kind: StreamKind = "upload") -> list[Source]:
        return [Source(stream_id=name, kind=kind, medium="file", location=name) for name in self.waves]

    def read(self, source: Source) -> Iterator[Segment]:
        name = source.stream_id
        yield from cut(source.stream(), self.waves[name], last=name not in self.endless)
        if name in self.errors:
            raise self.errors[name]


class Onlooker:
    """Counts what it is told, and may ask for a stop."""

    def __init__(self, stop_at_chunk: int | None = None) -> None:
        self.segments = self.outcomes = 0
        self.failures: list[Failure] = []
        self.stop_at_chunk = stop_at_chunk

    def arrived(self, stream: StreamKey, end_sample: int) -> None:
        self.segments += 1

    def heard(self, outcomes: list[Outcome]) -> None:  # type: ignore[override]  # a list is what comes
        self.outcomes += len(outcomes)

    def failed(self, failure: Failure) -> None:
        self.failures.append(failure)

    def interrupted(self) -> bool:
        return self.stop_at_chunk is not None and self.outcomes >= self.stop_at_chunk


@pytest.fixture(scope="module")
def encoder() -> FakeEncoder:
    return encoder_with_cohort()


@pytest.fixture(scope="module")
def catalogue(encoder: FakeEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    folder = library(tmp_path_factory.mktemp("library") / "catalogue", encoder, songs=2, seconds=30.0)
    with Catalogue.open(folder, encoder_fingerprint=encoder.fingerprint, index="exact") as opened:
        yield opened


def watch(
    encoder: FakeEncoder, catalogue: Catalogue, shelf: Shelf, events: Path, onlooker: Onlooker, *, open_files: int = 3
) -> MonitorResult:
    sink = FileSink(events)
    clock = FakeClock()
    monitor = Monitor(
        Pipeline(encoder, repertoire(catalogue), PipelineConfig(batcher=BatcherConfig(size=4))),
        Publisher(sink, versions=VERSIONS, clock=clock),
        shelf.read,
        config=MonitorConfig(open_files=open_files, queue_segments=4),
        stop=Stop(),
        clock=clock,
        observers=[onlooker],
    )
    try:
        return monitor.watch(shelf.sources(), interrupted=onlooker.interrupted)
    finally:
        sink.close()


def read(events: Path) -> list[Mapping[str, Any]]:
    return checked(events.read_text(encoding="utf-8"))


def statuses(events: Path) -> dict[str, Mapping[str, Any]]:
    return {e["data"]["stream_id"]: e["data"] for e in read(events) if e["type"] == "stream.status.v1"}


def test_many_streams_end_with_their_plays_and_statuses(
    encoder: FakeEncoder, catalogue: Catalogue, tmp_path: Path
) -> None:
    """More streams than may be open at once all give their plays, and each its status."""
    shelf = Shelf(**{f"up{i}": song(i % 2, 30.0) for i in range(7)})
    onlooker = Onlooker()
    result = watch(encoder, catalogue, shelf, tmp_path / "e.jsonl", onlooker)
    assert (result.failures, result.interrupted, result.streams) == ((), False, 7)
    assert result.monitored_samples == 7 * 30 * SAMPLE_RATE
    events = read(tmp_path / "e.jsonl")
    plays = {(e["data"]["stream_id"], e["data"]["track"]["track_id"]) for e in events if e["type"] == "music.play.v1"}
    assert plays >= {(f"up{i}", f"song{i % 2}") for i in range(7)}
    assert {data["state"] for data in statuses(tmp_path / "e.jsonl").values()} == {"ended"}
    assert onlooker.segments == 7 * 6


def test_one_failing_source_never_stops_the_others(encoder: FakeEncoder, catalogue: Catalogue, tmp_path: Path) -> None:
    """A source that breaks is reported with its reason; what was heard of it counts, and the others go on."""
    shelf = Shelf(good=song(0, 30.0), bad=song(1, 25.0), gone=np.zeros(0, np.float32))
    shelf.errors = {"bad": DamagedError("bad.mp3: damaged at 25 s"), "gone": DamagedError("gone.mp3: nothing")}
    onlooker = Onlooker()
    result = watch(encoder, catalogue, shelf, tmp_path / "e.jsonl", onlooker)
    assert sorted(str(failure.error) for failure in result.failures) == [
        "bad.mp3: damaged at 25 s",
        "gone.mp3: nothing",
    ]
    assert len(onlooker.failures) == 2
    told = statuses(tmp_path / "e.jsonl")
    assert told["good"]["state"] == "ended"
    assert (told["bad"]["state"], told["bad"]["reason"]) == ("failed", "bad.mp3: damaged at 25 s")
    assert told["bad"]["seconds"]["monitored"] == 25.0


def test_a_stream_that_is_too_short_is_a_failure(encoder: FakeEncoder, catalogue: Catalogue, tmp_path: Path) -> None:
    """Under 6 s gives no result, and says so."""
    result = watch(encoder, catalogue, Shelf(jingle=song(0, 3.0)), tmp_path / "e.jsonl", Onlooker())
    assert [str(failure.error) for failure in result.failures] == [
        "jingle: only 3.0 s of audio; at least 6 s are needed"
    ]
    assert "under 6 s" in statuses(tmp_path / "e.jsonl")["jingle"]["reason"]


def test_silence_is_no_failure_and_no_play(encoder: FakeEncoder, catalogue: Catalogue, tmp_path: Path) -> None:
    """A silent stream gives no play, and its status says that it was silent all the time."""
    shelf = Shelf(quiet=np.zeros(30 * SAMPLE_RATE, np.float32))
    assert watch(encoder, catalogue, shelf, tmp_path / "e.jsonl", Onlooker()).failures == ()
    (event,) = read(tmp_path / "e.jsonl")
    assert event["data"]["seconds"]["silence"] == 30.0


def test_an_interruption_ends_open_plays_in_final_events(
    encoder: FakeEncoder, catalogue: Catalogue, tmp_path: Path
) -> None:
    """Stopped in the middle of a song, the monitor closes its play, tells the stream's status and says how it ended."""
    shelf = Shelf(radio=np.tile(song(0, 30.0), 20))
    result = watch(encoder, catalogue, shelf, tmp_path / "e.jsonl", Onlooker(stop_at_chunk=4))
    assert result.interrupted
    events = read(tmp_path / "e.jsonl")
    newest = {e["data"]["play_id"]: e["data"]["status"] for e in events if e["type"] == "music.play.v1"}
    assert newest
    assert set(newest.values()) <= {"final", "retracted"}
    assert events[-1]["data"]["state"] == "interrupted"


def test_events_that_cannot_be_written_stop_everything(encoder: FakeEncoder, catalogue: Catalogue) -> None:
    """A full disk is an error of the whole run, and the reading threads end."""
    with pytest.raises(SinkError, match="No space left"):
        watch(encoder, catalogue, Shelf(a=song(0, 30.0)), Path("/dev/full"), Onlooker())


class OtherProcess(Onlooker):
    """Changes the catalogue through a handle of its own as soon as a play has opened."""

    def __init__(self, folder: Path, encoder: FakeEncoder, clock: FakeClock) -> None:
        super().__init__()
        self.folder, self.encoder, self.clock = folder, encoder, clock
        self.done = False

    def heard(self, outcomes: list[Outcome]) -> None:  # type: ignore[override]  # a list is what comes
        """Removes song 0, whose play has opened, and enrols song 7."""
        super().heard(outcomes)
        if not self.done and any(outcome.step.changes for outcome in outcomes):
            self.done = True
            with Catalogue.open(self.folder, encoder_fingerprint=self.encoder.fingerprint, writable=True) as catalogue:
                catalogue.remove("song0")
                catalogue.add(hear(self.encoder, song(7, 40.0), "song7"))
            self.clock.now_s += 11.0


def test_what_another_process_does_to_the_catalogue_is_taken_over(encoder: FakeEncoder, tmp_path: Path) -> None:
    """An open play of a removed track is retracted, an added track is heard, and events name the new version."""
    folder = library(tmp_path / "catalogue", encoder, songs=2, seconds=40.0)
    shelf = Shelf(fm=np.concatenate((song(0, 40.0), song(7, 40.0))))
    sink, clock = FileSink(tmp_path / "e.jsonl"), FakeClock()
    with Catalogue.open(folder, encoder_fingerprint=encoder.fingerprint) as catalogue:
        follows = repertoire(catalogue)
        before = catalogue.version
        result = Monitor(
            Pipeline(encoder, follows, PipelineConfig(batcher=BatcherConfig(size=1))),
            Publisher(sink, versions=replace(VERSIONS, catalogue=before), clock=clock),
            shelf.read,
            config=MonitorConfig(queue_segments=2),
            stop=Stop(),
            clock=clock,
            observers=[OtherProcess(folder, encoder, clock)],
            catalogue=follows,
        ).watch(shelf.sources())
        after = catalogue.version
    sink.close()
    assert result.failures == ()
    events = read(tmp_path / "e.jsonl")
    told = [
        (event["data"]["track"]["track_id"], event["data"]["status"], event["data"]["versions"]["catalogue"])
        for event in events
        if event["type"] == "music.play.v1" and event["data"]["track"]["track_id"] in ("song0", "song7")
    ]
    assert before != after
    assert told[0] == ("song0", "provisional", before)
    assert ("song0", "retracted", after) in told
    assert told[-1] == ("song7", "final", after)
    assert not [each for each in told if each[0] == "song0" and each[1] == "final"]


class Unreadable:
    """A catalogue that cannot be read just now."""

    def __init__(self) -> None:
        self.asked = 0

    def refresh(self) -> None:
        """Fails."""
        self.asked += 1
        raise CatalogueStorage("the folder is away")


def test_a_catalogue_that_cannot_be_read_again_stops_nothing(
    encoder: FakeEncoder, catalogue: Catalogue, tmp_path: Path
) -> None:
    """What was known of the catalogue stays in use."""
    shelf, clock, away = Shelf(fm=song(0, 30.0)), FakeClock(), Unreadable()
    sink = FileSink(tmp_path / "e.jsonl")
    clock.now_s = -1.0
    monitor = Monitor(
        Pipeline(encoder, repertoire(catalogue)),
        Publisher(sink, versions=VERSIONS, clock=clock),
        shelf.read,
        config=MonitorConfig(catalog_refresh_s=0.5),
        clock=clock,
        catalogue=away,
    )
    clock.now_s = 0.0
    assert monitor.watch(shelf.sources()).failures == ()
    sink.close()
    assert away.asked >= 1
    assert [e["data"]["status"] for e in read(tmp_path / "e.jsonl") if e["type"] == "music.play.v1"][-1] == "final"
