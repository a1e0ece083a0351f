"""The encoder, and how many streams this machine carries. It knows nothing of Kafka and of catalogues."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np

from encoder.grid import CHUNK_FRAMES, CHUNK_HOP_SAMPLES, SAMPLE_RATE
from encoder.model import Encoder
from stream_monitor.config import Config
from stream_monitor.doctor.finding import Check, Finding, good, warn

MEASURE_S: Final = 2.0
BLOCKS: Final = 8
LISTENING: Final = 0.7
"""Of a worker's time, what is left to CQT and network beside decoding, matching and tracking; a rough share."""


class AudioChecks:
    """Loads the encoder once for all of them."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @property
    def checks(self) -> list[Check]:
        """In the order in which they are told."""
        return [
            Check(name="encoder", look=self._encoder, deadline_s=120.0),
            Check(name="capacity", look=self._capacity, deadline_s=120.0, needs=("encoder",)),
        ]

    def fingerprint(self) -> str:
        """The encoder's."""
        return self._loaded.fingerprint

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
