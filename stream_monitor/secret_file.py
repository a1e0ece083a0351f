"""Secrets come from files that settings name. What such a file holds is in no message."""

from __future__ import annotations

from pathlib import Path

from stream_monitor.errors import SettingsError


def secret_in(path: Path, key: str) -> str:
    """What a file of secrets holds, without its end of line.

    Args:
        path: The file.
        key: What names it in the settings, e.g. `kafka.password_file`.

    Raises:
        SettingsError: It cannot be read, is no text, or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8").strip("\r\n")
    except OSError as error:
        raise SettingsError(f"{key} {path}: it cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{key} {path}: it is not UTF-8; write the secret as one line of text") from error
    if not text:
        raise SettingsError(f"{key} {path}: is empty; write the secret into it, or take the key away")
    return text
