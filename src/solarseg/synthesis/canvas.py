"""Shapes to pixels.

Outlines are whole subpixels and are filled without antialiasing, so that a mask is the same on every machine;
how much of each pixel they cover follows from counting subpixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["SUBPIXELS", "THINNEST", "Coverage", "Patch", "fill", "stroke"]

Coverage = NDArray[np.float32]
Points = NDArray[np.float64]

SUBPIXELS = 4  # along each side of a pixel: 16 steps of coverage, finer than 8-bit noise shows
THINNEST = SUBPIXELS + 1  # subpixels: a line thinner than a pixel would have gaps in the mask

# Divisible by the subpixels of a pixel, so that their mean is a whole number and nothing is rounded.
_FULL = 255 // SUBPIXELS**2 * SUBPIXELS**2


@dataclass(frozen=True)
class Patch:
    """A part of an image that a shape covers.

    Attributes:
        window: rows and columns of the image.
        coverage: ``(rows, columns) float32``, how much of each pixel is covered, 0 to 1.
    """

    window: tuple[slice, slice]
    coverage: Coverage


def fill(size: int, polygons: Sequence[Points], beyond: int = 0) -> Patch:
    """Fill polygons.

    Args:
        size: side of the image, pixels.
        polygons: each ``(N, 2)`` x and y, subpixels, rounded to whole ones. What several cover is covered once.
        beyond: pixels by which the patch is to be larger than the polygons, where the image allows.

    Examples:
        >>> patch = fill(8, [np.array([(0, 0), (3, 0), (3, 1), (0, 1)])])
        >>> patch.coverage.tolist()
        [[0.5]]
    """
    whole = [_whole(corners) for corners in polygons]
    box = _Box.around(np.concatenate(whole), size, beyond)
    canvas = box.canvas()
    for corners in whole:
        cv2.fillPoly(canvas, [corners - box.origin], _FULL, cv2.LINE_8)
    return box.patch(canvas)


def stroke(size: int, lines: Sequence[tuple[Points, int]]) -> Patch:
    """Draw lines through points.

    Args:
        size: side of the image, pixels.
        lines: points of each, ``(N, 2)`` x and y in subpixels, rounded to whole ones, and its width in subpixels,
            3 at least; an even one loses one, so that the line has a middle.

    Examples:
        >>> patch = stroke(8, [(np.array([(0, 14), (31, 14)]), 5)])
        >>> patch.coverage[:, 0].round(2).tolist()
        [0.0, 0.0, 1.0, 0.25, 0.0]
    """
    points = [_whole(line) for line, _ in lines]
    widest = max(width for _, width in lines)
    box = _Box.around(np.concatenate(points), size, 1 + widest // SUBPIXELS)
    canvas = box.canvas()
    for line, (_, width) in zip(points, lines, strict=True):
        thickness = (width - 1) // 2 * 2  # OpenCV's lines are one wider than an even thickness
        cv2.polylines(canvas, [line - box.origin], False, _FULL, thickness, cv2.LINE_8)
    return box.patch(canvas)


@dataclass(frozen=True)
class _Box:
    """Rows and columns of pixels, ends not included."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def around(cls, points: NDArray[np.int32], size: int, beyond: int) -> "_Box":
        (left, top), (right, bottom) = points.min(axis=0) // SUBPIXELS, points.max(axis=0) // SUBPIXELS + 1
        top, left = (min(max(int(low) - beyond, 0), size - 1) for low in (top, left))
        bottom = min(max(int(bottom) + beyond, top + 1), size)
        right = min(max(int(right) + beyond, left + 1), size)
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


def _whole(points: Points) -> NDArray[np.int32]:
    return np.rint(points).astype(np.int32)
