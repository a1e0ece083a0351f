"""Arrangements become sound: at the right time, level and pitch, and in files of every codec."""

from pathlib import Path

import av
import numpy as np
import pytest

from encoder.errors import TrainingDataError
from encoder.training.arrange import arrange
from encoder.training.arrangement import Arrangement, Part, TimeMap
from encoder.training.corpus import load_song
from encoder.training.encode import CODECS, encode
from encoder.training.fluidsynth import Synth, find_soundfont
from encoder.training.render import levelled, render

RATE = 22050


def _arrangement(notes: list[tuple[float, float, float, float]], *, program: int = 0) -> Arrangement:
    notes_N5 = np.array([(*note, 0) for note in notes], np.float32)
    return Arrangement(
        work_id="made",
        parts=(Part(role="melody", program=program, notes_N5=notes_N5),),
        time_map=TimeMap(spans_K4=np.array([[0.0, 3.0, 0.0, 3.0]])),
        transposition_semitones=0,
        tempo_ratio=1.0,
        description=(),
    )


def test_a_note_sounds_when_and_as_it_should() -> None:
    """A4 at 1 s is silent before, loud after, and its strongest partial is a multiple of 440 Hz."""
    wave = render(_arrangement([(1.0, 1.0, 69, 100)], program=73))
    onset = int(np.argmax(np.abs(wave) > 0.02)) / RATE
    assert 0.98 < onset < 1.06
    spectrum = np.abs(np.fft.rfft(wave[RATE + 4000 : 2 * RATE] * np.hanning(RATE - 4000)))
    frequency = np.fft.rfftfreq(RATE - 4000, 1 / RATE)[spectrum.argmax()]
    assert frequency / 440 == pytest.approx(round(frequency / 440), abs=0.02)


def test_rendering_is_deterministic_and_levelled() -> None:
    """Two renderings are bit-identical, at -18 dBFS and without clipping."""
    cover = arrange(load_song("composed-000012"), 1).excerpt(20, 35)
    first, second = render(cover), render(cover)
    assert first.dtype == np.float32
    assert np.array_equal(first, second)
    assert np.abs(first).max() <= 0.9501
    assert 20 * np.log10(np.sqrt(np.mean(first**2))) == pytest.approx(-18, abs=2.0)


def test_stereo_rate_room_and_soundfont_can_be_chosen() -> None:
    """Stereo gives two rows, other rates the same length, another soundfont another sound."""
    piece = _arrangement([(0.0, 0.5, 60, 90)])
    stereo = render(piece, stereo=True, rate=44100, room=0.5)
    assert stereo.shape == (2, render(piece, rate=44100).shape[0])
    assert abs(stereo.shape[1] / 44100 - render(piece).shape[0] / RATE) < 0.01
    assert not np.array_equal(render(piece, soundfont="TimGM6mb.sf2"), render(piece))


def test_a_missing_or_broken_soundfont_is_an_error(tmp_path: Path) -> None:
    """The error names what is missing and the package that has it, or the file that cannot be read."""
    with pytest.raises(TrainingDataError, match="apt-get install"):
        find_soundfont("nothing.sf2")
    broken = tmp_path / "broken.sf2"
    broken.write_bytes(b"no soundfont")
    with pytest.raises(TrainingDataError, match=r"broken\.sf2"):
        Synth(broken, rate=RATE)


def test_silence_stays_silent() -> None:
    """Levelling nothing gives nothing."""
    assert not levelled(np.zeros(100, np.float32), -20).any()
    assert levelled(np.zeros(0, np.float32), -20).size == 0


@pytest.mark.parametrize("suffix", list(CODECS))
@pytest.mark.parametrize("channels", [1, 2])
def test_every_codec_keeps_length_and_sound(tmp_path: Path, suffix: str, channels: int) -> None:
    """A tone written in each codec decodes to the same length within a tenth of a second, at its level."""
    tone = 0.5 * np.sin(np.arange(RATE * 3) * 2 * np.pi * 440 / RATE).astype(np.float32)
    audio = tone if channels == 1 else np.stack([tone, tone])
    path = encode(audio, RATE, tmp_path / f"tone{suffix}", bit_rate=64_000)
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", rate=RATE)
        frames = [r for frame in container.decode(audio=0) for r in resampler.resample(frame)]
        frames += resampler.resample(None)
        decoded = np.concatenate([frame.to_ndarray().mean(0) for frame in frames])
    assert len(decoded) / RATE == pytest.approx(3.0, abs=0.1)
    middle = decoded[RATE : 2 * RATE]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.354, rel=0.15)


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    """A suffix that names no codec is an error."""
    with pytest.raises(TrainingDataError, match=r"\.xyz"):
        encode(np.zeros(100, np.float32), RATE, tmp_path / "a.xyz")
