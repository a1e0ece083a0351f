"""Files of secrets: what they hold, and what is said where they cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_monitor.errors import SettingsError
from stream_monitor.secret_file import secret_in


def test_the_end_of_line_is_no_part_of_it(tmp_path: Path) -> None:
    """Editors write one; spaces stay."""
    (tmp_path / "secret").write_bytes(b" pass word \r\n")
    assert secret_in(tmp_path / "secret", "kafka.password_file") == " pass word "


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), (b"\n", "is empty"), (b"hush\xff", "it is not UTF-8")]
)
def test_one_that_cannot_be_used_is_told_by_key_and_path(tmp_path: Path, content: bytes | None, words: str) -> None:
    """And nothing of what it holds."""
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(SettingsError, match=words) as caught:
        secret_in(tmp_path / "secret", "store.password_file")
    assert str(caught.value).startswith(f"store.password_file {tmp_path / 'secret'}: ")
    assert "hush" not in str(caught.value)
