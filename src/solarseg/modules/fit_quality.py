"""How well a placement agrees with the edges of cells in a photograph."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from solarseg.modules.edge_residuals import MeasuredEdges
from solarseg.modules.edges import Edges, measure_edges
from solarseg.modules.placement import ModulePlacement

__all__ = ["Fit", "judge_edges", "judge_placement"]

Points = NDArray[np.float64]

_FINEST = 110  # pixels per cell at most
_REACH = 0.07  # of a cell: edges farther from the grid are not looked for
_GOOD = 0.04  # of a cell: edges that are closer agree with the grid
_VISIBLE = 0.4  # of the edges at a line: with as many the line is there
_OUTLINE = 0.4  # of the quality depends on the outer edges of the module


@dataclass(frozen=True)
class Fit:
    """A placement, and how well it agrees.

    Attributes:
        placement: without a confidence.
        seen: ``(2, rows, columns)`` number of edges of each cell, 0 to 2, that were measured and agree with the grid:
            left and right, upper and lower.
        wrong: ``(2, rows, columns)`` number of edges that were measured and do not agree with the grid.
        lines: share of the edges at each line that agree: of the vertical lines from the left, and of the horizontal
            ones from the top.
        assumed: quality of a grid with strings whose lines cannot be seen; None if all of it was looked for.
        edges: the measured edges.
    """

    placement: ModulePlacement
    seen: NDArray[np.int64]
    wrong: NDArray[np.int64]
    lines: tuple[Points, Points]
    assumed: float | None = None
    edges: MeasuredEdges | None = field(default=None, repr=False, compare=False)

    @property
    def quality(self) -> float:
        """How much of the grid is seen, along the axis where it is worse, and less without an outline, 0 to 1.

        A grid with too many lines has lines without edges. Busbars are lines too, but at the sides of a grid of busbars
        there is no change from light to dark.
        """
        if self.assumed is not None:
            return self.assumed
        outlined = 1 - _OUTLINE + _OUTLINE * min(self.outer)
        return float(self.along_axes.min() * outlined)

    @property
    def along_axes(self) -> Points:
        """How much of the vertical and of the horizontal lines is seen, and agrees, ``(2,)``, 0 to 1."""
        visible = np.array([np.minimum(line / _VISIBLE, 1).mean() for line in self.lines])
        seen, wrong = (counts.sum(axis=(1, 2)) for counts in (self.seen, self.wrong))
        return np.asarray(visible * (seen / np.maximum(seen + wrong, 1)) ** 2)

    @property
    def outer(self) -> tuple[float, ...]:
        """Share of the outer edges that agree, at the left, the right, the top and the bottom of the module."""
        return tuple(float(line[end]) for line in self.lines for end in (0, -1))

    @property
    def weight(self) -> float:
        """Length of all edges that agree, pixels of the photograph, times the quality."""
        return float(self.seen.sum() * self.placement.pixels_per_cell * self.quality)


def judge_placement(light: NDArray[np.float32], placement: ModulePlacement) -> Fit:
    """Compare a placement with the edges of cells near it, without moving it."""
    edges = measure_edges(light, placement, _FINEST, _REACH)
    return judge_edges(placement, MeasuredEdges.of(placement, *edges))


def judge_edges(placement: ModulePlacement, edges: MeasuredEdges) -> Fit:
    """Compare a placement with edges that were measured near it."""
    across, down = edges.across, edges.down
    good = np.abs(edges.deviations(placement)) < _GOOD
    axis = np.repeat((0, 1), (len(across.line), len(down.line)))
    row = np.concatenate([across.cell_along, down.cell])
    column = np.concatenate([across.cell, down.cell_along])
    seen, wrong = (np.zeros((2, placement.rows, placement.columns), np.int64) for _ in range(2))
    np.add.at(seen, (axis, row, column), good)
    np.add.at(wrong, (axis, row, column), ~good)
    lines = (
        _lines(across, good[: len(across.line)], placement.columns, placement.rows),
        _lines(down, good[len(across.line) :], placement.rows, placement.columns),
    )
    return Fit(placement, seen, wrong, lines, edges=edges)


def _lines(edges: Edges, good: NDArray[np.bool_], cells: int, along: int) -> Points:
    """Return the share of the edges at each line that agree; cells are on one side only of the outer lines."""
    count = np.bincount(edges.line.astype(np.int64), weights=good, minlength=cells + 1)
    possible = np.full(cells + 1, 2.0 * along)
    possible[[0, -1]] = along
    return np.asarray(count / possible)
