"""How a worker ends, or refuses to begin: exit codes, and what is left of it in the group."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stream_monitor.cli import main
from stream_monitor.kafka.client import Partition
from stream_monitor.kafka.committed import Committed
from stream_monitor.kafka.errors import PartitionsError
from stream_monitor.kafka.partition import Position
from stream_monitor.kafka.settings import TopicSettings
from tests.fakes.band import song
from tests.stack.kafka import Kafka
from tests.stream_monitor.sound import write_audio

HERE = Partition(topic="audio.broadcast", number=0)


class CommittedOffsets:
    """A consumer that answers what is committed."""

    def __init__(self, about: dict[str, int]) -> None:
        self._about = about

    def begins(self, partition: Partition) -> int:
        """The log begins at 5."""
        return 5

    def committed(self, partition: Partition, between: Callable[[], None]) -> tuple[int, str]:
        """L is 3."""
        return 3, json.dumps(self._about)


def position(about: dict[str, int]) -> Position:
    """What a worker makes of committed metadata, with 12 partitions."""
    return Committed(CommittedOffsets(about), None, None, TopicSettings()).position(HERE)  # type: ignore[arg-type]


def test_what_was_committed_with_another_number_of_partitions_is_refused() -> None:
    """Even where all topics were changed together; metadata without a number are of before and are taken."""
    assert position({"frontier": 9, "partitions": 12}) == Position(replay_from=5, frontier=9)
    assert position({"frontier": 4}) == Position(replay_from=5, frontier=5)
    with pytest.raises(PartitionsError, match="has 12 partitions, the group's state was made with 6"):
        position({"frontier": 9, "partitions": 6})


def test_a_changed_number_of_partitions_ends_a_worker_with_its_reason(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 5, before anything is read."""
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    changed = config_file.read_text(encoding="utf-8").replace("partitions: 3", "partitions: 4")
    config_file.write_text(changed, encoding="utf-8")
    assert main(["run", "--config", str(config_file), "--catalog", str(tmp_path)]) == 5
    assert "3 partitions, 4 are configured: streams would part from their state" in capsys.readouterr().err


def test_a_static_member_leaves_its_group_at_sigterm(config_file: Path, tmp_path: Path, kafka: Kafka) -> None:
    """It would hold its partitions until its session is over: others get them at once."""
    from kafka import KafkaAdminClient

    write_audio(tmp_path / "tune.wav", song(0, 30.0)[None], 22_050)
    assert main(["catalog", "add", str(tmp_path / "tune.wav"), "--catalog", str(tmp_path / "catalogue")]) == 0
    assert main(["topics", "create", "--config", str(config_file)]) == 0
    group = f"static-{tmp_path.name}"
    own = {"GROUP_ID": group, "INSTANCE_ID": "worker-7", "STATIC_MEMBERSHIP": "true"}
    command = [sys.executable, "-m", "stream_monitor", "run", "--config", str(config_file)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--catalog", str(tmp_path / "catalogue")],
            stderr=log,
            env={**os.environ, **{f"STREAM_MONITOR__KAFKA__{key}": value for key, value in own.items()}},
        )
    client = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        deadline = time.monotonic() + 120
        while "partitions=6" not in (tmp_path / "log").read_text():
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        members = client.describe_groups([group])[group]["members"]
        assert [member["group_instance_id"] for member in members] == ["worker-7"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert client.describe_groups([group])[group]["members"] == []
    finally:
        process.kill()
        process.wait()
        client.close()
