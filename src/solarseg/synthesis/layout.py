"""Modules: what their cells share; and layouts: where the parts of a cell are in its image.

Positions in a cell are ``(u, v)`` from 0 to 1, ``u`` along the busbars and ``v`` along the fingers. A projection maps
them to the image, so that everything drawn on a cell is rotated and tilted with it.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solarseg.synthesis import canvas
from solarseg.synthesis.canvas import MIN_LINE_WIDTH, SUBPIXELS, Coverage, Patch
from solarseg.synthesis.parameters import COIN_FLIP, Chance, Range
from solarseg.synthesis.shapes import Points, perpendicular, radial_polygon, rectangle, unit_vector

__all__ = ["CellKind", "Layout", "Module"]

CellKind = Literal["mono", "poly"]

MONO = Chance(0.5, "cells are monocrystalline")
BACK_CONTACTS = Chance(
    0.08, "mono cells have all their metal on the back, except for pads at two opposite edges"
)
FLAT_BUSBARS = Chance(0.8, "busbars are flat and few, and not round wires")
PAD_SOLDERED = Chance(0.5, "flat busbars are soldered only at pads")
HALF_CUT = Chance(
    0.25,
    "half-cut cells, as most are since 2018, stretched to a square image; only with four busbars or more, or none",
)
HALF_CUT_MIN_BUSBARS = 4

UPRIGHT = Chance(0.3, "busbars run from top to bottom")

BUSBARS = Range(2, 5, "count", "number of flat busbars: 2 or 3 until 2015, 4 or 5 since")
WIRES = Range(6, 12, "count", "number of round wires, used in place of busbars since 2018")
BUSBAR_WIDTH = Range(0.005, 0.018, "cell", "width of a busbar: 0.8 to 2.8 mm on a 156 mm cell")
WIRE_WIDTH = Range(0.003, 0.006, "cell", "width of a wire and its shadow: 0.4 to 0.9 mm on a 156 mm cell")
BUSBAR_BRIGHTNESS = Range(
    0.1, 0.65, "brightness", "of a busbar: metal is opaque, but light scatters in from both sides"
)
SOLDER_PADS = Range(
    3, 8, "count", "solder pads along a busbar; between them the ribbon is raised and its shadow is weaker"
)
SOLDER_PAD_GAP = Range(0.25, 0.65, "share", "gap between two pads, relative to the distance of their centres")
RIBBON_WIDTH = Range(0.25, 0.6, "share", "visible width of a ribbon between pads, relative to the busbar")
BUSBAR_START = Range(
    -0.01, 0.09, "cell", "distance of a busbar's end from the edge; below 0 it reaches the next cell"
)
CONTACT_PADS = Range(0.015, 0.055, "cell", "radius of the pads of back-contact cells")
FINGERS = Range(60, 110, "count", "number of fingers: 1.4 to 2.6 mm apart on a 156 mm cell")
FINGER_BRIGHTNESS = Range(
    0.9, 1.0, "brightness", "of a finger, which is 0.1 mm wide or less and has a blurred shadow"
)
MONO_CORNER = Range(
    0.05, 0.14, "cell", "corner of pseudo-square wafers: 0.05 to 0.1 for 156 mm, more for older 125 mm cells"
)
POLY_CORNER = Range(0.003, 0.014, "cell", "bevel of multicrystalline wafers")
MARGIN = Range(
    -0.012,
    0.03,
    "image",
    "distance between cell and image edge: cells are cropped along their gaps; below 0 some of the cell is missing",
    "low",
)
WIDE_MARGIN = Range(
    0.03, 0.15, "image", "distance between cell and image edge where cells are cropped roughly"
)
WIDE = Chance(0.1, "cells are cropped roughly, so that their neighbours are visible")
GAP = Range(0.012, 0.04, "cell", "gap between cells: 2 to 6 mm")
ROTATION = Range(
    -0.012, 0.012, "half-tangent", "rotation that is left after a module was rectified: up to 1.4 degrees"
)
ROTATED = Chance(0.08, "the image was taken by hand or from a drone, and is rotated by more")
WIDE_ROTATION = Range(-0.11, 0.11, "half-tangent", "rotation of such an image: up to 12.5 degrees")
TILT = Range(-0.008, 0.008, "image", "shift of each corner that is left after a module was rectified")


@dataclass(frozen=True)
class Module:
    """What the cells of one module share. Units are those of the parameters in this file.

    Attributes:
        cell: monocrystalline or multicrystalline.
        back_contacts: whether cells have pads at two edges in place of busbars and fingers.
        busbars: number of busbars.
        busbar_width: width of a busbar.
        busbar_brightness: brightness of a busbar.
        solder_pads: number of pads along a busbar; 0 if its width is constant.
        solder_pad_gap: share of a busbar's length without pads.
        ribbon_width: width between pads, relative to the busbar.
        busbar_start: distance of both ends of the busbars from the edges.
        contact_pad_radius: radius of the pads of back-contact cells.
        fingers: number of fingers.
        finger_brightness: minimum brightness, at the centre of a finger.
        corner: length of the missing corners along each side.
        half: whether cells are halves of a wafer. The image stretches them along their busbars to twice their length:
            corners, fingers, cracks and isolated pieces; grains and stains are not stretched.
        margin: distance between the cell and the edge of the image.
        gap: distance to the next cell.
        upright: whether busbars run from top to bottom.

    Examples:
        >>> Module.draw(np.random.default_rng(0)) == Module.draw(np.random.default_rng(0))
        True
    """

    cell: CellKind
    back_contacts: bool
    busbars: int
    busbar_width: float
    busbar_brightness: float
    solder_pads: int
    solder_pad_gap: float
    ribbon_width: float
    busbar_start: float
    contact_pad_radius: float
    fingers: int
    finger_brightness: float
    corner: float
    half: bool
    margin: float
    gap: float
    upright: bool

    @classmethod
    def draw(cls, rng: np.random.Generator, cell: CellKind | None = None) -> Self:
        """Draw a random module, with cells of the given kind or of either kind."""
        mono = MONO.draw(rng) if cell is None else cell == "mono"
        flat, half = FLAT_BUSBARS.draw(rng), HALF_CUT.draw(rng)
        back_contacts = mono and BACK_CONTACTS.draw(rng)
        busbars = (BUSBARS if flat else WIRES).draw_int(rng)
        half = half and (busbars >= HALF_CUT_MIN_BUSBARS or back_contacts)
        return cls(
            cell="mono" if mono else "poly",
            back_contacts=back_contacts,
            busbars=busbars,
            busbar_width=(BUSBAR_WIDTH if flat else WIRE_WIDTH).draw(rng),
            busbar_brightness=BUSBAR_BRIGHTNESS.draw(rng),
            solder_pads=SOLDER_PADS.draw_int(rng) if flat and PAD_SOLDERED.draw(rng) else 0,
            solder_pad_gap=SOLDER_PAD_GAP.draw(rng),
            ribbon_width=RIBBON_WIDTH.draw(rng),
            busbar_start=BUSBAR_START.draw(rng),
            contact_pad_radius=CONTACT_PADS.draw(rng),
            fingers=FINGERS.draw_int(rng) // (2 if half else 1),
            finger_brightness=FINGER_BRIGHTNESS.draw(rng),
            corner=(MONO_CORNER if mono else POLY_CORNER).draw(rng),
            half=half,
            margin=WIDE_MARGIN.draw(rng) if WIDE.draw(rng) else MARGIN.draw(rng),
            gap=GAP.draw(rng),
            upright=UPRIGHT.draw(rng),
        )


@dataclass(frozen=True)
class Layout:
    """Where the parts of a cell are in its image.

    Attributes:
        module: module of the cell.
        size: side of the image, pixels.
        projection: ``(3, 3) float64``, from ``(u, v, 1)`` to subpixels.
    """

    module: Module
    size: int
    projection: NDArray[np.float64]

    @classmethod
    def draw(cls, rng: np.random.Generator, module: Module, size: int) -> Self:
        """Place a cell of a module in an image, with a random rotation and tilt."""
        low = module.margin
        corners = rectangle(low, low, 1 - low, 1 - low)
        axis = unit_vector((WIDE_ROTATION if ROTATED.draw(rng) else ROTATION).draw(rng))
        rotated = (corners[:, :1] - 0.5) * axis - (corners[:, 1:] - 0.5) * perpendicular(axis) + 0.5
        tilted = rotated + (TILT.low + (TILT.high - TILT.low) * rng.random((4, 2)))
        return cls._place(module, size, tilted, other_half=module.half and COIN_FLIP.draw(rng))

    @classmethod
    def fill(cls, module: Module, size: int, other_half: bool = False) -> Self:
        """Place a cell so that it fills its image exactly; of a half-cut wafer, either half.

        The module must have a margin of 0, so that `to_pixels` is right.

        Examples:
            >>> from dataclasses import replace
            >>> module = replace(Module.draw(np.random.default_rng(0)), margin=0.0, upright=False)
            >>> Layout.fill(module, 64).to_subpixels([(0, 0), (1, 1)]).tolist()
            [[-0.5, -0.5], [255.5, 255.5]]
        """
        return cls._place(module, size, rectangle(0, 0, 1, 1), other_half)

    @classmethod
    def _place(cls, module: Module, size: int, corners: Points, other_half: bool) -> Self:
        placed = corners[[0, 3, 2, 1]] if module.upright else corners
        if other_half:
            placed = placed[[1, 0, 3, 2]]
        return cls(module, size, _projection_to(placed * (size * SUBPIXELS) - 0.5))

    def to_subpixels(self, positions: ArrayLike) -> Points:
        """Convert positions in the cell, ``(N, 2)``, to subpixels of the image."""
        u, v = np.asarray(positions, np.float64).T
        (a, b, c), (d, e, f), (g, h, _) = self.projection
        depth = g * u + h * v + 1
        return np.stack([(a * u + b * v + c) / depth, (d * u + e * v + f) / depth], axis=-1)

    def to_pixels(self, share: float) -> float:
        """Convert a share of the cell's side to pixels."""
        return share * (1 - 2 * self.module.margin) * self.size

    def stretch_half_cell(self, points: Points, start: Points | float = 0.0) -> Points:
        """Stretch positions or directions ``(..., 2)`` away from a start if the cell is a half of a wafer."""
        return start + (points - start) * (2, 1) if self.module.half else points

    def fill_polygons(self, *polygons: Points, margin: int = 0) -> Patch:
        """Fill polygons given as positions in the cell, see `canvas.fill_polygons`."""
        return canvas.fill_polygons(self.size, [self.to_subpixels(polygon) for polygon in polygons], margin)

    def line_width(self, share: float) -> int:
        """Convert a share of the cell's side to a line width in subpixels that leaves no gaps in a mask."""
        return max(MIN_LINE_WIDTH, round(self.to_pixels(share) * SUBPIXELS))

    @property
    def min_line_width(self) -> float:
        """Smallest line width that leaves no gaps in a mask, as a share of the cell's side."""
        return MIN_LINE_WIDTH / (SUBPIXELS * self.to_pixels(1.0))

    @cached_property
    def uv(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Position in the cell of each pixel's centre: ``u`` and ``v``, each ``(size, size) float32``."""
        centres = (np.arange(self.size) + 0.5) * SUBPIXELS - 0.5
        inverse = np.linalg.inv(self.projection)
        x, y = centres[None], centres[:, None]
        u, v, depth = (row[0] * x + row[1] * y + row[2] for row in inverse)
        return (u / depth).astype(np.float32), (v / depth).astype(np.float32)

    @cached_property
    def cell_coverage(self) -> Coverage:
        """Share of each pixel that the cell covers, ``(size, size) float32``, 0 to 1."""
        corner = self.module.corner
        outline = [
            (1 - corner, 0),
            (1, corner),
            (1, 1 - corner),
            (1 - corner, 1),
            (corner, 1),
            (0, 1 - corner),
            (0, corner),
            (corner, 0),
        ]
        if self.module.half:
            outline = [(1 - 2 * corner, 0), (1, corner), (1, 1 - corner), (1 - 2 * corner, 1), (0, 1), (0, 0)]
        return _full_image(self.size, self.fill_polygons(np.array(outline, np.float64)))

    @cached_property
    def busbar_coverage(self) -> Coverage:
        """Share of each pixel that busbars or contact pads cover, ``(size, size) float32``, 0 to 1."""
        shapes = self._contact_pads() if self.module.back_contacts else self._busbar_shapes()
        return _full_image(self.size, self.fill_polygons(*shapes))

    @cached_property
    def busbar_intervals(self) -> list[tuple[float, float]]:
        """Start and end of each busbar along ``v``; empty for back-contact cells."""
        if self.module.back_contacts:
            return []
        half = self.module.busbar_width / 2
        centres = [(2 * i + 1) / (2 * self.module.busbars) for i in range(self.module.busbars)]
        return [(centre - half, centre + half) for centre in centres]

    @cached_property
    def strips(self) -> list[tuple[float, float]]:
        """Start and end along ``v`` of each strip of silicon between busbars, or between busbar and edge."""
        stops = [0.0, *(v for busbar in self.busbar_intervals for v in busbar), 1.0]
        return list(zip(stops[::2], stops[1::2], strict=True))

    def draw_strip(self, rng: np.random.Generator) -> tuple[float, float]:
        """Draw one of `strips`, with a probability proportional to its height."""
        v = rng.random()
        return next((strip for strip in self.strips if v < strip[1]), self.strips[-1])

    def _busbar_shapes(self) -> list[Points]:
        module, shapes = self.module, []
        start, end = module.busbar_start, 1 - module.busbar_start
        for top, bottom in self.busbar_intervals:
            if not module.solder_pads:
                shapes.append(rectangle(start, top, end, bottom))
                continue
            ribbon = max((bottom - top) * module.ribbon_width, self.min_line_width)
            centre = (top + bottom) / 2
            shapes.append(rectangle(start, centre - ribbon / 2, end, centre + ribbon / 2))
            stops = [start + (end - start) * i / module.solder_pads for i in range(module.solder_pads + 1)]
            for left, right in pairwise(stops):
                gap = (right - left) * module.solder_pad_gap / 2
                shapes.append(rectangle(left + gap, top, right - gap, bottom))
        return shapes

    def _contact_pads(self) -> list[Points]:
        count = self.module.busbars
        centres = [(u, (2 * i + 1) / (2 * count)) for u in (0, 1) for i in range(count)]
        return [radial_polygon(centre, [self.module.contact_pad_radius] * 16) for centre in centres]


def _full_image(size: int, patch: Patch) -> Coverage:
    image = np.zeros((size, size), np.float32)
    image[patch.window] = patch.coverage
    return image


def _projection_to(corners: Points) -> NDArray[np.float64]:
    """Return the projection of the unit square to four corners, clockwise from the upper left (Heckbert 1989)."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    dx1, dx2, dx3 = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, dy3 = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    area = dx1 * dy2 - dx2 * dy1
    g, h = (dx3 * dy2 - dx2 * dy3) / area, (dx1 * dy3 - dx3 * dy1) / area
    return np.array(
        [
            [x1 - x0 + g * x1, x3 - x0 + h * x3, x0],
            [y1 - y0 + g * y1, y3 - y0 + h * y3, y0],
            [g, h, 1],
        ]
    )
