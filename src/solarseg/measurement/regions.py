"""Connected components of a mask and their geometry."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.measurement.skeleton import thin

__all__ = ["Component", "distance_to_border", "find_components", "orientation", "smallest_rectangle"]


@dataclass(frozen=True)
class Component:
    """A connected component (8-connected).

    Attributes:
        left: first column.
        top: first row.
        pixels: ``(H, W) bool``, the component in its bounding box.
    """

    left: int
    top: int
    pixels: NDArray[np.bool_]

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the bounding box in the mask."""
        height, width = self.pixels.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def padded_window(
        self, padding: int, shape: tuple[int, int]
    ) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
        """Return the bounding box padded on each side as far as a mask of a shape reaches, and the component in it."""
        rows, columns = self.window
        top, left = max(rows.start - padding, 0), max(columns.start - padding, 0)
        padded = (
            slice(top, min(rows.stop + padding, shape[0])),
            slice(left, min(columns.stop + padding, shape[1])),
        )
        return padded, self.in_window(self.pixels, padded)

    def in_window(self, values: NDArray[np.bool_], window: tuple[slice, slice]) -> NDArray[np.bool_]:
        """Return an array of the bounding box in a larger window of the mask, False around it."""
        rows, columns = window
        placed = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
        height, width = values.shape
        placed[self.top - rows.start :, self.left - columns.start :][:height, :width] = values
        return placed

    @cached_property
    def area(self) -> int:
        """Number of pixels."""
        return int(self.pixels.sum())

    @cached_property
    def lines(self) -> NDArray[np.bool_]:
        """Centre lines of the component in its bounding box; see `thin`."""
        return thin(self.pixels)

    @cached_property
    def orientation(self) -> float:
        """Orientation of its longer axis; see `solarseg.measurement.regions.orientation`."""
        return orientation(self.pixels)

    @property
    def centre(self) -> tuple[float, float]:
        """Mean column and mean row in the mask."""
        rows, columns = np.nonzero(self.pixels)
        return self.left + float(columns.mean()), self.top + float(rows.mean())

    @property
    def extent(self) -> float:
        """Longer side, pixels, of the smallest rectangle at any angle around the component."""
        return max(smallest_rectangle(self.pixels))


def smallest_rectangle(pixels: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the sides of the smallest rectangle at any angle around whole pixels.

    Args:
        pixels: ``(H, W) bool`` with at least one pixel.

    Examples:
        >>> sorted(smallest_rectangle(np.ones((3, 9), bool)))
        [3.0, 9.0]
    """
    outlines, _ = cv2.findContours(pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = np.array([(0, 0), (1, 0), (0, 1), (1, 1)], np.float32)
    squares = np.concatenate(outlines).astype(np.float32) + corners
    width, height = cv2.minAreaRect(squares.reshape(-1, 2))[1]
    return float(width), float(height)


def find_components(pixels: NDArray[np.bool_]) -> Iterator[Component]:
    """Yield the connected components (8-connected) of a mask of one class, in the order of their first pixels.

    Args:
        pixels: ``(H, W) bool``.

    Examples:
        >>> mask = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]], bool)
        >>> [component.area for component in find_components(mask)]
        [2, 1]
    """
    inside = pixels.astype(np.uint8)
    first_column, first_row, width, height = cv2.boundingRect(inside)
    if not width:
        return
    inside = inside[first_row : first_row + height, first_column : first_column + width]
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(inside)
    found = []
    for label in range(1, count):
        left, top, width, height, _ = boxes[label].tolist()
        pixels = labels[top : top + height, left : left + width] == label
        one = Component(first_column + left, first_row + top, pixels)
        found.append(((one.top, one.left + int(pixels[0].argmax())), one))
    # OpenCV's own order depends on whether rows and columns are even.
    yield from (component for _, component in sorted(found, key=itemgetter(0)))


def distance_to_border(region: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance of each pixel of a region to the nearest pixel outside of it; 0 outside the region.

    Pixels beyond the edge of the image are outside.

    Args:
        region: ``(H, W) bool``.

    Examples:
        >>> distance_to_border(np.ones((3, 5), bool)).tolist()[1]
        [1.0, 2.0, 2.0, 2.0, 1.0]
    """
    padded = cv2.copyMakeBorder(region.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1])


def orientation(pixels: NDArray[np.bool_]) -> float:
    """Return the orientation of a region's longer axis, from the second moments of its area.

    Half the angle of (mu20 - mu02, 2 mu11), as in M.-K. Hu, Visual pattern recognition by moment invariants (1962).

    Args:
        pixels: ``(H, W) bool``.

    Returns:
        Degrees in [0, 180): 0 along rows, 90 along columns, counted anticlockwise.

    Examples:
        >>> orientation(np.ones((3, 9), bool)), orientation(np.eye(9, dtype=bool))
        (0.0, 135.0)
    """
    rows, columns = np.nonzero(pixels)
    x, y = columns - columns.mean(), rows.mean() - rows
    across, along = 2 * float((x * y).mean()), float((x**2).mean() - (y**2).mean())
    return float(np.degrees(np.arctan2(across, along)) / 2) % 180 % 180  # -1e-16 % 180 is 180
