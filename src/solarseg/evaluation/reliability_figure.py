"""The reliability diagram: share of correct pixels over confidence, with and without temperature."""

from pathlib import Path

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from solarseg.evaluation.reliability import BINS, Bins, Reliability
from solarseg.evaluation.scores import ratio
from solarseg.files import write_figure

__all__ = ["draw_reliability"]

# Vermilion and blue of Okabe and Ito: distinct with any colour vision; line styles and markers differ too.
_AFTER, _BEFORE = "#D55E00", "#0072B2"


def draw_reliability(reliability: Reliability, path: Path, title: str) -> None:
    """Draw the share of correct pixels over their confidence, and the distribution of confidences.

    Args:
        reliability: reliability of the scored images.
        path: PNG file to write.
        title: title of the figure.

    Raises:
        OutputError: the file could not be written.
    """
    after, before = reliability.bins.sum(axis=0), reliability.bins_before.sum(axis=0)
    with style.context("default"):
        figure = Figure((6, 6.6), dpi=120, layout="constrained")
        curves, counts = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        curves.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="perfect calibration")
        _plot(curves, before, f"without temperature, error {reliability.error_before:.3f}", _BEFORE, "s--")
        label = f"temperature {reliability.temperature:.2f}, error {reliability.error:.3f}"
        _plot(curves, after, label, _AFTER, "o-")
        curves.set(xlim=(0, 1), ylim=(0, 1), ylabel="share of correct pixels")
        figure.legend(frameon=False, loc="outside lower left")  # the curves may be anywhere
        curves.grid(color="0.9", linewidth=0.8)
        edges = np.linspace(0, 1, BINS + 1)
        counts.stairs(ratio(before[:, 0], before[:, 0].sum()), edges, color=_BEFORE, linestyle="--")
        counts.stairs(ratio(after[:, 0], after[:, 0].sum()), edges, color=_AFTER, fill=True, alpha=0.35)
        counts.set(ylim=(0, 1), xlabel="confidence: probability of the predicted class", ylabel="pixels")
        counts.yaxis.set_major_formatter(PercentFormatter(1))
        for axes in (curves, counts):
            axes.spines[["top", "right"]].set_visible(False)
        figure.suptitle(title, size=11, parse_math=False)
        write_figure(path, figure)


def _plot(axes: Axes, bins: Bins, label: str, colour: str, style: str) -> None:
    shown = bins[bins[:, 0] > 0]
    axes.plot(
        shown[:, 1] / shown[:, 0], shown[:, 2] / shown[:, 0], style, color=colour, label=label, markersize=5
    )
