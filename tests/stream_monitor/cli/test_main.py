"""The command-line group: lazy commands, one-line errors, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest
import structlog

import stream_monitor.cli as cli_package
from stream_monitor.cli import cli, main
from stream_monitor.cli.logging import configure_logging
from stream_monitor.errors import CannotOpenError, DuplicateIdError


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """Returns a function that makes the command `watch` raise what it is given."""

    def install(error: BaseException) -> None:
        @click.command()
        def watch() -> None:
            raise error

        real = cli_package.LazyGroup.get_command
        monkeypatch.setattr(
            cli_package.LazyGroup,
            "get_command",
            lambda self, ctx, name: watch if name == "watch" else real(self, ctx, name),
        )

    return install


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DuplicateIdError("two inputs are named 'a'"), 2),
        (CannotOpenError("no such file: x.wav"), 1),
        (OSError(28, "No space left on device"), 1),
        (KeyboardInterrupt(), 130),
        (click.UsageError("wrong"), 2),
    ],
)
def test_an_error_becomes_one_line_and_an_exit_code(failing, capsys, error: BaseException, code: int) -> None:
    """Each kind of error ends with its exit code and without a traceback, and stdout stays empty."""
    failing(error)
    assert main(["watch"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert captured.err.strip()


def test_an_unknown_command_is_a_usage_error(capsys) -> None:
    """A command that does not exist ends with exit code 2."""
    assert main(["frobnicate"]) == 2
    assert "frobnicate" in capsys.readouterr().err


def test_help_names_the_commands_that_are_there(capsys) -> None:
    """--help lists the installed commands and ends well."""
    assert main(["--help"]) == 0
    assert "--log-level" in capsys.readouterr().out
    assert set(cli.list_commands(click.Context(cli))) <= set(cli_package.COMMANDS)


def test_json_logs_are_one_object_per_line_on_stderr(capsys) -> None:
    """With --log-json every record is a JSON object on stderr with its level and event."""
    configure_logging(level="info", as_json=True)
    structlog.get_logger().warning("something", path="a b")
    structlog.get_logger().debug("unseen")
    captured = capsys.readouterr()
    assert captured.out == ""
    record = json.loads(captured.err)
    assert (record["event"], record["level"], record["path"]) == ("something", "warning", "a b")


def test_the_command_line_starts_without_heavy_imports() -> None:
    """Asking for help imports neither torch nor PyAV."""
    code = (
        "import sys; from stream_monitor.cli import main; main(['--help']);"
        "sys.exit(bool({'torch', 'av', 'hnswlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 0


def test_it_runs_as_a_module() -> None:
    """`python -m stream_monitor --version` prints the version."""
    done = subprocess.run([sys.executable, "-m", "stream_monitor", "--version"], capture_output=True, timeout=60)
    assert done.returncode == 0
    assert b"stream-monitor" in done.stdout
