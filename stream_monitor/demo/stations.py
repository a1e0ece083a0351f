"""Puts items (songs, talk, jingles, pauses) one after another into a station's audio, with talk over the music.

Knows where each work begins and ends, which is the truth that the demo is scored against; knows nothing of rendering,
catalogues or the monitor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_monitor.demo.scoring import Appearance

MUSIC_RMS = 0.09
"""Level that music is brought to, about -21 dBFS RMS, so that talk fits above it."""
TALK_RMS = 0.11
FADE_S = 0.6
"""Length of the fade at both ends of each piece of music, seconds."""

Audio = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One thing that a station broadcasts.

    Attributes:
        audio_S: Samples, mono, at the station's rate.
        how: recording, version, unknown (music that is not enrolled), talk, jingle or pause.
        work_id: The work, for a recording or version; else None.
        talk: Talk to be mixed over the music, `(start_s within the item, samples)` each.
    """

    audio_S: Audio
    how: str
    work_id: str | None = None
    talk: Sequence[tuple[float, Audio]] = ()


def levelled(audio_S: Audio, rms: float) -> Audio:
    """The same audio at an RMS level measured where it sounds (silence below 1 % of the peak left out)."""
    loud_S = audio_S[np.abs(audio_S) > 0.01 * np.abs(audio_S).max(initial=0.0)]
    if not len(loud_S):
        return audio_S
    gain = np.float32(rms / np.sqrt(np.mean(np.square(loud_S, dtype=np.float64))))
    scaled_S: Audio = audio_S * gain
    return scaled_S


def sounding_span(audio_S: Audio) -> tuple[int, int]:
    """First and one past the last sample above -46 dB of the peak: where a listener would say that music is on."""
    above = np.flatnonzero(np.abs(audio_S) > 0.005 * np.abs(audio_S).max(initial=0.0))
    return (int(above[0]), int(above[-1]) + 1) if len(above) else (0, 0)


def assemble(items: Sequence[Item], rate: int) -> tuple[Audio, list[Appearance]]:
    """Joins items into one programme.

    Args:
        items: In order of broadcast.
        rate: Samples per second of all audio.

    Returns:
        The programme, within [-1, 1], and the true appearances of works in it, in order.
    """
    pieces: list[Audio] = []
    truth: list[Appearance] = []
    at = 0
    for item in items:
        piece_S = levelled(item.audio_S, TALK_RMS if item.how == "talk" else MUSIC_RMS)
        if item.how in ("recording", "version", "unknown"):
            first, last = sounding_span(piece_S)
            piece_S = _faded(piece_S[first:last], rate)
        for start_s, talk_S in item.talk:
            first = round(start_s * rate)
            room = max(0, min(len(talk_S), len(piece_S) - first))
            spoken_S = levelled(talk_S, TALK_RMS)[:room]
            # The presenter's desk ducks the music by 6 dB under the voice.
            piece_S[first : first + room] = 0.5 * piece_S[first : first + room] + spoken_S
        if item.work_id is not None:
            truth.append(
                Appearance(work_id=item.work_id, start_s=at / rate, end_s=(at + len(piece_S)) / rate, how=item.how)
            )
        pieces.append(piece_S)
        at += len(piece_S)
    programme_S = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return np.clip(programme_S, -1.0, 1.0), truth


def _faded(audio_S: Audio, rate: int) -> Audio:
    faded_S = audio_S.copy()
    length = min(round(FADE_S * rate), len(faded_S) // 2)
    ramp = np.linspace(0.0, 1.0, length, dtype=np.float32)
    faded_S[:length] *= ramp
    faded_S[len(faded_S) - length :] *= ramp[::-1]
    return faded_S
