"""Decides which recordings may be enrolled, before anything is written. Knows nothing of disk or of searching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from index.errors import CatalogueError, DuplicateTrack
from index.roster import Roster
from index.track import (
    KNOWN_COLUMNS,
    AlreadyEnrolled,
    NewTrack,
    Refused,
    Track,
    checked_track,
    known,
    plain_iswc,
    work_of,
)

NO_KEY = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class Admitted:
    """May be written; ``track`` is how it will be, but for its key."""

    new: NewTrack
    track: Track


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeated:
    """The same audio as one that was admitted before it in the same call."""

    new: NewTrack


Verdict = Admitted | Repeated | AlreadyEnrolled | Refused


def admit(tracks: Sequence[NewTrack], roster: Roster, dimensions: int) -> list[Verdict]:
    """Judge recordings in order, each beside those that are enrolled and those before it."""
    verdicts: list[Verdict] = []
    ids: set[str] = set()
    audio: set[str] = set()
    work_of_iswc = dict(roster.work_of_iswc)
    for new in tracks:
        enrolled = roster.with_audio(new.audio_hash)
        if enrolled is not None:
            verdicts.append(AlreadyEnrolled(track_id=new.track_id, track=enrolled))
        elif new.audio_hash in audio:
            verdicts.append(Repeated(new=new))
        else:
            try:
                checked_track(new, dimensions)
                if new.track_id in ids or roster.with_id(new.track_id) is not None:
                    raise DuplicateTrack(
                        f"track id {new.track_id!r} is another recording's already: give this one another id, "
                        f"or remove that one with `stream-monitor catalog remove`"
                    )
            except CatalogueError as error:
                verdicts.append(Refused(track_id=new.track_id, error=error))
                continue
            track = _as_enrolled(new, work_of_iswc)
            if track.iswc is not None and track.work_id == track.iswc:
                work_of_iswc.setdefault(plain_iswc(track.iswc), track.work_id)
            ids.add(new.track_id)
            audio.add(new.audio_hash)
            verdicts.append(Admitted(new=new, track=track))
    return verdicts


def _as_enrolled(new: NewTrack, work_of_iswc: dict[str, str]) -> Track:
    extra = {column: text for column, text in new.metadata.items() if column not in (*KNOWN_COLUMNS, "track_id")}
    return Track(
        key=NO_KEY,
        track_id=new.track_id,
        work_id=work_of(new.track_id, new.metadata, work_of_iswc),
        title=known(new.metadata, "title"),
        artist=known(new.metadata, "artist"),
        isrc=known(new.metadata, "isrc"),
        iswc=known(new.metadata, "iswc"),
        audio_hash=new.audio_hash,
        duration_samples=new.duration_samples,
        embeddings=len(new.embedding_ND),
        starts_N=new.starts_N.copy(),
        extra=extra,
    )
