"""Connected components of a mask, measured."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Component", "components", "depths", "orientation", "smallest_rectangle"]


@dataclass(frozen=True)
class Component:
    """A connected component; pixels that meet in a corner are connected.

    Attributes:
        left: first column it touches.
        top: first row it touches.
        pixels: ``(H, W) bool``, cut out of the mask from there on.
    """

    left: int
    top: int
    pixels: NDArray[np.bool_]

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the mask."""
        height, width = self.pixels.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def around(self, reach: int, shape: tuple[int, int]) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
        """Its window, wider by some pixels where a mask of a shape allows, and its pixels there."""
        rows, columns = self.window
        top, left = max(rows.start - reach, 0), max(columns.start - reach, 0)
        wider = (
            slice(top, min(rows.stop + reach, shape[0])),
            slice(left, min(columns.stop + reach, shape[1])),
        )
        pixels = np.zeros((wider[0].stop - top, wider[1].stop - left), bool)
        height, width = self.pixels.shape
        pixels[rows.start - top :, columns.start - left :][:height, :width] = self.pixels
        return wider, pixels

    @property
    def area(self) -> int:
        """Pixels."""
        return int(self.pixels.sum())

    @property
    def centre(self) -> tuple[float, float]:
        """Mean column and row of the mask."""
        rows, columns = np.nonzero(self.pixels)
        return self.left + float(columns.mean()), self.top + float(rows.mean())

    @property
    def extent(self) -> float:
        """From end to end, pixels: the longer side of the smallest rectangle around its pixels, at any angle."""
        return max(smallest_rectangle(self.pixels))


def smallest_rectangle(pixels: NDArray[np.bool_]) -> tuple[float, float]:
    """Sides of the smallest rectangle, at any angle, around whole pixels, ``(H, W) bool``, at least one.

    Examples:
        >>> sorted(smallest_rectangle(np.ones((3, 9), bool)))
        [3.0, 9.0]
    """
    outlines, _ = cv2.findContours(pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = np.array([(0, 0), (1, 0), (0, 1), (1, 1)], np.float32)
    squares = np.concatenate(outlines).astype(np.float32) + corners
    width, height = cv2.minAreaRect(squares.reshape(-1, 2))[1]
    return float(width), float(height)


def components(chosen: NDArray[np.bool_]) -> Iterator[Component]:
    """Go through the connected components of a class.

    Args:
        chosen: ``(H, W) bool``, its pixels.

    Examples:
        >>> [one.area for one in components(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]], bool))]
        [2, 1]
    """
    count, numbers, boxes, _ = cv2.connectedComponentsWithStats(chosen.astype(np.uint8))
    for number in range(1, count):
        left, top, width, height, _ = boxes[number].tolist()
        yield Component(left, top, numbers[top : top + height, left : left + width] == number)


def depths(region: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How far each pixel of a region, ``(H, W) bool``, lies from the nearest beyond it or the image; 0 elsewhere.

    Examples:
        >>> depths(np.ones((3, 5), bool)).tolist()[1]
        [1.0, 2.0, 2.0, 2.0, 1.0]
    """
    padded = np.pad(region, 1).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1])


def orientation(pixels: NDArray[np.bool_]) -> float:
    """Where the longer axis of a region points, by the second moments of its area.

    Half the angle of (mu20 - mu02, 2 mu11), as in M.-K. Hu, Visual pattern recognition by moment invariants (1962).

    Args:
        pixels: ``(H, W) bool``.

    Returns:
        Degrees from 0 up to 180: 0 along rows, 90 along columns, anticlockwise as seen.

    Examples:
        >>> orientation(np.ones((3, 9), bool)), orientation(np.eye(9, dtype=bool))
        (0.0, 135.0)
    """
    rows, columns = np.nonzero(pixels)
    x, y = columns - columns.mean(), rows.mean() - rows
    across, along = 2 * float((x * y).mean()), float((x**2).mean() - (y**2).mean())
    return float(np.degrees(np.arctan2(across, along)) / 2) % 180 % 180  # -1e-16 % 180 is 180
