"""Maps from the pixels of a new picture to places in a photograph, for ``cv2.remap``.

A map changes slowly, so it is computed at every eighth pixel only. Linear interpolation between them is wrong by a few
thousandths of a pixel.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["map_pixels"]

_STEP = 8  # pixels


def map_pixels(
    width: int, height: int, to_photograph: Callable[[NDArray[np.float32]], NDArray[Any]]
) -> NDArray[np.float32]:
    """Return the place of each pixel of a new picture in a photograph, ``(height, width, 2) float32`` x and y.

    Args:
        width: of the new picture, pixels.
        height: of the new picture, pixels.
        to_photograph: a smooth function from pixels of the new picture, ``(..., 2)`` x and y, to the photograph.
    """
    x, y = ((np.arange(-1, side // _STEP + 2) + 0.5) * _STEP - 0.5 for side in (width, height))
    coarse = np.asarray(to_photograph(np.stack(np.meshgrid(x, y), axis=-1).astype(np.float32)), np.float32)
    fine = cv2.resize(coarse, (len(x) * _STEP, len(y) * _STEP), interpolation=cv2.INTER_LINEAR)
    return np.asarray(fine[_STEP : _STEP + height, _STEP : _STEP + width], np.float32)
