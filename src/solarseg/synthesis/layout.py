"""What the cells of a module have in common, and where the parts of a cell lie.

Places are ``u`` along the busbars and ``v`` along the fingers, from 0 to 1 over the cell; a projection takes them to
the image, so that everything drawn on a cell is turned and tilted with it.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solarseg.synthesis.canvas import SUBPIXELS, THINNEST, Coverage, Patch, fill
from solarseg.synthesis.parameters import EVEN, Chance, Range
from solarseg.synthesis.shapes import across, circle, direction, rectangle

__all__ = ["Cell", "Layout", "Module"]

Cell = Literal["mono", "poly"]
Points = NDArray[np.float64]

MONO = Chance(0.5, "of monocrystalline cells")
BACK_CONTACTS = Chance(0.08, "in mono, of cells with all their metal behind, but for pads at two edges")
FEW = Chance(0.8, "of flat busbars, which are few; else of round wires")
DASHED = Chance(0.5, "of flat busbars that are soldered at pads alone")
HALF = Chance(
    0.25,
    "where there are four busbars or more, or none, of cells cut in two across them, as most are since 2018, that fill "
    "the square of the image",
)
HALF_FROM = 4  # busbars

UPRIGHT = Chance(0.3, "that busbars run from top to bottom")

BUSBARS = Range(2, 5, "count", "2 and 3 until 2015, 4 and 5 since")
WIRES = Range(6, 12, "count", "round wires in place of busbars, since 2018")
BUSBAR_WIDTH = Range(0.005, 0.018, "cell", "0.8 to 2.8 mm of a 156 mm cell")
WIRE_WIDTH = Range(0.003, 0.006, "cell", "0.4 to 0.9 mm with the shadow beside")
BUSBAR_LIGHT = Range(0.1, 0.65, "light", "metal is opaque, but light scatters in from both sides")
DASHES = Range(
    3, 8, "count", "pads where the ribbon is soldered; between them it stands off and shadows less"
)
DASH_GAP = Range(0.25, 0.65, "share", "of the distance between the middles of two pads")
THIN_WIDTH = Range(0.25, 0.6, "share", "of the busbar's width, between pads")
BUSBAR_START = Range(-0.01, 0.09, "cell", "ribbons end before the edge or run on to the next cell")
PADS = Range(0.015, 0.055, "cell", "radius of the pads of back-contact cells at their edges")
FINGERS = Range(60, 110, "count", "1.4 to 2.6 mm apart on a 156 mm cell")
FINGER_LIGHT = Range(0.9, 1.0, "light", "a finger is 0.1 mm wide or less, and its shadow blurred")
MONO_CORNER = Range(
    0.05, 0.14, "cell", "pseudo-squares: 0.05 to 0.1 of cells of 156 mm, more of older ones of 125 mm"
)
POLY_CORNER = Range(0.003, 0.014, "cell", "the bevel of multicrystalline wafers")
MARGIN = Range(
    -0.012,
    0.03,
    "image",
    "cells are cut out of modules along their gaps; below 0 a little of them is lost",
    "low",
)
WIDE_MARGIN = Range(0.03, 0.15, "image", "cells cut out roughly show their neighbours")
WIDE = Chance(0.1, "of a wide margin")
GAP = Range(0.012, 0.04, "cell", "2 to 6 mm between cells")
TURN = Range(-0.012, 0.012, "half-tangent", "1.4 degrees: what is left when a module has been straightened")
ASKEW = Chance(0.08, "of a picture taken by hand or from a drone")
FAR_TURN = Range(-0.11, 0.11, "half-tangent", "12.5 degrees: how far askew")
TILT = Range(-0.008, 0.008, "image", "by which each corner is off, for the same reason")


@dataclass(frozen=True)
class Module:
    """What the cells of one module share, in the units of this file's ranges.

    Attributes:
        cell: monocrystalline or multicrystalline.
        back_contacts: whether there are pads at two edges in place of busbars and fingers.
        busbars: how many.
        busbar_width: of one.
        busbar_light: of one.
        dashes: pads along a busbar; 0 for one of the same width throughout.
        dash_gap: share without pads.
        thin_width: width between pads, share of the busbar's.
        busbar_start: where busbars begin and, counted from the other edge, end.
        pads: radius of pads.
        fingers: how many.
        finger_light: least light, in the middle of one.
        corner: cut off.
        half: whether cells are halves of a wafer, which the image stretches along their busbars to twice their length:
            corners, fingers, cracks and what they cut off; what lies anywhere, as grains and stains, is drawn as ever.
        margin: between the cell and the edge of the image.
        gap: to the next cell.
        upright: whether busbars run from top to bottom.

    Examples:
        >>> Module.draw(np.random.default_rng(0)) == Module.draw(np.random.default_rng(0))
        True
    """

    cell: Cell
    back_contacts: bool
    busbars: int
    busbar_width: float
    busbar_light: float
    dashes: int
    dash_gap: float
    thin_width: float
    busbar_start: float
    pads: float
    fingers: int
    finger_light: float
    corner: float
    half: bool
    margin: float
    gap: float
    upright: bool

    @classmethod
    def draw(cls, rng: np.random.Generator, cell: Cell | None = None) -> Self:
        """Draw a module at random, of a kind of cells or of either."""
        mono = MONO.draw(rng) if cell is None else cell == "mono"
        few, half = FEW.draw(rng), HALF.draw(rng)
        back_contacts = mono and BACK_CONTACTS.draw(rng)
        busbars = (BUSBARS if few else WIRES).draw_int(rng)
        half = half and (busbars >= HALF_FROM or back_contacts)
        return cls(
            cell="mono" if mono else "poly",
            back_contacts=back_contacts,
            busbars=busbars,
            busbar_width=(BUSBAR_WIDTH if few else WIRE_WIDTH).draw(rng),
            busbar_light=BUSBAR_LIGHT.draw(rng),
            dashes=DASHES.draw_int(rng) if few and DASHED.draw(rng) else 0,
            dash_gap=DASH_GAP.draw(rng),
            thin_width=THIN_WIDTH.draw(rng),
            busbar_start=BUSBAR_START.draw(rng),
            pads=PADS.draw(rng),
            fingers=FINGERS.draw_int(rng) // (2 if half else 1),
            finger_light=FINGER_LIGHT.draw(rng),
            corner=(MONO_CORNER if mono else POLY_CORNER).draw(rng),
            half=half,
            margin=WIDE_MARGIN.draw(rng) if WIDE.draw(rng) else MARGIN.draw(rng),
            gap=GAP.draw(rng),
            upright=UPRIGHT.draw(rng),
        )


@dataclass(frozen=True)
class Layout:
    """Where the parts of a cell lie in its image.

    Attributes:
        module: of the cell.
        size: side of the image, pixels.
        projection: ``(3, 3) float64``, from ``(u, v, 1)`` to subpixels.
    """

    module: Module
    size: int
    projection: NDArray[np.float64]

    @classmethod
    def draw(cls, rng: np.random.Generator, module: Module, size: int) -> Self:
        """Place a cell of a module in an image, a little askew."""
        low = module.margin
        corners = rectangle(low, low, 1 - low, 1 - low)
        axis = direction((FAR_TURN if ASKEW.draw(rng) else TURN).draw(rng))
        turned = (corners[:, :1] - 0.5) * axis - (corners[:, 1:] - 0.5) * across(axis) + 0.5
        tilted = turned + (TILT.low + (TILT.high - TILT.low) * rng.random((4, 2)))
        placed = tilted[[0, 3, 2, 1]] if module.upright else tilted
        if module.half and EVEN.draw(rng):
            placed = placed[[1, 0, 3, 2]]  # the other half of the wafer
        return cls(module, size, _square_to(placed * (size * SUBPIXELS) - 0.5))

    def place(self, points: ArrayLike) -> Points:
        """Take places ``(N, 2)`` of the cell to subpixels."""
        u, v = np.asarray(points, np.float64).T
        (a, b, c), (d, e, f), (g, h, _) = self.projection
        depth = g * u + h * v + 1
        return np.stack([(a * u + b * v + c) / depth, (d * u + e * v + f) / depth], axis=-1)

    def stretched(self, points: Points, start: Points | float = 0.0) -> Points:
        """Take places or directions ``(..., 2)`` on a wafer to the cell, which may be half of one; the start stays."""
        return start + (points - start) * (2, 1) if self.module.half else points

    def fill(self, *polygons: Points, beyond: int = 0) -> Patch:
        """Fill polygons given as places of the cell; see `canvas.fill`."""
        return fill(self.size, [self.place(polygon) for polygon in polygons], beyond)

    def width(self, share: float) -> int:
        """Turn a share of the cell's side into subpixels, no fewer than leave no gaps in a mask."""
        return max(THINNEST, round(self.pixels(share) * SUBPIXELS))

    @property
    def thinnest(self) -> float:
        """Share of the cell's side that leaves no gaps in a mask."""
        return THINNEST / (SUBPIXELS * self.pixels(1.0))

    def pixels(self, share: float) -> float:
        """Turn a share of the cell's side into pixels."""
        return share * (1 - 2 * self.module.margin) * self.size

    @cached_property
    def uv(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The place of each pixel's middle, twice ``(size, size) float32``."""
        middles = (np.arange(self.size) + 0.5) * SUBPIXELS - 0.5
        back = np.linalg.inv(self.projection)
        x, y = middles[None], middles[:, None]
        u, v, depth = (row[0] * x + row[1] * y + row[2] for row in back)
        return (u / depth).astype(np.float32), (v / depth).astype(np.float32)

    @cached_property
    def cell(self) -> Coverage:
        """``(size, size) float32``: how much of each pixel the cell covers, 0 to 1."""
        cut = self.module.corner
        outline = [
            (1 - cut, 0),
            (1, cut),
            (1, 1 - cut),
            (1 - cut, 1),
            (cut, 1),
            (0, 1 - cut),
            (0, cut),
            (cut, 0),
        ]
        if self.module.half:
            outline = [(1 - 2 * cut, 0), (1, cut), (1, 1 - cut), (1 - 2 * cut, 1), (0, 1), (0, 0)]
        return _pasted(self.size, self.fill(np.array(outline, np.float64)))

    @cached_property
    def busbar_places(self) -> list[tuple[float, float]]:
        """Where each busbar begins and ends along ``v``."""
        if self.module.back_contacts:
            return []
        half = self.module.busbar_width / 2
        middles = [(2 * i + 1) / (2 * self.module.busbars) for i in range(self.module.busbars)]
        return [(middle - half, middle + half) for middle in middles]

    @cached_property
    def bands(self) -> list[tuple[float, float]]:
        """Where the silicon between busbars, or between busbar and edge, begins and ends along ``v``."""
        stops = [0.0, *(v for busbar in self.busbar_places for v in busbar), 1.0]
        return list(zip(stops[::2], stops[1::2], strict=True))

    @cached_property
    def busbars(self) -> Coverage:
        """``(size, size) float32``: how much of each pixel busbars or pads cover, 0 to 1."""
        shapes = self._pads() if self.module.back_contacts else self._bars()
        return _pasted(self.size, self.fill(*shapes))

    def _bars(self) -> list[Points]:
        module, shapes = self.module, []
        start, end = module.busbar_start, 1 - module.busbar_start
        for top, bottom in self.busbar_places:
            if not module.dashes:
                shapes.append(rectangle(start, top, end, bottom))
                continue
            thinner = max((bottom - top) * module.thin_width, self.thinnest)
            middle = (top + bottom) / 2
            shapes.append(rectangle(start, middle - thinner / 2, end, middle + thinner / 2))
            stops = [start + (end - start) * i / module.dashes for i in range(module.dashes + 1)]
            for left, right in pairwise(stops):
                gap = (right - left) * module.dash_gap / 2
                shapes.append(rectangle(left + gap, top, right - gap, bottom))
        return shapes

    def _pads(self) -> list[Points]:
        places = [
            (u, (2 * i + 1) / (2 * self.module.busbars)) for u in (0, 1) for i in range(self.module.busbars)
        ]
        return [circle(place, [self.module.pads] * 16) for place in places]

    def random_band(self, rng: np.random.Generator) -> tuple[float, float]:
        """Choose one of `bands`, the likelier the higher it is."""
        v = rng.random()
        return next((band for band in self.bands if v < band[1]), self.bands[-1])


def _pasted(size: int, patch: Patch) -> Coverage:
    image = np.zeros((size, size), np.float32)
    image[patch.window] = patch.coverage
    return image


def _square_to(corners: Points) -> NDArray[np.float64]:
    """The projection of the unit square's corners, clockwise from the upper left, to others (Heckbert 1989)."""
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
