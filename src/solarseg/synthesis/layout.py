"""What the cells of a module have in common, and where the parts of a cell lie.

Outlines are whole subpixels and are filled without antialiasing, so that a mask is the same on every
machine; how much of each pixel they cover follows from counting subpixels.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["SUBPIXELS", "Layout", "Module", "fill", "stroke"]

Coverage = NDArray[np.float32]

SUBPIXELS = 4  # along each side of a pixel: 16 steps of coverage, finer than 8-bit noise shows

# What modules differ in. "Share" is of the image's side, "light" of an undisturbed cell's brightness.
BUSBARS = (2, 5)  # how many: 2 and 3 in modules of the years to 2015, 4 and 5 since
BUSBAR_WIDTH = (0.009, 0.014)  # share: 1.4 to 2.2 mm of a 156 mm cell
BUSBAR_LIGHT = (0.25, 0.55)  # light: metal is opaque, but light scatters in from both sides
FINGERS = (66, 90)  # how many: 1.7 to 2.4 mm apart on a 156 mm cell
FINGER_LIGHT = (0.82, 0.97)  # light: a finger is 0.1 mm wide, much less than a pixel
FINGER_WIDTH = 0.25  # share of the distance between fingers, with the light its metal scatters
MARGIN = (0.008, 0.025)  # share: the gap to the next cell that a cut-out cell keeps
MONO = 0.5  # probability of monocrystalline cells: corners cut off, hardly any mottling
MONO_CORNER = (0.07, 0.13)  # share: pseudo-squares sawn from ingots of 200 to 210 mm
MULTI_CORNER = (0.004, 0.012)  # share: the bevel of multicrystalline wafers
MONO_MOTTLING = (0.004, 0.015)  # standard deviation of light
MULTI_MOTTLING = (0.03, 0.09)  # likewise: grains and dislocations
BRIGHTNESS = (0.4, 0.75)  # of a cell, share of the camera's range: exposed short of saturation
SURROUND = (0.08, 0.3)  # light: silicon glows into the gap between cells, and the backsheet reflects it
GRADIENT = (-0.12, 0.12)  # light from the middle of the image to a side, along x and along y
VIGNETTING = (0.0, 0.15)  # light lost at the corners of the image
SAG = (0.0, 0.12)  # light lost halfway between busbars, by the resistance of the fingers
BLUR = (0.4, 0.9)  # standard deviation of the point spread, pixels of an image of 256
ELECTRONS = (1_500, 15_000)  # that a full pixel holds: shot noise of 2.6 to 0.8 % of the camera's range


@dataclass(frozen=True)
class Module:
    """What the cells of one module share, whose names and units are those of this file's constants.

    Examples:
        >>> Module.draw(np.random.default_rng(0)) == Module.draw(np.random.default_rng(0))
        True
    """

    busbars: int
    busbar_width: float
    busbar_light: float
    fingers: int
    finger_light: float
    margin: float
    mono: bool
    corner: float
    mottling: float
    brightness: float
    surround: float
    gradient: tuple[float, float]
    vignetting: float
    sag: float
    blur: float
    electrons: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Draw a module at random."""
        mono = bool(rng.random() < MONO)
        return cls(
            busbars=int(rng.integers(*BUSBARS, endpoint=True)),
            busbar_width=rng.uniform(*BUSBAR_WIDTH),
            busbar_light=rng.uniform(*BUSBAR_LIGHT),
            fingers=int(rng.integers(*FINGERS, endpoint=True)),
            finger_light=rng.uniform(*FINGER_LIGHT),
            margin=rng.uniform(*MARGIN),
            mono=mono,
            corner=rng.uniform(*(MONO_CORNER if mono else MULTI_CORNER)),
            mottling=rng.uniform(*(MONO_MOTTLING if mono else MULTI_MOTTLING)),
            brightness=rng.uniform(*BRIGHTNESS),
            surround=rng.uniform(*SURROUND),
            gradient=(rng.uniform(*GRADIENT), rng.uniform(*GRADIENT)),
            vignetting=rng.uniform(*VIGNETTING),
            sag=rng.uniform(*SAG),
            blur=rng.uniform(*BLUR),
            electrons=rng.uniform(*ELECTRONS),
        )


@dataclass(frozen=True)
class Layout:
    """Where the parts of a cell lie: busbars from left to right, fingers from top to bottom.

    Attributes:
        module: the module of the cell.
        size: side of the image, pixels.
    """

    module: Module
    size: int

    def length(self, share: float) -> int:
        """Turn a share of the image's side into whole subpixels."""
        return round(share * self.size * SUBPIXELS)

    @cached_property
    def low(self) -> int:
        """Where the cell begins, along x and along y alike, subpixels."""
        return self.length(self.module.margin)

    @cached_property
    def high(self) -> int:
        """Where the cell ends, subpixels."""
        return self.size * SUBPIXELS - 1 - self.low

    @cached_property
    def side(self) -> int:
        """Side of the cell, subpixels."""
        return self.high - self.low

    @cached_property
    def cell(self) -> Coverage:
        """``(size, size) float32``: how much of each pixel the cell covers, 0 to 1."""
        a, b, cut = self.low, self.high, self.length(self.module.corner)
        right = [(b - cut, a), (b, a + cut), (b, b - cut), (b - cut, b)]
        left = [(a + cut, b), (a, b - cut), (a, a + cut), (a + cut, a)]
        return fill(self.size, right + left)

    @cached_property
    def busbars(self) -> list[tuple[int, int]]:
        """Where each busbar begins and ends along y, subpixels, from the top; ends are not included."""
        count, width = self.module.busbars, max(1, self.length(self.module.busbar_width))
        tops = [self.low + (2 * i + 1) * self.side // (2 * count) - width // 2 for i in range(count)]
        return [(top, top + width) for top in tops]

    @cached_property
    def bands(self) -> list[tuple[int, int]]:
        """Where the silicon between busbars, or between busbar and edge, begins and ends, as `busbars`."""
        stops = [self.low, *(y for busbar in self.busbars for y in busbar), self.high + 1]
        return list(zip(stops[::2], stops[1::2], strict=True))

    @cached_property
    def fingers(self) -> NDArray[np.int64]:
        """``(fingers + 1,)``: where the strip of silicon around each finger begins, along x, subpixels."""
        return self.low + np.arange(self.module.fingers + 1) * self.side // self.module.fingers

    def random_band(self, rng: np.random.Generator) -> tuple[int, int]:
        """Choose one of `bands`, the likelier the higher it is."""
        y = rng.integers(self.low, self.high, endpoint=True)
        return next((band for band in self.bands if y < band[1]), self.bands[-1])


def fill(size: int, corners: ArrayLike, rows: tuple[int, int] | None = None) -> Coverage:
    """Fill a polygon.

    Args:
        size: side of the image, pixels.
        corners: ``(N, 2)`` x and y, subpixels, rounded to whole ones.
        rows: first subpixel row that is kept and the one after the last; by default all are.

    Returns:
        ``(size, size) float32``: how much of each pixel is covered, 0 to 1.

    Examples:
        >>> fill(2, [(0, 0), (3, 0), (3, 1), (0, 1)]).tolist()
        [[0.5, 0.0], [0.0, 0.0]]
    """
    canvas = np.zeros((size * SUBPIXELS, size * SUBPIXELS), np.uint8)
    cv2.fillPoly(canvas, [_whole(corners)], _FULL, cv2.LINE_8)
    if rows is not None:
        canvas[: rows[0]] = 0
        canvas[rows[1] :] = 0
    return _shrink(canvas)


def stroke(size: int, points: ArrayLike, width: int) -> Coverage:
    """Draw a line through points, as `fill` fills a polygon.

    Args:
        size: side of the image, pixels.
        points: ``(N, 2)`` x and y, subpixels, rounded to whole ones.
        width: subpixels, 3 at least; an even one loses one, so that the line has a middle.

    Returns:
        ``(size, size) float32``: how much of each pixel is covered, 0 to 1.
    """
    canvas = np.zeros((size * SUBPIXELS, size * SUBPIXELS), np.uint8)
    thickness = (width - 1) // 2 * 2  # OpenCV's lines are one wider than an even thickness
    cv2.polylines(canvas, [_whole(points)], False, _FULL, thickness, cv2.LINE_8)
    return _shrink(canvas)


# Divisible by the subpixels of a pixel, so that their mean is a whole number and nothing is rounded.
_FULL = 255 // SUBPIXELS**2 * SUBPIXELS**2


def _whole(points: ArrayLike) -> NDArray[np.int32]:
    return np.rint(points).astype(np.int32)


def _shrink(canvas: NDArray[np.uint8]) -> Coverage:
    size = (canvas.shape[1] // SUBPIXELS, canvas.shape[0] // SUBPIXELS)
    return cv2.resize(canvas, size, interpolation=cv2.INTER_AREA) / np.float32(_FULL)
