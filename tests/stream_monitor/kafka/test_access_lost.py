"""A worker from whom a right or its password is taken while it works: it ends with words, and nothing is lost by it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import ACLOperation, ResourceType

from stream_monitor.cli import main
from stream_monitor.kafka.client import LogReader, Partition
from stream_monitor.kafka.settings import KafkaSettings
from tests.fakes.band import song
from tests.stream_monitor.kafka.guarded import PASSWORDS, Guarded, Rule, configuration, needs_of_a_worker
from tests.stream_monitor.sound import write_audio

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.usefixtures("collected"),
]

DEADLINE_S = 120.0
EPOCH = "1795000000000"
MARK = "taken"
WRITE, READ = [ACLOperation.WRITE], [ACLOperation.READ]
TAKEN: dict[str, Rule] = {
    f"Write of topic {MARK}.events": (ResourceType.TOPIC, f"{MARK}.events", WRITE),
    f"Write of topic {MARK}.state": (ResourceType.TOPIC, f"{MARK}.state", WRITE),
    f"Read of group {MARK}": (ResourceType.GROUP, MARK, READ),
    f"Write of transactional-id {MARK}-one": (ResourceType.TRANSACTIONAL_ID, MARK, WRITE),
}
"""What the worker says, and the rule that is taken."""


class Place:
    """A song, a catalogue that has it, configurations of a worker and of one whom nobody disturbs."""

    def __init__(self, folder: Path, guarded: Guarded) -> None:
        self.folder, self.guarded = folder, guarded
        self.song = write_audio(folder / "tune.wav", song(1, 25.0)[None], 22_050)
        assert main(["catalog", "add", str(self.song), "--catalog", str(folder / "catalogue")]) == 0
        more: dict[str, Any] = {"deterministic": True}
        self.worker = configuration(folder / "worker.yaml", MARK, guarded.by_password("worker"), **more)
        self.calm = configuration(folder / "calm.yaml", "calm", guarded.as_administrator(), **more)
        # It hears the same audio and writes elsewhere.
        text = self.calm.read_text().replace("calm.broadcast", f"{MARK}.broadcast")
        self.calm.write_text(text.replace("calm.uploads", f"{MARK}.uploads"))
        self.administrator = configuration(folder / "administrator.yaml", MARK, guarded.as_administrator())
        for config in (self.administrator, self.calm):
            assert main(["topics", "create", "--config", str(config)]) == 0

    def upload(self, name: str) -> None:
        """The song as an upload of this name."""
        command = ["produce", f"{name}={self.song}", "--epoch", EPOCH, "--config", str(self.administrator)]
        assert main(command) == 0

    def events(self, mark: str) -> list[dict[str, Any]]:
        """What was committed."""
        settings = KafkaSettings.model_validate(self.guarded.as_administrator())
        with LogReader(settings) as reader:
            found = [
                json.loads(record.value or b"")
                for number in (0, 1)
                for record in reader.read(Partition(topic=f"{mark}.events", number=number))
            ]
        for event in found:
            del event["time"]
            event["data"].pop("detected_at", None)
        return found

    def verdicts(self, mark: str) -> set[str]:
        """Uploads that are over."""
        return {each["data"]["stream_id"] for each in self.events(mark) if each["type"] == "music.verdict.v1"}

    @contextmanager
    def working(self, config: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """A worker's process and its log."""
        log = self.folder / "log"
        command = [sys.executable, "-m", "stream_monitor", "run", "--config", str(config)]
        with log.open("wb") as said:
            process = subprocess.Popen([*command, "--catalog", str(self.folder / "catalogue")], stderr=said)
        try:
            yield process, log
        finally:
            process.kill()
            process.wait()

    def hears(self, process: subprocess.Popen[bytes], log: Path, mark: str, names: set[str]) -> None:
        """Waits until these uploads are over."""
        until_s = time.monotonic() + DEADLINE_S
        while not names <= self.verdicts(mark):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < until_s, log.read_text()[-3000:]
            time.sleep(0.5)


def ended(process: subprocess.Popen[bytes], log: Path) -> tuple[int, str]:
    """Exit code, and its last words, which are one line and hold no password."""
    code = process.wait(DEADLINE_S)
    said = log.read_text(encoding="utf-8")
    assert "Traceback" not in said
    assert not any(password in said for password in PASSWORDS.values())
    return code, "\n".join(line for line in said.splitlines() if line.startswith("Error: "))


def test_what_is_taken_away_ends_the_worker_with_words_and_loses_nothing(guarded: Guarded, tmp_path: Path) -> None:
    """Right after right, then the password: exit code 2 with what is missing; given back, the events are those of
    an undisturbed worker, none twice.
    """
    place = Place(tmp_path, guarded)
    guarded.allow("worker", *needs_of_a_worker(MARK))
    heard = {"first"}
    place.upload("first")
    for number, (words, rule) in enumerate(TAKEN.items()):
        with place.working(place.worker) as (process, log):
            place.hears(process, log, MARK, heard)
            guarded.forbid("worker", rule)
            place.upload(f"without-{number}")
            code, said = ended(process, log)
        assert (code, f"is not allowed {words}" in said, "kafka-acls.sh" in said) == (2, True, True), said
        assert place.verdicts(MARK) == heard
        guarded.allow("worker", rule)
        heard.add(f"without-{number}")
    with place.working(place.worker) as (process, log):
        place.hears(process, log, MARK, heard)
        guarded.set_password("worker", "another-Password-1402")
        guarded.kafka.nodes[0].server.stop()
        guarded.kafka.start()
        place.upload("locked-out")
        code, said = ended(process, log)
    assert (code, "user 'worker' by SCRAM-SHA-512" in said, "kafka.password_file" in said) == (2, True, True), said
    assert place.verdicts(MARK) == heard
    guarded.set_password("worker", PASSWORDS["worker"])
    heard.add("locked-out")
    for mark, config in ((MARK, place.worker), ("calm", place.calm)):
        with place.working(config) as (process, log):
            place.hears(process, log, mark, heard)
            process.send_signal(signal.SIGTERM)
            assert ended(process, log)[0] == 0
    events, expected = place.events(MARK), place.events("calm")
    assert len(expected) > 2 * len(heard)
    assert sorted(events, key=str) == sorted(expected, key=str)
    assert len({event["id"] for event in events}) == len(events)
