"""Talk, by espeak-ng: announcers in several voices and languages, deterministic from a seed.

Knows nothing of music or of stations.
"""

from __future__ import annotations

import io
import subprocess
import wave
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from encoder.errors import TrainingDataError
from encoder.grid import SAMPLE_RATE
from encoder.training.phrases import talk_text
from encoder.training.render import levelled

VOICES = {
    "en": ("en-us", "en-gb", "en-gb-scotland", "en-029", "en-us-nyc"),
    "de": ("de",),
    "fr": ("fr-fr", "fr-be"),
    "es": ("es", "es-419"),
    "it": ("it",),
}
VARIANTS = ("m1", "m2", "m3", "m4", "m5", "m7", "f1", "f2", "f3", "f4", "f5", "klatt2", "klatt4")
WEIGHTS = {"en": 0.4, "de": 0.2, "fr": 0.15, "es": 0.15, "it": 0.1}
SENTENCES = 6
LEVEL_DBFS = -20.0


def speech(duration_s: float, seed: int) -> NDArray[np.float32]:
    """Talk of exactly `duration_s` seconds at 22,050 Hz, mono, at -20 dBFS.

    One or two speakers, who take turns; each has a voice, a speed and a pitch.

    Raises:
        TrainingDataError: If espeak-ng is not installed or fails.
    """
    rng = np.random.default_rng([31, seed])
    language = str(rng.choice(list(WEIGHTS), p=list(WEIGHTS.values())))
    speakers = [_speaker(language, rng) for _ in range(int(rng.integers(1, 3)))]
    wanted = round(duration_s * SAMPLE_RATE)
    pieces: list[NDArray[np.float32]] = []
    have = 0
    while have < wanted:
        voice, speed, pitch = speakers[len(pieces) % len(speakers)]
        pieces.append(say(talk_text(language, SENTENCES, rng), voice=voice, words_per_minute=speed, pitch=pitch))
        have += len(pieces[-1])
    return levelled(np.concatenate(pieces)[:wanted] if pieces else np.zeros(0, np.float32), LEVEL_DBFS)


@lru_cache(maxsize=64)
def _say_bytes(text: str, voice: str, words_per_minute: int, pitch: int) -> bytes:
    command = ["espeak-ng", "--stdout", "-v", voice, "-s", str(words_per_minute), "-p", str(pitch), text]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    except FileNotFoundError as error:
        raise TrainingDataError("espeak-ng is not installed: apt-get install espeak-ng") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise TrainingDataError(f"espeak-ng failed for voice {voice}: {error}") from error
    return done.stdout


def say(text: str, *, voice: str = "en-us", words_per_minute: int = 165, pitch: int = 50) -> NDArray[np.float32]:
    """A text spoken by one voice, float32 mono at 22,050 Hz.

    Args:
        text: What to say.
        voice: espeak-ng's name of a voice, with a variant if wanted (``en-gb+f3``).
        words_per_minute: 80 to 450.
        pitch: 0 to 99.

    Raises:
        TrainingDataError: If espeak-ng is not installed or fails.
    """
    data = _say_bytes(text, voice, words_per_minute, pitch)
    with wave.open(io.BytesIO(data)) as file:
        if file.getframerate() != SAMPLE_RATE or file.getnchannels() != 1 or file.getsampwidth() != 2:
            raise TrainingDataError(f"espeak-ng gave {file.getframerate()} Hz, 22050 Hz mono 16 bit expected")
        # espeak-ng streams to stdout, so the header's length is not known to it: read what is there.
        samples = np.frombuffer(data[44 : 44 + (len(data) - 44) // 2 * 2], "<i2")
    return (samples / np.float32(32768)).astype(np.float32)


def _speaker(language: str, rng: np.random.Generator) -> tuple[str, int, int]:
    voice = f"{rng.choice(VOICES[language])}+{rng.choice(VARIANTS)}"
    return voice, int(rng.integers(135, 200)), int(rng.integers(25, 75))
