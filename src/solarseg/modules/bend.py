"""How a photograph shows a module that is bent out of its plane, as by a load.

A point of the module that is behind its plane appears nearer to the foot of the camera than its place in the plane, and
one in front of the plane farther from it. The foot is the point of the photograph to which all lines run that are at
right angles to the plane.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ModuleBend"]

_BEYOND = 1.1  # of the distance of a side from the middle: what is farther is as deep as what is there


@dataclass(frozen=True)
class ModuleBend:
    """How far a module is bent out of the plane through its corners.

    Depths are positive away from the camera, in units of the distance of the upper left corner from the camera, both
    along the axis of the camera. Along each side of the module the depth is a parabola that is 0 at the corners.

    Attributes:
        across: depth of the middle of the upper and of the lower side.
        down: depth of the middle of the left and of the right side.
        middle: depth of the middle of the module beyond ``across + down``.
        foot: x and y of the foot of the camera, pixels of the photograph without distortion.
    """

    across: float
    down: float
    middle: float
    foot: tuple[float, float]

    def depth(self, s: NDArray[Any], t: NDArray[Any]) -> NDArray[Any]:
        """Return the depth of points of the module.

        Args:
            s: place along a row, -1 at the left side to 1 at the right side, and beyond the module.
            t: place along a column, -1 at the upper side to 1 at the lower side, and beyond the module.
        """
        along, up = (1 - np.clip(place, -_BEYOND, _BEYOND) ** 2 for place in (s, t))
        return np.asarray(self.across * along + self.down * up + self.middle * along * up)

    def move(self, pixels: NDArray[Any], depth: NDArray[Any]) -> NDArray[Any]:
        """Move points of the plane to where the bent module appears, pixels without distortion.

        Args:
            pixels: ``(..., 2)`` where points of the plane appear.
            depth: ``(...)`` in units of the distance of the bent point from the camera.
        """
        return np.asarray(pixels + depth[..., None] * (np.array(self.foot, pixels.dtype) - pixels))

    def move_back(self, pixels: NDArray[Any], depth: NDArray[Any]) -> NDArray[Any]:
        """Invert `move`."""
        return np.asarray((pixels - depth[..., None] * np.array(self.foot)) / (1 - depth[..., None]))
