"""The exposure of cells for the model, which was trained on well exposed images of single cells."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["expose_cells", "expose_module"]

_LEVEL = 95  # percentile of the light of a cell that is its brightness: most of a cell may be inactive
_TARGET = 205  # grey level that this brightness gets, as in the images that models were trained on
_MAX_GAIN = 5.0  # relative to a typical cell of the module: of darker cells only noise would be seen
_SHOWN = 99.8  # percentile of the light of a module that becomes white


def expose_cells(cells: NDArray[np.float32], black: float) -> NDArray[np.uint8]:
    """Give each cell the same brightness.

    Args:
        cells: ``(rows, columns, H, W) float32``, light from 0 to 1.
        black: level without light.

    Returns:
        ``(rows, columns, H, W) uint8``. Cells with less than a fifth of the light of a typical cell stay dark.
    """
    level = np.percentile(cells[..., ::4, ::4], _LEVEL, axis=(-2, -1)) - black
    level = np.maximum(level, max(float(np.median(level)), 1e-6) / _MAX_GAIN)
    gain = (_TARGET / level)[..., None, None].astype(np.float32)
    return _to_levels((cells - np.float32(black)) * gain)


def expose_module(rectified: NDArray[np.float32], black: float) -> NDArray[np.uint8]:
    """Expose a whole module, whose cells keep their relative brightness.

    Args:
        rectified: ``(H, W) float32``, light from 0 to 1.
        black: level without light.

    Returns:
        ``(H, W) uint8``.
    """
    white = float(np.percentile(rectified[::4, ::4], _SHOWN))
    return _to_levels((rectified - np.float32(black)) * np.float32(255 / max(white - black, 1e-6)))


def _to_levels(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)
