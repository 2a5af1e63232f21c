"""What makes a located grid doubtful: strings without light next to it, or an edge of the photograph that crops it."""

import numpy as np
from numpy.typing import NDArray

from solarseg.electrical.wiring import MIN_HALF_CUT_LENGTH
from solarseg.modules.cell_light import cell_light
from solarseg.modules.extend import SIDES
from solarseg.modules.grid import is_usual
from solarseg.modules.placement import ModulePlacement

__all__ = ["continues_outside", "may_have_dark_strings"]

Points = NDArray[np.float64]

_BEYOND = (0.22, 0.27, 0.32)  # of a cell: where the frame is, and not the margin between it and the cells
_CONTINUED = 0.5  # of the light of the last cells: with more the next cells begin there


def may_have_dark_strings(placement: ModulePlacement) -> bool:
    """Return whether strings without light may be next to the cells of an unusual grid: there is room for them."""
    if is_usual(placement.rows, placement.columns):
        return False
    across = 0 if placement.upright else 1
    cells = (placement.columns, placement.rows)[across]
    for place in (-2.0, cells + 2.0):
        along = np.linspace(0, (placement.rows, placement.columns)[across], 5)
        line = np.stack([np.full(5, place), along] if across == 0 else [along, np.full(5, place)], axis=-1)
        pixels = placement.to_pixels(line)
        if ((pixels >= 0) & (pixels < placement.size)).all():
            return True
    return False


def continues_outside(light: NDArray[np.float32], placement: ModulePlacement) -> bool:
    """Return whether an edge of the photograph crops a module: a corner is outside, or its light reaches that edge."""
    size = np.array(placement.size)
    if (placement.corners < -0.5).any() or (placement.corners > size - 0.5).any():
        return True
    bright = cell_light(light, placement)
    typical = float(np.percentile(bright, 75))
    for axis, end in SIDES:
        cells = (placement.columns, placement.rows)
        outer = 0.0 if end < 0 else cells[axis]
        along = np.linspace(0.1, 0.9, 9 * cells[1 - axis]) * cells[1 - axis]

        def at(
            distance: float, axis: int = axis, end: int = end, outer: float = outer, along: Points = along
        ) -> Points:
            across = np.full_like(along, outer + end * distance)
            return placement.to_pixels(np.stack([across, along] if axis == 0 else [along, across], axis=-1))

        next_cell = at(1.0)
        if ((next_cell >= 0) & (next_cell <= size - 1)).all(axis=1).mean() > 0.5:
            continue  # a cell more would be in the photograph, and was looked for
        side = 2 if cells[axis] >= MIN_HALF_CUT_LENGTH else 1  # distances are those of whole cells
        near = np.concatenate([at(side * distance) for distance in _BEYOND])
        near = near[((near >= 0) & (near <= size - 1)).all(axis=1)].round().astype(np.int64)
        line = bright[:, 0 if end < 0 else -1] if axis == 0 else bright[0 if end < 0 else -1]
        level = max(float(np.median(line)), typical / 2)  # strings without light are no measure
        if len(near) and np.median(light[near[:, 1], near[:, 0]]) > _CONTINUED * level:
            return True
    return False
