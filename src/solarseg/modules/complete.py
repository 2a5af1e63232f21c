"""Complete a grid by strings without light at one of its sides.

A module with 4 of 6 strings lit looks like one with 4 strings. Modules with so few hardly exist, and where the strings
without light are, it is dark: darker than at the other side of the module, and darker than beyond the frame.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.modules.grid import is_usual
from solarseg.modules.placement import ModulePlacement

__all__ = ["complete_grid"]

Points = NDArray[np.float64]

_STRINGS = (2, 3)  # of one bypass diode
_WITHIN = (0.15, 0.85)  # of a string: where all is dark
_FIRST = 0.5  # of the first string: nearer is the light of the next one
_BEYOND = (0.6, 1.2)  # strings after the last one: beyond the frame
_PARTS = 8  # along the strings: in nearly all of them it must be dark
_NEARLY_ALL = 7
_OUTSIDE = 0.7  # of a part may be outside the photograph


def complete_grid(light: NDArray[np.float32], placement: ModulePlacement) -> ModulePlacement | None:
    """Return the grid with its strings without light, or None if it is not clear where they are.

    Args:
        light: ``(H, W) float32``, 0 to 1.
        placement: an unusual grid, with the direction of its busbars.
    """
    axis = 0 if placement.upright else 1
    for strings in _STRINGS:
        cells = [placement.columns, placement.rows]
        cells[axis] += strings
        if is_usual(cells[1], cells[0]):
            sides = [_is_dark(light, placement, axis, side, strings) for side in (-1, 1)]
            if sides[0] == sides[1]:
                return None
            shift = np.eye(3)
            shift[axis, 2] = -strings if sides[0] else 0
            return replace(
                placement, homography=placement.homography @ shift, columns=cells[0], rows=cells[1]
            )
    return None


def _is_dark(
    light: NDArray[np.float32], placement: ModulePlacement, axis: int, side: int, strings: int
) -> bool:
    """Return whether it is darker next to a side than next to the other one, and than farther away."""
    beyond = _part_light(light, placement, axis, side, strings + _BEYOND[0], strings + _BEYOND[1])
    other = _part_light(light, placement, axis, -side, _FIRST, strings - 1 + _WITHIN[1])
    for string in range(strings):
        dark = _part_light(
            light, placement, axis, side, string + (_WITHIN[0] if string else _FIRST), string + _WITHIN[1]
        )
        if (dark < beyond).sum() < _NEARLY_ALL or (other <= dark).sum() > _PARTS - _NEARLY_ALL:
            return False
    return True


def _part_light(
    light: NDArray[np.float32], placement: ModulePlacement, axis: int, side: int, near: float, far: float
) -> Points:
    """Return the median light in parts of a band outside of a side, ``(8,)``; NaN if too much is outside."""
    cells = (placement.columns, placement.rows)
    across = (0.0 if side < 0 else cells[axis]) + side * np.linspace(near, far, 24)
    along = np.linspace(0.05, 0.95, _PARTS * 12) * cells[1 - axis]
    grid = np.stack(np.meshgrid(across, along) if axis == 0 else np.meshgrid(along, across), axis=-1)
    if axis == 1:
        grid = grid.swapaxes(0, 1)
    pixels = placement.to_pixels(grid).reshape(_PARTS, -1, 2).astype(np.float32)
    samples = cv2.remap(light, pixels, None, cv2.INTER_NEAREST, borderValue=np.nan)
    few = np.isnan(samples).mean(axis=1) > _OUTSIDE
    return np.where(few, np.nan, np.nanmedian(np.where(few[:, None], 0, samples), axis=1))
