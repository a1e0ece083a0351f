"""Draws the sound of many views at once as tensors, on a GPU or a CPU: the sum over notes is two batched products.

The same drawing as `draw.py` (which draws one view with compiled loops, quicker on a CPU) and the same treatment as
`augment.draw_view`, with random numbers of its own. What comes in are note arrays of a few MB, so that a GPU is fed
without waiting for the CPU. Knows nothing of songs.

Shapes: V views, E events, I instruments, H harmonics (10), F bins (84), C drawn columns, T averaged frames, K voices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoder.grid import BINS
from encoder.training.draw import (
    AMPLITUDE,
    ATTACK,
    AUDIBLE,
    COLUMN_S,
    DECAY,
    DURATION_S,
    FASTER,
    HARMONICS,
    INSTRUMENT,
    LEAKAGE,
    LOWEST_PITCH,
    ONSET_S,
    PITCH,
    REACH_SEMITONES,
    RELEASE,
    RELEASES,
    SHORTER,
    SPLIT,
    STEPS_PER_SEMITONE,
    SWINGS,
    VIBRATO,
)

Array = NDArray[np.float32]

CELLS_AT_ONCE = 1 << 25
"""Events times columns that are worked on together; about 1 GB of tensors."""


def padded_events(events: Sequence[Array]) -> Array:
    """Events of several views as one array [V, E, 5]; what is filled up has amplitude 0."""
    longest = max((len(each) for each in events), default=0)
    out_VE5 = np.zeros((len(events), max(1, longest), 5), np.float32)
    for view, each in zip(out_VE5, events, strict=True):
        view[: len(each)] = each
    return out_VE5


def bulk_power(events_VE5: Tensor, instruments_VI4: Tensor, harmonics_VIH: Tensor, columns: int) -> Tensor:
    """Power [V, 84, C] of all events, as `draw.draw_power`.

    Args:
        events_VE5: Onset s, duration s, pitch, amplitude, instrument.
        instruments_VI4: Decay per s, release s, attack s, vibrato semitones.
        harmonics_VIH: Amplitude of each harmonic relative to the event's.
        columns: C.
    """
    views, events = events_VE5.shape[:2]
    at_once = max(1, CELLS_AT_ONCE // (events * columns))
    parts = [
        _power(events_VE5[v : v + at_once], instruments_VI4[v : v + at_once], harmonics_VIH[v : v + at_once], columns)
        for v in range(0, views, at_once)
    ]
    return torch.cat(parts)


def finished_views(
    power_VFC: Tensor, *, difficulty: float, speech_FN: Tensor, per_frame: int, generator: torch.Generator
) -> Tensor:
    """What a room, a band's drums, a desk and a speaker do to drawn power; averaged magnitudes [V, 84, T].

    The chances and ranges are those of `augment.draw_view`.

    Args:
        power_VFC: Drawn power; changed in place.
        difficulty: 0 to 1.
        speech_FN: Magnitudes of talk [84, N] to lay over some views; none where N is 0.
        per_frame: Drawn columns per averaged frame.
        generator: All randomness; of the device that the power is on.
    """
    dice = _Dice(generator, power_VFC.device)
    views = len(power_VFC)
    power_VFC = _smeared(power_VFC)
    power_VFC = _reverberated(power_VFC, dice, difficulty)
    peak_V = power_VFC.amax(dim=(1, 2)).clamp(min=1e-12)
    power_VFC += _drums(peak_V, power_VFC.shape[2], dice, difficulty)
    floor_db_V = dice.uniform(-65.0, -50.0 + 24.0 * difficulty, views)
    tilt_V = dice.uniform(-0.5, 0.35, views)
    bin_F = torch.arange(BINS, device=power_VFC.device)
    noise_VF = (peak_V * 10 ** (floor_db_V / 10))[:, None] * 2.0 ** (2 * tilt_V[:, None] * (bin_F - 42) / 12)
    power_VFC = power_VFC * _equaliser(views, dice, difficulty)[:, :, None]
    power_VFC += noise_VF[:, :, None] * (0.5 + dice.uniform(0.0, 1.0, *power_VFC.shape))
    power_VFC += _speech(power_VFC, speech_FN, dice, difficulty)
    frames = power_VFC.shape[2] // per_frame
    kept_VFC = power_VFC[:, :, : frames * per_frame]
    mean_VFT = kept_VFC.sqrt().reshape(views, BINS, frames, per_frame).mean(dim=3)
    return mean_VFT * torch.exp(0.08 * difficulty * dice.normal(*mean_VFT.shape))


class _Dice:
    """Random tensors from one generator."""

    def __init__(self, generator: torch.Generator, device: torch.device) -> None:
        self._generator = generator
        self._device = device

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=self._generator, device=self._device)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self._generator, device=self._device)

    def happens(self, chance: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self._generator, device=self._device) < chance

    def integers(self, high: int, *shape: int) -> Tensor:
        return torch.randint(0, max(1, high), shape, generator=self._generator, device=self._device)


def _power(events_VE5: Tensor, instruments_VI4: Tensor, harmonics_VIH: Tensor, columns: int) -> Tensor:
    instrument_VE = events_VE5[:, :, INSTRUMENT].long()
    timbre_VE4 = instruments_VI4.gather(1, instrument_VE[:, :, None].expand(-1, -1, 4))
    harmonics_VEH = harmonics_VIH.gather(1, instrument_VE[:, :, None].expand(-1, -1, HARMONICS))
    low_VEC = _envelope(events_VE5, timbre_VE4, columns, 1.0, 1.0)
    high_VEC = _envelope(events_VE5, timbre_VE4, columns, FASTER, SHORTER)
    gain_VEHB, bin_VEHB = _gains(events_VE5, timbre_VE4, harmonics_VEH)
    power_VFC = torch.zeros(len(events_VE5), BINS, columns, device=events_VE5.device)
    for profile_VEC, partials in ((low_VEC, slice(0, SPLIT)), (high_VEC, slice(SPLIT, None))):
        weight_VEF = torch.zeros(*events_VE5.shape[:2], BINS, device=events_VE5.device)
        weight_VEF.scatter_add_(
            2, bin_VEHB[:, :, partials].flatten(2), gain_VEHB[:, :, partials].square().flatten(2)
        )  # fmt: skip
        power_VFC += torch.bmm(weight_VEF.transpose(1, 2), profile_VEC.square())
    return power_VFC


def _envelope(events_VE5: Tensor, timbre_VE4: Tensor, columns: int, faster: float, shorter: float) -> Tensor:
    """Mean envelope per column [V, E, C]: held and decaying, then let go."""
    left_C = COLUMN_S * torch.arange(columns, device=events_VE5.device)
    right_C = left_C + COLUMN_S
    onset_VE1, duration_VE1 = events_VE5[:, :, ONSET_S, None], events_VE5[:, :, DURATION_S, None]
    decay_VE1, release_VE1 = faster * timbre_VE4[:, :, DECAY, None], shorter * timbre_VE4[:, :, RELEASE, None]
    attack_VE1 = timbre_VE4[:, :, ATTACK, None]
    off_VE1 = onset_VE1 + duration_VE1
    begin_VEC = torch.maximum(left_C, onset_VE1)
    end_VEC = torch.maximum(torch.minimum(right_C, off_VE1), begin_VEC)
    slow_VE1 = decay_VE1 <= 1e-3
    rate_VE1 = torch.where(slow_VE1, 1.0, decay_VE1)
    fallen_VEC = torch.exp(-rate_VE1 * (begin_VEC - onset_VE1)) - torch.exp(-rate_VE1 * (end_VEC - onset_VE1))
    held_VEC = torch.where(slow_VE1, end_VEC - begin_VEC, fallen_VEC / rate_VE1)
    rising_VEC = (attack_VE1 > 0) & (begin_VEC - onset_VE1 < attack_VE1)
    ramp_VEC = (((begin_VEC + end_VEC) / 2 - onset_VE1) / attack_VE1.clamp(min=1e-6)).clamp(max=1.0)
    total_VEC = torch.where(rising_VEC, held_VEC * ramp_VEC, held_VEC)
    begin_VEC = torch.maximum(left_C, off_VE1)
    end_VEC = torch.maximum(torch.minimum(right_C, off_VE1 + RELEASES * release_VE1), begin_VEC)
    level_VE1 = torch.exp(-decay_VE1 * duration_VE1) * release_VE1
    gone_VEC = torch.exp(-(begin_VEC - off_VE1) / release_VE1) - torch.exp(-(end_VEC - off_VE1) / release_VE1)
    total_VEC = (total_VEC + level_VE1 * gone_VEC) / COLUMN_S
    return torch.where(off_VE1 < -1.0, 0.0, total_VEC)


def _gains(events_VE5: Tensor, timbre_VE4: Tensor, harmonics_VEH: Tensor) -> tuple[Tensor, Tensor]:
    """Gain of each partial in the bins around it and which bins those are, both [V, E, H, 5]."""
    device = events_VE5.device
    leakage = torch.from_numpy(LEAKAGE).to(device)
    centre = len(LEAKAGE) // 2
    octave_H = 12.0 * torch.log2(torch.arange(1, HARMONICS + 1, device=device))
    position_VEH = events_VE5[:, :, PITCH, None] - LOWEST_PITCH + octave_H
    amplitude_VEH = 0.5 * events_VE5[:, :, AMPLITUDE, None] * harmonics_VEH
    heard_VEH = (amplitude_VEH >= AUDIBLE) & (position_VEH <= BINS + 1)
    first_VEH1 = torch.ceil(position_VEH - REACH_SEMITONES)[..., None]
    bin_VEHB = first_VEH1 + torch.arange(2 * int(REACH_SEMITONES) + 1, device=device)
    distance_VEHB = position_VEH[..., None] - bin_VEHB
    vibrato_VE11 = timbre_VE4[:, :, VIBRATO, None, None]

    def response(off_VEHB: Tensor) -> Tensor:
        place_VEHB = torch.round(off_VEHB * STEPS_PER_SEMITONE).long() + centre
        inside_VEHB = (place_VEHB >= 0) & (place_VEHB < len(LEAKAGE))
        return torch.where(inside_VEHB, leakage[place_VEHB.clamp(0, len(LEAKAGE) - 1)], 0.0)

    swung_VEHB = sum(
        (response(distance_VEHB + swing * vibrato_VE11) for swing in SWINGS), torch.zeros((), device=device)
    )
    response_VEHB = torch.where(vibrato_VE11 > 0, swung_VEHB / len(SWINGS), response(distance_VEHB))
    gain_VEHB = amplitude_VEH[..., None] * response_VEHB
    inside_VEHB = (bin_VEHB >= 0) & (bin_VEHB < BINS) & (distance_VEHB.abs() <= REACH_SEMITONES)
    kept_VEHB = inside_VEHB & heard_VEH[..., None] & (gain_VEHB > AUDIBLE)
    return torch.where(kept_VEHB, gain_VEHB, 0.0), bin_VEHB.clamp(0, BINS - 1).long()


def _smeared(power_VFC: Tensor) -> Tensor:
    """As `draw.smear_low_octaves`."""
    before = torch.cat((power_VFC[:, :24, :1], power_VFC[:, :24, :-1]), dim=2)
    after = torch.cat((power_VFC[:, :24, 1:], power_VFC[:, :24, -1:]), dim=2)
    side = torch.where(torch.arange(24, device=power_VFC.device) < 12, 0.25, 0.1)[:, None]
    low = side * (before + after) + (1 - 2 * side) * power_VFC[:, :24]
    return torch.cat((low, power_VFC[:, 24:]), dim=1)


def _reverberated(power_VFC: Tensor, dice: _Dice, difficulty: float) -> Tensor:
    """As `draw.add_reverberation`, in 60% of the views."""
    views, _, columns = power_VFC.shape
    wet_V = 10 ** (dice.uniform(-20.0, 0.0, views) * (1.3 - difficulty) / 10) * difficulty
    rt60_V = 0.3 * 8.0 ** dice.uniform(0.0, 1.0, views)
    wet_V = wet_V * dice.happens(0.6, views)
    keep_V = 10.0 ** (-6.0 * COLUMN_S / rt60_V)
    lag_CC = torch.arange(columns, device=power_VFC.device)[:, None] - torch.arange(columns, device=power_VFC.device)
    tail_VCC = torch.where(lag_CC >= 0, keep_V[:, None, None] ** lag_CC.clamp(min=0), 0.0)
    scale_V11 = (wet_V * (1 - keep_V))[:, None, None]
    return power_VFC + scale_V11 * torch.bmm(power_VFC, tail_VCC.transpose(1, 2))


_VOICES = ((2.0, 14.0, 3.0, 8.0, 18.0), (35.0, 65.0, 12.0, 30.0, 25.0), (72.0, 90.0, 6.0, 15.0, 40.0))
"""Kick, snare, hat: ranges of centre and width in bins, and how fast they fall per second."""
_BURST_COLUMNS = 4
_PATTERN = 8


def _drums(peak_V: Tensor, columns: int, dice: _Dice, difficulty: float) -> Tensor:
    """Power of a pattern of kick, snare and hat, in half of the views."""
    device, views, voices = peak_V.device, len(peak_V), len(_VOICES)
    lowest, highest, thinnest, widest, fall = (torch.tensor(row, device=device) for row in zip(*_VOICES, strict=True))
    period_V = dice.uniform(0.15, 0.35, views)
    level_VK = peak_V[:, None] * 10 ** (dice.uniform(-38.0, -24.0 + 20.0 * difficulty, views, voices) / 10)
    plays_VK = dice.happens(0.75, views, voices) & dice.happens(0.5, views, 1)
    centre_VK = lowest + (highest - lowest) * dice.uniform(0.0, 1.0, views, voices)
    width_VK = thinnest + (widest - thinnest) * dice.uniform(0.0, 1.0, views, voices)
    off_VKF = (torch.arange(BINS, device=device) - centre_VK[..., None]) / width_VK[..., None]
    shape_VKF = torch.where(off_VKF.abs() <= 2.5, torch.exp(-0.5 * off_VKF.square()), 0.0)
    shape_VKF = shape_VKF * (level_VK * plays_VK)[..., None]
    steps = math.ceil(columns * COLUMN_S / 0.15) + 1
    beats_VKS = dice.happens(0.5, views, voices, _PATTERN).repeat(1, 1, steps // _PATTERN + 1)[..., :steps]
    start_VK1 = dice.uniform(0.0, 1.0, views, voices)[..., None] * period_V[:, None, None]
    at_VKS = ((start_VK1 + torch.arange(steps, device=device) * period_V[:, None, None]) / COLUMN_S).long()
    struck_VKC = torch.zeros(views, voices, columns + 1, device=device)
    struck_VKC.scatter_add_(2, at_VKS.clamp(max=columns), beats_VKS.float())
    burst_VKFC = struck_VKC[:, :, None, :columns] * 2.0 * dice.uniform(0.0, 1.0, views, voices, BINS, columns)
    keep_K = torch.exp(-fall * COLUMN_S)
    sound_VKFC = burst_VKFC.clone()
    for lag in range(1, _BURST_COLUMNS):
        sound_VKFC[..., lag:] += keep_K[:, None, None] ** lag * burst_VKFC[..., :-lag]
    return torch.einsum("vkfc,vkf->vfc", sound_VKFC, shape_VKF)


def _equaliser(views: int, dice: _Dice, difficulty: float) -> Tensor:
    """Smooth gains [V, 84] of the power, some with the lows or the highs cut off."""
    knot_V9 = 8.0 * difficulty * dice.normal(views, 9) / 2
    none_V = torch.full((views,), -1.0, device=knot_V9.device)
    low_cut_V = torch.where(dice.happens(0.25 * difficulty, views), dice.uniform(6.0, 26.0, views), none_V)
    high_cut_V = torch.where(dice.happens(0.3 * difficulty, views), dice.uniform(50.0, 82.0, views), 200.0)
    bin_F = torch.arange(BINS, device=knot_V9.device)
    knot_F = bin_F // 12
    share_F = bin_F / 12 - knot_F
    level_VF = knot_V9[:, knot_F] * (1 - share_F) + knot_V9[:, knot_F + 1] * share_F
    level_VF = (
        level_VF - 2.0 * (low_cut_V[:, None] - bin_F).clamp(min=0) - 2.0 * (bin_F - high_cut_V[:, None]).clamp(min=0)
    )
    return 10 ** (level_VF / 10)


def _speech(power_VFC: Tensor, speech_FN: Tensor, dice: _Dice, difficulty: float) -> Tensor:
    """Power of talk over all or a part of 40% of the views, −20 to +6 dB of the music's."""
    views, _, columns = power_VFC.shape
    if speech_FN.shape[1] <= columns:
        return torch.zeros((), device=power_VFC.device)
    column_C = torch.arange(columns, device=power_VFC.device)
    offset_V = dice.integers(speech_FN.shape[1] - columns, views)
    talk_VFC = speech_FN[:, offset_V[:, None] + column_C].permute(1, 0, 2).square()
    ratio_V = 10 ** (dice.uniform(-20.0, -8.0 + 14.0 * difficulty, views) / 10)
    gain_V = ratio_V * power_VFC.sum(dim=(1, 2)) / talk_VFC.sum(dim=(1, 2)).clamp(min=1e-12)
    partly_V = dice.happens(0.5, views)
    first_V = torch.where(partly_V, dice.integers(columns, views), 0)
    last_V = torch.where(partly_V, first_V + 10 + dice.integers(columns - 10, views), columns)
    inside_VC = (column_C >= first_V[:, None]) & (column_C < last_V[:, None])
    gain_V = gain_V * dice.happens(0.4, views)
    return talk_VFC * (gain_V[:, None] * inside_VC)[:, None]
