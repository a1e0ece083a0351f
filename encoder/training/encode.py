"""Audio arrays to files in the codecs that broadcasters and uploaders use, through PyAV.

For tests, the demo and augmentation. Knows nothing of music.
"""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoder.errors import TrainingDataError

CODECS = {
    ".wav": ("pcm_s16le", "s16"),
    ".flac": ("flac", "s16"),
    ".mp3": ("libmp3lame", "fltp"),
    ".m4a": ("aac", "fltp"),
    ".aac": ("aac", "fltp"),
    ".ogg": ("vorbis", "fltp"),
    ".opus": ("libopus", "flt"),
}
"""File suffix to codec and sample format."""

OPUS_RATE = 48_000
OPTIONS = {"vorbis": {"strict": "experimental"}}
"""FFmpeg's own Vorbis encoder is in every PyAV wheel, but has to be asked for."""

STEREO_ONLY = ("vorbis",)
BLOCK_SAMPLES = 1 << 16


def encode(
    audio: NDArray[np.float32], rate: int, path: Path, *, codec: str | None = None, bit_rate: int | None = None
) -> Path:
    """Writes audio to a file; the suffix names the container.

    Args:
        audio: float32 ``[S]`` or ``[channels, S]``, 1 or 2 channels, within ±1 (clipped).
        rate: Sample rate in Hz; Opus is resampled to 48,000.
        path: Where to; suffix .wav, .flac, .mp3, .m4a, .aac, .ogg or .opus.
        codec: PyAV's name of a codec instead of the suffix's own.
        bit_rate: Bits per second for lossy codecs; None takes the codec's default.

    Returns:
        `path`.

    Raises:
        TrainingDataError: If the suffix is not known.
    """
    import av

    if path.suffix not in CODECS:
        raise TrainingDataError(f"{path.name}: suffix {path.suffix!r} is none of {', '.join(CODECS)}")
    name, sample_format = CODECS[path.suffix]
    planes = np.atleast_2d(np.clip(audio, -1.0, 1.0)).astype(np.float32)
    codec = codec or name
    if len(planes) == 1 and codec in STEREO_ONLY:
        planes = np.repeat(planes, 2, axis=0)
    layout = "mono" if len(planes) == 1 else "stereo"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=OPUS_RATE if path.suffix == ".opus" else rate)
        stream.options = OPTIONS.get(codec, {})
        stream.layout = layout
        stream.format = sample_format
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        resampler = av.AudioResampler(format=sample_format, layout=layout, rate=stream.rate)
        for start in range(0, planes.shape[1], BLOCK_SAMPLES):
            block = np.ascontiguousarray(planes[:, start : start + BLOCK_SAMPLES])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate = rate
            frame.pts = start
            frame.time_base = Fraction(1, rate)
            for ready in resampler.resample(frame):
                container.mux(stream.encode(ready))
        for ready in resampler.resample(None):
            container.mux(stream.encode(ready))
        container.mux(stream.encode(None))
    return path


def through_codec(wave_S: NDArray[np.float32], rate: int, suffix: str, bit_rate: int) -> NDArray[np.float32]:
    """Mono samples [S] as they come back from a lossy codec, on the same clock give or take its delay.

    Raises:
        TrainingDataError: The suffix is not known.
    """
    import av

    with tempfile.TemporaryDirectory() as folder:
        path = encode(wave_S, rate, Path(folder) / f"audio{suffix}", bit_rate=bit_rate)
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate)
        blocks = []
        with av.open(str(path)) as container:
            for frame in container.decode(audio=0):
                blocks += [ready.to_ndarray()[0] for ready in resampler.resample(frame)]
            blocks += [ready.to_ndarray()[0] for ready in resampler.resample(None)]
    heard_S: NDArray[np.float32] = np.concatenate(blocks)
    return heard_S
