"""Command lines of the monitor, taken from documents and deployment files and read by the real command line.

Nothing is run: a line is good when click takes its commands, options and values.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

import click

from stream_monitor.cli import cli

PROGRAM = "stream-monitor"
_BLOCK = re.compile(r"^```(?:sh|bash|console)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"^[A-Z_]+=")


def check(arguments: Sequence[str]) -> None:
    """Reads what follows the program's name.

    Raises:
        AssertionError: The command line does not take it; the message says why.
    """
    command: click.Command = cli
    rest, context, name = list(arguments), None, PROGRAM
    try:
        while True:
            context = command.make_context(name, rest, parent=context)
            if not isinstance(command, click.Group):
                return
            left = [*context._protected_args, *context.args]
            if command.invoke_without_command and not left:
                return
            name, found, rest = command.resolve_command(context, left)
            assert found is not None and name is not None
            command = found
    except click.ClickException as error:
        raise AssertionError(f"{PROGRAM} {shlex.join(arguments)}: {error.format_message()}") from error


def in_document(text: str) -> Iterator[list[str]]:
    """Arguments of every command of a document's code blocks that calls the program, variables before it or not."""
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True) if PROGRAM in line else []
            for command in _commands(words):
                while command and _VARIABLE.match(command[0]):
                    command.pop(0)
                if command and command[0].rsplit("/", 1)[-1] == PROGRAM:
                    yield command[1:]


def _commands(words: Sequence[str]) -> Iterator[list[str]]:
    """Split where a shell begins another command; what comes after a redirection does not belong to one."""
    command: list[str] = []
    told = True
    for word in words:
        if word in ("|", "&&", "||", ";", "&", "--"):
            yield command
            command, told = [], True
        elif re.match(r"^[0-9&]?[<>]", word):
            told = False
        elif told:
            command.append(word.removesuffix(";"))
            if word.endswith(";"):
                yield command
                command = []
    yield command
