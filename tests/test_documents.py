"""What the documents tell people to type is what the program takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_lines import check, in_document

ROOT = Path(__file__).parents[1]
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
