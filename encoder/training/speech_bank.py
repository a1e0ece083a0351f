"""A bank of talk as drawn CQT columns, to be laid over training views. Needs the program espeak-ng.

Knows nothing of the network. The talk says nothing: words in random order, in several languages, voices and speeds;
what matters is how speech looks to a CQT.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from encoder.cqt import ConstantQ
from encoder.grid import BINS, SAMPLE_RATE
from encoder.training.draw import FRAMES_PER_COLUMN
from encoder.training.speech import say

Array = NDArray[np.float32]

_VOICES = ("en-us", "en-gb", "en-us+f2", "en-gb+m3", "de", "de+f3", "fr", "fr+f4", "es", "es+f1", "it+f2", "pt-br+m5")
_TEXT = (
    "good morning and welcome to the show it is eight thirty traffic on the ring road moves slowly after an accident "
    "tomorrow will be cloudy with light rain in the north call us now and win two tickets for the concert tonight the "
    "minister said that talks would go on until friday police are asking for witnesses our next guest has written a "
    "book about rivers bridges and the people who build them stay with us after the break more music in a moment "
    "prices rose by three percent in october the home team lost again one nil a woman from the village found the old "
    "letters in her kitchen and now back to the studio where our reporter waits thank you for listening"
)
_WORDS = tuple(_TEXT.split(" "))


def speech_columns(minutes: float, seed: int) -> Array:
    """Talk of many voices as magnitudes [84, n], one column for 4 CQT frames; n = 0 for 0 minutes.

    Raises:
        TrainingDataError: If espeak-ng is not installed or fails.
    """
    if minutes <= 0:
        return np.zeros((BINS, 0), np.float32)
    rng = np.random.default_rng((seed, 0x5BEEC4))
    transform = ConstantQ()
    parts: list[Array] = []
    spoken_s, turn = 0.0, 0
    while spoken_s < 60 * minutes:
        text = " ".join(rng.choice(_WORDS, size=60))
        voice = _VOICES[turn % len(_VOICES)]
        speed, pitch = int(rng.integers(130, 200)), int(rng.integers(20, 80))
        samples = say(text, voice=voice, words_per_minute=speed, pitch=pitch)
        with torch.inference_mode():
            padded = np.pad(samples, transform.support_samples)
            frames_FN = transform(torch.from_numpy(padded)[None])[0].numpy()
        columns = frames_FN.shape[1] // FRAMES_PER_COLUMN
        mean_FC = frames_FN[:, : columns * FRAMES_PER_COLUMN].reshape(BINS, columns, FRAMES_PER_COLUMN).mean(axis=2)
        parts.append(mean_FC / max(1e-9, float(mean_FC.max())))
        spoken_s += len(samples) / SAMPLE_RATE
        turn += 1
    return np.ascontiguousarray(np.concatenate(parts, axis=1), dtype=np.float32)
