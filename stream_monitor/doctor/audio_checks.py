"""Encoder, catalogue, and how many streams this machine carries. It knows nothing of Kafka."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from encoder.grid import CHUNK_FRAMES, CHUNK_HOP_SAMPLES, SAMPLE_RATE
from encoder.model import Encoder
from index.catalogue import Catalogue
from stream_monitor.config import Config
from stream_monitor.doctor.finding import Check, Finding, bad, good, warn

MEASURE_S: Final = 2.0
BLOCKS: Final = 8
LISTENING: Final = 0.7
"""Of a worker's time, what is left to CQT and network beside decoding, matching and tracking; a rough share."""
GIB: Final = 1 << 30


class AudioChecks:
    """Loads the encoder once for all of them."""

    def __init__(self, config: Config, catalogue: Path | None) -> None:
        """Args: `catalogue` is the folder; None where none is named."""
        self._config = config
        self._folder = catalogue

    @property
    def checks(self) -> list[Check]:
        """In the order in which they are told."""
        return [
            Check(name="encoder", look=self._encoder, deadline_s=120.0),
            Check(name="catalogue", look=self._catalogue, deadline_s=120.0, needs="encoder"),
            Check(name="capacity", look=self._capacity, deadline_s=120.0, needs="encoder"),
        ]

    @cached_property
    def _loaded(self) -> Encoder:
        settings = self._config.encoder
        return Encoder.load(
            settings.weights,
            device=settings.device,
            batch=self._config.pipeline.batcher.size,
            precision=settings.precision,
            deterministic=self._config.deterministic,
        )

    def _encoder(self) -> Sequence[Finding]:
        settings = self._config.encoder
        where = "as shipped" if settings.weights is None else str(settings.weights)
        return [good("encoder", f"{self._loaded.fingerprint}, {where}, {settings.precision} on {settings.device}")]

    def _catalogue(self) -> Sequence[Finding]:
        if self._folder is None:
            return [bad("catalogue", "none is named", "set the key catalog, or give --catalog DIR")]
        with Catalogue.open(self._folder, encoder_fingerprint=self._loaded.fingerprint) as catalogue:
            info = catalogue.info()
        # Embeddings are held in memory, the graph as well; frames are read when a play is aligned.
        need, free = info.embedding_bytes + info.graph_bytes, _free_bytes()
        told = f"{info.tracks} tracks, {info.embeddings} embeddings of this encoder, {need / GIB:.2f} GiB to hold"
        if not info.tracks:
            return [warn("catalogue", f"{self._folder} is empty", "`stream-monitor catalog add` enrols tracks")]
        if free is not None and need > free:
            advice = "a machine with more memory, or a smaller catalogue"
            return [bad("catalogue", f"{told}; {free / GIB:.2f} GiB are free", advice)]
        if info.graph != "ok" and info.graph_bytes:
            return [warn("catalogue", f"{told}; graph: {info.graph}", "the first start of a worker builds it anew")]
        return [good("catalogue", told)]

    def _capacity(self) -> Sequence[Finding]:
        """CQT and network on noise, for two seconds."""
        encoder = self._loaded
        start, end = encoder.block_window(0)
        wave_BS = np.random.default_rng(0).normal(0, 0.1, (BLOCKS, end - start)).astype(np.float32)
        chunks = 0
        begun_s = _listen(encoder, wave_BS)  # compiles
        while time.monotonic() - begun_s < MEASURE_S:
            _listen(encoder, wave_BS)
            chunks += BLOCKS
        rate = chunks * CHUNK_HOP_SAMPLES / SAMPLE_RATE / (time.monotonic() - begun_s)
        streams, cores = int(LISTENING * rate), _cores()
        told = f"CQT and network hear {rate:.0f} s of audio a second: about {streams} streams a worker, {cores} cores"
        if streams < 1:
            return [warn("capacity", told, "audio will lag behind: a faster machine, or encoder.precision bf16")]
        return [good("capacity", told)]


def _listen(encoder: Encoder, wave_BS: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> float:
    """One block and one chunk of each stream; returns the time afterwards."""
    frames_BFT = encoder.frames(wave_BS)
    encoder.embed([np.concatenate((each_FT, each_FT), axis=1)[:, :CHUNK_FRAMES] for each_FT in frames_BFT])
    return time.monotonic()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _free_bytes() -> int | None:
    """Memory that programs can still take; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)
