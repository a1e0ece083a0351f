"""Audio of single records: what was put in comes out on the stream's clock, and what is no audio is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from encoder.training.encode import encode
from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.payload import to_flac, to_samples
from stream_monitor.kafka.records import AudioRecord
from stream_monitor.segments import SEGMENT_SAMPLES, StreamKey
from tests.fakes.band import song

RECORD = AudioRecord(
    stream=StreamKey(kind="broadcast", stream_id="fm-1", epoch=1),
    seq=3,
    offset_samples=3 * SEGMENT_SAMPLES,
    samples=SEGMENT_SAMPLES,
    sample_rate=22_050,
    channels=1,
    content_type="audio/flac",
    captured_at=None,
)
WAVE_S = song(1, 5.0)[:SEGMENT_SAMPLES]


def test_flac_comes_back_to_the_bit_of_its_sixteen() -> None:
    """The default segment."""
    np.testing.assert_allclose(to_samples(RECORD, to_flac(WAVE_S)), WAVE_S, atol=0.6 / 32768)


def test_pcm_comes_back() -> None:
    """Two channels of 16 bits at another rate: mixed, resampled, exactly as long as announced."""
    rate = 44_100
    time_S = np.arange(5 * rate) / rate
    sine_S = 0.5 * np.sin(2 * np.pi * 440 * time_S)
    value = np.repeat(np.rint(sine_S * 32767).astype("<i2"), 2).tobytes()
    record = replace(RECORD, content_type="audio/pcm", samples=5 * rate, sample_rate=rate, channels=2, offset_samples=0)
    heard_S = to_samples(record, value)
    assert len(heard_S) == SEGMENT_SAMPLES
    expected_S = 0.5 * np.sin(2 * np.pi * 440 * np.arange(SEGMENT_SAMPLES) / 22_050)
    np.testing.assert_allclose(heard_S[2000:-2000], expected_S[2000:-2000], atol=2e-3)


@pytest.mark.parametrize(
    ("suffix", "content_type"), [(".mp3", "audio/mpeg"), (".aac", "audio/aac"), (".opus", "audio/ogg")]
)
def test_lossy_segments_are_as_long_as_announced(tmp_path: Path, suffix: str, content_type: str) -> None:
    """Whatever their encoder put before and after the audio."""
    value = encode(WAVE_S, 22_050, tmp_path / f"a{suffix}", bit_rate=64_000).read_bytes()
    heard_S = to_samples(replace(RECORD, content_type=content_type), value)
    assert len(heard_S) == SEGMENT_SAMPLES
    assert np.sqrt(np.mean(heard_S**2)) == pytest.approx(np.sqrt(np.mean(WAVE_S**2)), rel=0.15)


def test_an_empty_last_record_has_no_sample() -> None:
    """It only ends its stream."""
    assert len(to_samples(replace(RECORD, samples=0, last=True), b"")) == 0


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"no audio at all", "undecodable"),
        (b"\x00" * 5000, "undecodable"),
        (to_flac(WAVE_S)[:3000], "undecodable"),
        (b"fLaC" + bytes(range(256)) * 8, "undecodable"),
        (to_flac(WAVE_S[:50_000]), "wrong_length"),
        (to_flac(np.concatenate((WAVE_S, WAVE_S))), "wrong_length"),
    ],
)
def test_what_is_not_the_announced_audio_is_refused(value: bytes, code: str) -> None:
    """By its code; nothing of it is heard."""
    with pytest.raises(PoisonError, match="segment 3") as caught:
        to_samples(RECORD, value)
    assert caught.value.code == code
