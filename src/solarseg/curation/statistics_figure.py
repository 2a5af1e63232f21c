"""The statistics of a dataset as one picture."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from solarseg.curation.statistics import Statistics
from solarseg.files import write_figure
from solarseg.painting import format_percent

__all__ = ["draw_statistics"]

_BAR: dict[str, Any] = {"color": "#7FA6C9", "edgecolor": "#2B4C6F", "linewidth": 1}
_FEW, _MOST = 5, 20  # bars that fill a panel, and that can be read
# Okabe and Ito's colours, and lines that differ without them.
_LINES = (
    ("#0072B2", "-"),
    ("#D55E00", "--"),
    ("#009E73", ":"),
    ("#CC79A7", "-."),
    ("#E69F00", "-"),
    ("#56B4E9", "--"),
)


def draw_statistics(statistics: Statistics, path: Path) -> None:
    """Draw class shares, images per class, group sizes, region sizes, bands and image sizes.

    Args:
        statistics: as measured.
        path: PNG file to write.

    Raises:
        OutputError: the file could not be written.
    """
    panels = (_class_shares, _images_per_class, _group_sizes, _region_sizes, _bands, _sizes)
    with style.context(["default", {"text.parse_math": False}]):  # names may hold $
        figure = Figure((15, 8.4), dpi=110, layout="constrained")
        for axes, draw in zip(figure.subplots(2, 3).flat, panels, strict=True):
            draw(axes, statistics)
            axes.tick_params(labelsize=9)
            axes.spines[["top", "right"]].set_visible(False)
        where = _short(Path(statistics.dataset).resolve().name, 60)
        groups = f", {statistics.groups:,} groups" if statistics.grouped else ""
        figure.suptitle(f"{where}: {statistics.images:,} images{groups}", weight="bold")
        write_figure(path, figure)


def _title(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", size=11, weight="bold")


def _bars(axes: Axes, values: dict[str, float], labels: list[str], note: str = "images") -> None:
    """Horizontal bars, the first on top, each with its value written out; of too many the largest."""
    largest = set(sorted(values, key=lambda name: -values[name])[:_MOST])
    written = {name: label for name, label in zip(values, labels, strict=True) if name in largest}
    names, numbers = list(written), [values[name] for name in written]
    axes.barh(range(len(names)), numbers, **_BAR)
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.set_ylim(max(len(names), _FEW) - 0.5, -0.5)
    for row, (number, label) in enumerate(zip(numbers, written.values(), strict=True)):
        axes.annotate(label, (number, row), (4, 0), textcoords="offset points", va="center", size=9)
    axes.margins(x=0.15)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 5, 10)))
    more = len(values) - len(names)
    axes.set_xlabel(f"{note} (and {more} more, none larger)" if more else note, size=10)


def _short(name: str, longest: int = 24) -> str:
    """Leave out the middle: names of images often differ at both ends only."""
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[: longest - 1 - half]}…{name[-half:]}"


def _class_shares(axes: Axes, statistics: Statistics) -> None:
    _title(axes, "pixels of each class")
    values = {one.name: one.share for one in statistics.classes}
    note = (
        f"share of pixels ({format_percent(statistics.ignored)} ignored)"
        if statistics.ignored
        else "share of pixels"
    )
    _bars(axes, values, [format_percent(share) for share in values.values()], note)


def _images_per_class(axes: Axes, statistics: Statistics) -> None:
    _title(axes, "images that show each class")
    values: dict[str, float] = {one.name: one.images for one in statistics.classes}
    values["nothing but background"] = statistics.empty
    _bars(axes, values, [f"{count:,}" for count in values.values()])


def _group_sizes(axes: Axes, statistics: Statistics) -> None:
    if not statistics.grouped:
        _title(axes, "groups")
        axes.axis("off")
        axes.text(0, 0.9, "no groups.csv:\neach image is its own group", va="top", size=11)
        return
    _title(axes, "images of each group")
    values = dict(statistics.group_sizes)
    _bars(axes, dict(values), [f"{count:,}" for count in values.values()])


def _region_sizes(axes: Axes, statistics: Statistics) -> None:
    _title(axes, "region sizes")
    shown = sorted(statistics.classes, key=lambda one: -(one.regions or 0))
    drawn = [one for one in shown if one.histogram][: len(_LINES)]
    more = sum(bool(one.histogram) for one in shown) - len(drawn)
    longest = max((len(one.histogram) for one in drawn), default=1)
    edges = 2.0 ** np.arange(longest + 1)
    for one, (colour, line) in zip(drawn, _LINES, strict=False):
        heights = np.pad(one.histogram, (0, longest - len(one.histogram)))
        axes.stairs(
            heights,
            edges,
            color=colour,
            linestyle=line,
            linewidth=2,
            label=f"{_short(one.name)} ({one.regions:,})",
        )
    axes.set_xscale("log", base=4 if longest <= 12 else 16)  # or the numbers run into one another
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"pixels of a region{f' (and {more} more classes)' if more else ''}", size=10)
    axes.set_ylabel("regions", size=10)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    if drawn:
        # Below, where no curve runs.
        axes.legend(
            frameon=False, fontsize=9, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.16), borderpad=0
        )


def _bands(axes: Axes, statistics: Statistics) -> None:
    _title(axes, "bands: mean, deviation, range")
    rows = range(len(statistics.bands))
    low, high, mean, deviation = (
        np.array([getattr(band, name) for band in statistics.bands])
        for name in ("low", "high", "mean", "deviation")
    )
    axes.hlines(rows, low, high, color="0.7", linewidth=2)
    axes.errorbar(mean, rows, xerr=deviation, fmt="o", color="#2B4C6F", capsize=4, linewidth=2)
    flat = [f" (flat in {band.flat:,})" if band.flat else "" for band in statistics.bands]
    axes.set_yticks(
        rows, [_short(band.name) + note for band, note in zip(statistics.bands, flat, strict=True)]
    )
    axes.set_ylim(max(len(rows), _FEW) - 0.5, -0.5)
    axes.set_xlabel("value in the files", size=10)


def _sizes(axes: Axes, statistics: Statistics) -> None:
    _title(axes, "image sizes")
    values = {size.replace("x", " × "): float(count) for size, count in statistics.sizes.items()}
    _bars(axes, values, [f"{count:,.0f}" for count in values.values()])
