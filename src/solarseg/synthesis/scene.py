"""Scenes: which modules a photograph shows, and from where it was taken."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solarseg.synthesis.layout import CellKind
from solarseg.synthesis.lens import Lens, Pose
from solarseg.synthesis.module_plan import HALF_CUT_LENGTHS, LANDSCAPE, ModulePlan, draw_grid
from solarseg.synthesis.parameters import COIN_FLIP, Chance, Choice, Range
from solarseg.synthesis.shapes import Points

__all__ = ["Place", "Scene"]

Strings = tuple[int, int]  # number of strings, and of cells in a string

ARRANGEMENTS = Choice(
    {"1x1": 0.8, "1x2": 0.07, "2x1": 0.07, "1x3": 0.03, "2x2": 0.03},
    "rows and columns of modules that are completely in the picture, in most cases",
)
NEIGHBOURS = Chance(0.12, "there are more modules at a side of the picture; for each of the four sides")
NEIGHBOURS_LIT = Chance(0.7, "these modules are connected")
RACK_GAP = Range(0.1, 0.8, "cell", "gap between the frames of modules", "low")
ASPECTS = Choice({"3:2": 0.4, "4:3": 0.3, "5:4": 0.2, "1:1": 0.1}, "sides of the picture")
TURNED = Chance(0.7, "the camera was turned for modules that are taller than wide")
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
STRAIGHT = Chance(0.55, "the camera was aligned with the module")
ALIGNED_ROLL = Range(-1.5, 1.5, "degrees", "rotation of the picture that is left")
ROLL = Range(-15, 15, "degrees", "rotation of pictures that were taken by hand or from a drone")
ALIGNED_LEAN = Range(-3, 3, "degrees", "tilt of the module from the picture that is left, on each axis")
LEAN = Range(-28, 28, "degrees", "tilt of the module of other pictures, on each axis")
DETAIL = 1.3  # pixels of the plan per pixel of the picture, so that nothing is enlarged
UNITS = (32, 512)  # pixels of the plan per cell
_FITTING_STEPS = 20


@dataclass(frozen=True)
class Place:
    """A module in a scene.

    Attributes:
        offset: x and y of the upper left corner of its plan, on the plane of the scene.
        lit: whether it is connected.
    """

    offset: tuple[float, float]
    lit: bool


@dataclass(frozen=True)
class Scene:
    """Modules of one kind on a plane, and the camera's view of them. The unit of the plane is a pixel of the plan.

    Attributes:
        width: of the picture, pixels.
        height: of the picture, pixels.
        lens: the lens of the camera.
        pose: where the plane is.
        plan: what all modules have in common.
        places: where the modules are.
    """

    width: int
    height: int
    lens: Lens
    pose: Pose
    plan: ModulePlan
    places: tuple[Place, ...]

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        size: int,
        grid: Strings | None = None,
        landscape: bool | None = None,
        cell: CellKind | None = None,
    ) -> Self:
        """Draw a random scene.

        Args:
            rng: random numbers.
            size: longer side of the picture, pixels.
            grid: number of strings, and of cells in a string; by default random.
            landscape: whether strings run from left to right; by default random.
            cell: kind of cells; by default random.
        """
        grid = grid or draw_grid(rng)
        landscape = LANDSCAPE.draw(rng) if landscape is None else landscape
        rows, columns = map(int, ARRANGEMENTS.draw(rng).split("x"))
        block = _cells(grid, landscape) * (columns, rows)
        width, height = _picture(rng, size, upright=bool(block[1] > block[0]))
        fill = FILL.draw(rng)
        unit = _unit(fill * np.array([width, height]), block)
        plan = ModulePlan.draw(rng, unit, grid, landscape, cell)
        spacing = np.array([plan.width, plan.height]) + RACK_GAP.draw(rng) * unit
        places = tuple(_draw_places(rng, rows, columns, spacing))
        extent = spacing * (columns - 1, rows - 1) + (plan.width, plan.height)
        lens = _draw_lens(rng, width, height)
        fit = _Fit.draw(rng, (width, height), fill)
        pose = fit.find(lens, _draw_rotation(rng), extent)
        return cls(width, height, lens, pose, plan, places)

    @classmethod
    def straight(
        cls,
        rng: np.random.Generator,
        size: int,
        grid: Strings | None = None,
        landscape: bool | None = None,
        cell: CellKind | None = None,
    ) -> Self:
        """Draw one module that fills the picture, seen straight from the front without distortion."""
        grid = grid or draw_grid(rng)
        landscape = LANDSCAPE.draw(rng) if landscape is None else landscape
        block = _cells(grid, landscape)
        unit = _unit(size * block / block.max(), block)
        plan = ModulePlan.draw(rng, unit, grid, landscape, cell)
        extent = np.array([plan.width, plan.height])
        width, height = (round(float(side)) for side in size * extent / extent.max())
        lens = Lens(2.0 * size, ((width - 1) / 2, (height - 1) / 2))
        pose = _Fit((width, height), 0.98, (0.0, 0.0)).find(lens, np.eye(3), extent)
        return cls(width, height, lens, pose, plan, (Place((0.0, 0.0), True),))

    def to_pixels(self, positions: ArrayLike, place: Place) -> Points:
        """Convert positions in the plan of a module, ``(..., 2)``, to pixels of the picture."""
        return self.lens.to_pixels(self.pose.project(np.asarray(positions, np.float64) + place.offset))

    def contains(self, pixels: Points, margin: float = 0.0) -> NDArray[np.bool_]:
        """Say which of the pixels ``(..., 2)`` are in the picture, or less than a margin outside."""
        low, high = -0.5 - margin, np.array([self.width, self.height]) - 0.5 + margin
        return np.asarray(((pixels >= low) & (pixels <= high)).all(axis=-1))


@dataclass(frozen=True)
class _Fit:
    """Where the modules are to be in the picture.

    Attributes:
        picture: width and height, pixels.
        fill: size of the modules, as a share of the width or height.
        shift: -1 to 1, x and y: 1 if the modules touch the right or lower edge. More if they are cropped.
    """

    picture: tuple[int, int]
    fill: float
    shift: tuple[float, float]
    outside: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def draw(cls, rng: np.random.Generator, picture: tuple[int, int], fill: float) -> Self:
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


def _outline(extent: NDArray[np.float64]) -> Points:
    """Return points along the sides of a rectangle: with distortion, corners are not the extremes."""
    along = np.linspace(0, 1, 17)
    zero, one = np.zeros_like(along), np.ones_like(along)
    x, y = np.concatenate([along, one, along, zero]), np.concatenate([zero, along, one, along])
    return np.stack([x, y], axis=-1) * extent


def _cells(grid: Strings, landscape: bool) -> NDArray[np.float64]:
    """Return the width and height of a module in whole wafers."""
    strings, length = grid
    along = length / 2 if length in HALF_CUT_LENGTHS else length
    return np.array([along, strings] if landscape else [strings, along], np.float64)


def _unit(available: NDArray[np.float64], block: NDArray[np.float64]) -> int:
    side = DETAIL * float((available / block).min())
    return 2 * round(min(max(side, UNITS[0]), UNITS[1]) / 2)


def _picture(rng: np.random.Generator, size: int, upright: bool) -> tuple[int, int]:
    longer, shorter = map(int, ASPECTS.draw(rng).split(":"))
    other = round(size * shorter / longer)
    return (other, size) if upright and TURNED.draw(rng) else (size, other)


def _draw_places(
    rng: np.random.Generator, rows: int, columns: int, spacing: NDArray[np.float64]
) -> Iterator[Place]:
    above, below, left, right = (NEIGHBOURS.draw(rng) for _ in range(4))
    lit = NEIGHBOURS_LIT.draw(rng)
    for row in range(-above, rows + below):
        for column in range(-left, columns + right):
            inside = 0 <= row < rows and 0 <= column < columns
            yield Place((column * float(spacing[0]), row * float(spacing[1])), inside or lit)


def _draw_lens(rng: np.random.Generator, width: int, height: int) -> Lens:
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


def _draw_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    aligned = STRAIGHT.draw(rng)
    roll = np.radians((ALIGNED_ROLL if aligned else ROLL).draw(rng))
    lean = ALIGNED_LEAN if aligned else LEAN
    nod, turn = (np.radians(lean.draw(rng) * rng.random()) for _ in range(2))
    about_z = np.array([(np.cos(roll), -np.sin(roll), 0), (np.sin(roll), np.cos(roll), 0), (0, 0, 1)])
    about_x = np.array([(1, 0, 0), (0, np.cos(nod), -np.sin(nod)), (0, np.sin(nod), np.cos(nod))])
    about_y = np.array([(np.cos(turn), 0, np.sin(turn)), (0, 1, 0), (-np.sin(turn), 0, np.cos(turn))])
    return np.asarray(about_z @ about_x @ about_y)
