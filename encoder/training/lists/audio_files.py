"""Finds the audio file of a listed recording by name, anywhere below a folder. Opens none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from encoder.errors import TrainingDataError

SUFFIXES = frozenset({
    ".aac", ".ac3", ".aif", ".aiff", ".flac", ".m4a", ".mka", ".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".oga", ".ogg",
    ".opus", ".wav", ".webm", ".wma",
})  # fmt: skip
_BRACKETED = re.compile(r"\[([^\[\]]+)\]$")
"""Downloaders put the identifier of a video in brackets behind its title."""


class AudioFiles:
    """The audio files below a folder, by their path within it, their name, and a name in brackets at their end.

    Names lose their suffix; upper and lower case differ, as they do in identifiers of videos.
    """

    def __init__(self, folder: Path) -> None:
        """Looks the folder through.

        Raises:
            TrainingDataError: It is no folder.
        """
        if not folder.is_dir():
            raise TrainingDataError(f"{folder} is not a folder; --audio names the folder that holds the audio files")
        self.folder = folder.resolve()
        self._files: dict[str, list[Path]] = {}
        for path in sorted(self.folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                for key in self._keys(path):
                    self._files.setdefault(key, []).append(path)

    def find(self, keys: Sequence[str]) -> Path:
        """The file of the first key that any file has.

        Raises:
            TrainingDataError: No file has any of them, or several have the same one.
        """
        for key in keys:
            found = self._files.get(key, [])
            if len(found) > 1:
                names = " and ".join(str(path.relative_to(self.folder)) for path in found[:2])
                raise TrainingDataError(f"several files for {key}: {names}; leave one of them")
            if found:
                return found[0]
        raise TrainingDataError(f"no audio file named {' or '.join(keys)} below {self.folder}")

    def _keys(self, path: Path) -> set[str]:
        bracketed = _BRACKETED.search(path.stem)
        within = path.relative_to(self.folder).with_suffix("").as_posix()
        return {within, path.stem, *(bracketed.groups() if bracketed else ())}
