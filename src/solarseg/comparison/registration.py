"""Register a cell on its earlier self."""

from dataclasses import dataclass, field
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Registration", "log_light", "register_cell"]

Pixel = TypeVar("Pixel", np.uint8, np.float32)

_MIN_CORRELATION = 0.4  # the lowest of real cells with half of their area inactive is 0.65
_MAX_SHIFT = 0.04  # of the side: the grid places cells to within 0.01
_MAX_STRETCH = 0.03  # of the side
_SMOOTH = 12.0  # pixels: light that changes more slowly does not show where a cell is
_OFFSET = 8.0  # grey levels: differences below are noise
_STEPS = ((cv2.MOTION_TRANSLATION, 5), (cv2.MOTION_AFFINE, 1))  # and the width of the blur
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)


@dataclass(frozen=True, eq=False)
class Registration:
    """How a cell lies on its earlier self.

    Attributes:
        matrix: ``(2, 3) float32``, from pixels of the cell now to pixels of it before.
        correlation: of both after registration, -1 to 1.
    """

    matrix: NDArray[np.float32] = field(repr=False)
    correlation: float

    def move(self, before: NDArray[Pixel], is_mask: bool = False) -> NDArray[Pixel]:
        """Move an image, or the class ids, of the cell before to where the cell is now."""
        method = cv2.INTER_NEAREST if is_mask else cv2.INTER_CUBIC
        return np.asarray(
            cv2.warpAffine(
                before,
                self.matrix,
                before.shape[::-1],
                flags=method | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
        )


def register_cell(
    now: NDArray[np.uint8], before: NDArray[np.uint8], used: NDArray[np.bool_] | None = None
) -> Registration | None:
    """Find the shift, and the small stretch, between two images of a cell, to a tenth of a pixel.

    The enhanced correlation coefficient of G. Evangelidis and E. Psarakis, Parametric image alignment using enhanced
    correlation coefficient maximization, IEEE PAMI 30 (2008) 1858, is maximised, by OpenCV. It does not depend on the
    exposure.

    Args:
        now: ``(H, W) uint8``.
        before: of the same size.
        used: ``(H, W) bool``, pixels of the cell now that count; all by default.

    Returns:
        None if the images do not belong together.

    Examples:
        >>> cell = (np.random.default_rng(0).random((64, 64)) * 9 + 100).astype(np.uint8)
        >>> cell[20:30, 8:50] = 20
        >>> found = register_cell(np.roll(cell, 2, axis=1), cell)
        >>> abs(found.matrix[:, 2] - (-2, 0)).max() < 0.05
        np.True_
    """
    template, image = _structure(now), _structure(before)
    weights = None if used is None else used.astype(np.uint8)
    found = None
    for motion, blur in _STEPS:  # the stretch cannot be found where most of a cell is dark
        start = np.eye(2, 3, dtype=np.float32) if found is None else found.matrix.copy()
        try:
            correlation, matrix = cv2.findTransformECC(template, image, start, motion, _STOP, weights, blur)
        except cv2.error:  # it did not converge
            continue
        if correlation >= _MIN_CORRELATION and _is_small(matrix, now.shape[0]):
            found = Registration(np.asarray(matrix, np.float32), float(correlation))
    return found


def log_light(image: NDArray[np.uint8], blur: float) -> NDArray[np.float32]:
    """Return the logarithm of the light, smoothed by ``blur`` pixels."""
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), blur)
    return np.asarray(np.log(np.maximum(smooth, 0) + _OFFSET), np.float32)


def _structure(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    light = np.log(image.astype(np.float32) + np.float32(_OFFSET))
    return light - cv2.GaussianBlur(light, (0, 0), _SMOOTH * image.shape[0] / 256)


def _is_small(matrix: NDArray[np.float32], side: int) -> bool:
    centre = np.array([side / 2, side / 2, 1], np.float32)
    shift = matrix @ centre - centre[:2]
    stretch = np.abs(matrix[:, :2] - np.eye(2)).max()
    return bool(np.abs(shift).max() <= _MAX_SHIFT * side and stretch <= _MAX_STRETCH)
