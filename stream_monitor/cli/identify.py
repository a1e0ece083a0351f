"""`identify`: ranks the tracks of a catalogue for whole files. It knows nothing of how they are heard or ranked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import structlog

from stream_monitor.cli import loading

if TYPE_CHECKING:
    from stream_monitor.enrol import HeardFile, Listener, UnheardFile
    from stream_monitor.identify import Identifier

log = structlog.get_logger(__name__)


@click.command(short_help="Ranks the tracks of a catalogue for whole files.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option(
    "--catalog", "catalog_path", required=True, type=click.Path(path_type=Path), help="Folder of the catalogue."
)
@click.option("--top", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Tracks per file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file on stdout.")
@click.option("--weights", type=click.Path(path_type=Path), help="The encoder's folder; default: the shipped one.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
def identify(
    files: tuple[Path, ...], catalog_path: Path, top: int, as_json: bool, weights: Path | None, device: str
) -> int:
    """Ranks the tracks of a catalogue for each FILE as a whole.

    A track whose own recording is in the file comes first, the rest by score. A file that fails is reported, and the
    exit code is 1.
    """
    from stream_monitor.enrol import Listener
    from stream_monitor.identify import Identifier

    encoder = loading.load_encoder(weights, device=device)
    failed = False
    with loading.open_catalogue(catalog_path, encoder) as opened:
        identifier = Identifier(opened, cohort_CD=encoder.cohort_CD, calibration=encoder.calibration)
        if not identifier.calibrated:
            log.warning("these weights have no fitted confidence: it is null")
        listener = Listener(encoder, decode_threads=os.cpu_count() or 1)
        for answer in _answers(files, listener, identifier, top):
            failed = failed or "error" in answer
            if as_json:
                click.echo(json.dumps(answer, ensure_ascii=False))
            else:
                _print_table(answer)
    return 1 if failed else 0


def _answers(files: Sequence[Path], listener: Listener, identifier: Identifier, top: int) -> Iterator[dict[str, Any]]:
    """One answer for each file, in the order given, as soon as those before it are there."""
    answers: dict[Path, dict[str, Any]] = {}
    due = 0
    with closing(listener.hear(list(dict.fromkeys(files)))) as heard_files:
        for heard in heard_files:
            answers[heard.path] = _answer(heard, identifier, top)
            while due < len(files) and files[due] in answers:
                yield answers[files[due]]
                due += 1


def _answer(heard: HeardFile | UnheardFile, identifier: Identifier, top: int) -> dict[str, Any]:
    from encoder.grid import SAMPLE_RATE
    from stream_monitor.enrol import UnheardFile

    if isinstance(heard, UnheardFile):
        return {"path": str(heard.path), "error": str(heard.problem)}
    answer: dict[str, Any] = {
        "path": str(heard.path),
        "duration_s": round(heard.duration_samples / SAMPLE_RATE, 3),
        "results": [
            {
                "track_id": result.track_id,
                "score": round(result.score, 6),
                "confidence": None if result.confidence is None else round(result.confidence, 4),
                "match_type": result.match_type,
                "query_start_s": round(result.query_start_s, 3),
                "query_end_s": round(result.query_end_s, 3),
                "track_start_s": round(result.track_start_s, 3),
                "track_end_s": round(result.track_end_s, 3),
            }
            for result in identifier.identify(heard, top=top)
        ],
    }
    if heard.problem is not None:
        answer["error"] = str(heard.problem)
    return answer


def _print_table(answer: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if "error" in answer:
        console.print(Text(answer["error"], style="red"))
    if "results" not in answer:
        return
    table = Table(title=Text(f"{answer['path']} ({answer['duration_s']:.1f} s)"), title_justify="left")
    for column in ("track", "score", "confidence", "match", "in the file", "in the track"):
        table.add_column(column, overflow="fold")
    for result in answer["results"]:
        table.add_row(
            result["track_id"],
            f"{result['score']:.3f}",
            "" if result["confidence"] is None else f"{result['confidence']:.2f}",
            result["match_type"],
            f"{result['query_start_s']:.1f} to {result['query_end_s']:.1f} s",
            f"{result['track_start_s']:.1f} to {result['track_end_s']:.1f} s",
        )
    console.print(table)
