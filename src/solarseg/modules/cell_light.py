"""What the cells of a placed module look like: their light, and the direction of their busbars."""

import numpy as np
from numpy.typing import NDArray

from solarseg.modules.cells import cut_cells
from solarseg.modules.placement import ModulePlacement

__all__ = ["cell_light", "is_upright"]


def cell_light(light: NDArray[np.float32], placement: ModulePlacement) -> NDArray[np.float32]:
    """Return the light in the middle of each cell, ``(rows, columns) float32``, 0 to 1."""
    cells = np.asarray(cut_cells(light, placement, 12), np.float32)
    return np.asarray(np.median(cells[:, :, 3:-3, 3:-3], axis=(2, 3)), np.float32)


def is_upright(light: NDArray[np.float32], placement: ModulePlacement) -> bool:
    """Return whether busbars run from top to bottom: in the median of all cells dark lines do."""
    cells = np.asarray(cut_cells(light, placement, 48), np.float32)
    relative = cells / np.maximum(np.median(cells, axis=(2, 3), keepdims=True), 1e-6)
    inside = np.median(relative, axis=(0, 1))[5:-5, 5:-5]
    across, down = (inside.mean(axis=axis) for axis in (0, 1))
    return bool(np.abs(np.diff(across, 2)).mean() > np.abs(np.diff(down, 2)).mean())
