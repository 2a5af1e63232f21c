"""The geometry of a camera: a lens with radial distortion, and the pose of a plane in front of it.

Pixel coordinates are those of OpenCV: x to the right, y down, and (0, 0) is the centre of the upper left pixel.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from solarseg.synthesis.shapes import Points

__all__ = ["Lens", "Pose", "Window", "plane_map"]

Window = tuple[int, int, int, int]  # left, top, right and bottom, pixels, right and bottom excluded

_TABLE = 4096  # entries of the inverse distortion: the error of interpolation is below 1e-5 pixels
_MAP_STEP = (
    8  # pixels between exactly computed positions of a map: the error of interpolation is below 0.01 pixels
)


@dataclass(frozen=True)
class Lens:
    """A lens without skew, with the radial distortion of Brown (1966).

    A point at ``(x, y)`` in units of the focal length, with ``r**2 = x**2 + y**2``, appears at
    ``(x, y) * (1 + k1 * r**2 + k2 * r**4)``.

    Attributes:
        focal_length: pixels.
        centre: x and y of the optical axis, pixels.
        k1: first coefficient of the distortion; negative for barrel distortion.
        k2: second coefficient.
    """

    focal_length: float
    centre: tuple[float, float]
    k1: float = 0.0
    k2: float = 0.0

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Camera matrix as OpenCV has it, ``(3, 3)``."""
        x, y = self.centre
        return np.array([(self.focal_length, 0, x), (0, self.focal_length, y), (0, 0, 1)], np.float64)

    @property
    def coefficients(self) -> NDArray[np.float64]:
        """Coefficients of the distortion as OpenCV has them, ``(4,)``."""
        return np.array([self.k1, self.k2, 0, 0], np.float64)

    def to_pixels(self, positions: Points) -> Points:
        """Convert positions in units of the focal length, ``(..., 2)``, to pixels, with distortion."""
        square = (positions**2).sum(axis=-1, keepdims=True)
        factor = 1 + square * (self.k1 + self.k2 * square)
        return positions * factor * self.focal_length + np.array(self.centre)

    def from_pixels(self, pixels: Points) -> Points:
        """Convert pixels, ``(..., 2)``, to positions in units of the focal length, without distortion.

        Pixels must be less than twice as far from the optical axis as it is from (0, 0).
        """
        distorted = (pixels - np.array(self.centre)) / self.focal_length
        square = (distorted**2).sum(axis=-1, keepdims=True)
        return distorted * np.interp(square, *self._inverse)

    @cached_property
    def _inverse(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Square of the distorted radius, and the factor that removes the distortion at that radius."""
        limit = 2 * float(np.hypot(*self.centre)) / self.focal_length
        if self.k1 < 0:  # beyond its turning point, the polynomial has no inverse
            limit = min(limit, float(np.sqrt(1 / (3 * -self.k1))))
        radius = np.sqrt(np.linspace(0, limit**2, _TABLE))
        factor = 1 + radius**2 * (self.k1 + self.k2 * radius**2)
        distorted = radius * factor
        rising = np.concatenate([[True], np.diff(distorted) > 0]).cumprod().astype(bool)
        return (distorted**2)[rising], 1 / factor[rising]


@dataclass(frozen=True)
class Pose:
    """Where a plane is in front of a camera.

    Attributes:
        rotation: ``(3, 3)``, from the axes of the plane to those of the camera.
        translation: ``(3,)``, where the origin of the plane is, in units of the plane.
    """

    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]

    def project(self, positions: ArrayLike) -> Points:
        """Convert positions on the plane, ``(..., 2)``, to positions in units of the focal length."""
        positions = np.asarray(positions, np.float64)
        seen = positions @ self.rotation[:, :2].T + self.translation
        return np.asarray(seen[..., :2] / seen[..., 2:])

    def unproject(self, positions: Points) -> Points:
        """Convert positions in units of the focal length, ``(..., 2)``, to positions on the plane."""
        homography = np.stack([self.rotation[:, 0], self.rotation[:, 1], self.translation], axis=1)
        inverse = np.linalg.inv(homography)
        seen = positions @ inverse[:, :2].T + inverse[:, 2]
        return np.asarray(seen[..., :2] / seen[..., 2:])


def plane_map(
    lens: Lens, pose: Pose, window: Window, oversampling: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the position on a plane of each subpixel of a window of the picture.

    Args:
        lens: the lens.
        pose: where the plane is.
        window: left, top, right and bottom, pixels, right and bottom excluded.
        oversampling: subpixels along each side of a pixel.

    Returns:
        x and y on the plane, each ``(height * oversampling, width * oversampling) float32``.
    """
    left, top, right, bottom = window
    width, height = -(-(right - left) // _MAP_STEP), -(-(bottom - top) // _MAP_STEP)
    # A node is the centre of a block of pixels. There is one more on each side, so that nothing is extrapolated.
    x = left + (np.arange(-1, width + 1) + 0.5) * _MAP_STEP - 0.5
    y = top + (np.arange(-1, height + 1) + 0.5) * _MAP_STEP - 0.5
    nodes = pose.unproject(lens.from_pixels(np.stack(np.meshgrid(x, y), axis=-1))).astype(np.float32)
    step = _MAP_STEP * oversampling
    size = (len(x) * step, len(y) * step)
    rows = slice(step, step + (bottom - top) * oversampling)
    columns = slice(step, step + (right - left) * oversampling)
    full = (cv2.resize(nodes[..., i], size, interpolation=cv2.INTER_LINEAR) for i in range(2))
    x_map, y_map = (one[rows, columns] for one in full)
    return x_map, y_map
