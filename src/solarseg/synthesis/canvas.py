"""Fill polygons and draw lines with exact pixel coverage.

Coordinates are rounded to whole subpixels and filled without antialiasing, so that a mask is identical on every
machine. The coverage of a pixel is its share of filled subpixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.synthesis.shapes import Points

__all__ = ["MIN_LINE_WIDTH", "SUBPIXELS", "Coverage", "Patch", "draw_lines", "fill_polygons"]

Coverage = NDArray[np.float32]

SUBPIXELS = 4  # along each side of a pixel: 16 levels of coverage, finer than 8-bit noise
MIN_LINE_WIDTH = SUBPIXELS + 1  # subpixels: a line narrower than a pixel would have gaps in the mask

# A multiple of the subpixels in a pixel, so that their mean is an integer and nothing is rounded.
_FULL = 255 // SUBPIXELS**2 * SUBPIXELS**2


@dataclass(frozen=True)
class Patch:
    """The part of an image that a shape covers.

    Attributes:
        window: rows and columns of the image.
        coverage: ``(rows, columns) float32``, covered share of each pixel, 0 to 1.
    """

    window: tuple[slice, slice]
    coverage: Coverage


def fill_polygons(size: int, polygons: Sequence[Points], margin: int = 0) -> Patch:
    """Fill polygons; where they overlap, they count once.

    Args:
        size: side of the image, pixels.
        polygons: each ``(N, 2)`` x and y in subpixels, rounded to integers.
        margin: pixels around the polygons that the patch includes, as far as the image reaches.

    Examples:
        >>> patch = fill_polygons(8, [np.array([(0, 0), (3, 0), (3, 1), (0, 1)])])
        >>> patch.coverage.tolist()
        [[0.5]]
    """
    rounded = [_round(corners) for corners in polygons]
    box = _Box.around(np.concatenate(rounded), size, margin)
    canvas = box.canvas()
    for corners in rounded:
        cv2.fillPoly(canvas, [corners - box.origin], _FULL, cv2.LINE_8)
    return box.patch(canvas)


def draw_lines(size: int, lines: Sequence[tuple[Points, int]]) -> Patch:
    """Draw lines through points; where they overlap, they count once.

    Args:
        size: side of the image, pixels.
        lines: for each line its points, ``(N, 2)`` x and y in subpixels, rounded to integers, and its width in
            subpixels, 3 or more. An even width is reduced by 1, so that the line is symmetric.

    Examples:
        >>> patch = draw_lines(8, [(np.array([(0, 14), (31, 14)]), 5)])
        >>> patch.coverage[:, 0].round(2).tolist()
        [0.0, 0.0, 1.0, 0.25, 0.0]
    """
    points = [_round(line) for line, _ in lines]
    widest = max(width for _, width in lines)
    box = _Box.around(np.concatenate(points), size, 1 + widest // SUBPIXELS)
    canvas = box.canvas()
    for line, (_, width) in zip(points, lines, strict=True):
        thickness = (width - 1) // 2 * 2  # OpenCV draws an even thickness 1 wider
        cv2.polylines(canvas, [line - box.origin], False, _FULL, thickness, cv2.LINE_8)
    return box.patch(canvas)


@dataclass(frozen=True)
class _Box:
    """Rows and columns of pixels, ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def around(cls, points: NDArray[np.int32], size: int, margin: int) -> "_Box":
        (left, top), (right, bottom) = points.min(axis=0) // SUBPIXELS, points.max(axis=0) // SUBPIXELS + 1
        top, left = (min(max(int(low) - margin, 0), size - 1) for low in (top, left))
        bottom = min(max(int(bottom) + margin, top + 1), size)
        right = min(max(int(right) + margin, left + 1), size)
        return cls(top, bottom, left, right)

    @property
    def origin(self) -> NDArray[np.int32]:
        return np.array([self.left * SUBPIXELS, self.top * SUBPIXELS], np.int32)

    def canvas(self) -> NDArray[np.uint8]:
        shape = ((self.bottom - self.top) * SUBPIXELS, (self.right - self.left) * SUBPIXELS)
        return np.zeros(shape, np.uint8)

    def patch(self, canvas: NDArray[np.uint8]) -> Patch:
        shape = (self.right - self.left, self.bottom - self.top)
        coverage = cv2.resize(canvas, shape, interpolation=cv2.INTER_AREA) / np.float32(_FULL)
        return Patch((slice(self.top, self.bottom), slice(self.left, self.right)), coverage)


def _round(points: Points) -> NDArray[np.int32]:
    return np.rint(points).astype(np.int32)
