"""Scenes: which modules a photograph shows, and from where it was taken."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solarseg.synthesis.layout import CellKind
from solarseg.synthesis.lens import Lens, Pose
from solarseg.synthesis.module_plan import HALF_CUT_LENGTHS, LANDSCAPE, ModulePlan, draw_grid
from solarseg.synthesis.parameters import Chance, Choice, Range
from solarseg.synthesis.shapes import Points
from solarseg.synthesis.viewpoint import ALIGNED, FILL, Framing, draw_lens, draw_rotation

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
TIGHT = Chance(0.1, "the picture ends close to the cells, and the frame is not completely visible")
TIGHT_FILL = Range(
    0.95, 0.995, "picture", "size of the cells of such a module together, of the width or height"
)
DETAIL = 1.3  # pixels of the plan per pixel of the picture, so that nothing is enlarged
UNITS = (32, 512)  # pixels of the plan per cell


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
        if TIGHT.draw(rng):
            return cls._tight(rng, size, grid, landscape, cell)
        rows, columns = map(int, ARRANGEMENTS.draw(rng).split("x"))
        block = _cells(grid, landscape) * (columns, rows)
        width, height = _picture(rng, size, upright=bool(block[1] > block[0]))
        fill = FILL.draw(rng)
        unit = _unit(fill * np.array([width, height]), block)
        plan = ModulePlan.draw(rng, unit, grid, landscape, cell)
        spacing = np.array([plan.width, plan.height]) + RACK_GAP.draw(rng) * unit
        places = tuple(_draw_places(rng, rows, columns, spacing))
        extent = spacing * (columns - 1, rows - 1) + (plan.width, plan.height)
        lens = draw_lens(rng, width, height)
        framing = Framing.draw(rng, (width, height), fill)
        pose = framing.find(lens, draw_rotation(rng, ALIGNED.draw(rng)), extent)
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
        pose = Framing((width, height), 0.98, (0.0, 0.0)).find(lens, np.eye(3), extent)
        return cls(width, height, lens, pose, plan, (Place((0.0, 0.0), True),))

    @classmethod
    def _tight(
        cls, rng: np.random.Generator, size: int, grid: Strings, landscape: bool, cell: CellKind | None
    ) -> Self:
        """Draw one module whose cells fill the picture; the frame is at least partly outside."""
        block = _cells(grid, landscape)
        plan = ModulePlan.draw(rng, _unit(size * block / block.max(), block), grid, landscape, cell)
        corners = plan.cell_corners
        start, extent = corners[0, 0, 0], corners[-1, -1, 2] - corners[0, 0, 0]
        width, height = (round(float(side)) for side in size * extent / extent.max())
        lens = draw_lens(rng, width, height)
        framing = Framing((width, height), TIGHT_FILL.draw(rng), (0.0, 0.0))
        pose = framing.find(lens, draw_rotation(rng, aligned=True), extent)
        return cls(width, height, lens, pose, plan, (Place((-float(start[0]), -float(start[1])), True),))

    def to_pixels(self, positions: ArrayLike, place: Place) -> Points:
        """Convert positions in the plan of a module, ``(..., 2)``, to pixels of the picture."""
        return self.lens.to_pixels(self.pose.project(np.asarray(positions, np.float64) + place.offset))

    def contains(self, pixels: Points, margin: float = 0.0) -> NDArray[np.bool_]:
        """Say which of the pixels ``(..., 2)`` are in the picture, or less than a margin outside."""
        low, high = -0.5 - margin, np.array([self.width, self.height]) - 0.5 + margin
        return np.asarray(((pixels >= low) & (pixels <= high)).all(axis=-1))


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
