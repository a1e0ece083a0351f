"""ICY metadata out of a stream: titles that a server puts between the bytes of audio. It knows nothing of audio.

After every `interval` bytes of audio comes one byte that says how many blocks of 16 bytes of text follow, often none.
"""

from __future__ import annotations

_BLOCK = 16


class IcyFilter:
    """Takes the bytes of one answer in order and keeps the audio."""

    def __init__(self, interval: int) -> None:
        """Args: `interval`: bytes of audio between two texts; the answer's header `icy-metaint`."""
        self._interval = interval
        self._audio_left = interval
        self._text_left = 0

    def audio(self, data: bytes) -> bytes:
        """The bytes of `data` that are audio."""
        kept = bytearray()
        place = 0
        while place < len(data):
            if self._text_left:
                skipped = min(self._text_left, len(data) - place)
                self._text_left -= skipped
                place += skipped
            elif self._audio_left:
                taken = min(self._audio_left, len(data) - place)
                kept += data[place : place + taken]
                self._audio_left -= taken
                place += taken
            else:
                self._text_left = data[place] * _BLOCK
                self._audio_left = self._interval
                place += 1
        return bytes(kept)
