"""Whether a number of cells that a person gave, or corners, fit the cells that a photograph shows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from solarseg.electrical.wiring import MIN_HALF_CUT_LENGTH
from solarseg.modules.extend import extend_grid, halve_cells
from solarseg.modules.fit import fit_placement
from solarseg.modules.fit_quality import Fit
from solarseg.modules.placement import cover

__all__ = ["DOUBTED", "SURE", "find_contradiction"]

Points = NDArray[np.float64]

SURE = 0.7  # of the quality: most grids whose number of cells was given and is wrong have less
DOUBTED = 0.5  # of the confidence: grids that fit, where the photograph shows other cells too
_AS_GOOD = 0.9  # of the quality: with as much, what is within a given cell is several cells


def find_contradiction(
    light: NDArray[np.float32], fit: Fit, least: float = SURE, others: Sequence[Points] = ()
) -> str | None:
    """Return what contradicts a grid whose number of cells was given, or None.

    Args:
        light: ``(H, W) float32``, 0 to 1.
        fit: the fitted grid.
        least: of its quality; with less it does not fit.
        others: ``(4, 2)`` corners of other modules, whose cells are none of these.

    Returns:
        The end of a sentence that begins with the grid.
    """
    if fit.quality < least:
        return "few edges of cells are where this grid has them"
    parts = _divided(light, fit)
    if parts > 1:
        return f"each of these cells seems to be {parts} cells"
    whole = extend_grid(cover(light, others), fit).placement
    if (whole.rows, whole.columns) != (fit.placement.rows, fit.placement.columns):
        return f"more cells are seen next to these, {whole.rows} x {whole.columns} in all"
    return None


def _divided(light: NDArray[np.float32], fit: Fit) -> int:
    """Return of how many cells each cell of a grid seems to consist."""
    placement = fit.placement
    count = placement.rows * placement.columns
    if max(placement.rows, placement.columns) >= MIN_HALF_CUT_LENGTH:
        return 1  # half-cut cells are longer than wide, and a busbar may be in their middle
    across, down = placement.cell_shape
    if across == down:
        halved = halve_cells(light, fit).placement
        return halved.rows * halved.columns // count
    gap, middle_gap = placement.gap, placement.middle_gap
    square = replace(
        placement,
        homography=placement.homography @ np.diag([1 / across, 1 / down, 1.0]),
        columns=placement.columns * across,
        rows=placement.rows * down,
        gap=(gap[0] * across, gap[1] * down),
        middle_gap=(middle_gap[0] * across, middle_gap[1] * down),
    )
    return across * down if fit_placement(light, square).quality >= _AS_GOOD * fit.quality else 1
