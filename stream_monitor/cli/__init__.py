"""The command line: one file a command, gathered here and imported when called; errors become a line and an exit code.

It knows nothing of what the commands do. Each module in this package defines one `click.Command` named as its file
(`watch.py` holds `watch`), imports torch, PyAV and the like inside the functions that need them, and returns an exit
code (`None` is 0) or raises an error of one of the three trees.

Exit codes: 0 good, 1 some inputs failed, 2 usage or configuration, 130 interrupted.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence

import click

from stream_monitor.cli.compiled import keep_compiled_code
from stream_monitor.cli.logging import LOG_LEVELS, configure_logging
from stream_monitor.cli.threads import calm_blas

COMMANDS = (
    "bench", "calibrate", "catalog", "config", "demo", "dlq", "doctor", "evaluate", "identify", "produce", "relay",
    "report", "run", "store", "topics", "train", "watch",
)  # fmt: skip
EXIT_GOOD, EXIT_INPUTS_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


class LazyGroup(click.Group):
    """A group whose commands are modules of this package, imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands whose modules are installed."""
        return [name for name in COMMANDS if importlib.util.find_spec(f"{__name__}.{name}") is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command `cmd_name`, or None where there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = getattr(importlib.import_module(f"{__name__}.{cmd_name}"), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{__name__}.{cmd_name}.{cmd_name} is a {type(command).__name__}, not a click.Command")
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--log-level", type=click.Choice(LOG_LEVELS), default="info", show_default=True, help="Least level shown."
)
@click.option("--log-json", is_flag=True, help="Logs as one JSON object per line.")
@click.version_option(package_name="stream-monitor", prog_name="stream-monitor")
def cli(log_level: str, log_json: bool) -> None:
    """Hears which known musical works are in live audio or in files, cover versions included.

    Machine output goes to stdout, logs and progress bars to stderr.
    """
    configure_logging(level=log_level, as_json=log_json)
    keep_compiled_code()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code.

    Args:
        argv: The arguments after the program's name; None takes them from the process.
    """
    calm_blas()
    try:
        result = cli.main(args=None if argv is None else list(argv), prog_name="stream-monitor", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_USAGE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return EXIT_INTERRUPTED
    except _expected_errors() as error:
        _show(error)
        return getattr(error, "exit_code", EXIT_INPUTS_FAILED if _is_storage(error) else EXIT_USAGE)
    except OSError as error:
        _show(error)
        _let_go_of_stdout()
        return EXIT_INPUTS_FAILED
    return result if isinstance(result, int) else EXIT_GOOD


def _expected_errors() -> tuple[type[Exception], ...]:
    """The roots of the three error trees (imported only once something was raised)."""
    from stream_monitor.errors import MonitorError

    roots: list[type[Exception]] = [MonitorError]
    for package, root in (("encoder", "EncoderError"), ("index", "CatalogueError")):
        if importlib.util.find_spec(f"{package}.errors") is not None:
            roots.append(getattr(importlib.import_module(f"{package}.errors"), root))
    return tuple(roots)


def _is_storage(error: BaseException) -> bool:
    """Whether the disk was full or failed, which no option mends."""
    from index.errors import CatalogueStorage

    return isinstance(error, CatalogueStorage)


def _let_go_of_stdout() -> None:
    """Drops what cannot be written (a full disk, a reader that has gone): Python would fail once more at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show(error: BaseException) -> None:
    text = " ".join(str(error).split()) or type(error).__name__
    print(f"Error: {text}", file=sys.stderr)  # noqa: T201  the command line's own error line
