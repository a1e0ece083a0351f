"""Runs checks one after the other, each with a deadline; one that fails or hangs does not hide the others.

It knows nothing of what is checked.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence

from stream_monitor.doctor.finding import Check, Finding, bad, warn

_Said = Sequence[Finding] | Exception


def examine(checks: Iterable[Check]) -> Iterator[Finding]:
    """Yields what each check finds, as soon as it is known."""
    failed: set[str] = set()
    for check in checks:
        missing = next((name for name in check.needs if name in failed), None)
        if missing is not None:
            failed.add(check.name)
            yield warn(check.name, f"not looked at: {missing} must be good first", "")
            continue
        for finding in _looked(check):
            if finding.level == "bad":
                failed.add(check.name)
            yield finding


def _looked(check: Check) -> Sequence[Finding]:
    """In a thread that is left behind where it does not come back: foreign code may wait without an end."""
    answer: queue.Queue[_Said] = queue.Queue(maxsize=1)

    def look() -> None:
        try:
            answer.put(check.look())
        except Exception as error:  # noqa: BLE001  whatever it is becomes this check's finding, the others go on
            answer.put(error)

    threading.Thread(target=look, name=f"check {check.name}", daemon=True).start()
    try:
        said = answer.get(timeout=check.deadline_s)
    except queue.Empty:
        return [bad(check.name, f"no answer within {check.deadline_s:g} s", "see whether something there hangs")]
    if isinstance(said, Exception):
        text = " ".join(str(said).split()) or type(said).__name__
        return [bad(check.name, text, "")]
    return said
