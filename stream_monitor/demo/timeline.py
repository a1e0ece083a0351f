"""A picture of stations: a row of truth above a row of plays on one time axis. Knows nothing of how they came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from stream_monitor.demo.scoring import Verdict

COLOURS = {"right": "#2a9d62", "inexact": "#e0a100", "missed": "#c43d3d", "extra": "#8a3dc4"}


def draw_timeline(
    stations: Mapping[str, tuple[float, Sequence[Verdict]]], titles: Mapping[str, str], path: Path, headline: str
) -> None:
    """Writes a PNG timeline.

    Args:
        stations: per station its duration in seconds and its verdicts.
        titles: work_id to what is written on its bar.
        path: where the PNG goes.
        headline: one line above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=(14, 1.3 + 1.75 * len(stations)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(stations), 1, squeeze=False)[:, 0]
    figure.suptitle(headline, fontsize=11, x=0.01, ha="left")
    for axis, (station, (duration_s, verdicts)) in zip(axes, stations.items(), strict=True):
        for verdict in verdicts:
            colour = COLOURS[verdict.word]
            for row, item in ((1, verdict.truth), (0, verdict.play)):
                if item is None:
                    continue
                solid = row == 0 or verdict.play is not None
                axis.barh(
                    row,
                    item.end_s - item.start_s,
                    left=item.start_s,
                    height=0.82,
                    color=colour if solid else "white",
                    edgecolor=colour,
                    linewidth=1.4,
                    alpha=0.9 if row == 0 else 0.55,
                )
                sure = "" if item.confidence is None else f" {item.confidence:.2f}"
                label = f"{titles.get(item.work_id, item.work_id)}\n{item.how}{sure}"
                axis.text(
                    (item.start_s + item.end_s) / 2, row, label, ha="center", va="center", fontsize=6.5, clip_on=True
                )
        axis.set(xlim=(0, duration_s), ylim=(-0.55, 1.55), yticks=[0, 1], yticklabels=["heard", "truth"])
        axis.set_ylabel(station, fontsize=10)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
        minutes = range(int(duration_s // 60) + 1)
        axis.set_xticks([60 * minute for minute in minutes], [f"{minute}:00" for minute in minutes], fontsize=8)
        axis.grid(axis="x", color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
    figure.legend(
        handles=[Patch(color=colour, label=word) for word, colour in COLOURS.items()],
        loc="upper right",
        ncols=len(COLOURS),
        fontsize=8,
        frameon=False,
    )
    figure.savefig(path)
