"""Plans of modules: their grid of cells, the gaps between them and the frame around them.

A plan is a raster that the module fills, seen from the front and without perspective. All edges are between pixels of
the raster, so that they are exact.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from solarseg.synthesis.layout import GAP, CellKind, Module
from solarseg.synthesis.parameters import Chance, Choice, Range
from solarseg.synthesis.shapes import Points

__all__ = ["HALF_CUT_LENGTHS", "LANDSCAPE", "ModulePlan", "draw_grid"]

GRIDS = Choice(
    {
        "6x10": 0.30,
        "6x12": 0.19,
        "4x9": 0.06,
        "5x10": 0.03,
        "6x9": 0.05,
        "8x12": 0.07,
        "6x20": 0.16,
        "6x24": 0.14,
    },
    "strings, and cells in a string: modules of 36 to 96 cells, or of 120 and 144 half-cut cells",
)
HALF_CUT_LENGTHS = (20, 24)  # cells in a string; the strings of these modules are two halves
LANDSCAPE = Chance(0.6, "strings run from left to right")
ONE_BUSBAR = Chance(0.03, "cells have one busbar, as those of some old and of some narrow cells")
MIDDLE_GAP = Range(0.06, 0.25, "cell", "gap between the two halves of a half-cut module: 10 to 40 mm")
MODULE_MARGIN = Range(0.05, 0.2, "cell", "between cells and frame along the strings: 8 to 30 mm")
STRING_END = Range(
    0.08,
    0.35,
    "cell",
    "between cells and frame at the ends of strings, where ribbons connect them: 12 to 55 mm",
)
RIBBON_DISTANCE = Range(0.02, 0.06, "cell", "between the cells and the ribbon that connects strings")
STRING_RIBBON = Range(0.015, 0.04, "cell", "width of that ribbon: 3 to 6 mm")
FRAME_WIDTH = Range(0.06, 0.25, "cell", "width of the frame, as seen from the front: 10 to 40 mm")
FRAMELESS = Chance(0.08, "the module has no frame, as many that are made of two panes of glass")


@dataclass(frozen=True)
class ModulePlan:
    """Where the cells of a module are, in pixels of its plan. Edges are between pixels: 0 is the left edge.

    Attributes:
        module: what the cells share; ``upright`` if strings run from top to bottom.
        rows: number of rows of cells.
        columns: number of columns of cells.
        unit: side of a whole wafer, pixels.
        left: ``(columns,)``, left edge of each column.
        top: ``(rows,)``, upper edge of each row.
        cell_width: pixels.
        cell_height: pixels.
        width: of the plan, pixels, with the frame.
        height: of the plan, pixels, with the frame.
        frame: width of the frame, pixels; 0 if there is none.
        ribbon: distance from the cells and width of the ribbons that connect strings, pixels.
    """

    module: Module
    rows: int
    columns: int
    unit: int
    left: NDArray[np.int64]
    top: NDArray[np.int64]
    cell_width: int
    cell_height: int
    width: int
    height: int
    frame: int
    ribbon: tuple[int, int]

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        unit: int,
        grid: tuple[int, int],
        landscape: bool,
        cell: CellKind | None = None,
    ) -> Self:
        """Draw a random module.

        Args:
            rng: random numbers.
            unit: side of a whole wafer, pixels, an even number.
            grid: number of strings, and of cells in a string.
            landscape: whether strings run from left to right.
            cell: kind of cells; by default random.
        """
        strings, length = grid
        half = length in HALF_CUT_LENGTHS
        module = replace(_draw_module(rng, cell, half), margin=0.0, upright=not landscape)

        def to_pixels(share: Range) -> int:
            return max(1, round(share.draw(rng) * unit))

        frame = 0 if FRAMELESS.draw(rng) else to_pixels(FRAME_WIDTH)
        end, side = to_pixels(STRING_END), to_pixels(MODULE_MARGIN)
        middle = to_pixels(MIDDLE_GAP) if half else 0
        cell_length = unit // 2 if half else unit
        along = _starts(frame + end, length, cell_length, to_pixels(GAP), middle)
        across = _starts(frame + side, strings, unit, to_pixels(GAP), 0)
        total = (int(along[-1]) + cell_length + end + frame, int(across[-1]) + unit + side + frame)
        distance = min(to_pixels(RIBBON_DISTANCE), end // 2)
        return cls(
            module=module,
            rows=strings if landscape else length,
            columns=length if landscape else strings,
            unit=unit,
            left=along if landscape else across,
            top=across if landscape else along,
            cell_width=cell_length if landscape else unit,
            cell_height=unit if landscape else cell_length,
            width=total[0 if landscape else 1],
            height=total[1 if landscape else 0],
            frame=frame,
            ribbon=(distance, max(1, min(to_pixels(STRING_RIBBON), end - distance))),
        )

    @property
    def strings(self) -> int:
        """Number of strings that are next to each other."""
        return self.columns if self.module.upright else self.rows

    @property
    def cell_corners(self) -> Points:
        """Outline of each cell, ``(rows, columns, 4, 2)`` x and y, clockwise from the upper left."""
        left, top = (a.astype(np.float64) for a in np.meshgrid(self.left, self.top))
        right, bottom = left + self.cell_width, top + self.cell_height
        x, y = np.stack([left, right, right, left], axis=-1), np.stack([top, top, bottom, bottom], axis=-1)
        return np.stack([x, y], axis=-1)

    @property
    def outline(self) -> Points:
        """Outline of the module with its frame, ``(4, 2)`` x and y, clockwise from the upper left."""
        return np.array([(0, 0), (self.width, 0), (self.width, self.height), (0, self.height)], np.float64)


def draw_grid(rng: np.random.Generator) -> tuple[int, int]:
    """Draw the number of strings of a module, and of cells in a string."""
    strings, length = map(int, GRIDS.draw(rng).split("x"))
    return strings, length


def _draw_module(rng: np.random.Generator, cell: CellKind | None, half: bool) -> Module:
    module = Module.draw(rng, cell)
    while module.half != half:  # what a cell looks like depends on it, for example the number of fingers
        module = Module.draw(rng, cell)
    if not half and ONE_BUSBAR.draw(rng):
        return replace(module, busbars=1)
    return module


def _starts(first: int, count: int, size: int, gap: int, middle_gap: int) -> NDArray[np.int64]:
    starts = first + np.arange(count) * (size + gap)
    if middle_gap:
        starts[count // 2 :] += middle_gap - gap
    return starts
