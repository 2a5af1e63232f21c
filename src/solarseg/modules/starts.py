"""Fit a placement from several starts: edges of cells and busbars next to them are easily taken for each other."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from solarseg.modules.fit import fit_placement
from solarseg.modules.fit_quality import Fit
from solarseg.modules.grid import is_usual
from solarseg.modules.placement import ModulePlacement

__all__ = ["fit_from_starts"]

_SEEN_LINES = 0.9  # of the lines along one axis: then the others are worth another start
_ENOUGH = 0.8  # of the quality: no other start is tried
_FAR = 0.15  # of a cell: how far a side is moved
# Of the first and of the last line, at the start and at the end of the lines: how far each is moved.
_MOVES = (
    ((0, 0), (0, 0)),
    *(
        (tuple(side * x for x in first), tuple(side * x for x in last))
        for first, last in (
            ((1, 1), (1, 1)),
            ((1, 1), (0, 0)),
            ((0, 0), (1, 1)),
            ((1, 0), (1, 0)),
            ((0, 1), (0, 1)),
        )
        for side in (-1, 1)
    ),
)


def fit_from_starts(light: NDArray[np.float32], placed: ModulePlacement, fit: Fit) -> Fit:
    """Fit a common grid again from starts next to it, if only its lines along one axis were found.

    Args:
        light: ``(H, W) float32``, 0 to 1.
        placed: the first start.
        fit: what was fitted from there.

    Returns:
        The fit with the highest quality.
    """
    seen = fit.along_axes
    if fit.quality >= _ENOUGH or max(seen) < _SEEN_LINES or not is_usual(placed.rows, placed.columns):
        return fit
    axis = int(np.argmin(seen))
    for first, last in _MOVES:
        moved = fit_placement(light, _moved(placed, axis, first, last), near=True)
        if moved.quality > fit.quality:
            fit = moved
        if fit.quality >= _ENOUGH:
            break
    return fit


def _moved(
    placement: ModulePlacement, axis: int, first: tuple[float, ...], last: tuple[float, ...]
) -> ModulePlacement:
    """Move the first and the last line of an axis, each at its start and at its end."""
    cells, across = placement.columns, placement.rows
    if axis == 1:
        cells, across = across, cells
    move = np.eye(3)
    move[axis, 2] = _FAR * first[0]
    move[axis, axis] += _FAR * (last[0] - first[0]) / cells
    move[axis, 1 - axis] = _FAR * (first[1] - first[0] + last[1] - last[0]) / (2 * across)
    return replace(placement, homography=placement.homography @ move)
