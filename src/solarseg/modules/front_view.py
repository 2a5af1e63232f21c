"""Views: a quadrilateral of a photograph as a camera without distortion would show it from the front."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.modules.lens import distort, undistort
from solarseg.modules.pixel_maps import map_pixels

__all__ = ["View", "look_at"]

Points = NDArray[np.float64]

MARGIN = 0.1  # of the longer side: what is seen around the quadrilateral
_DIMMEST = 0.04  # of the brightest light: differences below it are noise


@dataclass(frozen=True)
class View:
    """A rectified part of a photograph.

    Attributes:
        light: ``(h + 2 * margin, w + 2 * margin) float32`` logarithm of the light.
        margin: pixels around the quadrilateral, which starts at pixel ``(margin, margin)``.
        width: of the quadrilateral, pixels.
        height: of the quadrilateral, pixels.
        homography: ``(3, 3) float64``, from pixels of the view to pixels of the photograph without distortion.
    """

    light: NDArray[np.float32]
    margin: int
    width: int
    height: int
    homography: Points


def look_at(light: NDArray[np.float32], corners: Points, distortion: float, longer: int) -> View:
    """Rectify a quadrilateral.

    Args:
        light: ``(H, W) float32``, 0 to 1.
        corners: ``(4, 2)`` pixels, clockwise from the upper left.
        distortion: radial distortion, as in `ModulePlacement`.
        longer: longer side of the quadrilateral in the view, pixels.
    """
    size = (light.shape[1], light.shape[0])
    flat = undistort(corners, distortion, size)
    sides = np.linalg.norm(np.roll(flat, -1, axis=0) - flat, axis=1)
    across, down = sides[0] + sides[2], sides[1] + sides[3]
    width, height = (max(8, round(longer * side / max(across, down))) for side in (across, down))
    margin = round(MARGIN * longer)
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)]) + margin
    homography = cv2.getPerspectiveTransform(target.astype(np.float32), flat.astype(np.float32))
    where = map_pixels(
        width + 2 * margin,
        height + 2 * margin,
        lambda pixels: distort(cv2.perspectiveTransform(pixels, homography), distortion, size),
    )
    view = cv2.remap(light, where, None, cv2.INTER_LINEAR, borderValue=0)
    return View(_logarithm(view), margin, width, height, np.asarray(homography, np.float64))


def _logarithm(view: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logarithm of the light, so that dim cells count as much as bright ones."""
    dark, bright = np.percentile(view[::2, ::2], (1, 95))
    above = np.maximum(view - dark, 0) + _DIMMEST * max(bright - dark, 1e-6)
    return np.asarray(np.log(above), np.float32)
