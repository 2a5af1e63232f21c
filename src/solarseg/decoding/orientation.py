"""How the stored rows and columns of an image lie in the upright picture."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ORIENTATION_TAG", "swaps_sides", "turn_upright"]

ORIENTATION_TAG = 274  # of TIFF, which EXIF took over: what the first stored row and column are
_TO_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: np.fliplr,
    3: lambda data: np.rot90(data, 2),
    4: np.flipud,
    5: lambda data: data.swapaxes(0, 1),
    6: lambda data: np.rot90(data, -1),
    7: lambda data: np.rot90(data.swapaxes(0, 1), 2),
    8: np.rot90,
}


def turn_upright(data: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn ``(H, W, ...)`` as stored into the upright picture.

    Args:
        data: as stored.
        orientation: value of the tag, 1 to 8; other values are taken for 1, upright, as viewers do.

    Examples:
        >>> turn_upright(np.array([[1, 2]]), 6).tolist()
        [[1], [2]]
    """
    turn = _TO_UPRIGHT.get(orientation)
    return np.ascontiguousarray(turn(data)) if turn is not None else data


def swaps_sides(orientation: int) -> bool:
    """Say whether the upright picture is as wide as the stored one is high."""
    return orientation in (5, 6, 7, 8)
