"""An upload on its way to its verdict, against a model that keeps every half second in a set."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from pydantic import TypeAdapter

from encoder.grid import SAMPLE_RATE
from stream_monitor.events import Versions
from stream_monitor.intervals import union
from stream_monitor.plays import PlayChange, PlayedTrack, Status
from stream_monitor.segments import Segment, StreamKey
from stream_monitor.upload import Upload
from stream_monitor.verdict import UploadState, Verdict
from stream_monitor.verdict_event import verdict_event
from stream_monitor.verdict_policy import STRICTNESS, Action, Found, VerdictRule, VerdictSettings

UNIT = SAMPLE_RATE // 2
STREAM = StreamKey(kind="upload", stream_id="u", epoch=5)
VERSIONS = Versions(software="1", encoder="e", catalogue="c", config="k")
POLICY = VerdictSettings(
    rules=(
        VerdictRule(name="sure", action="review", min_confidence=0.9),
        VerdictRule(name="long", action="block", min_matched_s=4.0),
        VerdictRule(name="most", action="block", min_share=0.5),
    )
)
MILDER = VerdictSettings(rules=())
STATE = TypeAdapter(UploadState)
length = st.integers(1, 6)


def change(track: int, start: int, end: int, status: Status) -> PlayChange:
    """A play of a track, in units; of an odd one nobody is sure."""
    return PlayChange(
        stream=STREAM,
        track=PlayedTrack(track_key=track, track_id=f"t{track}", work_id=f"t{track}", duration_samples=UNIT),
        first_chunk=track,
        revision=0,
        status=status,
        reason="drawn",
        confidence=confidence_of(track),
        features=None,  # type: ignore[arg-type]
        score=0.5,
        match_type="recording",
        start_sample=start * UNIT,
        end_sample=end * UNIT,
        track_start_sample=None,
        track_end_sample=None,
        transposition_semitones=None,
        tempo_ratio=None,
        gaps=(),
        alternatives=(),
        decided_sample=0,
    )


def confidence_of(track: int) -> float:
    """Of its play."""
    return 0.95 if track % 2 == 0 else 0.3


class UploadMachine(RuleBasedStateMachine):
    """Segments, holes, poison, chunks, plays and restarts in any order; each verdict is that of the model."""

    @initialize()
    def begin(self) -> None:
        """Nothing has come."""
        self.policy = POLICY
        self.upload = Upload(STREAM, POLICY, silence_dbfs=-60.0)
        self.next = self.weighed_to = self.revision = 0
        self.came: set[int] = set()
        self.spoilt: set[int] = set()
        self.heard: set[int] = set()
        self.plays: dict[int, tuple[int, int, bool]] = {}
        self.odd_at: int | None = None
        self.told: Action = "allow"

    @rule(hole=st.sampled_from((0, 0, 0, 2)), units=length)
    def audio(self, hole: int, units: int) -> None:
        """The next segment, perhaps behind a hole."""
        self._segment(self.next + hole, units)

    @rule(back=length, units=length)
    def late_audio(self, back: int, units: int) -> None:
        """What lies before the newest end is not heard; what lies after it is."""
        self._segment(max(0, self.next - back), units)

    @rule(place=st.integers(-4, 4), units=length)
    def poison(self, place: int, units: int) -> None:
        """A segment that cannot be read, late or early."""
        start = max(0, self.next + place)
        nothing_S = np.zeros(0, np.float32)
        self.upload.came(
            Segment(
                stream=STREAM, seq=0, start_sample=start * UNIT, samples_S=nothing_S, unreadable_samples=units * UNIT
            )
        )
        self.spoilt |= {unit for unit in range(start, start + units) if unit >= self.next}

    @rule()
    def odd_record(self) -> None:
        """One that does not say where it belongs."""
        self.upload.came_odd()
        self.odd_at = self.next if self.odd_at is None else self.odd_at

    @rule(track=st.integers(0, 3), start=st.integers(0, 20), units=st.integers(0, 12), data=st.data())
    def play(self, track: int, start: int, units: int, data: st.DataObject) -> None:
        """It opens, moves, ends or is taken back, beside others; what is final stays."""
        if track in self.plays and self.plays[track][2]:
            return
        status: Status = data.draw(st.sampled_from(("updated", "final", "retracted")))
        self.upload.played(change(track, start, start + units, status), 0)
        self.plays.pop(track, None)
        if status != "retracted" and units:
            self.plays[track] = (start, start + units, status == "final")

    @precondition(lambda self: self.next > 0)
    @rule(data=st.data())
    def chunk(self, data: st.DataObject) -> None:
        """Audio is weighed; an early verdict comes where something stricter is certain."""
        end = data.draw(st.integers(self.weighed_to, self.next))
        start = data.draw(st.integers(0, end))
        self.weighed_to = end
        self.heard |= {unit for unit in range(start, end) if unit in self.came}
        verdict = self.upload.heard(start * UNIT, end * UNIT)
        action, _ = self._judged(end, early=True)
        if STRICTNESS[action] > STRICTNESS[self.told]:
            assert verdict is not None
            self._check(verdict, end, early=True)
        else:
            assert verdict is None

    @rule(policy=st.sampled_from((POLICY, MILDER)))
    def restart(self, policy: VerdictSettings) -> None:
        """Another worker goes on from the snapshot, perhaps by other rules."""
        written = STATE.dump_json(self.upload.snapshot())
        self.policy = policy
        self.upload = Upload(STREAM, policy, silence_dbfs=-60.0)
        self.upload.restore(STATE.validate_json(written))

    @rule(idle=st.booleans())
    def end(self, idle: bool) -> None:
        """By itself, or because nothing came any more."""
        verdict = self.upload.finish("idle" if idle else "ended", too_short=False)
        self._check(verdict, max([self.next, *(unit + 1 for unit in self.spoilt)]), early=False, idle=idle)
        self.begin()  # the next upload

    def _segment(self, start: int, units: int) -> None:
        samples_S = np.zeros(units * UNIT, np.float32)
        self.upload.came(Segment(stream=STREAM, seq=0, start_sample=start * UNIT, samples_S=samples_S))
        self.came |= {unit for unit in range(start, start + units) if unit >= self.next}
        self.next = max(self.next, start + units)

    def _counted(self, *, early: bool) -> dict[int, tuple[int, int]]:
        return {track: (start, end) for track, (start, end, final) in self.plays.items() if final or not early}

    def _reasons(self, end: int, *, early: bool, idle: bool = False) -> set[str]:
        away = set(range(end)) - self.came
        odd = self.odd_at is not None and (not early or self.odd_at < end)
        found = {
            "idle": idle,
            "missing": bool(away - self.spoilt),
            "poisoned": bool(away & self.spoilt) or odd,
            "unheard": bool(set(range(end)) - self.heard - away),
        }
        return {name for name, holds in found.items() if holds}

    def _judged(self, end: int, *, early: bool, idle: bool = False) -> tuple[Action, tuple[str, ...]]:
        found = [
            Found(
                track_id=f"t{track}",
                work_id=f"t{track}",
                match_type="recording",
                confidence=confidence_of(track),
                span=(start * UNIT, stop * UNIT),
            )
            for track, (start, stop) in self._counted(early=early).items()
        ]
        return self.policy.judge(
            found,
            union((unit * UNIT, (unit + 1) * UNIT) for unit in self.heard if unit < end),
            duration_samples=None if early else end * UNIT,
            whole=not self._reasons(end, early=early, idle=idle),
        )

    def _check(self, verdict: Verdict, end: int, *, early: bool, idle: bool = False) -> None:
        whole, reasons = set(range(end)), self._reasons(end, early=early, idle=idle)
        away, heard = whole - self.came, self.heard & whole
        plays = self._counted(early=early)
        matched = {unit for start, stop in plays.values() for unit in range(start, stop)} & heard
        action, rules = self._judged(end, early=early, idle=idle)
        assert (verdict.early, verdict.revision, set(verdict.reasons)) == (early, self.revision, reasons)
        assert verdict.word == ("incomplete" if reasons else "match" if plays else "clear")
        assert verdict.action == max(action, self.told, key=lambda each: STRICTNESS[each])  # never taken back
        assert verdict.rules == rules
        counted = (
            verdict.duration_samples, verdict.heard_samples, verdict.missing_samples, verdict.poisoned_samples,
            verdict.unheard_samples, verdict.matched_samples,
        )  # fmt: skip
        sets = (whole, heard, away - self.spoilt, away & self.spoilt, whole - heard - away, matched)
        assert counted == tuple(len(each) * UNIT for each in sets)
        data = self._told(verdict)
        assert data["share"] is None if early or not end else 0 <= data["share"] <= data["coverage"] <= 1
        assert verdict.word != "clear" or data["coverage"] in (1, None)
        self.revision, self.told = self.revision + 1, verdict.action

    def _told(self, verdict: Verdict) -> dict[str, Any]:
        event = verdict_event(verdict, versions=VERSIONS, detected_at=datetime(2026, 11, 25, tzinfo=UTC))
        found: dict[str, Any] = json.loads(json.dumps(event))["data"]
        return found


TestUpload = UploadMachine.TestCase
TestUpload.settings = settings(max_examples=150, stateful_step_count=25, deadline=None, derandomize=True)


def test_what_was_said_is_not_taken_back_under_milder_rules() -> None:
    """An upload that was blocked early stays so when a worker with other rules takes it over."""
    first, second = (Upload(STREAM, policy, silence_dbfs=-60.0) for policy in (POLICY, MILDER))
    first.came(Segment(stream=STREAM, seq=0, start_sample=0, samples_S=np.zeros(20 * UNIT, np.float32)))
    first.played(change(0, 0, 10, "final"), 0)
    early = first.heard(0, 20 * UNIT)
    assert early is not None
    second.restore(first.snapshot())
    assert second.heard(0, 20 * UNIT) is None
    last = second.finish("ended", too_short=False)
    assert (early.action, last.action, last.rules, last.word) == ("block", "block", (), "match")
