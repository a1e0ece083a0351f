"""Talk, idents and noise: exact lengths, known levels, the same from the same seed."""

import numpy as np
import pytest

from encoder.errors import TrainingDataError
from encoder.training.jingle import jingle
from encoder.training.noise import KINDS, noise
from encoder.training.phrases import LANGUAGES, talk_text
from encoder.training.speech import say, speech

RATE = 22050


def _dbfs(wave: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(wave.astype(np.float64) ** 2))))


def test_talk_has_the_length_asked_for_and_never_stops() -> None:
    """Speech is exactly as long as asked, at its level, without a second of silence."""
    wave = speech(25.0, 4)
    assert wave.shape == (25 * RATE,)
    assert _dbfs(wave) == pytest.approx(-20, abs=3)
    seconds = np.abs(wave).reshape(25, RATE).max(1)
    assert (seconds > 0.01).all()
    assert np.array_equal(wave, speech(25.0, 4))
    assert not np.array_equal(wave, speech(25.0, 5))


def test_every_language_has_something_to_say() -> None:
    """Sentences of each language fill all of their frames' slots."""
    for language in LANGUAGES:
        text = talk_text(language, 60, np.random.default_rng(2))
        assert "{" not in text
        assert len(set(text.split(". "))) > 20


def test_an_unknown_voice_is_an_error() -> None:
    """espeak-ng's refusal becomes one error."""
    with pytest.raises(TrainingDataError, match="klingon-nowhere"):
        say("Hello", voice="klingon-nowhere")


def test_idents_are_short_and_differ() -> None:
    """Jingles last 3 to 8 s, end in silence and are their seeds' own."""
    waves = [jingle(seed) for seed in range(6)]
    assert all(3.0 <= len(wave) / RATE <= 8.2 for wave in waves)
    assert all(abs(wave[-1]) < 0.01 for wave in waves)
    assert np.array_equal(waves[0], jingle(0))
    assert not np.array_equal(waves[0][:RATE], waves[1][:RATE])


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_at_its_level(kind: str) -> None:
    """Each kind of noise has the length and the level asked for."""
    wave = noise(4.0, 1, kind=kind, level_dbfs=-30)
    assert wave.shape == (4 * RATE,)
    assert wave.dtype == np.float32
    assert _dbfs(wave) == pytest.approx(-30, abs=0.1)
    assert np.array_equal(wave, noise(4.0, 1, kind=kind, level_dbfs=-30))


def test_unknown_noise_is_an_error() -> None:
    """A kind that does not exist is named."""
    with pytest.raises(TrainingDataError, match="'purple'"):
        noise(1.0, 0, kind="purple")
