"""Query length against mAP as a PNG, as in the paper's figure 2. Knows nothing of how it was measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

COLOURS = {
    "exact": "#1f77b4",
    "two_stage": "#d62728",
    "aligned": "#2ca02c",
    "whole": "#9467bd",
    "chroma": "#8c564b",
    "qmax": "#e377c2",
}


def draw_lengths(scores: Mapping[str, Any], path: Path) -> None:
    """One line for each search, with its 95% band; whole recordings are a dotted line.

    Args:
        scores: What `scoring.score_lengths` gives.
        path: Of the PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    lengths = sorted((name for name in scores if name != "full"), key=float)
    seconds = [float(name) for name in lengths]
    searches = [name for name in COLOURS if scores and name in next(iter(scores.values()))]
    for search in searches:
        figures, colour = [scores[name][search]["map"] for name in lengths], COLOURS[search]
        label = search.replace("_", " ")
        axis.plot(seconds, [each["mean"] for each in figures], marker="o", color=colour, label=label)
        lows, highs = [each["low"] for each in figures], [each["high"] for each in figures]
        axis.fill_between(seconds, lows, highs, color=colour, alpha=0.15, linewidth=0)
    if "full" in scores and searches:
        best = max(scores["full"][search]["map"]["mean"] for search in searches)
        axis.axhline(best, color="#777777", linestyle=":", label="whole recordings (best)")
    axis.set(xlabel="query length, s", ylabel="mAP", ylim=(0, 1.02))
    axis.legend(frameon=False, loc="lower right")
    axis.grid(color="#eeeeee")
    figure.savefig(path)
