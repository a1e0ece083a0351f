"""A small catalogue of the band's songs as the fake encoder hears them, and streams of samples cut into segments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from encoder.tonal_print import tonal_print
from index.catalogue import Catalogue
from index.track import NewTrack
from stream_monitor.chunk import Chunk
from stream_monitor.chunker import Chunker
from stream_monitor.repertoire import CatalogueRepertoire
from stream_monitor.segments import SEGMENT_SAMPLES, Segment, StreamKey
from tests.fakes.band import song
from tests.fakes.encoder import SUPPORT_SAMPLES, FakeEncoder

Wave = npt.NDArray[np.float32]


def hear(encoder: FakeEncoder, wave_S: Wave, track_id: str) -> NewTrack:
    """A track as enrolment makes it."""
    stream = StreamKey(kind="upload", stream_id=track_id)
    chunker = Chunker(stream, support_samples=SUPPORT_SAMPLES)
    chunks: list[Chunk] = []
    for request in chunker.push(Segment(stream=stream, seq=0, start_sample=0, samples_S=wave_S, last=True)):
        chunks += chunker.accept(request.block, encoder.frames(request.wave_S[None])[0])
    chunks += chunker.close().chunks
    sketch_nF = np.concatenate([rows.rows_NF for chunk in chunks for rows in chunk.sketch])
    return NewTrack(
        track_id=track_id,
        metadata={"title": f"Title of {track_id}"},
        audio_hash=track_id,
        duration_samples=len(wave_S),
        embedding_ND=encoder.embed([chunk.frames_FT for chunk in chunks]).embedding_BD,
        starts_N=np.array([chunk.start_sample for chunk in chunks]),
        sketch_nF=sketch_nF,
        peaks_n=np.concatenate([chunk.peaks_n for chunk in chunks]),
        tonal_nV=tonal_print(sketch_nF),
    )


def encoder_with_cohort(encoder: FakeEncoder | None = None) -> FakeEncoder:
    """The fake encoder, or this one, with a cohort of songs that nobody enrols."""
    encoder = encoder or FakeEncoder()
    encoder.cohort_CD = np.concatenate([hear(encoder, song(s, 9.0), "c").embedding_ND for s in range(1000, 1024)])
    return encoder


def library(folder: Path, encoder: FakeEncoder, songs: int, seconds: float = 60.0) -> Path:
    """A catalogue on disk with `song0`, `song1`, …"""
    with Catalogue.create(folder, encoder_fingerprint=encoder.fingerprint) as catalogue:
        for number in range(songs):
            catalogue.add(hear(encoder, song(number, seconds), f"song{number}"))
    return folder


def repertoire(catalogue: Catalogue) -> CatalogueRepertoire:
    """The catalogue as the pipeline uses it, uncalibrated."""
    return CatalogueRepertoire(catalogue, calibration={}, floor=0.0)


def cut(
    stream: StreamKey, wave_S: Wave, sizes: Sequence[int] = (SEGMENT_SAMPLES,), *, last: bool = True
) -> list[Segment]:
    """A stream's samples as segments of these sizes, over and over."""
    segments: list[Segment] = []
    start = 0
    while start < len(wave_S):
        size = sizes[len(segments) % len(sizes)]
        end = min(len(wave_S), start + size)
        segments.append(
            Segment(
                stream=stream,
                seq=len(segments),
                start_sample=start,
                samples_S=wave_S[start:end],
                last=last and end == len(wave_S),
            )
        )
        start = end
    return segments
