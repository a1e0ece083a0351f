"""Uploads through the pipeline to their verdicts: whole, silent, too short, with holes, poisoned, taken over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoder.grid import SAMPLE_RATE
from index.catalogue import Catalogue
from stream_monitor.events import Versions
from stream_monitor.kafka.stream_state import decode, encode
from stream_monitor.lane_state import needed_from
from stream_monitor.outcome import HeardChunk, Outcome, StreamEnd
from stream_monitor.pipeline import Pipeline, PipelineConfig
from stream_monitor.repertoire import CatalogueRepertoire, RepertoireConfig
from stream_monitor.segments import Segment, StreamKey
from stream_monitor.verdict import Verdict
from stream_monitor.verdict_event import verdict_event
from stream_monitor.verdict_policy import VerdictRule, VerdictSettings
from stream_monitor.verifier import VerifierConfig
from tests.fakes.band import song
from tests.fakes.encoder import SUPPORT_SAMPLES, FakeEncoder
from tests.fakes.library import cut, encoder_with_cohort, library
from tests.fakes.schemas import checked

MEMORY_S = 60.0
UPLOAD = StreamKey(kind="upload", stream_id="u", epoch=5)
POLICY = VerdictSettings(
    rules=(
        VerdictRule(name="known", action="review"),
        VerdictRule(name="long", action="block", min_matched_s=20.0),
        VerdictRule(name="most", action="block", min_share=0.9),
    )
)
VERSIONS = Versions(software="1", encoder="e", catalogue="c", config="k")


@pytest.fixture(scope="module")
def encoder() -> FakeEncoder:
    """With a cohort."""
    return encoder_with_cohort()


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory, encoder: FakeEncoder) -> Iterator[Catalogue]:
    """Three songs of 45 s."""
    folder = library(Path(tmp_path_factory.mktemp("library")) / "catalogue", encoder, songs=3, seconds=45.0)
    with Catalogue.open(folder, encoder_fingerprint=encoder.fingerprint, index="exact") as opened:
        yield opened


Make = Callable[[], Pipeline]


@pytest.fixture
def make(encoder: FakeEncoder, catalogue: Catalogue) -> Make:
    """A worker's pipeline."""
    verifier = VerifierConfig(memory_s=MEMORY_S, incremental=False)

    def pipeline(verdicts: VerdictSettings = POLICY) -> Pipeline:
        plays = CatalogueRepertoire(catalogue, calibration={}, floor=0.0, config=RepertoireConfig(verifier=verifier))
        return Pipeline(encoder, plays, PipelineConfig(), verdicts=verdicts)

    return pipeline


def music() -> list[Segment]:
    """A known song of 45 s between strangers: 125 s in 25 segments."""
    wave_S = np.concatenate((song(201, 20.0), song(1, 45.0), song(202, 60.0))).astype(np.float32)
    return cut(UPLOAD, wave_S)


def verdicts(outcomes: Sequence[Outcome]) -> list[Verdict]:
    """What was said, in order, and valid as events."""
    said = [outcome.verdict for outcome in outcomes if outcome.verdict is not None]
    now = datetime(2026, 11, 25, tzinfo=UTC)
    checked("\n".join(json.dumps(verdict_event(each, versions=VERSIONS, detected_at=now)) for each in said))
    return said


def unreadable(segment: Segment) -> Segment:
    """The same place, without its audio."""
    return replace(segment, samples_S=segment.samples_S[:0], unreadable_samples=len(segment.samples_S))


def heard(pipeline: Pipeline, segments: Sequence[Segment]) -> list[Verdict]:
    """What is said of these."""
    return verdicts([outcome for segment in segments for outcome in pipeline.push([segment])])


def seconds(samples: int) -> float:
    return round(samples / SAMPLE_RATE, 1)


def test_a_match_is_told_early_and_at_the_end(make: Make) -> None:
    """Blocked as soon as the song is over for sure; the last verdict says the same with the share."""
    early, last = heard(make(), music())
    assert (early.early, early.word, early.action, early.rules) == (True, "match", "block", ("known", "long"))
    assert early.duration_samples < last.duration_samples
    assert (last.early, last.revision, last.word, last.action) == (False, 1, "match", "block")
    assert [play.track_id for play in last.plays] == ["song1"]
    assert last.plays == early.plays
    assert seconds(last.duration_samples) == seconds(last.heard_samples) == 125.0
    assert 20.0 < seconds(last.matched_samples) < 48.0
    assert last.reasons == ()


def test_nothing_found_is_clear(make: Make) -> None:
    """All of it was heard; silence counts as heard and is told."""
    wave_S = np.concatenate((song(201, 30.0), np.zeros(20 * SAMPLE_RATE))).astype(np.float32)
    (last,) = heard(make(), cut(UPLOAD, wave_S))
    assert (last.word, last.action, last.reasons, last.plays) == ("clear", "allow", (), ())
    assert seconds(last.silent_samples) == 20.0


def test_a_lost_segment_makes_it_incomplete(make: Make) -> None:
    """At once for review, at the end with what is missing and what could not be weighed beside it."""
    whole = cut(UPLOAD, song(201, 100.0))
    early, last = heard(make(), [*whole[:8], *whole[9:]])
    assert (early.early, early.word, early.action) == (True, "incomplete", "review")
    assert (last.word, last.action, last.reasons) == ("incomplete", "review", ("missing", "unheard"))
    assert seconds(last.missing_samples) == 5.0
    assert last.heard_samples + last.missing_samples + last.unheard_samples == last.duration_samples
    assert 0 < last.unheard_samples < 25 * SAMPLE_RATE


@pytest.mark.parametrize("place", [0, 8, 19])
def test_a_segment_that_cannot_be_read_is_told_apart(make: Make, place: int) -> None:
    """Whether it is the first, one in the middle or the last, with which the upload ends."""
    whole = cut(UPLOAD, song(201, 100.0))
    whole[place] = unreadable(whole[place])
    last = heard(make(), whole)[-1]
    assert (last.early, last.word, last.action) == (False, "incomplete", "review")
    assert "poisoned" in last.reasons
    assert "missing" not in last.reasons
    assert (seconds(last.poisoned_samples), last.missing_samples) == (5.0, 0)


def test_an_upload_of_nothing_but_poison_has_a_verdict(make: Make) -> None:
    """It is incomplete."""
    (last,) = heard(make(), [unreadable(each) for each in cut(UPLOAD, song(201, 20.0))])
    assert (last.word, last.heard_samples, seconds(last.poisoned_samples)) == ("incomplete", 0, 20.0)


def test_a_record_without_a_place_counts_too(make: Make) -> None:
    """Nobody knows what was in it."""
    pipeline, whole = make(), cut(UPLOAD, song(201, 60.0))
    assert heard(pipeline, whole[:6]) == []
    assert pipeline.came_odd("another") is None
    assert pipeline.came_odd("u") == UPLOAD
    early, last = heard(pipeline, whole[6:])
    assert (early.early, early.action, last.word, last.reasons) == (True, "review", "incomplete", ("poisoned",))


def test_too_little_is_never_clear(make: Make) -> None:
    """Under 6 s nothing is weighed, so nothing was listened to; nor where there is no audio at all."""
    (last,) = heard(make(), cut(UPLOAD, song(201, 5.0)))
    assert (last.word, last.action, last.reasons) == ("incomplete", "review", ("too_short", "unheard"))
    (empty,) = heard(
        make(), [Segment(stream=UPLOAD, seq=0, start_sample=0, samples_S=np.zeros(0, np.float32), last=True)]
    )
    assert (empty.word, empty.reasons) == ("incomplete", ("too_short",))


def test_an_end_that_never_came_is_incomplete(make: Make) -> None:
    """Although all that came was heard; and an empty last segment that stands further on shows what is missing."""
    pipeline = make()
    pipeline.push(cut(UPLOAD, song(201, 30.0), last=False))
    (last,) = verdicts(pipeline.finish([UPLOAD], state="idle", reason="no audio for 30 s"))
    assert (last.word, last.reasons, last.missing_samples) == ("incomplete", ("idle",), 0)
    whole = cut(UPLOAD, song(201, 30.0))
    end = replace(whole[-1], samples_S=whole[-1].samples_S[:0], start_sample=whole[-1].end_sample)
    last = heard(make(), [*whole[:-1], end])[-1]
    assert (last.word, last.reasons, seconds(last.missing_samples)) == ("incomplete", ("missing",), 5.0)


def test_an_epoch_that_goes_on_with_another_is_incomplete(make: Make) -> None:
    """Both of them are: neither is a whole upload."""
    later = replace(UPLOAD, epoch=UPLOAD.epoch + 31_000)
    said = heard(make(), [*cut(UPLOAD, song(201, 30.0), last=False), *cut(later, song(202, 30.0))])
    finals = [each for each in said if not each.early]
    assert [(each.stream.epoch, each.word) for each in finals] == [(5, "incomplete"), (31_005, "incomplete")]
    assert [each.reasons for each in finals] == [("reconnected",), ("continued",)]


def test_broadcasts_and_others_who_do_not_ask_get_none(make: Make, encoder: FakeEncoder, catalogue: Catalogue) -> None:
    """`watch` tells what it told."""
    broadcast = StreamKey(kind="broadcast", stream_id="b")
    assert heard(make(), cut(broadcast, song(1, 30.0))) == []
    plays = CatalogueRepertoire(catalogue, calibration={}, floor=0.0)
    assert heard(Pipeline(encoder, plays, PipelineConfig()), music()) == []


def spoilt() -> list[Segment]:
    """With a hole before the song, poison after it, and one late segment twice."""
    whole = music()
    return [*whole[:2], *whole[3:17], unreadable(whole[17]), whole[16], *whole[18:]]


def through_record(pipeline: Pipeline, catalogue: Catalogue, edit: Callable[[dict[str, Any]], None]) -> Any:
    """The upload's snapshot as another worker reads it."""
    state = pipeline.snapshot(UPLOAD)
    assert state is not None
    document = json.loads(encode(state, lambda key: catalogue.track(key).track_id, "fake"))
    edit(document)

    def key_of(name: str) -> int | None:
        track = catalogue.find(name)
        return None if track is None else track.key

    return decode(json.dumps(document).encode(), key_of, "fake").state


def taken_over(
    make: Make,
    catalogue: Catalogue,
    stream: Sequence[Segment],
    stops: Sequence[int],
    edit: Callable[[dict[str, Any]], None] = lambda _: None,
) -> list[Verdict]:
    """What is said where another worker takes over before each segment of `stops`."""
    pipeline, said = make(), list[Verdict]()
    for place, segment in enumerate(stream):
        if place in stops:
            state = through_record(pipeline, catalogue, edit)
            pipeline = make()
            pipeline.restore(state)
            first = needed_from(state.place.next_sample, MEMORY_S, SUPPORT_SAMPLES)
            for earlier in stream[:place]:
                if earlier.end_sample > first and not earlier.unreadable_samples:
                    assert pipeline.push([earlier]) == []
        said += verdicts([*pipeline.push([segment]), *pipeline.flush()])
    return said


@pytest.mark.parametrize("stream", [music, spoilt])
def test_a_worker_that_takes_over_says_the_same(
    make: Make, catalogue: Catalogue, stream: Callable[[], list[Segment]]
) -> None:
    """Wherever the first one ended: early verdicts, revisions and all figures."""
    undisturbed = taken_over(make, catalogue, stream(), [])
    assert len(undisturbed) >= 2
    assert undisturbed[-1].word == ("incomplete" if stream is spoilt else "match")
    assert taken_over(make, catalogue, stream(), range(1, len(stream()))) == undisturbed


def test_what_waits_in_a_batch_changes_nothing(make: Make) -> None:
    """All segments at once, as under load, say what they say one by one."""
    assert verdicts(make().push(spoilt())) == heard(make(), spoilt())


def test_a_state_of_the_version_before_is_never_clear(make: Make, catalogue: Catalogue) -> None:
    """It did not note what was found, so what came before it counts as not heard."""

    def as_before(document: dict[str, Any]) -> None:
        document["format"] = 1
        del document["upload"]

    said = taken_over(make, catalogue, cut(UPLOAD, song(201, 100.0)), [10], as_before)
    assert (said[-1].word, said[-1].action, seconds(said[-1].missing_samples)) == ("incomplete", "review", 50.0)


def test_audio_that_is_gone_is_not_clear(make: Make, catalogue: Catalogue) -> None:
    """Where the topic no longer holds what another worker had begun to hear."""
    whole, first, second = cut(UPLOAD, song(201, 100.0)), make(), make()
    heard(first, whole[:10])
    second.restore(through_record(first, catalogue, lambda _: None))
    last = heard(second, whole[10:])[-1]
    assert (last.word, "missing" in last.reasons) == ("incomplete", True)


def test_what_comes_again_after_the_end_has_other_ids(make: Make) -> None:
    """A dead letter that is sent back cannot take the place of what was said of the upload."""
    now = datetime(2026, 11, 25, tzinfo=UTC)
    whole = cut(UPLOAD, song(201, 30.0))
    whole[0] = unreadable(whole[0])
    again = [replace(whole[0], replays=1)]
    pipeline = make()
    first = heard(pipeline, whole)
    pipeline.push(again)
    second = verdicts(pipeline.finish(state="idle", reason="no audio"))
    ids = [verdict_event(each, versions=VERSIONS, detected_at=now)["id"] for each in [*first, *second]]
    assert len(set(ids)) == len(ids)
    assert all(isinstance(each, HeardChunk | StreamEnd) for each in pipeline.push([]))
