"""`doctor` on a real broker and with the real encoder."""

from __future__ import annotations

import json
import re
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from index.catalogue import Catalogue
from stream_monitor.cli import main
from stream_monitor.config import Config, load
from stream_monitor.doctor.catalogue_checks import CatalogueChecks
from stream_monitor.doctor.examination import examine
from stream_monitor.kafka.catalogue.mark import Mark, write_mark
from tests.fakes.band import song
from tests.fakes.encoder import FakeEncoder
from tests.fakes.library import hear
from tests.stream_monitor.sound import write_audio


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit code, and what is said of each subject."""
    capsys.readouterr()
    code = main(["doctor", "--json", *arguments])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return code, {line["subject"]: (line["level"], line["message"]) for line in lines}


def test_a_service_that_is_ready_is_found_good(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 0; topics that are missing are bad, a port that is taken and a wrong clock are told."""
    config = ("--config", str(config_file))
    write_audio(tmp_path / "tune.wav", song(1, 25.0)[None], 22_050)
    assert main(["catalog", "add", str(tmp_path / "tune.wav"), "--catalog", str(tmp_path / "catalogue")]) == 0
    catalogue = ("--catalog", str(tmp_path / "catalogue"))

    code, said = found(capsys, *config)
    assert code == 1
    assert said["catalogue"] == ("bad", "none is named")
    assert said["transaction"][0] == "warn"
    assert any("missing" in message for name, (level, message) in said.items() if name.startswith("topic "))

    assert main(["topics", "create", *config]) == 0
    code, said = found(capsys, *config, *catalogue)
    assert code == 0
    assert {level for level, _ in said.values()} == {"good"}
    assert "1 tracks" in said["catalogue"][1]
    assert "Kafka 4." in said["broker 1"][1]
    assert "streams a worker" in said["capacity"][1]
    assert said["catalogue topic"][1] == "not followed: catalogue.follow_topic is false"
    assert said["mqtt"][1].startswith("not configured")
    assert said["store"][1].startswith("not configured")

    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() - 600.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("STREAM_MONITOR__TELEMETRY__PORT", str(taken.getsockname()[1]))
        code, said = found(capsys, *config, *catalogue)
    assert code == 1
    assert said["clock"][0] == "bad"
    assert re.search(r"clock is \+(599|600)", said["clock"][1])
    assert said["telemetry"][0] == "warn"


def test_a_catalogue_that_is_followed_is_looked_for_in_its_topic(config_file: Path, tmp_path: Path) -> None:
    """A copy that is not made yet is no fault; the topic is, where it has no tracks or those of another encoder."""
    own, copy = tmp_path / "own", tmp_path / "copy"
    with config_file.open("a", encoding="utf-8") as file:
        file.write(f"catalog: {copy}\ncatalogue: {{follow_topic: true}}\n")
    config = load(config_file, environ={})
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    write_audio(tmp_path / "tune.wav", song(1, 25.0)[None], 22_050)
    assert main(["catalog", "add", str(tmp_path / "tune.wav"), "--catalog", str(own)]) == 0
    with Catalogue.open(own, encoder_fingerprint=None) as catalogue:
        fingerprint = catalogue.view.state.header.encoder_fingerprint

    def look(folder: Path, encoder: str = fingerprint) -> list[tuple[str, str]]:
        return [
            (each.level, f"{each.message} {each.advice}")
            for each in examine(CatalogueChecks(config, folder, lambda: encoder).checks)
        ]

    (level, words), (topic_level, topic_words) = look(copy)
    assert (level, "is not there yet: `run` makes it" in words) == ("good", True)
    assert (topic_level, "holds no tracks" in topic_words) == ("warn", True)
    assert main(["catalog", "publish", "--catalog", str(own), "--config", str(config_file)]) == 0
    (level, words), (topic_level, topic_words) = look(own)
    assert (level, "no copy of a topic" in words) == ("bad", True)
    assert (topic_level, f"holds tracks of {fingerprint}, this encoder" in topic_words) == ("good", True)
    write_mark(own, Mark(topic=config.topics.catalog, identity="x", encoder=fingerprint))
    assert look(own)[0][0] == "good"
    (level, words), (topic_level, topic_words) = look(own, "another")
    assert (level, "`run` makes the copy anew" in words) == ("warn", True)
    assert (topic_level, "`stream-monitor catalog publish --replace`" in topic_words) == ("bad", True)


def test_a_catalogue_that_run_would_refuse_is_bad(tmp_path: Path) -> None:
    """By the same count and budget: `catalogue.memory_mb`, not what happens to be free on this machine."""
    encoder, folder = FakeEncoder(), tmp_path / "catalogue"
    heard = hear(encoder, song(1, 30.0), "song")
    with Catalogue.create(folder, encoder_fingerprint=encoder.fingerprint) as catalogue:
        for number in range(60):
            catalogue.add(replace(heard, track_id=f"song{number}", audio_hash=f"{number}"))

    def look(budget_mb: int) -> tuple[str, str]:
        config = Config.model_validate({"catalogue": {"memory_mb": budget_mb}})
        finding, _ = examine(CatalogueChecks(config, folder, lambda: encoder.fingerprint).checks)
        return finding.level, finding.message

    level, words = look(1)
    assert (level, "MiB of memory and 1 are allowed: set catalogue.memory_mb higher" in words) == ("bad", True)
    assert look(100)[0] == "good"


def test_without_a_broker_the_rest_is_still_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for the address and one for each thing that needs it."""
    path = tmp_path / "away.yaml"
    path.write_text("kafka: {bootstrap_servers: '127.0.0.1:1', connect_s: 0.5}\n", encoding="utf-8")
    code, said = found(capsys, "--config", str(path))
    assert code == 1
    assert said["address"][0] == "bad"
    assert said["topics"] == ("warn", "not looked at: brokers must be good first")
    assert said["encoder"][0] == "good"
    assert main(["doctor", "--config", str(path)]) == 1
    assert "correct kafka.bootstrap_servers" in " ".join(capsys.readouterr().out.split())
    assert main(["doctor", "--config", str(tmp_path / "gone.yaml")]) == 2
