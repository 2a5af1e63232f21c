"""The view of a camera: its lens, and where it is in front of the modules."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from solarseg.synthesis.lens import Lens, Pose
from solarseg.synthesis.parameters import COIN_FLIP, Chance, Range
from solarseg.synthesis.shapes import Points

__all__ = ["ALIGNED", "FILL", "Framing", "draw_lens", "draw_rotation"]

FILL = Range(0.6, 0.98, "picture", "size of the modules, of the width or height, whatever fits", "high")
OFF_CENTRE = 0.9  # largest shift of the modules from the centre, as a share of the free space
CROPPED = Chance(0.06, "the modules are partly outside the picture")
CROPPED_SHARE = Range(0.03, 0.4, "share", "part of the modules that is outside the picture")
FOCAL_LENGTH = Range(0.8, 3.5, "picture", "focal length: wide angle to short telephoto", "log")
OPTICAL_AXIS = Range(-0.01, 0.01, "picture", "shift of the optical axis from the centre, along x and along y")
DISTORTION = Range(
    -0.05, 0.02, "share", "radial shift at the corners of the picture by k1: barrel to pincushion distortion"
)
DISTORTION_K2 = Range(-0.008, 0.008, "share", "radial shift at the corners of the picture by k2")
ALIGNED = Chance(0.55, "the camera was aligned with the module")
ALIGNED_ROLL = Range(-1.5, 1.5, "degrees", "rotation of the picture that is left")
ROLL = Range(-15, 15, "degrees", "rotation of pictures that were taken by hand or from a drone")
ALIGNED_LEAN = Range(-3, 3, "degrees", "tilt of the module from the picture that is left, on each axis")
LEAN = Range(-28, 28, "degrees", "tilt of the module of other pictures, on each axis")
_FITTING_STEPS = 20


@dataclass(frozen=True)
class Framing:
    """Where modules should be in the picture.

    Attributes:
        picture: width and height, pixels.
        fill: size of the modules, as a share of the width or height.
        shift: -1 to 1, x and y: 1 if the modules touch the right or lower edge.
        outside: share of the modules that is outside at the right or lower edge; negative for the other edges.
    """

    picture: tuple[int, int]
    fill: float
    shift: tuple[float, float]
    outside: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def draw(cls, rng: np.random.Generator, picture: tuple[int, int], fill: float) -> Self:
        """Draw a place for modules that fill a part of the picture."""
        shift = OFF_CENTRE * (2 * rng.random(2) - 1)
        outside = np.zeros(2)
        if CROPPED.draw(rng):
            axis, side = int(rng.integers(2)), 1 if COIN_FLIP.draw(rng) else -1
            shift[axis] = side
            outside[axis] = side * CROPPED_SHARE.draw(rng)
        return cls(picture, fill, (shift[0], shift[1]), (outside[0], outside[1]))

    def find(self, lens: Lens, rotation: NDArray[np.float64], extent: NDArray[np.float64]) -> Pose:
        """Find the pose in which the modules are where they should be. The plane has its origin at their corner."""
        picture = np.array(self.picture, np.float64)
        outline = _outline(extent)
        distance = lens.focal_length * float((extent / (self.fill * picture)).max())
        middle = np.array([0.0, 0.0, distance])
        for _ in range(_FITTING_STEPS):
            pose = Pose(rotation, middle - rotation[:, :2] @ (extent / 2))
            seen = lens.to_pixels(pose.project(outline))
            low, high = seen.min(axis=0), seen.max(axis=0)
            middle *= float(((high - low) / (self.fill * picture)).max())
            room = (picture - (high - low)) / 2
            wanted = (picture - 1) / 2 + room * self.shift + (high - low) * self.outside
            middle[:2] += (wanted - (low + high) / 2) * middle[2] / lens.focal_length
        return Pose(rotation, middle - rotation[:, :2] @ (extent / 2))


def draw_lens(rng: np.random.Generator, width: int, height: int) -> Lens:
    """Draw the lens for a picture of this size."""
    size = max(width, height)
    focal_length = FOCAL_LENGTH.draw(rng) * size
    corner = float(np.hypot(width, height)) / 2 / focal_length
    return Lens(
        focal_length=focal_length,
        centre=(
            (width - 1) / 2 + OPTICAL_AXIS.draw(rng) * size,
            (height - 1) / 2 + OPTICAL_AXIS.draw(rng) * size,
        ),
        k1=DISTORTION.draw(rng) / corner**2,
        k2=DISTORTION_K2.draw(rng) / corner**4,
    )


def draw_rotation(rng: np.random.Generator, aligned: bool) -> NDArray[np.float64]:
    """Draw the rotation of the plane of the modules, small if the camera was aligned with them."""
    roll = np.radians((ALIGNED_ROLL if aligned else ROLL).draw(rng))
    lean = ALIGNED_LEAN if aligned else LEAN
    nod, turn = (np.radians(lean.draw(rng) * rng.random()) for _ in range(2))
    about_z = np.array([(np.cos(roll), -np.sin(roll), 0), (np.sin(roll), np.cos(roll), 0), (0, 0, 1)])
    about_x = np.array([(1, 0, 0), (0, np.cos(nod), -np.sin(nod)), (0, np.sin(nod), np.cos(nod))])
    about_y = np.array([(np.cos(turn), 0, np.sin(turn)), (0, 1, 0), (-np.sin(turn), 0, np.cos(turn))])
    return np.asarray(about_z @ about_x @ about_y)


def _outline(extent: NDArray[np.float64]) -> Points:
    """Return points along the sides of a rectangle: with distortion, corners are not the extremes."""
    along = np.linspace(0, 1, 17)
    zero, one = np.zeros_like(along), np.ones_like(along)
    x, y = np.concatenate([along, one, along, zero]), np.concatenate([zero, along, one, along])
    return np.stack([x, y], axis=-1) * extent
