"""Enrol, remove, publish, compact, die and sleep in any order: the copy comes to hold what was published."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from stream_monitor.kafka.catalogue import track_record
from stream_monitor.kafka.catalogue.follower import Follower
from stream_monitor.kafka.catalogue.mark import MARK
from tests.index.recordings import recording
from tests.stream_monitor.kafka.catalogue.test_follower import HOUR_S, KEEP_S, Place

IDS = st.sampled_from(["a", "b"])
AUDIOS = st.integers(1, 3)


class CopyMachine(RuleBasedStateMachine):
    """The model is the source as it was published last: its version is what the copy must have."""

    @initialize()
    def begin(self) -> None:
        """Nothing anywhere."""
        self.folder = Path(tempfile.mkdtemp())
        self.place = Place(self.folder)
        self.place.topic.most = 2
        self.published = self.place.source.version
        self.stack = ExitStack()
        self.follower: Follower | None = None
        self.marks: list[str] = []

    @rule(track_id=IDS, audio=AUDIOS, artist=st.sampled_from(["x", "y"]), told=st.booleans())
    def enrol(self, track_id: str, audio: int, artist: str, told: bool) -> None:
        """A track, where neither its id nor its audio is taken; published at once or later."""
        new = dataclasses.replace(recording(audio, artist=artist), track_id=track_id)
        if self.place.source.find(track_id) is None and self.place.source.find_audio(new.audio_hash) is None:
            self.place.source.add(new)
        if told:
            self.publish()

    @rule(track_id=IDS, told=st.booleans(), asleep=st.booleans())
    def remove(self, track_id: str, told: bool, asleep: bool) -> None:
        """A track, where it is there; published at once or later, perhaps while nobody follows for long."""
        if asleep:
            self.die(old=False)
        if self.place.source.find(track_id) is not None:
            self.place.source.remove(track_id)
        if told:
            self.publish()
        if asleep:
            self.sleep()

    @rule()
    def publish(self) -> None:
        """What has changed since."""
        self.place.publish()
        self.published = self.place.source.version
        assert self.place.publish() == 0

    @rule()
    def compact(self) -> None:
        """Old editions go, tombstones stay."""
        self.place.topic.compact()

    @rule(times=st.integers(1, 3))
    def step(self, times: int) -> None:
        """The follower takes a little; it begins where its mark says if it does not run."""
        if self.follower is None:
            self.follower = self.stack.enter_context(self.place.follower())
        for _ in range(times):
            self.follower.step(0.0)
        self.marks.append((self.place.copy / MARK).read_text())

    @rule(old=st.booleans())
    def die(self, old: bool) -> None:
        """The follower; perhaps before it could write the newest marks."""
        self.stack.close()
        self.follower = None
        if old and self.marks:
            (self.place.copy / MARK).write_text(self.marks[len(self.marks) // 2])

    @rule()
    def sleep(self) -> None:
        """Nobody follows for so long that the log forgets its tombstones."""
        self.stack.close()
        self.follower = None
        self.place.clock.now_s += KEEP_S + HOUR_S
        self.place.topic.compact(tombstones=True)

    @rule()
    def catch_up(self) -> None:
        """To the end: the copy holds what was published, all of it and nothing else."""
        self.step(1)
        assert self.follower is not None
        for _ in range(200):
            if self.follower.mark.whole and self.place.topic.position() == self.place.topic.ends():
                break
            self.follower.step(0.0)
        assert self.follower.mark.unusable == 0
        assert self.place.held()[0] == self.published

    @invariant()
    def nothing_half_written_is_seen(self) -> None:
        """Whatever the copy has is as it was written."""
        if (self.place.copy / "catalogue.sqlite").exists():
            self.place.held()

    def teardown(self) -> None:
        """Whatever happened before, it comes to the end."""
        if hasattr(self, "place"):
            self.catch_up()
            self.stack.close()
            self.place.source.close()
            shutil.rmtree(self.folder)


def test_the_copy_comes_to_hold_what_was_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """With tracks of several parts and polls of two records, so that most things happen in the middle of others."""
    monkeypatch.setattr(track_record, "PART_BYTES", 2_000)
    run_state_machine_as_test(
        CopyMachine, settings=settings(max_examples=20, stateful_step_count=20, deadline=None, derandomize=True)
    )
