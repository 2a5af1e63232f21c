"""Where a module is in a photograph: a homography, its bend, and the radial distortion of the lens.

Grid coordinates are ``(u, v)`` in units of the distance between cells: ``u`` along a row, ``v`` down a column, and
integers in the middle of the gaps, so that the cell in row ``i`` and column ``j``, counted from 0, is within
``u`` from ``j`` to ``j + 1`` and ``v`` from ``i`` to ``i + 1``. Pixel coordinates are those of OpenCV: ``(0, 0)`` is
the centre of the upper left pixel.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from solarseg.arrays import FloatArray
from solarseg.electrical.wiring import Wiring, default_wiring
from solarseg.errors import ArgumentError
from solarseg.modules.bend import ModuleBend
from solarseg.modules.lens import distort, undistort

__all__ = ["ModulePlacement"]

Points = NDArray[np.float64]

# Of the inverse of a bend: each makes the error of real ones ten times smaller, of extreme ones half.
_INVERSE_STEPS = 20


@dataclass(frozen=True, repr=False)
class ModulePlacement:
    """Where a module and its cells are in a photograph.

    Attributes:
        rows: number of rows of cells, as seen in the photograph.
        columns: number of columns of cells.
        homography: ``(3, 3) float64``, from grid coordinates to pixels without bend and distortion.
        distortion: radial distortion: a point at distance ``r`` from the centre of the photograph, in units of half its
            diagonal, appears at ``r * (1 + distortion * r**2)``; negative for barrel distortion (Brown 1966).
        size: width and height of the photograph, pixels.
        gap: horizontal and vertical gap between cells, in units of the distance between cells.
        middle_gap: horizontal and vertical gap in the middle of a half-cut module beyond ``gap``, in the same units.
        upright: whether busbars run from top to bottom of the photograph; None if that could not be seen.
        confidence: 0 to 1, how well the grid fits the cells that the photograph shows; less if other cells are seen.
        bend: how far the module is bent out of its plane; None if a plane fits.
    """

    rows: int
    columns: int
    homography: FloatArray = field(compare=False)
    distortion: float
    size: tuple[int, int]
    gap: tuple[float, float] = (0.0, 0.0)
    middle_gap: tuple[float, float] = (0.0, 0.0)
    upright: bool | None = None
    confidence: float = 1.0
    bend: ModuleBend | None = None

    def __repr__(self) -> str:
        corners = ", ".join(f"({x:.0f}, {y:.0f})" for x, y in self.corners)
        return (
            f"<ModulePlacement {self.rows} x {self.columns} cells, corners {corners}, "
            f"confidence {self.confidence:.2f}>"
        )

    def to_pixels(self, grid: ArrayLike) -> Points:
        """Convert grid coordinates, ``(..., 2)``, to pixels of the photograph."""
        return project(self, self._open_middle(np.asarray(grid, np.float64)))

    def to_grid(self, pixels: ArrayLike) -> Points:
        """Convert pixels of the photograph, ``(..., 2)``, to grid coordinates: the inverse of `to_pixels`."""
        points = np.asarray(pixels, np.float64)
        flat = undistort(points, self.distortion, self.size)
        to_grid = np.linalg.inv(self.homography)
        grid = _apply(to_grid, flat)
        if self.bend is not None:
            for _ in range(_INVERSE_STEPS):
                grid = _apply(to_grid, self.bend.move_back(flat, _depth(self, self.bend, grid)))
        return self._close_middle(grid)

    @cached_property
    def corners(self) -> Points:
        """Corners of the area of cells in the photograph, ``(4, 2) float64``, clockwise from the upper left."""
        cells = self.cell_corners
        return np.array([cells[0, 0, 0], cells[0, -1, 1], cells[-1, -1, 2], cells[-1, 0, 3]])

    @cached_property
    def cell_corners(self) -> Points:
        """Corners of each cell without its bevels, ``(rows, columns, 4, 2) float64``, clockwise from the upper left."""
        return self.to_pixels(self.cell_corners_in_grid())

    def cell_corners_in_grid(self) -> Points:
        """Return the corners of each cell in grid coordinates, ``(rows, columns, 4, 2) float64``."""
        v, u = np.mgrid[: self.rows, : self.columns].astype(np.float64)
        left, top = u + self.gap[0] / 2, v + self.gap[1] / 2
        right, bottom = u + 1 - self.gap[0] / 2, v + 1 - self.gap[1] / 2
        shape = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        return np.ascontiguousarray(shape.transpose(2, 3, 0, 1))

    @property
    def pixels_per_cell(self) -> float:
        """Mean distance between cells in the photograph, pixels."""
        return sum(self.pitch) / 2

    @property
    def cell_shape(self) -> tuple[int, int]:
        """Width and height of a cell relative to its shorter side: (2, 1) or (1, 2) for half-cut cells, else (1, 1).

        A wafer is divided into equal parts, so the nearest whole number is taken: perspective shortens cells.
        """
        width, height = self.pitch
        parts = _nearest_part(max(width, height) / min(width, height))
        return (parts, 1) if width > height else (1, parts)

    @property
    def wiring(self) -> Wiring:
        """How a module with such cells is usually wired; see `default_wiring`."""
        return default_wiring(self.rows, self.columns, self.cell_shape)

    @property
    def pitch(self) -> tuple[float, float]:
        """Mean horizontal and vertical distance between cells in the photograph, pixels."""
        (tl, tr, br, bl), hypot = self.corners, np.linalg.norm
        across, down = hypot(tr - tl) + hypot(br - bl), hypot(bl - tl) + hypot(br - tr)
        return float(across) / (2 * self.columns), float(down) / (2 * self.rows)

    @property
    def _middle(self) -> Points:
        return np.array([self.columns / 2, self.rows / 2])

    def _open_middle(self, grid: Points) -> Points:
        """Move what is beyond the middle line by the width of the middle gap, and the line itself by half of it."""
        if not any(self.middle_gap):
            return grid
        return grid + np.array(self.middle_gap) * (0.5 + np.sign(np.round(grid - self._middle, 9)) / 2)

    def _close_middle(self, grid: Points) -> Points:
        if not any(self.middle_gap):
            return grid
        past = grid - self._middle
        return np.where(past > 0, np.maximum(grid - self.middle_gap, self._middle), grid)


def project(placement: ModulePlacement, opened: NDArray[Any]) -> NDArray[Any]:
    """Convert grid coordinates with the middle gap open, ``(..., 2)`` floats, to pixels of the same type.

    With the middle gap open, grid coordinates are continuous: what is beyond it is farther by its width.
    """
    flat = _apply(placement.homography, opened)
    if placement.bend is not None:
        flat = placement.bend.move(flat, _depth(placement, placement.bend, opened))
    return distort(flat, placement.distortion, placement.size)


def _depth(placement: ModulePlacement, bend: ModuleBend, opened: NDArray[Any]) -> NDArray[Any]:
    """Return the depth of points of a bent module, in units of their distance from the camera."""
    u, v = opened[..., 0], opened[..., 1]
    width, height = placement.columns + placement.middle_gap[0], placement.rows + placement.middle_gap[1]
    depth = bend.depth(2 / width * u - 1, 2 / height * v - 1)
    x, y, constant = placement.homography[2].tolist()
    # The upper left corner has distance 1, whatever the scale of the homography.
    distance = (x * u + y * v) / constant + 1
    return np.asarray(depth / (distance + depth))


def _apply(homography: NDArray[Any], points: NDArray[Any]) -> NDArray[Any]:
    """Apply a homography to points, ``(..., 2)``; the result has their type."""
    if not points.size:
        return points
    return np.asarray(cv2.perspectiveTransform(points.reshape(-1, 1, 2), homography)).reshape(points.shape)


def check_corners(corners: ArrayLike) -> Points:
    """Return the corners of a module as ``(4, 2) float64``.

    Raises:
        ArgumentError: these are not four points, or they cross, are on a line or are not clockwise.
    """
    points = np.asarray(corners, np.float64)
    if points.shape != (4, 2) or not np.isfinite(points).all():
        raise ArgumentError(f"`corners`: have shape {points.shape}; give x and y of four corners")
    sides = np.roll(points, -1, axis=0) - points
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    if not (turns > 0).all():
        raise ArgumentError(
            "`corners`: cross, are on a line or are not clockwise; give four corners from the upper left clockwise"
        )
    return points


def area(corners: Points) -> float:
    """Return the area of a quadrilateral."""
    return abs(float(cv2.contourArea(corners.astype(np.float32))))


def overlap(one: Points, other: Points) -> float:
    """Return the common area of two convex quadrilaterals, as a share of the smaller one."""
    common, _ = cv2.intersectConvexConvex(one.astype(np.float32), other.astype(np.float32))
    return float(common / max(min(area(one), area(other)), 1.0))


def cover(light: NDArray[np.float32], quadrilaterals: Iterable[Points]) -> NDArray[np.float32]:
    """Return a photograph without light within quadrilaterals."""
    dark = light.copy()
    for corners in quadrilaterals:
        cv2.fillConvexPoly(dark, corners.round().astype(np.int32), 0.0)
    return dark


def _nearest_part(ratio: float) -> int:
    """Return the whole number that a ratio of 1 or more is nearest to, by the factor between them.

    Examples:
        >>> _nearest_part(1.4), _nearest_part(1.5), _nearest_part(2.4)
        (1, 2, 2)
    """
    below = int(ratio)
    return below if ratio**2 < below * (below + 1) else below + 1


def check_image(image: NDArray[np.generic]) -> None:
    """Raise `ArgumentError` unless an array is an image that a module can be in."""
    if image.ndim not in (2, 3) or min(image.shape[:2]) < 2:
        raise ArgumentError(f"`image`: has shape {image.shape}; give (H, W) or (H, W, C)")
