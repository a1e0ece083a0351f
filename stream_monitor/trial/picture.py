"""The reliability curve of a trial as a PNG. Knows nothing of how it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def draw_reliability(curves: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Confidence against the share of plays that were right, one line for each named curve."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--", label="perfect")
    for name, curve in curves.items():
        axis.plot(
            [part["mean_confidence"] for part in curve],
            [part["share_right"] for part in curve],
            marker="o",
            label=f"{name} ({sum(part['plays'] for part in curve)} plays)",
        )
    axis.set(xlabel="confidence", ylabel="share of plays that were right", xlim=(0, 1.02), ylim=(0, 1.02))
    axis.legend(frameon=False, loc="upper left")
    axis.grid(color="#eeeeee")
    figure.savefig(path)
