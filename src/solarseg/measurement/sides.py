"""How bright it is on either side of a crack."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.measurement.regions import Component, orientation
from solarseg.measurement.skeleton import thin

__all__ = ["side_ratio"]

_TANGENT = 4  # times as far as a crack's blur reaches: side of the square from which its direction is taken
_FEW = 20  # pixels of silicon on a side, below which nothing is said of it


def side_ratio(
    crack: Component, grey: NDArray[np.floating], silicon: NDArray[np.bool_], reach: int, away: float = 2.0
) -> float | None:
    """Compare the silicon on one side of a crack with that on the other.

    Which side a pixel lies on is told by the crack's direction where it is nearest, all directions pointing as its
    longer axis does.

    Args:
        crack: in the image.
        grey: ``(H, W)``, EL intensity.
        silicon: ``(H, W) bool``: where it is neither metal nor crack nor background.
        reach: pixels from the crack's edge to look at.
        away: pixels from its edge that its own blur darkens, which are left out.

    Returns:
        Median of the darker side by that of the brighter, 0 to 1; None where a side shows hardly any silicon.

    Examples:
        >>> grey = np.full((40, 40), 100.0)
        >>> grey[:, 21:] = 60
        >>> silicon = np.ones((40, 40), bool)
        >>> silicon[:, 20] = False
        >>> side_ratio(Component(20, 0, np.ones((40, 1), bool)), grey, silicon, reach=8)
        0.6
    """
    window, pixels = crack.around(reach, grey.shape)
    distance = cv2.distanceTransform((~pixels).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    beside = silicon[window] & (distance > away) & (distance <= reach)
    side = _side_of(pixels, orientation(crack.pixels), 2 * round(_TANGENT * away / 2) + 1)
    levels = [grey[window][beside & (side == way)] for way in (-1, 1)]
    if min(map(len, levels)) < _FEW:
        return None
    darker, brighter = sorted(float(np.median(level)) for level in levels)
    return darker / brighter if brighter > 0 else None


def _side_of(pixels: NDArray[np.bool_], degrees: float, around: int) -> NDArray[np.int8]:
    """-1 on one side, 1 on the other, 0 before and behind."""
    lines = thin(pixels)
    places = np.argwhere(lines)
    _, labels = cv2.distanceTransformWithLabels(
        (~lines).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.zeros((labels.max() + 1, 2), np.int64)
    nearest[labels[lines]] = places
    to_row, to_column = (nearest[labels][..., axis] for axis in (0, 1))
    rows, columns = np.indices(pixels.shape)
    down, right = rows - to_row, columns - to_column
    along_x, along_y = (field[to_row, to_column] for field in _directions(lines, degrees, around))
    across = along_x * down - along_y * right
    along = along_x * right + along_y * down
    return np.where(np.abs(across) > np.abs(along), np.sign(across), 0).astype(np.int8)


def _directions(
    lines: NDArray[np.bool_], degrees: float, around: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Unit vectors along the lines, x and y, each by the second moments of the line in a square around."""
    y, x = np.indices(lines.shape, np.float32)

    def mean(values: Any) -> Any:
        return cv2.boxFilter(values * lines, -1, (around, around), normalize=False) / np.maximum(count, 1)

    count = cv2.boxFilter(lines.astype(np.float32), -1, (around, around), normalize=False)
    mean_x, mean_y = mean(x), mean(y)
    angle = 0.5 * np.arctan2(
        2 * (mean(x * y) - mean_x * mean_y), mean(x * x) - mean_x**2 - mean(y * y) + mean_y**2
    )
    along_x, along_y = np.cos(angle), np.sin(angle)
    axis = np.deg2rad(-degrees)  # rows count downwards
    sign = np.where(along_x * np.cos(axis) + along_y * np.sin(axis) < 0, np.float32(-1), np.float32(1))
    return along_x * sign, along_y * sign
