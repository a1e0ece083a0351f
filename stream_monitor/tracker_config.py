"""What the tracker goes by: every threshold with its unit and meaning. Confidences are in the calibration."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from encoder.grid import SAMPLE_RATE


class TrackerConfig(BaseModel):
    """Rules by which evidence becomes plays. "Similarity" is a cosine above the chunk's cohort level."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verify_score: float = Field(-2.0, ge=-10.0, le=100.0)
    """Ordered score (null deviations) from which a candidate is worth an alignment …"""
    verify_margin: float = Field(0.0, ge=-10.0, le=100.0)
    """… if it lies so far above every other work (null deviations, same window; at 0 the best one is) …"""
    verify_sure_score: float = Field(3.0, ge=-10.0, le=100.0)
    """… or reaches this ordered score, whatever else is heard."""
    verifications: int = Field(2, ge=1, le=100)
    """At most so many alignments of candidates at one chunk."""
    verify_again: float = Field(0.3, ge=0.0, le=100.0)
    """A candidate that was aligned in vain is aligned again when its ordered score rose by this, or its window grew."""
    verify_s: float = Field(60.0, ge=20.0, le=600.0)
    """Longest stretch of stream that is aligned, s."""
    verify_lead_s: float = Field(15.0, ge=0.0, le=120.0)
    """How far before and after the expected boundary an alignment looks, s."""
    boundary_s: float = Field(20.0, ge=0.0, le=600.0)
    """An aligned boundary is believed within this of where the chunks see it, s …"""
    boundary_strength: float = Field(9.0, ge=0.0, le=100.0)
    """… and anywhere in the stretch that was aligned from this strength (`Alignment.strength`)."""
    carry_s: float = Field(15.0, ge=0.0, le=120.0)
    """A play whose chunks fail goes on where an alignment of that strength reaches the last so many seconds."""
    look_back: int = Field(1, ge=0, le=10)
    """How many earlier stretches are aligned for the end of a play whose newest stretch follows the track nowhere."""
    verified_updates: int = Field(1, ge=0, le=1000)
    """So many updates of a play align it anew (a start can become certain only then); the end always does."""
    recording_significance: float = Field(15.0, ge=0.0, le=1000.0)
    """-log10 chance of common peaks from which a play stands on its own, beside any rival."""

    keep_similarity: float = Field(0.0, ge=-2.0, le=2.0)
    """A chunk supports a play from this similarity on its diagonal …"""
    keep_fraction: float = Field(0.45, ge=0.0, le=1.0)
    """… and from this fraction of the play's usual similarity (its median)."""
    diagonal_positions: float = Field(1.25, ge=0.5, le=5.0)
    """How far from the expected place, in positions of 10 s, a chunk may lie and still be on the diagonal."""
    diagonal_gain: float = Field(0.5, ge=0.0, le=1.0)
    """How much of a chunk's deviation from the diagonal the diagonal follows."""
    jump_chunks: int = Field(2, ge=1, le=5)
    """So many chunks in a row on another diagonal move the play there, or end it and begin another one."""
    restart_s: float = Field(25.0, ge=0.0, le=600.0)
    """A jump back by at least this, to within this of where the play began in the track, is a second play, s."""

    max_gap_s: float = Field(30.0, ge=0.0, le=600.0)
    """A play without support for as long is over, s; shorter stretches are its gaps."""
    min_gap_s: float = Field(4.0, ge=0.0, le=600.0)
    """Shorter stretches without support are not told, s."""
    min_play_s: float = Field(8.0, ge=0.0, le=3600.0)
    """Shorter plays are retracted, s."""
    min_chunks: int = Field(2, ge=1, le=5)
    """A play that fewer chunks supported is retracted at its end, unless alignment or peaks are strong."""
    update_every_s: float = Field(30.0, ge=0.0, le=3600.0)
    """At most one update of a play in so much stream time, s."""
    follow_chunks: int = Field(2, ge=1, le=100)
    """An open play that so many chunks did not support ends when another work opens behind it."""

    rival_margin: float = Field(0.5, ge=0.0, le=100.0)
    """A work over the stretch of an open play must beat it by this (null deviations, same window) …"""
    rival_look: float = Field(2.0, ge=0.0, le=100.0)
    """A candidate is not aligned while an open play beats it by more than this (null deviations, same window)."""
    rival_overlap: float = Field(0.5, ge=0.0, le=1.0)
    """… and where more than this part of the open play's support lies in the rival's window, the play is retracted."""
    alternatives: int = Field(5, ge=0, le=100)
    """At most so many other recordings are told with a play."""


def samples(seconds: float) -> int:
    """Seconds of a setting in samples at 22,050 Hz."""
    return round(seconds * SAMPLE_RATE)
