"""Real audio files for tests: melodies of tones as samples, written in real codecs by FFmpeg through PyAV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Wave = npt.NDArray[np.float32]

CODECS = {
    ".wav": ("wav", "pcm_s16le", "s16"),
    ".flac": ("flac", "flac", "s16"),
    ".mp3": ("mp3", "libmp3lame", "s16p"),
    ".m4a": ("ipod", "aac", "fltp"),
    ".ogg": ("ogg", "vorbis", "fltp"),
    ".opus": ("ogg", "libopus", "flt"),
    ".aac": ("adts", "aac", "fltp"),
    ".aiff": ("aiff", "pcm_s16be", "s16"),
}
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def melody(seed: int, duration_s: float, *, rate: int = 22_050, channels: int = 1) -> Wave:
    """[C, S] notes of half a second over changing chords, a little different in each channel."""
    rng = np.random.default_rng(seed)
    samples = round(duration_s * rate)
    time_S = np.arange(samples) / rate
    notes = rng.integers(40, 80, size=(int(duration_s * 2) + 1, 3))
    hertz_SV = 440.0 * 2.0 ** ((notes[(time_S * 2).astype(int)] - 69) / 12)
    phase_SV = 2 * np.pi * np.cumsum(hertz_SV / rate, axis=0)
    wave_S = 0.2 * np.sin(phase_SV).sum(axis=1)
    gains_C = np.linspace(1.0, 0.5, channels)
    return (gains_C[:, None] * wave_S).astype(np.float32)


def write_audio(path: Path, wave_CS: Wave, rate: int, *, bit_rate: int | None = None, codec: str | None = None) -> Path:
    """Writes samples in the codec of the path's suffix (or another PCM codec for WAV).

    Vorbis becomes stereo, which is all that FFmpeg's own encoder knows; mono is put on both channels.
    """
    if path.suffix == ".ogg" and len(wave_CS) == 1:
        wave_CS = np.repeat(wave_CS, 2, axis=0)
    container_name, codec_name, sample_format = CODECS[path.suffix]
    if codec is not None:
        codec_name = codec
        sample_format = {"pcm_f32le": "flt", "pcm_f64le": "dbl", "pcm_u8": "u8", "pcm_s24le": "s32"}[codec]
    with av.open(str(path), "w", format=container_name) as container:
        stream = container.add_stream(codec_name, rate=rate, layout=LAYOUTS[len(wave_CS)])
        stream.codec_context.options = {"strict": "experimental"}
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        resampler = av.AudioResampler(format=sample_format, layout=LAYOUTS[len(wave_CS)], rate=rate)
        packed = np.ascontiguousarray(wave_CS.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=LAYOUTS[len(wave_CS)])
        frame.sample_rate = rate
        frames = resampler.resample(frame) + resampler.resample(None)
        fifo = av.AudioFifo()
        for ready in frames:
            ready.pts = None
            fifo.write(ready)
        size, place = stream.codec_context.frame_size or 4096, 0
        while (piece := fifo.read(size) or fifo.read(0)) is not None:
            piece.pts, piece.time_base = place, Fraction(1, rate)
            place += piece.samples
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path
