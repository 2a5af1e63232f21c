"""Charts as numbers and paths that a template turns into SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from solarseg.electrical import PowerEstimate
from solarseg.reports.report_contents import Line, Plot

__all__ = ["Chart", "ChartLine", "draw_plot", "draw_power_curves", "nice_ticks"]

WIDTH, HEIGHT = 520, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 26, 14, 50
# Paul Tol's "bright" scheme; lines differ by dashes and markers too.
_COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa3377", "#66ccee")
_DASHES = ("", "7 4", "2 3", "9 3 2 3")
_TICKS = 6


@dataclass(frozen=True)
class ChartLine:
    """A line of a chart, in pixels of it."""

    name: str
    path: str
    points: tuple[tuple[float, float], ...]
    colour: str
    dash: str


@dataclass(frozen=True)
class Chart:
    """A chart: ``x_ticks`` and ``y_ticks`` are positions in pixels with their labels."""

    title: str
    x_label: str
    y_label: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    lines: tuple[ChartLine, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def nice_ticks(low: float, high: float, count: int = _TICKS) -> list[float]:
    """Return round numbers, at most about ``count``, whose first and last enclose a range.

    Examples:
        >>> nice_ticks(0, 37.6)
        [0.0, 10.0, 20.0, 30.0, 40.0]
        >>> nice_ticks(2, 2)
        [1.0, 1.5, 2.0, 2.5, 3.0]
    """
    if high <= low:
        margin = max(1.0, abs(low)) / 2
        low, high = low - margin, low + margin
    raw = (high - low) / (count - 1)
    scale = 10.0 ** floor(log10(raw))
    step = next(each * scale for each in (1, 2, 2.5, 5, 10) if each * scale >= raw * (1 - 1e-9))
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def draw_power_curves(power: PowerEstimate) -> Chart:
    """Draw the I-V curves with and without the inactive area, with their maximum power points."""
    curves = (("with the inactive area", power.curve), ("without inactive area", power.sound_curve))
    lines = [Line(name, curve.voltage.tolist(), curve.current.tolist()) for name, curve in curves]
    marked = [[(curve.v_mp, curve.i_mp)] for _, curve in curves]
    return _draw("I-V curve", "Voltage (V)", "Current (A)", lines, marked, from_zero=True)


def draw_plot(plot: Plot) -> Chart:
    """Draw a plot with a marker at each point."""
    points = [list(zip(line.x, line.y, strict=True)) for line in plot.lines]
    lowest = min(min(line.y) for line in plot.lines)
    return _draw(plot.title, plot.x_label, plot.y_label, plot.lines, points, from_zero=lowest >= 0)


def _draw(
    title: str,
    x_label: str,
    y_label: str,
    lines: Sequence[Line],
    marked: Sequence[Sequence[tuple[float, float]]],
    from_zero: bool,
) -> Chart:
    xs = [x for line in lines for x in line.x]
    ys = [y for line in lines for y in line.y]
    x_ticks = nice_ticks(min(xs), max(xs))
    y_ticks = nice_ticks(0 if from_zero else min(ys), max(ys))
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return round(_LEFT + across * (right - _LEFT), 1), round(bottom - up * (bottom - _TOP), 1)

    drawn = tuple(
        ChartLine(
            name=line.name,
            path="M" + "L".join(f"{x} {y}" for x, y in map(place, line.x, line.y)),
            points=tuple(place(x, y) for x, y in points),
            colour=_COLOURS[number % len(_COLOURS)],
            dash=_DASHES[number % len(_DASHES)],
        )
        for number, (line, points) in enumerate(zip(lines, marked, strict=True))
    )
    return Chart(
        title,
        x_label,
        y_label,
        tuple((place(tick, y_ticks[0])[0], f"{tick:g}") for tick in x_ticks),
        tuple((place(x_ticks[0], tick)[1], f"{tick:g}") for tick in y_ticks),
        drawn,
    )
