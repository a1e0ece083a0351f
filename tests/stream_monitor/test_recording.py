"""Spectral peaks: recordings through codecs and at other speeds, and what is no recording."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from encoder.grid import SAMPLE_RATE
from encoder.peaks import peaks
from encoder.training.arrange import plain
from encoder.training.corpus import load_song
from encoder.training.render import render
from stream_monitor.recording import same_recording
from stream_monitor.track_peaks import TrackPeaks
from tests.stream_monitor import band, sound


@cache
def recording(seed: int) -> npt.NDArray[np.float32]:
    return band.play(band.work(seed, 120), melody=band.WARM, seed=seed)


@cache
def recording_peaks(seed: int) -> npt.NDArray[np.uint32]:
    return peaks(band.frames(recording(seed)))


def track(seed: int) -> TrackPeaks:
    return TrackPeaks.of(recording_peaks(seed))


def through_mp3(wave_S: npt.NDArray[np.float32], path: Path) -> npt.NDArray[np.float32]:
    sound.write_audio(path, wave_S[None], SAMPLE_RATE, bit_rate=64_000)
    with av.open(str(path)) as container:
        planes = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(planes, axis=1).mean(axis=0).astype(np.float32)


@pytest.mark.parametrize("start_s", [7.3, 31.87])
def test_ten_seconds_of_a_64k_mp3_are_the_recording(tmp_path: Path, start_s: float) -> None:
    """A short excerpt through a codec is verified, and its place is right within three frames and the codec's delay."""
    start = round(start_s * SAMPLE_RATE)
    heard_S = through_mp3(recording(1)[start : start + 10 * SAMPLE_RATE], tmp_path / "excerpt.mp3")
    match = same_recording(peaks(band.frames(heard_S)), track(1))
    assert match is not None
    assert match.match_type == "recording"
    assert match.tempo_ratio == 1.0
    offset_s = (match.track_start_sample - match.stream_start_sample) / SAMPLE_RATE
    assert offset_s == pytest.approx(start_s, abs=0.15)


@pytest.mark.parametrize("speed", [0.96, 1.05])
def test_another_speed_is_still_the_recording(speed: float) -> None:
    """A faster or slower tape, pitch and all, is found with its ratio."""
    source_S = recording(2)[: 40 * SAMPLE_RATE]
    at = np.arange(int(len(source_S) / speed)) * speed
    heard_S = np.interp(at, np.arange(len(source_S)), source_S).astype(np.float32)
    match = same_recording(peaks(band.frames(heard_S)), track(2))
    assert match is not None
    assert match.match_type == "recording"
    assert match.tempo_ratio == pytest.approx(speed, abs=0.003)


def test_start_and_end_are_those_of_the_recording_among_other_music() -> None:
    """With other music before and behind, the matched stretch is the recording's within a second."""
    inside_S = recording(3)[5 * SAMPLE_RATE : 30 * SAMPLE_RATE]
    before_S, behind_S = (band.play(band.work(seed, 40), beat_s=0.47, semitones=1, seed=seed) for seed in (8, 9))
    heard_S = np.concatenate((before_S[: 12 * SAMPLE_RATE], inside_S, behind_S[: 12 * SAMPLE_RATE]))
    match = same_recording(peaks(band.frames(heard_S)), track(3))
    assert match is not None
    assert match.stream_start_sample == pytest.approx(12 * SAMPLE_RATE, abs=SAMPLE_RATE)
    assert match.stream_end_sample == pytest.approx(37 * SAMPLE_RATE, abs=SAMPLE_RATE)
    assert match.track_start_sample - match.stream_start_sample == pytest.approx(-7 * SAMPLE_RATE, abs=1500)


def test_the_same_notes_by_another_band_are_a_version() -> None:
    """Equal notes, key and tempo to the millisecond, but on other instruments, are no recording."""
    played = plain(load_song("pop909-002")).excerpt(30.0, 70.0)
    others = tuple(replace(part, program=(part.program + 24) % 96) for part in played.parts)
    first_n, second_n = (peaks(band.frames(render(version))) for version in (played, replace(played, parts=others)))
    match = same_recording(second_n, TrackPeaks.of(first_n))
    assert match is None or match.match_type == "version"
    itself = same_recording(first_n, TrackPeaks.of(first_n))
    assert itself is not None
    assert itself.match_type == "recording"


def test_another_work_is_no_recording() -> None:
    """Other music, even in the same key on the same beat, never passes."""
    for seed in range(4, 8):
        match = same_recording(recording_peaks(seed), track(1))
        assert match is None or match.match_type == "version"
        elsewhere_S = band.play(band.work(seed, 60), beat_s=0.47, semitones=1, seed=seed)
        match = same_recording(peaks(band.frames(elsewhere_S)), track(1))
        assert match is None or match.significance < 15


def test_a_span_limits_the_stream() -> None:
    """Peaks outside the span are not looked at."""
    span = (10 * SAMPLE_RATE, 25 * SAMPLE_RATE)
    match = same_recording(recording_peaks(1), track(1), stream_span=span)
    assert match is not None
    assert span[0] <= match.stream_start_sample < match.stream_end_sample < span[1]


def test_a_handful_of_peaks_says_nothing() -> None:
    """Under ten peaks on a side there is no answer."""
    assert same_recording(recording_peaks(1)[:9], track(1)) is None
    assert same_recording(recording_peaks(1), TrackPeaks.of(recording_peaks(1)[:9])) is None
