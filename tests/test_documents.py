"""What the documents tell people to type is what the program takes."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from stream_monitor.config import Config
from tests.command_lines import check, in_document

ROOT = Path(__file__).parents[1]
RUNBOOK = ROOT / "docs/operations.md"
PAGES = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("docker/*.md"), ROOT / "README.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_is_one_that_there_is(page: Path) -> None:
    """Each line of a document's code blocks that calls stream-monitor is read by the real command line."""
    for arguments in in_document(page.read_text(encoding="utf-8")):
        if "…" not in arguments:
            check(arguments)


def test_command_lines_are_found() -> None:
    """Prompts, variables before the program, long lines, pipes and several commands in a line are understood."""
    text = '```sh\n$ A=b .venv/bin/stream-monitor topics \\\n  check --config "a b" | tee x; stream-monitor bench > y\n'
    text += "kubectl -n stream-monitor exec pod -- stream-monitor config show\n```"
    assert list(in_document(text)) == [["topics", "check", "--config", "a b"], ["bench"], ["config", "show"]]
    assert list(in_document("stream-monitor nothing")) == []


def test_a_wrong_command_line_is_found() -> None:
    """An unknown command, option or value is told with the line."""
    for wrong in (["fly"], ["topics", "fly"], ["run"], ["produce", "--kind", "podcast"]):
        with pytest.raises(AssertionError, match=f"stream-monitor {wrong[0]}"):
            check(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_is_one_of_the_configuration(page: Path) -> None:
    """A variable of the environment that a document names sets a key that there is."""
    for name in set(re.findall(r"STREAM_MONITOR__([A-Z][A-Z_]*[A-Z])\b", page.read_text(encoding="utf-8"))):
        model: Any = Config
        for key in name.lower().split("__"):
            fields = getattr(model, "model_fields", {})
            assert key in fields, f"STREAM_MONITOR__{name}"
            model = fields[key].annotation


def codes_in(folders: list[str]) -> set[str]:
    """The codes with which the modules of these folders give records up."""
    modules = [path for folder in folders for path in (ROOT / "stream_monitor" / folder).glob("*.py")]
    calls = [node for path in modules for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    return {
        call.args[0].value
        for call in calls
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in ("PoisonError", "UndeliverableError")
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


WORKER_CODES = codes_in(["kafka"])
RELAY_CODES = codes_in(["relay", "mqtt", "webhooks"])


@pytest.mark.parametrize(
    ("section", "codes"), [("A poison flood", WORKER_CODES), ("Alerts that are refused", RELAY_CODES)]
)
def test_the_runbook_names_every_code_of_a_dead_letter_and_no_other(section: str, codes: set[str]) -> None:
    """Its table of codes is what the worker and the relay write into `dlq_code`."""
    text = RUNBOOK.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = text.split("| code | means |")[1].split("\n\n")[0].splitlines()[2:]
    assert sorted(code for row in rows for code in re.findall(r"`(\w+)`", row.split("|")[1])) == sorted(codes)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "tests/docker/alerts_test.yaml"], ids=lambda page: page.name)
def test_codes_of_dead_letters_in_examples_are_real(page: Path) -> None:
    """A command that asks for a code that there is not would find nothing, and say so as if all were well."""
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"--code (\w+)|_dead_letters_total{[^}]*code=\"(\w+)\"", text))
    assert {command or series for command, series in named} <= WORKER_CODES | RELAY_CODES
