"""A run's metrics as a picture: losses, scores of validation works, learning rate. Knows nothing of training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def draw_curves(lines: Sequence[Line], path: Path) -> None:
    """Writes a PNG of a run's metrics; what has no values stays empty."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (losses, scores, rate) = pyplot.subplots(3, 1, figsize=(8, 8), sharex=True, layout="constrained")
    steps = [line for line in lines if "loss" in line]
    at = [line["step"] for line in steps]
    losses.plot(at, [line["loss"] for line in steps], label="sum", color="black", linewidth=1.0)
    names = sorted({name for line in steps for name in line.get("terms", {})})
    for name in names if len(names) > 1 else []:
        own = [line for line in steps if name in line.get("terms", {})]
        losses.plot([line["step"] for line in own], [line["terms"][name] for line in own], label=name, linewidth=0.8)
    losses.set_ylabel("loss")
    scored = [line for line in lines if "scores" in line]
    for length in sorted({length for line in scored for length in line["scores"]}):
        own = [line for line in scored if length in line["scores"]]
        values = [line["scores"][length]["mean_average_precision"] for line in own]
        scores.plot([line["step"] for line in own], values, marker=".", label=length)
    scores.set_ylabel("mAP, validation works")
    scores.set_ylim(0.0, 1.0)
    rate.plot(at, [line["learning_rate"] for line in steps], linewidth=1.0)
    rate.set_ylabel("learning rate")
    rate.set_xlabel("step")
    for axes in (losses, scores):
        if axes.lines:
            axes.legend(loc="best", fontsize=8)
    for axes in (losses, scores, rate):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
