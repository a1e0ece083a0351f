"""The one configuration tree."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from stream_monitor.config import Config, load
from stream_monitor.errors import ConfigError

SHIPPED = Path(__file__).parents[2] / "configs" / "monitor.yaml"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_file_is_the_defaults_and_names_every_key() -> None:
    """configs/monitor.yaml sets each key to its default, so it is a complete and true description."""
    tree = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert tree == Config().model_dump(mode="json"), "stream-monitor config template > configs/monitor.yaml"
    assert load(SHIPPED, {}) == Config()


def test_every_key_of_the_shipped_file_has_a_comment() -> None:
    """Each line with a key has its comment on the line or above it."""
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if ":" in line and not line.strip().startswith(("#", "-")):
            assert "#" in line or lines[number - 1].strip().startswith("#"), line


def test_the_environment_overrules_the_file(tmp_path: Path) -> None:
    """A variable sets one key, whatever the file says, and its value is read as YAML."""
    path = write(tmp_path / "c.yaml", "deterministic: false\nmonitor: {decode_threads: 3, open_files: 7}\n")
    config = load(
        path,
        {
            "STREAM_MONITOR__DETERMINISTIC": "true",
            "STREAM_MONITOR__MONITOR__DECODE_THREADS": "4",
            "STREAM_MONITOR__CATALOG": "/c",
            "PATH": "x",
        },
    )
    assert (config.deterministic, config.monitor.decode_threads, config.monitor.open_files) == (True, 4, 7)
    assert config.catalog == Path("/c")


@pytest.mark.parametrize(
    ("text", "environ", "message"),
    [
        ("deterministik: true", {}, r"c\.yaml: unknown key 'deterministik'; did you mean 'deterministic'\?"),
        ("monitor: {open_file: 3}", {}, r"unknown key 'monitor.open_file'; did you mean 'open_files'\?"),
        ("zzz: 1", {}, "unknown key 'zzz'; `stream-monitor config schema` prints every key"),
        ("monitor: {decode_threads: 0}", {}, r"c\.yaml: monitor.decode_threads = 0: Input should be greater"),
        (
            "",
            {"STREAM_MONITOR__MONITOR__OPEN_FILES": "many"},
            "STREAM_MONITOR__MONITOR__OPEN_FILES: monitor.open_files",
        ),
        ("", {"STREAM_MONITOR__NOPE__X": "1"}, "STREAM_MONITOR__NOPE__X: unknown key 'nope'"),
        ("deterministic: true", {"STREAM_MONITOR__DETERMINISTIC__X": "1"}, "deterministic is a value, not a group"),
        ("- 1", {}, "keys and values are expected at the top, not a list"),
        ("a: [", {}, "not a YAML file"),
        ("", {"STREAM_MONITOR__CATALOG": "["}, "is not a YAML value"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, environ: dict[str, str], message: str) -> None:
    """A wrong key or value is one line: where it stands, what it is, what was meant; exit code 2."""
    with pytest.raises(ConfigError, match=message) as caught:
        load(write(tmp_path / "c.yaml", text), environ)
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A missing configuration file is never taken for an empty one."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(tmp_path / "missing.yaml", {})


def test_the_version_follows_what_can_change_an_event() -> None:
    """Rules of plays change the version, threads and sizes of queues do not."""
    base = load(None, {})
    assert load(None, {"STREAM_MONITOR__PIPELINE__WORKERS": "1"}).version == base.version
    assert load(None, {"STREAM_MONITOR__MONITOR__OPEN_FILES": "3"}).version == base.version
    assert load(None, {"STREAM_MONITOR__PLAYS__TRACKER__MIN_PLAY_S": "9"}).version != base.version
