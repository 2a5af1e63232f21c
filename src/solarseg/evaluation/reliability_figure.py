"""The reliability diagram: how often pixels of a confidence are right, with and without temperature."""

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

# Okabe and Ito's vermilion and blue: apart with any kind of colour vision, and lines and markers differ too.
_AFTER, _BEFORE = "#D55E00", "#0072B2"


def draw_reliability(reliability: Reliability, path: Path, title: str) -> None:
    """Draw the share of right pixels over their confidence, and how many pixels there are of each.

    Args:
        reliability: of the images scored.
        path: PNG file to write.
        title: above all.

    Raises:
        OutputError: the file could not be written.
    """
    after, before = reliability.bins.sum(axis=0), reliability.before.sum(axis=0)
    with style.context("default"):
        figure = Figure((6, 6.6), dpi=120, layout="constrained")
        curves, counts = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        curves.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="as right as sure")
        _plot(curves, before, f"without temperature, error {reliability.error_before:.3f}", _BEFORE, "s--")
        described = f"temperature {reliability.temperature:.2f}, error {reliability.error:.3f}"
        _plot(curves, after, described, _AFTER, "o-")
        curves.set(xlim=(0, 1), ylim=(0, 1), ylabel="share of pixels that are right")
        figure.legend(frameon=False, loc="outside lower left")  # curves may go anywhere
        curves.grid(color="0.9", linewidth=0.8)
        edges = np.linspace(0, 1, BINS + 1)
        counts.stairs(ratio(before[:, 0], before[:, 0].sum()), edges, color=_BEFORE, linestyle="--")
        counts.stairs(ratio(after[:, 0], after[:, 0].sum()), edges, color=_AFTER, fill=True, alpha=0.35)
        counts.set(ylim=(0, 1), xlabel="confidence: probability of the class given", ylabel="pixels")
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
