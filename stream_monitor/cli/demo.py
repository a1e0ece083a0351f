"""`demo`: renders a catalogue and stations, runs the real commands on them, and shows plays beside the truth.

Calls `catalog add`, `watch` and `report` as subprocesses, the way a user would; decides nothing about music.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from stream_monitor.demo.scenario import Scenario, ScenarioConfig
    from stream_monitor.demo.scoring import Appearance, Score, Verdict


@click.command(name="demo", short_help="Renders stations, watches them, shows the truth.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), default=Path("demo-output"))
@click.option("--seed", default=1, show_default=True, help="Another seed is another catalogue and other stations.")
@click.option("--runs", default=1, show_default=True, help="Runs with successive seeds, scored together.")
@click.option("--tracks", default=24, show_default=True, help="Enrolled recordings.")
@click.option("--stations", default=3, show_default=True)
@click.option("--plays", default=4, show_default=True, help="Enrolled works that each station plays.")
def demo(output: Path, seed: int, runs: int, tracks: int, stations: int, plays: int) -> int:
    """Renders a catalogue and stations from works that nothing was trained or tuned on, and monitors them.

    Shows what was heard beside the truth, and leaves audio, catalogue, events, report and a picture in --output.
    """
    if plays * stations > tracks:
        raise click.UsageError(f"{stations} stations x {plays} plays need that many tracks, but --tracks is {tracks}")
    from stream_monitor.demo.scenario import ScenarioConfig

    totals: list[Score] = []
    for each in range(seed, seed + runs):
        folder = output if runs == 1 else output / f"seed-{each}"
        config = ScenarioConfig(seed=each, tracks=tracks, stations=stations, plays=plays)
        totals.append(_run(config, folder))
    if runs > 1:
        right, asked = sum(s.right for s in totals), sum(s.true + s.extra for s in totals)
        click.echo(f"\n{runs} seeds from {seed}: {right} of {asked} right ({right / asked:.1%})")
    return 0


def _run(config: ScenarioConfig, folder: Path) -> Score:
    """One scenario from rendering to picture."""
    from rich.console import Console

    from stream_monitor.demo.scenario import build
    from stream_monitor.demo.scoring import compare, score
    from stream_monitor.demo.timeline import draw_timeline

    for made in ("tracks", "stations", "catalogue"):
        shutil.rmtree(folder / made, ignore_errors=True)
    events = folder / "events.jsonl"
    events.unlink(missing_ok=True)
    console = Console(stderr=True)
    with console.status("Rendering …") as status:
        scenario = build(config, folder, lambda line: status.update(f"Rendering {line} …"))
    catalogue = folder / "catalogue"
    _command("catalog", "add", str(scenario.tracks), "--catalog", str(catalogue), "--metadata", str(scenario.metadata))
    began = time.monotonic()
    sources = [f"{station.name}={station.path}" for station in scenario.stations]
    _command("watch", *sources, "--catalog", str(catalogue), "--events", str(events), "--kind", "broadcast")
    took_s = time.monotonic() - began
    _command("report", "--events", str(events), "--format", "csv", "--output", str(folder / "report.csv"))

    plays = _plays(events)
    verdicts = {station.name: compare(station.truth, plays.get(station.name, [])) for station in scenario.stations}
    total = score([verdict for each in verdicts.values() for verdict in each])
    _show(scenario, verdicts)
    heard_s = sum(station.duration_s for station in scenario.stations)
    headline = (
        f"seed {config.seed}: {total.right} of {total.true} plays right (work, start and end within 5 s), "
        f"{total.extra} extra; {heard_s / 60:.0f} min of audio watched in {took_s:.0f} s"
    )
    picture = folder / "timeline.png"
    durations = {station.name: station.duration_s for station in scenario.stations}
    draw_timeline({name: (durations[name], verdicts[name]) for name in verdicts}, scenario.titles, picture, headline)
    click.echo(f"{headline}\npicture {picture}, events {events}, report {folder / 'report.csv'}")
    return total


def _command(*arguments: str) -> None:
    """Runs one of our commands as a user would, showing it; a failure ends the demo with its exit code."""
    click.secho("$ stream-monitor " + " ".join(arguments), err=True, bold=True)
    code = subprocess.run([sys.executable, "-m", "stream_monitor", *arguments], check=False).returncode
    if code:
        raise SystemExit(code)


def _plays(events: Path) -> dict[str, list[Appearance]]:
    """Plays by station, the newest revision of each, from the events file."""
    from stream_monitor.demo.scoring import Appearance
    from stream_monitor.reports.ledger import read_ledger

    with events.open(encoding="utf-8") as lines:
        ledger = read_ledger(lines)
    if ledger.bad_lines:
        raise click.ClickException(f"{events} holds lines that are no events: {json.dumps(ledger.bad_lines[0].reason)}")
    return {
        station.stream_id: [
            Appearance(
                work_id=play["track"]["work_id"],
                start_s=play["start_s"],
                end_s=play["end_s"],
                how=play["match_type"],
                confidence=play["confidence"],
            )
            for play in station.reported()
        ]
        for station in ledger.stations
    }


def _show(scenario: Scenario, verdicts: dict[str, list[Verdict]]) -> None:
    """A table of truth and plays, station by station."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Truth and what was heard", title_justify="left")
    for name in ("station", "work", "true", "heard", "as", "confidence", ""):
        table.add_column(name, justify="right" if name == "confidence" else "left")
    for station, found in verdicts.items():
        for verdict in found:
            either = verdict.truth or verdict.play
            if either is None:
                continue
            play = verdict.play
            table.add_row(
                station,
                scenario.titles.get(either.work_id, either.work_id),
                _span(verdict.truth),
                _span(play),
                f"{verdict.truth.how if verdict.truth else '-'} / {play.how if play else '-'}",
                "" if play is None or play.confidence is None else f"{play.confidence:.2f}",
                verdict.word,
            )
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _span(item: Appearance | None) -> str:
    if item is None:
        return "-"
    return " to ".join(f"{int(t // 60)}:{t % 60:04.1f}" for t in (item.start_s, item.end_s))
