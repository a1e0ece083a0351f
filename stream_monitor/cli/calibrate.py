"""`calibrate`: makes trials, fits the confidence on one, checks it on another. Reads and writes files; decides nothing.

stream-monitor calibrate world --part validation --output runs/validation
stream-monitor calibrate fit --world runs/validation --output encoder/weights/default/calibration.json
stream-monitor calibrate world --part test --output runs/test
stream-monitor calibrate check --world runs/test --world runs/test-5000 --output benchmarks/results/trial.json
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from stream_monitor.confidence import Calibration
    from stream_monitor.config import Config
    from stream_monitor.demo.scoring import Appearance
    from stream_monitor.matcher import MatcherConfig
    from stream_monitor.tracker_config import TrackerConfig
    from stream_monitor.trial.hearing import Hearing

FOLDER = click.Path(path_type=Path, file_okay=False)
NULL_HOURS = 12.0
"""Null scores need few stations."""


@click.group(short_help="Fits and checks what a confidence means.")
def calibrate() -> None:
    """Fits what a confidence means, and checks it, on rendered stations whose truth is known."""


@calibrate.command()
@click.option("--part", type=click.Choice(["validation", "test"]), required=True, help="Whose works are played.")
@click.option("--output", type=FOLDER, required=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--tracks", default=1000, show_default=True, help="Size of the catalogue.")
@click.option("--enrolled", default=500, show_default=True, help="Works of the part that are enrolled.")
@click.option("--played", default=0, show_default=True, help="Play only so many of them; 0 is all.")
@click.option("--strange-hours", default=60.0, show_default=True, help="Hours without any enrolled work.")
@click.option("--mixed-hours", default=24.0, show_default=True, help="Hours where every other song is enrolled.")
@click.option("--workers", default=2, show_default=True)
def world(output: Path, workers: int, **options: Any) -> None:
    """Renders a trial's catalogue and stations; goes on where it was cut off."""
    from rich.console import Console

    from stream_monitor.trial.world import WorldConfig, build

    with Console(stderr=True).status("Rendering …") as status:
        for done, name in enumerate(build(WorldConfig(**options), output, workers=workers), start=1):
            status.update(f"Rendered {done}: {name}")


@calibrate.command()
@click.option("--world", "folder", type=FOLDER, required=True, help="What `calibrate world` wrote.")
@click.option("--weights", type=FOLDER, help="The encoder; the default one if absent.")
@click.option("--per-hour", default=0.07, show_default=True, help="False plays that the threshold lets through.")
@click.option("--workers", default=2, show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="calibration.json")
def fit(folder: Path, weights: Path | None, per_hour: float, workers: int, output: Path) -> None:
    """Fits null scores, the logistic and the threshold, and writes them for the weights."""
    from stream_monitor.confidence import CALIBRATION_KEY, Calibration
    from stream_monitor.trial import fitting

    trial = _opened(folder, weights, workers)
    matcher, tracker = trial.config.pipeline.matcher, trial.config.plays.tracker
    loose = matcher.model_copy(update={"loose_score": -10.0, "named_similarity": -2.0, "reported_tracks": 64})
    never = tracker.model_copy(update={"verify_score": 100.0})
    null = fitting.null_of(_hear(_with(trial, loose, never), Calibration.provisional(), hours=NULL_HOURS))
    shut = Calibration.provisional().model_copy(update={"null": null, "open_confidence": 1.0})
    hearings = _hear(trial, shut)
    hours = sum(hearing.duration_s for hearing in hearings) / 3600
    calibration, rate = fitting.fit(
        hearings,
        null,
        fitted_on=f"{hours:.0f} stream-hours of works of the validation part, {trial.tracks} tracks",
        per_hour=per_hour,
        is_strange=lambda hearing: not hearing.truth,
    )
    known = json.loads(output.read_text(encoding="utf-8")) if output.exists() else {}
    known[CALIBRATION_KEY] = calibration.model_dump(mode="json")
    _write(output, known)
    click.echo(f"threshold {calibration.open_confidence}: {rate.false_plays} false plays in {rate.hours:.0f} hours")


@calibrate.command()
@click.option("--world", "folders", type=FOLDER, required=True, multiple=True, help="A trial; may be given repeatedly.")
@click.option("--weights", type=FOLDER, help="The encoder; the default one if absent.")
@click.option("--hours", type=float, help="Only the first so many hours of each trial.")
@click.option(
    "--threshold",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    help="Plays open from this confidence on, not from the calibration's: low, to see how well true plays stand out.",
)
@click.option("--workers", default=2, show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="JSON; a PNG beside it.")
def check(
    folders: tuple[Path, ...],
    weights: Path | None,
    hours: float | None,
    threshold: float | None,
    workers: int,
    output: Path,
) -> None:
    """Runs the monitor over trials with the weights' own calibration and says how it did, for each and together."""
    from stream_monitor.cli.loading import load_encoder
    from stream_monitor.confidence import Calibration
    from stream_monitor.trial.picture import curves, draw_reliability
    from stream_monitor.trial.verdict import judge, trust

    if len({folder.resolve() for folder in folders}) < len(folders):
        raise click.UsageError("the same --world twice would count its plays twice")
    # All of them before hours of listening: a folder without a trial is found out at once.
    trials = [_opened(folder, weights, workers) for folder in folders]
    encoder = load_encoder(weights)
    calibration = Calibration.of_encoder(encoder.calibration)
    if threshold is not None:
        calibration = calibration.model_copy(update={"open_confidence": threshold})
    everything: list[Hearing] = []
    worlds: list[dict[str, Any]] = []
    for trial in trials:
        hearings = _hear(trial, calibration, hours=hours)
        everything += hearings
        told = judge(hearings, calibration.open_confidence)
        told |= {
            "world": json.loads((trial.folder / "world.json").read_text(encoding="utf-8")),
            "tracks": trial.tracks,
            "encoder": encoder.fingerprint,
        }
        worlds.append(told)
        shown = ("tracks", "strange", "all", "found", "separation", "plays", "ece", "right_share")
        click.echo(json.dumps({name: told[name] for name in shown}, indent=2))
    pooled = trust(everything)
    _write(output, {"worlds": worlds, "pooled": pooled})
    draw_reliability(curves(worlds, pooled), output.with_suffix(".png"))
    if len(worlds) > 1:
        click.echo(json.dumps({"pooled": {name: pooled[name] for name in ("plays", "ece", "right_share")}}, indent=2))


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A trial that is ready to be heard: its catalogue is enrolled."""

    folder: Path
    weights: Path | None
    catalogue: Path
    tracks: int
    config: Config
    workers: int


def _opened(folder: Path, weights: Path | None, workers: int) -> Trial:
    """Enrols the trial's catalogue where it is not yet."""
    from stream_monitor.cli.catalog import add
    from stream_monitor.cli.loading import load_encoder, open_catalogue
    from stream_monitor.config import load

    if not (folder / "world.json").is_file():
        raise click.UsageError(f"{folder} holds no trial; make one with `stream-monitor calibrate world`")
    encoder = load_encoder(weights)
    place = folder / f"catalogue-{encoder.fingerprint}"
    if not place.exists():
        tracks = folder / "tracks"
        arguments = [str(tracks), "--catalog", str(place), "--metadata", str(tracks / "tracks.csv")]
        if add.main(args=arguments + (["--weights", str(weights)] if weights else []), standalone_mode=False):
            raise click.ClickException(f"the trial's catalogue {place} could not be enrolled")
    with open_catalogue(place, encoder) as catalogue:
        tracks_enrolled = len(catalogue.tracks())
    return Trial(
        folder=folder,
        weights=weights,
        catalogue=place,
        tracks=tracks_enrolled,
        config=load(None),
        workers=workers,
    )


def _hear(trial: Trial, calibration: Calibration, *, hours: float | None = None) -> list[Hearing]:
    """All stations of a trial, or the first so many hours of them, shared out among processes."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from stream_monitor.trial.world import read_truth

    stations = {}
    total = 0.0
    for path in sorted((trial.folder / "stations").iterdir(), key=lambda path: path.stem.rpartition("-")[::-1]):
        if path.suffix != ".json" and not path.name.startswith("part-"):
            stations[path] = read_truth(path)
            total += stations[path][0]
            if hours is not None and total >= hours * 3600:
                break
    shares = [dict(list(stations.items())[each :: trial.workers]) for each in range(trial.workers)]
    with ProcessPoolExecutor(trial.workers, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(_hear_some, trial, share, calibration) for share in shares if share]
        return [hearing for job in jobs for hearing in job.result()]


def _hear_some(
    trial: Trial, stations: dict[Path, tuple[float, list[Appearance]]], calibration: Calibration
) -> list[Hearing]:
    """One process's share."""
    from rich.console import Console
    from rich.progress import Progress

    from stream_monitor.cli.loading import load_encoder, open_catalogue
    from stream_monitor.cli.logging import configure_logging
    from stream_monitor.confidence import CALIBRATION_KEY
    from stream_monitor.trial.hearing import hear

    configure_logging(level="warning", as_json=False)
    encoder = load_encoder(trial.weights)
    calibrated: Mapping[str, Any] = {CALIBRATION_KEY: calibration.model_dump(mode="json")}
    with open_catalogue(trial.catalogue, encoder) as catalogue, Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{len(stations)} stations", total=len(stations))

        def advance(_: str) -> None:
            bar.advance(task)

        return hear(stations, catalogue, encoder, trial.config, calibration=calibrated, progress=advance)


def _with(trial: Trial, matcher: MatcherConfig, tracker: TrackerConfig) -> Trial:
    pipeline = trial.config.pipeline.model_copy(update={"matcher": matcher})
    plays = trial.config.plays.model_copy(update={"tracker": tracker})
    return replace(trial, config=trial.config.model_copy(update={"pipeline": pipeline, "plays": plays}))


def _write(path: Path, value: Mapping[str, Any]) -> None:
    from index.atomic import write_atomic

    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    write_atomic(path, lambda file: file.write(text.encode()))
