"""The reliability curve of a trial as a PNG. Knows nothing of how it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def curves(worlds: Sequence[Mapping[str, Any]], pooled: Mapping[str, Any]) -> dict[str, Sequence[Mapping[str, Any]]]:
    """The reliability curves of trials, named by the size of their catalogue, and the one over all of them.

    Args:
        worlds: What `verdict.judge` says of each trial, with its number of "tracks".
        pooled: What `verdict.trust` says of all of them.
    """
    named: dict[str, Sequence[Mapping[str, Any]]] = {}
    for world in worlds:
        name = f"{world['tracks']} tracks"
        same = sum(known.startswith(name) for known in named)
        named[f"{name}, trial {same + 1}" if same else name] = world["reliability"]
    return {**named, "all": pooled["reliability"]} if len(worlds) > 1 else named


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
