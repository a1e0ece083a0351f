"""Decoding real files: every codec, every rate, and every kind of bad input."""

from __future__ import annotations

import os
import threading
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from encoder.resample import StreamingResampler
from stream_monitor.decode import AudioInput, decode
from stream_monitor.errors import (
    CannotOpenError,
    DamagedError,
    EmptyInputError,
    InputError,
    NotAudioError,
    StoppedError,
    TruncatedError,
)
from stream_monitor.piped import PipeReader
from stream_monitor.stopping import Stop
from tests.stream_monitor.sound import CODECS, melody, write_audio


def read(path: Path) -> np.ndarray:
    """All samples of a file."""
    return np.concatenate(list(decode(path)))


def heard_before(path: Path) -> tuple[float, InputError | None]:
    """Seconds that a file gives, and what it raises then."""
    samples = 0
    try:
        for samples_S in decode(path):
            samples += len(samples_S)
    except InputError as error:
        return samples / 22_050, error
    return samples / 22_050, None


def resampled(wave_S: np.ndarray, rate: int) -> np.ndarray:
    """What the resampler makes of samples at once."""
    resampler = StreamingResampler(rate)
    return np.concatenate([resampler.push(wave_S.astype(np.float32)), resampler.flush()])


def lag_of(heard_S: np.ndarray, reference_S: np.ndarray) -> int:
    """Samples by which `heard_S` is late."""
    size = 1 << 17
    product = np.fft.rfft(heard_S, size) * np.conj(np.fft.rfft(reference_S, size))
    lag = int(np.fft.irfft(product).argmax())
    return lag - size if lag > size // 2 else lag


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_sample_0_of_the_file_is_sample_0_of_the_stream(tmp_path: Path, suffix: str) -> None:
    """Encoder delays are trimmed: in every codec the sound is where it was, and of the length it had."""
    rate = 48_000 if suffix == ".opus" else 44_100
    wave_CS = melody(1, 2.5, rate=rate, channels=2)
    heard_S = read(write_audio(tmp_path / f"a{suffix}", wave_CS, rate, bit_rate=128_000))
    reference_S = resampled(wave_CS.mean(axis=0), rate)
    # ADTS has no place to say how much its encoder's delay is.
    if suffix != ".aac":
        assert abs(lag_of(heard_S, reference_S)) <= 1
    assert abs(len(heard_S) - len(reference_S)) < 0.1 * 22_050
    assert np.isfinite(heard_S).all()


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_every_rate_and_layout_gives_the_resampled_mean_of_the_channels(
    tmp_path: Path, rate: int, channels: int
) -> None:
    """8 to 192 kHz, mono to 5.1: the mean of the channels through the one resampler, however FFmpeg cuts frames."""
    wave_CS = melody(2, 1.6, rate=rate, channels=channels)
    heard_S = read(write_audio(tmp_path / "a.wav", wave_CS, rate, codec="pcm_f32le"))
    mono_S = wave_CS[0].copy()
    for channel_S in wave_CS[1:]:
        mono_S += channel_S
    np.testing.assert_array_equal(heard_S, resampled(mono_S * np.float32(1 / channels), rate))


def _write_video(path: Path, sound_S: np.ndarray | None) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        audio = container.add_stream("flac", rate=22_050, layout="mono") if sound_S is not None else None
        for place in range(10):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            picture.pts, picture.time_base = place, Fraction(1, 5)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        if audio is not None and sound_S is not None:
            coded_CS = (sound_S[None] * 32_767).astype(np.int16)
            for start in range(0, len(sound_S), 4096):
                frame = av.AudioFrame.from_ndarray(
                    coded_CS[:, start : start + 4096].copy(), format="s16", layout="mono"
                )
                frame.sample_rate, frame.pts, frame.time_base = 22_050, start, Fraction(1, 22_050)
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def test_video_gives_its_audio(tmp_path: Path) -> None:
    """Of a container with pictures and sound only the sound is read."""
    assert len(read(_write_video(tmp_path / "a.mkv", melody(3, 2.0)[0]))) == 44_100


def test_clipped_audio_passes(tmp_path: Path) -> None:
    """Samples above full scale in a float file stay as they are."""
    wave_CS = 5.0 * melody(4, 1.0)
    heard_S = read(write_audio(tmp_path / "a.wav", wave_CS, 22_050, codec="pcm_f32le"))
    assert np.abs(heard_S).max() > 1.0
    np.testing.assert_array_equal(heard_S, wave_CS[0])


def test_nan_and_infinite_samples_become_zeros(tmp_path: Path) -> None:
    """Samples that are no sound are replaced and counted; the file is no error."""
    wave_CS = melody(5, 1.0)
    wave_CS[0, 100:110] = np.nan
    wave_CS[0, 200] = np.inf
    path = write_audio(tmp_path / "a.wav", wave_CS, 22_050, codec="pcm_f32le")
    with AudioInput(path) as audio:
        heard_S = np.concatenate(list(audio.blocks()))
        assert audio.replaced_samples == 11
    assert np.isfinite(heard_S).all()
    assert not heard_S[100:110].any()


def test_a_silent_file_is_zeros(tmp_path: Path) -> None:
    """Silence decodes to zeros."""
    assert not read(write_audio(tmp_path / "a.flac", np.zeros((1, 22_050), np.float32), 22_050)).any()


def test_a_long_file_is_read_in_small_pieces(tmp_path: Path) -> None:
    """No piece holds much more than a second, whatever the length."""
    path = write_audio(tmp_path / "a.flac", melody(6, 30.0), 22_050)
    assert max(len(samples_S) for samples_S in decode(path)) < 2 * 22_050


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc to see its own memory")
def test_a_12_hour_file_never_sits_in_memory(tmp_path: Path) -> None:
    """Half a day of audio (a file of 1.9 GB, mostly holes) opens at once, and hours of it take a few megabytes."""
    path = tmp_path / "long.wav"
    samples = 12 * 3600 * 22_050
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 22_050, 0, "NONE", ""))
    header = bytearray(path.read_bytes())
    header[4:8] = (36 + 2 * samples).to_bytes(4, "little")
    header[40:44] = (2 * samples).to_bytes(4, "little")
    path.write_bytes(header)
    os.truncate(path, 44 + 2 * samples)
    heard, before = 0, 0
    with AudioInput(path) as audio:
        assert audio.format.duration_s == 12 * 3600
        for number, samples_S in enumerate(audio.blocks()):
            heard += len(samples_S)
            if number == 60:
                before = _resident_bytes()
            if heard > 2 * 3600 * 22_050:
                break
    # Two hours would be 635 MB.
    assert _resident_bytes() - before < 50 * 2**20


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("empty.wav", b"", EmptyInputError, "0 bytes"),
        ("text.mp3", b"this is no audio\n" * 200, NotAudioError, "no audio"),
        ("zeros.flac", bytes(5000), NotAudioError, "no audio"),
        ("head.wav", b"RIFF\x00\x00\x00\x00WAVE", NotAudioError, "no audio"),
    ],
)
def test_files_that_are_no_audio_say_so(tmp_path: Path, name: str, content: bytes, error: type, message: str) -> None:
    """Empty files and files of other things end in an error of their kind that names the file."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(error, match=message) as caught:
        read(path)
    assert name in str(caught.value)


def test_a_header_without_samples_is_empty(tmp_path: Path) -> None:
    """A whole WAV file of zero length has no sample, which is an error."""
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 22_050, 0, "NONE", ""))
    with pytest.raises(EmptyInputError, match="no audio sample"):
        read(path)


def test_a_file_with_pictures_only_has_no_audio(tmp_path: Path) -> None:
    """A film without sound is a known format without an audio stream."""
    with pytest.raises(NotAudioError, match="no audio stream"):
        read(_write_video(tmp_path / "a.mkv", None))


def test_missing_unreadable_and_folder_cannot_be_opened(tmp_path: Path) -> None:
    """What cannot be opened is one clear line."""
    with pytest.raises(CannotOpenError, match="no such file"):
        read(tmp_path / "missing.wav")
    with pytest.raises(CannotOpenError, match="folder"):
        read(tmp_path)
    locked = write_audio(tmp_path / "locked.wav", melody(7, 1.0), 22_050)
    locked.chmod(0)
    if os.access(locked, os.R_OK):
        pytest.skip("this user may read every file")
    with pytest.raises(CannotOpenError, match="permission"):
        read(locked)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff"])
def test_a_truncated_file_gives_what_is_there_and_then_says_so(tmp_path: Path, suffix: str) -> None:
    """Half a file gives about half of its sound, then an error."""
    path = write_audio(tmp_path / f"a{suffix}", melody(8, 8.0, rate=48_000), 48_000, bit_rate=96_000)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    heard_s, error = heard_before(path)
    assert isinstance(error, TruncatedError)
    assert 2.0 < heard_s < 6.0


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aac", ".ogg"])
def test_a_file_that_ends_in_the_middle_of_a_frame_says_so(tmp_path: Path, suffix: str) -> None:
    """A cut inside the last frame loses no more than that and is reported."""
    path = write_audio(tmp_path / f"a{suffix}", melody(9, 4.0, channels=2), 22_050, bit_rate=64_000)
    path.write_bytes(path.read_bytes()[:-5])
    heard_s, error = heard_before(path)
    assert isinstance(error, TruncatedError)
    assert 2.5 < heard_s <= 4.2


def test_an_mp4_without_its_index_is_not_decodable(tmp_path: Path) -> None:
    """An M4A file that lost its end lost its index: nothing can be read, and the message says cut off."""
    path = write_audio(tmp_path / "a.m4a", melody(10, 4.0), 22_050)
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(NotAudioError, match="cut off"):
        read(path)


def test_damage_in_the_middle_is_skipped_and_reported(tmp_path: Path) -> None:
    """Garbage inside a file costs a few frames; the rest is heard, and the file is reported."""
    path = write_audio(tmp_path / "a.aac", melody(11, 20.0), 22_050, bit_rate=64_000)
    content = bytearray(path.read_bytes())
    garbage = np.random.default_rng(12).integers(0, 256, len(content) // 4, dtype=np.uint8).tobytes()
    content[len(content) // 3 : len(content) // 3 + len(garbage)] = garbage
    path.write_bytes(bytes(content))
    heard_s, error = heard_before(path)
    assert isinstance(error, DamagedError)
    assert 8.0 < heard_s < 21.0


def test_a_path_is_never_taken_for_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose name looks like a protocol is a file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:").mkdir()
    write_audio(tmp_path / "http:" / "a.wav", melody(13, 1.0), 22_050)
    assert len(read(Path("http://a.wav"))) == 22_050


def test_a_playlist_file_cannot_reach_the_network(tmp_path: Path) -> None:
    """A file that names an address is not followed: uploads must not make the monitor fetch anything."""
    path = tmp_path / "a.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(InputError):
        read(path)


def test_a_stop_ends_reading(tmp_path: Path) -> None:
    """After a stop the next piece is not decoded."""
    stop = Stop()
    blocks = decode(write_audio(tmp_path / "a.flac", melody(14, 20.0), 22_050), stop=stop)
    next(blocks)
    stop.set()
    with pytest.raises(StoppedError):
        list(blocks)


def _pipe(stop: Stop) -> tuple[PipeReader, int]:
    reading, writing = os.pipe()
    return PipeReader(reading, name="standard input", stop=stop, owned=True), writing


def _in_background(action: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg"])
def test_a_pipe_gives_what_the_file_gives(tmp_path: Path, suffix: str) -> None:
    """Standard input decodes to the samples of the same file."""
    path = write_audio(tmp_path / f"a{suffix}", melody(15, 3.0), 22_050)
    reader, writing = _pipe(Stop())

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(path.read_bytes())

    thread = _in_background(write)
    heard_S = np.concatenate(list(decode(reader)))
    reader.close()
    thread.join(10)
    # A pipe's length is not known, so an MP3 encoder's padding at the end stays.
    file_S = read(path)
    assert 0 <= len(heard_S) - len(file_S) < 2000
    np.testing.assert_array_equal(heard_S[: len(file_S) - 100], file_S[:-100])


def test_an_empty_pipe_is_an_empty_input() -> None:
    """Standard input that closes at once is an error, not a hang."""
    reader, writing = _pipe(Stop())
    os.close(writing)
    with pytest.raises((EmptyInputError, NotAudioError)):
        list(decode(reader))
    reader.close()


def test_a_stop_wakes_a_reader_that_waits_for_a_pipe() -> None:
    """A pipe on which nothing comes does not hold up a stop."""
    stop = Stop()
    reader, writing = _pipe(stop)
    threading.Timer(0.1, stop.set).start()
    with pytest.raises(StoppedError):
        list(decode(reader))
    os.close(writing)
    reader.close()
