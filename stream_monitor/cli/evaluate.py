"""`evaluate`: how well an encoder finds versions on a dataset of one's own. Reads options, shows tables; no more."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import structlog

if TYPE_CHECKING:
    from stream_monitor.collaborators import EncoderLike
    from stream_monitor.evaluation.listening import HeardVersion

log = structlog.get_logger(__name__)

LENGTHS_S = (6.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0)


@click.command(short_help="Measures how well versions are found.")
@click.option(
    "--dataset",
    "dataset_path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSV with the columns clique_id, recording_id, path.",
)
@click.option("--model", type=click.Path(path_type=Path, file_okay=False), help="Folder of weights; else the shipped.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for evaluation.json and .png.")
@click.option(
    "--length", "lengths_s", type=click.FloatRange(6.0), multiple=True, help="Seconds of a cut; may be given often."
)
@click.option("--cuts", type=click.IntRange(1), default=9, show_default=True, help="Cuts of a length per recording.")
@click.option("--neighbours", type=click.IntRange(1), default=50, show_default=True, help="K of the first stage.")
@click.option(
    "--search",
    "searches",
    type=click.Choice(["exact", "two_stage", "aligned", "whole", "chroma", "qmax"]),
    multiple=True,
    default=("exact", "two_stage", "aligned"),
    show_default=True,
    help="Way to search; may be given often. `whole`, `chroma` and `qmax` are baselines.",
)
@click.option(
    "--scanned",
    type=click.IntRange(0),
    default=2000,
    show_default=True,
    help="So many recordings are scanned by `aligned`, fewer for longer queries; 0: those that the first stage names.",
)
@click.option(
    "--checked",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="So many of the best are aligned; fewer for longer queries.",
)
@click.option(
    "--related",
    type=click.IntRange(0),
    default=50,
    show_default=True,
    help="With so many others `aligned` compares each of the best two, which then speak for those like them; 0: none.",
)
@click.option(
    "--slow-cuts",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Cuts of a length per recording for the searches that compare pair by pair: aligned, chroma, qmax.",
)
@click.option(
    "--times",
    "sizes",
    type=click.IntRange(1),
    multiple=True,
    help="Also times queries of 20 s against an index of so many embeddings, e.g. 100000; may be given often.",
)
@click.option("--works", type=click.IntRange(2), help="Only so many cliques, evenly spread over the list.")
@click.option("--seed", type=int, default=1, show_default=True, help="Places of the cuts, and the bootstrap.")
def evaluate(
    dataset_path: Path,
    model: Path | None,
    output: Path | None,
    lengths_s: tuple[float, ...],
    cuts: int,
    neighbours: int,
    searches: tuple[str, ...],
    scanned: int,
    checked: int,
    related: int,
    slow_cuts: int,
    sizes: tuple[int, ...],
    works: int | None,
    seed: int,
) -> int:
    """Takes every recording that has another version, whole and in cuts, as a query, and ranks all the others.

    Prints one JSON object to stdout and a table to stderr: mAP, MR1, top-1 and top-10 with 95% intervals (resampled by
    work): every pair by MaxMean, the two-stage search, and that with its best aligned (what `identify` ranks by). A
    column `subset` of the CSV is also scored apart.
    """
    from stream_monitor.cli.loading import load_encoder
    from stream_monitor.cli.progress import progress_bar
    from stream_monitor.errors import InputError
    from stream_monitor.evaluation.dataset import check_answers, read_dataset
    from stream_monitor.evaluation.listening import hear
    from stream_monitor.evaluation.picture import draw_lengths
    from stream_monitor.evaluation.scoring import score_lengths

    versions, lengths = read_dataset(dataset_path, works), tuple(dict.fromkeys(lengths_s or LENGTHS_S))
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    encoder = load_encoder(model)
    heard, failures = [], []
    with progress_bar("recordings", total=len(versions)) as bar:
        for done, version in enumerate(versions, 1):
            try:
                heard.append(hear(encoder, version, lengths, cuts, seed, whole="whole" in searches, sketched=slow_cuts))
            except InputError as error:
                log.error(str(error), recording=version.recording_id, kind=type(error).__name__)
                failures.append({"recording_id": version.recording_id, "reason": str(error)})
            bar.to(done, len(versions))
    check_answers([each.version for each in heard], str(dataset_path))
    with progress_bar("lengths", total=len(lengths) + 1) as bar:
        scores = score_lengths(
            heard,
            lengths,
            searches=searches,
            neighbours=neighbours,
            scanned=scanned,
            checked=checked,
            related=related,
            slow_cuts=slow_cuts,
            seed=seed,
            progress=lambda done: bar.to(done, len(lengths) + 1),
        )
    result: dict[str, Any] = {
        "format_version": 1,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": str(dataset_path),
        "encoder": encoder.fingerprint,
        "recordings": len(heard),
        "cliques": len({each.version.clique_id for each in heard}),
        "hours": round(sum(each.duration_s for each in heard) / 3600, 3),
        "cuts": cuts,
        "neighbours": neighbours,
        "scanned": scanned,
        "checked": checked,
        "related": related,
        "slow_cuts": slow_cuts,
        "seed": seed,
        "scores": scores,
        "failures": failures,
    }
    if sizes:
        result["times"] = _times(encoder, model, heard, sizes, neighbours)
        _show_times(result["times"])
    text = json.dumps(result, indent=1, ensure_ascii=False)
    _show(scores)
    click.echo(text)
    if output is not None:
        (output / "evaluation.json").write_text(text + "\n", encoding="utf-8")
        draw_lengths(scores, output / "evaluation.png")
    return 1 if failures else 0


def _times(
    encoder: EncoderLike, model: Path | None, heard: Sequence[HeardVersion], sizes: Sequence[int], neighbours: int
) -> dict[str, Any]:
    """The paper's table 2, on the first recordings of the dataset."""
    from encoder.training.drawn_tracks import drawn_tracks
    from encoder.weights import load_weights
    from stream_monitor.cli.progress import progress_bar
    from stream_monitor.evaluation.listening import samples_of
    from stream_monitor.evaluation.times import QUERIES, time_queries

    waves = [samples_of(each.version) for each in heard[:QUERIES]]
    with progress_bar("embeddings", total=max(sizes)) as bar:
        return time_queries(
            encoder,
            waves,
            [each.whole.embedding_ND for each in heard],
            drawn_tracks(load_weights(model)),
            sizes=sizes,
            neighbours=neighbours,
            progress=lambda done: bar.to(done, max(sizes)),
        )


def _show_times(times: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    def cell(figure: Mapping[str, float]) -> str:
        return f"{figure['mean']:.1f} ± {figure['sd']:.1f}"

    table = Table(
        "embeddings", "preprocess, ms", "inference, ms", "two stages, ms", "total, ms", "all pairs, ms", "recall@K"
    )
    for row in times["indexes"]:
        table.add_row(
            f"{row['embeddings']:,}",
            cell(times["preprocess_ms"]),
            cell(times["inference_ms"]),
            cell(row["two_stage_ms"]),
            f"{row['total_ms']:.1f}",
            cell(row["all_pairs_ms"]),
            f"{row['recall']:.3f}",
        )
    Console(stderr=True, width=None if sys.stderr.isatty() else 120).print(table)


def _show(scores: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("query", "queries", "search", "mAP (95%)", "MR1", "top-1", "top-10", "recall@K")
    for name, row in scores.items():
        for search in [name for name in row if name not in ("queries", "recall")]:
            figures = row[search]
            mean = figures["map"]
            table.add_row(
                "whole" if name == "full" else f"{name} s",
                str(figures["queries"]),
                search.replace("_", " "),
                f"{mean['mean']:.3f} ({mean['low']:.3f} to {mean['high']:.3f})",
                f"{figures['mr1']['mean']:.1f}",
                f"{figures['top1']['mean']:.3f}",
                f"{figures['top10']['mean']:.3f}",
                f"{row['recall']:.3f}" if search == "two_stage" else "",
            )
    Console(stderr=True, width=None if sys.stderr.isatty() else 120).print(table)
