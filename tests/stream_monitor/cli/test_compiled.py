"""Where compiled code goes: kept where that can be, else in a folder that lasts as long as the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stream_monitor.cli import compiled


def test_a_place_that_can_be_written_is_left_to_numba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a home, or a folder that the user named, nothing is changed."""
    monkeypatch.delenv(compiled.CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "not" / "yet"))
    compiled.keep_compiled_code()
    assert compiled.CACHE_VARIABLE not in os.environ
    monkeypatch.setenv(compiled.CACHE_VARIABLE, "/mine")
    compiled.keep_compiled_code()
    assert os.environ[compiled.CACHE_VARIABLE] == "/mine"


def test_a_folder_that_may_not_be_looked_into_cannot_be_written(tmp_path: Path) -> None:
    """A path below a file, where nothing can be made, is no place."""
    (tmp_path / "file").touch()
    assert compiled._writable(tmp_path / "new" / "folder")
    assert not compiled._writable(tmp_path / "file" / "below")


def test_without_any_place_compiled_functions_load_all_the_same() -> None:
    """A process that can write neither the package nor a home compiles into a folder that is gone afterwards."""
    code = """
import os
from stream_monitor.cli import compiled
compiled._writable = lambda folder: False
compiled.keep_compiled_code()
print(os.environ["NUMBA_CACHE_DIR"])
import stream_monitor.window_score
"""
    environ = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environ)
    assert done.returncode == 0, done.stderr
    assert "stream-monitor-compiled-" in done.stdout
    assert not Path(done.stdout.strip()).exists()
