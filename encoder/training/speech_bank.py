"""A bank of talk as drawn CQT columns, to be laid over training views. Needs the program espeak-ng.

Knows nothing of the network. The talk says nothing: words in random order, in several languages, voices and speeds;
what matters is how speech looks to a CQT.
"""

from __future__ import annotations

import shutil
import subprocess
import wave
from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly

from encoder.cqt import ConstantQ
from encoder.errors import EncoderError
from encoder.grid import SAMPLE_RATE
from encoder.training.draw import FRAMES_PER_COLUMN

Array = NDArray[np.float32]

_VOICES = ("en-us", "en-gb", "en-us+f2", "en-gb+m3", "de", "de+f3", "fr", "fr+f4", "es", "es+f1", "it+f2", "pt-br+m5")
_WORDS = (
    "good morning and welcome to the show it is eight thirty traffic on the ring road moves slowly after an accident "
    "tomorrow will be cloudy with light rain in the north call us now and win two tickets for the concert tonight the "
    "minister said that talks would go on until friday police are asking for witnesses our next guest has written a "
    "book about rivers bridges and the people who build them stay with us after the break more music in a moment "
    "prices rose by three percent in october the home team lost again one nil a woman from the village found the old "
    "letters in her kitchen and now back to the studio where our reporter waits thank you for listening"
).split()


class SpeechProgramError(EncoderError):
    """espeak-ng is missing or failed."""


def speak(text: str, voice: str, words_per_minute: int, pitch: int) -> Array:
    """Spoken text at 22,050 Hz mono, float32.

    Raises:
        SpeechProgramError: If espeak-ng is not installed or fails.
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise SpeechProgramError("espeak-ng is not installed; install it or set speech_minutes: 0")
    command = [program, "-v", voice, "-s", str(words_per_minute), "-p", str(pitch), "--stdout", text]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    if done.returncode:
        raise SpeechProgramError(f"espeak-ng failed for voice {voice}: {done.stderr.decode(errors='replace').strip()}")
    with wave.open(BytesIO(done.stdout)) as source:
        rate = source.getframerate()
        # The length in the header is not known when espeak-ng writes to a pipe, so read what came.
        samples = np.frombuffer(done.stdout[44:], "<i2").astype(np.float32) / 32768
    if rate != SAMPLE_RATE:
        samples = resample_poly(samples, SAMPLE_RATE, rate).astype(np.float32)
    return samples


def speech_columns(minutes: float, seed: int) -> Array:
    """Talk of many voices as magnitudes [84, n], one column for 4 CQT frames; n = 0 for 0 minutes.

    Raises:
        SpeechProgramError: If espeak-ng is missing or fails.
    """
    if minutes <= 0:
        return np.zeros((84, 0), np.float32)
    rng = np.random.default_rng((seed, 0x5BEEC4))
    transform = ConstantQ()
    parts: list[Array] = []
    spoken_s, turn = 0.0, 0
    while spoken_s < 60 * minutes:
        text = " ".join(rng.choice(_WORDS, size=60))
        voice = _VOICES[turn % len(_VOICES)]
        samples = speak(text, voice, int(rng.integers(130, 200)), int(rng.integers(20, 80)))
        with torch.inference_mode():
            padded = np.pad(samples, transform.support_samples)
            frames_FN = transform(torch.from_numpy(padded)[None])[0].numpy()
        columns = frames_FN.shape[1] // FRAMES_PER_COLUMN
        mean_FC = frames_FN[:, : columns * FRAMES_PER_COLUMN].reshape(84, columns, FRAMES_PER_COLUMN).mean(axis=2)
        parts.append(mean_FC / max(1e-9, float(mean_FC.max())))
        spoken_s += len(samples) / SAMPLE_RATE
        turn += 1
    return np.ascontiguousarray(np.concatenate(parts, axis=1), dtype=np.float32)
