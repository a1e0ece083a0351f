"""The public benchmark's recipe: only test works, nothing that training uses, the same files every time."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from encoder.grid import SAMPLE_RATE
from encoder.training.bands import BANDS, Band
from encoder.training.benchmark import __main__ as command
from encoder.training.benchmark import recordings
from encoder.training.benchmark.bands import BENCHMARK_BANDS
from encoder.training.benchmark.recordings import DISGUISED_FROM, Take, arrangement_of, disguise_of, make, sound_of
from encoder.training.benchmark.works import arranged_works, variant_works
from encoder.training.split import load_split


@pytest.fixture(scope="module")
def tune() -> str:
    """A short test work."""
    return next(work.work_id for work in arranged_works() if work.subset == "tunes")


@pytest.fixture(autouse=True)
def usual_soundfont(monkeypatch: pytest.MonkeyPatch) -> None:
    """The soundfont that every installation has; the benchmark's own is only needed to make it."""
    monkeypatch.setattr(recordings, "SOUNDFONT", "TimGM6mb.sf2")


def test_only_test_works_take_part() -> None:
    """Three hundred works and more of three kinds, one of each group; variants of one tune share a clique."""
    split = load_split()
    works = arranged_works()
    assert len(works) >= 300
    assert len({work.clique for work in works}) == len(works)
    assert {work.subset for work in works} == {"pop909", "tunes", "composed"}
    variants = variant_works()
    assert {split[work.work_id].part for work in (*works, *variants)} == {"test"}
    cliques = [work.clique for work in variants]
    assert min(cliques.count(clique) for clique in set(cliques)) >= 2
    assert len(set(cliques)) > 50


def programs(bands: tuple[Band, ...]) -> set[int]:
    """All programs of some bands."""
    return {
        program for band in bands for role in (band.melody, band.bridge, band.chords, band.bass) for program in role
    }


def test_no_instrument_is_one_of_the_training_s() -> None:
    """Bands share no program."""
    assert not programs(BANDS) & programs(BENCHMARK_BANDS)


def test_arrangements_go_beyond_the_training_and_last_as_long_as_they_should() -> None:
    """Keys and tempi outside the training's ranges are among them; all keep to the benchmark's own."""
    made = [
        arrangement_of(Take(work_id=work.work_id, number=n, seed=1)) for work in arranged_works()[::9] for n in (1, 3)
    ]
    assert max(abs(each.transposition_semitones) for each in made) in (7, 8, 9)
    ratios = [each.tempo_ratio for each in made]
    assert 0.72 <= min(ratios) < 0.8
    assert 1.25 < max(ratios) <= 1.38
    assert min(each.duration_s for each in made) > 25
    assert max(each.duration_s for each in made) < 200
    used = {part.program for each in made for part in each.parts if not part.percussion}
    assert used <= programs(BENCHMARK_BANDS)


def test_half_of_the_arrangements_are_disguised() -> None:
    """The later ones always go through a lossy codec, most have talk or noise; the others have nothing."""
    takes = [Take(work_id=work.work_id, number=number, seed=1) for work in arranged_works() for number in range(4)]
    for take in takes:
        disguise = disguise_of(take)
        assert (disguise.bit_rate is not None) == (take.number >= DISGUISED_FROM)
        assert bool(disguise.description) == (take.number >= DISGUISED_FROM)
    later = [disguise_of(take) for take in takes if take.number >= DISGUISED_FROM]
    assert {disguise.suffix for disguise in later} == {".mp3", ".m4a", ".opus"}
    assert 0.5 < np.mean([disguise.talk_db is not None for disguise in later]) < 0.7
    assert 0.4 < np.mean([disguise.noise_db is not None for disguise in later]) < 0.6


def test_talk_and_noise_lie_over_the_music() -> None:
    """Equal takes give equal sound; it is loud enough and never clipped."""
    take = next(
        take
        for work in arranged_works()
        if work.subset == "tunes"
        for take in (Take(work_id=work.work_id, number=3, seed=1),)
        if disguise_of(take).talk_db is not None and disguise_of(take).noise_db is not None
    )
    first_S, second_S = (sound_of(take, arrangement_of(take)) for _ in range(2))
    np.testing.assert_array_equal(first_S, second_S)
    assert 0.03 < float(np.sqrt(np.mean(np.square(first_S)))) < 0.3
    assert float(np.abs(first_S).max()) <= 1.0
    assert len(first_S) > 20 * SAMPLE_RATE


def test_files_are_made_once_and_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list names every file with its clique and subset; a second run makes nothing again."""
    tunes = [work for work in arranged_works() if work.subset == "tunes"]
    monkeypatch.setattr(command, "arranged_works", lambda: tunes[:1])
    monkeypatch.setattr(command, "LADDER", recordings.LADDER[:1])
    assert command.main([str(tmp_path), "--set", "arrangements", "--processes", "1"]) == 0
    with (tmp_path / "arrangements.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    path = tmp_path / row["path"]
    assert row["clique_id"] == tunes[0].clique
    assert row["subset"] == "tunes"
    before = path.stat().st_mtime_ns
    assert command.main([str(tmp_path), "--set", "arrangements", "--processes", "1"]) == 0
    assert path.stat().st_mtime_ns == before
    assert not list(tmp_path.rglob("*.part*"))


def test_a_missing_soundfont_says_what_to_install(tmp_path: Path, tune: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's name is in the error."""
    monkeypatch.setattr(recordings, "SOUNDFONT", "MuseScore_General_Lite.sf3")
    monkeypatch.setattr("encoder.training.fluidsynth.SOUNDFONT_FOLDERS", (tmp_path,))
    with pytest.raises(Exception, match="musescore-general-soundfont-small"):
        make(Take(work_id=tune, number=0, seed=1), tmp_path)
