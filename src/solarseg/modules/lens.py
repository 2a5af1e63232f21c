"""Radial distortion of a lens: one coefficient, about the centre of the photograph (Brown 1966).

A point at distance ``r`` from the centre, in units of half the diagonal, appears at ``r * (1 + k * r**2)``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["distort", "undistort"]

_NEWTON_STEPS = 8  # more than enough for coefficients of -0.3 to 0.3


def distort(points: NDArray[Any], k: float, size: tuple[int, int]) -> NDArray[Any]:
    """Move points, ``(..., 2)`` pixels, to where a lens shows them in a photograph of ``size``, width and height."""
    centre, radius = _axis(size, points.dtype)
    offset = points - centre
    x, y = offset[..., 0], offset[..., 1]
    offset *= (1 + points.dtype.type(k) / radius**2 * (x * x + y * y))[..., None]
    offset += centre
    return np.asarray(offset)


def undistort(points: NDArray[Any], k: float, size: tuple[int, int]) -> NDArray[np.float64]:
    """Invert `distort`."""
    centre, radius = _axis(size, np.dtype(np.float64))
    offset = (points - centre) / radius
    far = np.linalg.norm(offset, axis=-1, keepdims=True)
    near = far.copy()
    for _ in range(_NEWTON_STEPS):
        near -= (near * (1 + k * near**2) - far) / (1 + 3 * k * near**2)
    return np.asarray(offset * near / np.maximum(far, 1e-12) * radius + centre)


def _axis(size: tuple[int, int], dtype: np.dtype[Any]) -> tuple[NDArray[Any], Any]:
    return ((np.array(size) - 1) / 2).astype(dtype), dtype.type(np.hypot(*size) / 2)
