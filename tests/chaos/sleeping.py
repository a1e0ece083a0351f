"""A worker whose encoder sleeps in some of its batches, in a group that wants to be asked more often than usual.

Run by cases, with the arguments of `tests.stream_monitor.kafka.crashing` behind its own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from unittest.mock import patch

import structlog

from encoder.grid import CHUNK_FRAMES
from stream_monitor.collaborators import EmbeddingsLike, Float32Array
from stream_monitor.kafka import serving
from stream_monitor.kafka.observed import ObservedConsumer, ObservedEncoder
from tests.stream_monitor.kafka import crashing

log = structlog.get_logger(__name__)
SLEEPS = "the encoder sleeps in a batch"
"""In a worker's log, once for each such batch."""


def main(poll_s: str, sleep_s: str, batches: str, *worker: str) -> None:
    """Serves as `crashing` does.

    Args:
        poll_s: Who does not poll for so long is out of the group.
        sleep_s: How long such a batch takes.
        batches: Their numbers, the first is 1; "all".
        *worker: For `crashing`.
    """
    count = 0

    class Sleeping(ObservedEncoder):
        def embed(self, chunks: Sequence[Float32Array], *, longest: int = CHUNK_FRAMES) -> EmbeddingsLike:
            nonlocal count
            count += 1
            if batches == "all" or str(count) in batches.split(","):
                log.warning(SLEEPS, seconds=float(sleep_s), batch=count)
                time.sleep(float(sleep_s))
            return super().embed(chunks, longest=longest)

    asked_often = partial(ObservedConsumer, poll_s=float(poll_s))
    with patch.object(serving, "ObservedEncoder", Sleeping), patch.object(serving, "ObservedConsumer", asked_often):
        crashing.main(*worker)


if __name__ == "__main__":
    main(*sys.argv[1:])
