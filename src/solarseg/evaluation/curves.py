"""Training curves: loss, accuracy and IoU over epochs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from solarseg.files import write_figure

__all__ = ["draw_curves"]

# Blue and vermilion of Okabe and Ito: distinct with any colour vision; the line styles differ too.
_TRAIN: dict[str, Any] = {"color": "#0072B2", "linestyle": "--", "linewidth": 1.6}
_VAL: dict[str, Any] = {"color": "#D55E00", "linestyle": "-", "linewidth": 2.2}
_PANELS = (("loss", "loss"), ("accuracy", "accuracy"), ("iou", "IoU"))
_MAX_MARKED = 12  # epochs; with more, single epochs are not marked


def draw_curves(
    rows: Sequence[Mapping[str, float]], path: Path, watched: tuple[str, str] = ("val_iou", "max")
) -> None:
    """Draw loss, accuracy and IoU of training and validation, and mark the best epoch.

    Args:
        rows: one per epoch, with ``epoch``, ``loss``, ``accuracy``, ``iou`` and, with validation, the same names with
            the prefix ``val_``. Missing and non-finite values are left out.
        path: PNG file to write.
        watched: measure that selects the best epoch, and whether the best value is the ``"max"`` or the ``"min"``.

    Raises:
        OutputError: the file could not be written.
    """
    epochs, best = _column(rows, "epoch"), _best(rows, *watched)
    with style.context("default"):
        figure = Figure((13.5, 4.2), dpi=120, layout="constrained")
        for axes, (name, label) in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
            _draw_panel(axes, epochs, _column(rows, name), _column(rows, f"val_{name}"))
            axes.set_title(label, loc="left", size=12, weight="bold")
            if best is not None:
                axes.axvline(epochs[best], color="0.6", linewidth=1, zorder=0)
                if f"val_{name}" == watched[0]:
                    _mark(axes, epochs[best], rows[best][watched[0]])
        write_figure(path, figure)


def _column(rows: Sequence[Mapping[str, float]], name: str) -> NDArray[np.float64]:
    values = np.array([row.get(name, np.nan) for row in rows], dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _best(rows: Sequence[Mapping[str, float]], measure: str, mode: str) -> int | None:
    """Return the index of the first row with the best measure; ``None`` without validation."""
    scores = _column(rows, measure)
    if np.isnan(scores).all():
        return None
    return int(np.nanargmax(scores) if mode == "max" else np.nanargmin(scores))


def _draw_panel(
    axes: Axes, epochs: NDArray[np.float64], train: NDArray[np.float64], val: NDArray[np.float64]
) -> None:
    marker = "o" if len(epochs) <= _MAX_MARKED else None
    axes.plot(epochs, train, label="training", marker=marker, markersize=4, **_TRAIN)
    if not np.isnan(val).all():
        axes.plot(epochs, val, label="validation", marker=marker, markersize=4, **_VAL)
    axes.set_xlabel("epoch", size=10)
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=(1, 2, 5, 10), integer=True, min_n_ticks=1))
    if len(epochs):
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    axes.tick_params(labelsize=9)
    axes.grid(color="0.9", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=10)


def _mark(axes: Axes, epoch: float, score: float) -> None:
    ring: dict[str, Any] = {
        "markersize": 10,
        "markerfacecolor": "none",
        "markeredgecolor": "black",
        "markeredgewidth": 1.6,
    }
    axes.plot(epoch, score, "o", clip_on=False, **ring)
    axes.set_title(f"best validation {score:.3f} at epoch {epoch:.0f}", loc="right", size=10)
