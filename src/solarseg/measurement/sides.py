"""Compare the brightness on the two sides of a crack."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.measurement.regions import Component

__all__ = ["side_brightness_ratio"]

_TANGENT_SIDE = 4  # side of the square that gives the direction of a crack, relative to the crack's blur
_MIN_PIXELS = 20  # of silicon on each side


def side_brightness_ratio(
    crack: Component, grey: NDArray[np.floating], silicon: NDArray[np.bool_], reach: int, blur: float = 2.0
) -> float | None:
    """Return the brightness of the darker side of a crack relative to the brighter side.

    The side of a pixel follows from the direction of the crack at its nearest point. All directions are oriented as
    the longer axis of the crack.

    Args:
        crack: component in the image.
        grey: ``(H, W)`` EL intensity.
        silicon: ``(H, W) bool``, pixels that are neither metal nor crack nor background.
        reach: maximum distance of pixels from the crack's edge, pixels.
        blur: distance from the crack's edge that its own blur darkens, pixels; these pixels are left out.

    Returns:
        Median of the darker side divided by the median of the brighter side, 0 to 1; ``None`` if a side has fewer than
        20 pixels of silicon, or if both sides are black.

    Examples:
        >>> grey = np.full((40, 40), 100.0)
        >>> grey[:, 21:] = 60
        >>> silicon = np.ones((40, 40), bool)
        >>> silicon[:, 20] = False
        >>> side_brightness_ratio(Component(20, 0, np.ones((40, 1), bool)), grey, silicon, reach=8)
        0.6
    """
    window, pixels = crack.padded_window(reach, grey.shape)
    distance = cv2.distanceTransform((~pixels).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    measured = silicon[window] & (distance > blur) & (distance <= reach)
    lines = crack.in_window(crack.lines, window)
    side = _side_of_pixels(lines, crack.orientation, 2 * round(_TANGENT_SIDE * blur / 2) + 1)
    levels = [grey[window][measured & (side == sign)] for sign in (-1, 1)]
    if min(map(len, levels)) < _MIN_PIXELS:
        return None
    darker, brighter = sorted(float(np.median(level)) for level in levels)
    return darker / brighter if brighter > 0 else None


def _side_of_pixels(lines: NDArray[np.bool_], degrees: float, square: int) -> NDArray[np.int8]:
    """Return -1 on one side of the lines of a crack, 1 on the other, and 0 before their start and after their end."""
    points = np.argwhere(lines)
    _, labels = cv2.distanceTransformWithLabels(
        (~lines).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.zeros((labels.max() + 1, 2), np.int64)
    nearest[labels[lines]] = points
    to_row, to_column = (nearest[labels][..., axis] for axis in (0, 1))
    rows, columns = np.indices(lines.shape)
    down, right = rows - to_row, columns - to_column
    along_x, along_y = (field[to_row, to_column] for field in _directions(lines, degrees, square))
    across = along_x * down - along_y * right
    along = along_x * right + along_y * down
    return np.where(np.abs(across) > np.abs(along), np.sign(across), 0).astype(np.int8)


def _directions(
    lines: NDArray[np.bool_], degrees: float, square: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return x and y of unit vectors along the lines, from the second moments of the line in a square around."""
    y, x = np.indices(lines.shape, np.float32)

    def mean(values: Any) -> Any:
        return cv2.boxFilter(values * lines, -1, (square, square), normalize=False) / np.maximum(count, 1)

    count = cv2.boxFilter(lines.astype(np.float32), -1, (square, square), normalize=False)
    mean_x, mean_y = mean(x), mean(y)
    angle = 0.5 * np.arctan2(
        2 * (mean(x * y) - mean_x * mean_y), mean(x * x) - mean_x**2 - mean(y * y) + mean_y**2
    )
    along_x, along_y = np.cos(angle), np.sin(angle)
    axis = np.deg2rad(-degrees)  # rows count downwards
    sign = np.where(along_x * np.cos(axis) + along_y * np.sin(axis) < 0, np.float32(-1), np.float32(1))
    return along_x * sign, along_y * sign
