"""A stream's snapshot as the value of a record: JSON with a format version, and back. It knows nothing of topics.

Track keys are a worker's own; in the record tracks are named by their ids, and get the reader's keys. A track that the
reader does not have gets a key below zero, so that its open play can be taken back with its reason.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from pydantic import TypeAdapter, ValidationError

from stream_monitor.accounting import AccountState
from stream_monitor.chunker_state import ChunkerPlace
from stream_monitor.conditions import ConditionState
from stream_monitor.errors import SettingsError
from stream_monitor.evidence import EmbeddedChunk
from stream_monitor.lane_state import LaneState
from stream_monitor.matcher import MatcherState
from stream_monitor.open_play import OpenPlay
from stream_monitor.segments import StreamKey
from stream_monitor.tracker_state import TrackerState
from stream_monitor.verdict import UploadState

FORMAT: Final = 2
READABLE: Final = (1, FORMAT)
"""1 said nothing about uploads."""

_STREAM = TypeAdapter(StreamKey)
_PLACE = TypeAdapter(ChunkerPlace)
_TRACKER = TypeAdapter(TrackerState)
_CONDITIONS = TypeAdapter(ConditionState)
_UPLOAD = TypeAdapter(UploadState)
_PLAYS = TypeAdapter(list[tuple[tuple[int, str, int], tuple[int, int, bool]]])


class StateError(SettingsError):
    """A snapshot of another format or of another encoder, or a torn one; exit code 5 of `run`."""

    exit_code = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """A snapshot as this worker understands it."""

    state: LaneState
    gone: tuple[int, ...]
    """Keys (below zero) of tracks that are no longer in the catalogue."""


def encode(state: LaneState, track_id: Callable[[int], str | None], encoder: str) -> bytes:
    """The record's value.

    Args:
        state: What is kept.
        track_id: The id of a track key; None for one that is gone.
        encoder: Its fingerprint: embeddings of another one mean nothing.
    """
    tracker, account = state.tracker, state.account
    names = {key: track_id(key) for key in sorted(set(_keys(tracker)))}
    names |= {play.track.track_key: play.track.track_id for play in tracker.plays}
    document = {
        "format": FORMAT,
        "encoder": encoder,
        "stream": _STREAM.dump_python(state.stream),
        "place": _PLACE.dump_python(state.place),
        "tracker": _TRACKER.dump_python(tracker, mode="json"),
        "account": {
            "start_sample": account.start_sample,
            "clipped_samples": account.clipped_samples,
            "silent": account.silent,
            "gaps": account.gaps,
            "plays": list(account.plays.items()),
            "epochs": list(account.epochs.items()),
            "conditions": _CONDITIONS.dump_python(account.conditions, mode="json"),
        },
        "upload": None if state.upload is None else _UPLOAD.dump_python(state.upload, mode="json"),
        "recent": [_chunk_document(chunk) for chunk in state.matcher.recent],
        "tracks": [[key, name] for key, name in names.items() if name is not None],
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def decode(value: bytes, track_key: Callable[[str], int | None], encoder: str) -> Restored:
    """What `encode` wrote.

    Args:
        value: The record's value.
        track_key: This worker's key of a track id; None for one that it does not have.
        encoder: The fingerprint of this worker's encoder.

    Raises:
        StateError: It is torn, of another format version or of another encoder.
    """
    try:
        document = json.loads(value)
        if document["format"] not in READABLE:
            raise StateError(
                f"a snapshot has format {document['format']}, this version reads {READABLE[0]} to {FORMAT}: let the"
                " version that wrote it end its streams, or start with an empty state topic"
            )
        if document["encoder"] != encoder:
            raise StateError(
                f"a snapshot is of encoder {document['encoder']}, this worker has {encoder}: enrol the catalogue again"
                " and start with an empty state topic"
            )
        stream = _STREAM.validate_python(document["stream"])
        account, upload = document["account"], document.get("upload")
        keys, gone = _keys_here(document["tracks"], track_key)
        state = LaneState(
            stream=stream,
            place=_PLACE.validate_python(document["place"]),
            tracker=_renamed(_TRACKER.validate_json(json.dumps(document["tracker"])), keys),
            account=AccountState(
                start_sample=account["start_sample"],
                clipped_samples=account["clipped_samples"],
                silent=[(start, end) for start, end in account["silent"]],
                gaps=[(start, end) for start, end in account["gaps"]],
                plays=dict(_PLAYS.validate_python(account["plays"])),
                epochs={int(epoch): int(place) for epoch, place in account["epochs"]},
                # Snapshots of earlier versions have none.
                conditions=_CONDITIONS.validate_python(account.get("conditions", {})),
            ),
            matcher=MatcherState(recent=tuple(_chunk(stream, each) for each in document["recent"])),
            upload=None if upload is None else _UPLOAD.validate_json(json.dumps(upload)),
        )
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise StateError(f"a snapshot cannot be read ({type(error).__name__}: {reason})") from error
    return Restored(state=state, gone=gone)


def _keys(tracker: TrackerState) -> Iterator[int]:
    yield from (play.track.track_key for play in tracker.plays)
    yield from (told.track_key for told in tracker.told)
    yield from (tried.track_key for tried in tracker.tried)


def _keys_here(
    tracks: list[tuple[int, str]], track_key: Callable[[str], int | None]
) -> tuple[dict[int, int], tuple[int, ...]]:
    """The writer's keys to ours; keys below zero, which no catalogue gives, for tracks that are gone."""
    found = {int(key): track_key(name) for key, name in tracks}
    gone = [key for key, own in found.items() if own is None]
    away = {key: -1 - place for place, key in enumerate(gone)}
    return {key: away[key] if own is None else own for key, own in found.items()}, tuple(away.values())


def _renamed(tracker: TrackerState, keys: dict[int, int]) -> TrackerState:
    """With our keys; what was noted about tracks without a name is of no use any more."""

    def play_of(play: OpenPlay) -> OpenPlay:
        return replace(play, track=replace(play.track, track_key=keys[play.track.track_key]))

    return replace(
        tracker,
        plays=tuple(play_of(play) for play in tracker.plays),
        told=tuple(replace(told, track_key=keys[told.track_key]) for told in tracker.told if told.track_key in keys),
        tried=tuple(replace(each, track_key=keys[each.track_key]) for each in tracker.tried if each.track_key in keys),
    )


def _chunk_document(chunk: EmbeddedChunk) -> dict[str, Any]:
    embedding_D = chunk.embedding_D
    return {
        "index": chunk.index,
        "start_sample": chunk.start_sample,
        "end_sample": chunk.end_sample,
        "tail": chunk.tail,
        # The bits themselves: little-endian float32.
        "embedding": None if embedding_D is None else base64.b64encode(embedding_D.astype("<f4").tobytes()).decode(),
    }


def _chunk(stream: StreamKey, document: dict[str, Any]) -> EmbeddedChunk:
    text = document["embedding"]
    return EmbeddedChunk(
        stream=stream,
        index=int(document["index"]),
        start_sample=int(document["start_sample"]),
        end_sample=int(document["end_sample"]),
        tail=bool(document["tail"]),
        embedding_D=None if text is None else np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32),
    )
