"""What a worker and a decoder process say to each other over two pipes. It knows nothing of decoding.

A request is its length twice (words, bytes), the words (`Announced` as JSON) and the bytes; an answer is one letter, a
length and that much: `S` samples (float32), `P` a poison's code and message as JSON.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from typing import Final

import numpy as np

from stream_monitor.kafka.errors import PoisonError
from stream_monitor.kafka.segment_audio import Announced
from stream_monitor.segments import Samples

REQUEST: Final = struct.Struct("<II")
ANSWER: Final = struct.Struct("<cI")
SAMPLES, POISON = b"S", b"P"


def request(announced: Announced, value: bytes) -> list[bytes]:
    """The pieces of a request."""
    words = json.dumps(asdict(announced)).encode()
    return [REQUEST.pack(len(words), len(value)), words, value]


def announced_of(words: bytes) -> Announced:
    """What `request` wrote."""
    return Announced(**json.loads(words))


def answer(heard: Samples | PoisonError) -> list[bytes]:
    """The pieces of an answer."""
    if isinstance(heard, PoisonError):
        body = json.dumps([heard.code, str(heard)]).encode()
        return [ANSWER.pack(POISON, len(body)), body]
    body = heard.astype("<f4", copy=False).tobytes()
    return [ANSWER.pack(SAMPLES, len(body)), body]


def heard_of(letter: bytes, body: bytes | bytearray) -> Samples:
    """What `answer` wrote.

    Raises:
        PoisonError: As the other side raised it.
    """
    if letter == POISON:
        code, message = json.loads(bytes(body))
        raise PoisonError(str(code), str(message))
    return np.frombuffer(body, "<f4").astype(np.float32, copy=False)
