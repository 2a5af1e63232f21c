"""Draw a module on its plan: the light of its cells, gaps, ribbons and frame, and the mask."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.synthesis.blemishes import draw_blemishes
from solarseg.synthesis.camera import GAP_BRIGHTNESS, add_defects_and_metal
from solarseg.synthesis.cells import draw_some_defects
from solarseg.synthesis.defects import draw_mask
from solarseg.synthesis.layout import Layout
from solarseg.synthesis.module_plan import ModulePlan
from solarseg.synthesis.noise import MIN_BRIGHTNESS, smooth_noise
from solarseg.synthesis.parameters import COIN_FLIP, Chance, Range
from solarseg.synthesis.silicon import draw_shading, draw_wafer

__all__ = ["DARK", "ModuleLight", "draw_module"]

Brightness = NDArray[np.float32]
Cell = tuple[int, int]

DARK = 0.05  # share: defects of a darker cell are not visible, and not in the mask
WAFERS = 12  # drawn for each module; each appears flipped in four ways
SHADINGS = 4  # drawn for each module
GLOW_REACH = 0.25  # cell, standard deviation of the light that spreads behind the glass
GLOW_SCALE = 8  # a wide blur of a small image is as good and faster

DEFECTIVE = Range(0.0, 0.6, "share", "cells of a module that have defects", "low")
OTHER_SHADING = Chance(
    0.2, "a cell differs in its edges and between its busbars from most cells of its module"
)
RIBBON_BRIGHTNESS = Range(
    0.05, 0.5, "share", "of the ribbons that connect strings, relative to the gap around them"
)
JUNCTION_BOX = Chance(0.25, "the cells in front of the junction box are dimmer, as they are warmer")
JUNCTION_SHADOW = Range(0.03, 0.2, "share", "loss in front of the junction box")
JUNCTION_WIDTH = Range(0.4, 1.3, "cell", "half width of that shadow")
FRAME_BRIGHTNESS = Range(0.0, 0.1, "brightness", "of the frame, which scatters the light of the cells", "low")
LIP_BRIGHTNESS = Range(
    0.0, 1.0, "share", "reflection in the inner edge of the frame, relative to the light next to it", "low"
)
GLINT = Chance(0.5, "the outer edge of the frame reflects")
GLINT_BRIGHTNESS = Range(
    0.05, 0.9, "brightness", "of that reflection, which may be brighter than dim cells", "low"
)
EDGE_LINE = Range(0.01, 0.035, "cell", "width of the reflections in the edges of the frame")


@dataclass(frozen=True)
class ModuleLight:
    """A module on its plan.

    Attributes:
        light: ``(height, width) float32``, 1 for a sound cell.
        mask: ``(height, width) uint8``, class ids of `CELL_CLASSES`.
    """

    light: Brightness
    mask: NDArray[np.uint8]


def draw_module(
    rng: np.random.Generator,
    plan: ModulePlan,
    brightness: NDArray[np.float64],
    visible: NDArray[np.bool_] | None = None,
    defective: float | None = None,
) -> ModuleLight:
    """Draw a module.

    Args:
        rng: random numbers.
        plan: the plan of the module.
        brightness: ``(rows, columns)``, light of each cell relative to a sound one.
        visible: ``(rows, columns)``, cells to draw; by default all.
        defective: share of the cells that have defects; by default random.
    """
    cells = np.zeros((plan.height, plan.width), np.float32)
    coverage, mask = np.zeros_like(cells), np.zeros(cells.shape, np.uint8)
    share = DEFECTIVE.draw(rng) if defective is None else defective
    wafers, shadings = _draw_wafers(rng, plan), _draw_shadings(rng, plan)
    for row, column in _visible_cells(plan, visible):
        window = _window(plan, row, column)
        layout = Layout.fill(plan.module, plan.unit, _is_other_half(plan, row, column))
        light = _pick(rng, wafers) * (_pick(rng, shadings) if OTHER_SHADING.draw(rng) else shadings[0])
        light = np.maximum(light, np.float32(MIN_BRIGHTNESS))
        defects = draw_blemishes(rng, layout)
        if rng.random() < share and brightness[row, column] > DARK:
            defects += draw_some_defects(rng, layout)
        light = add_defects_and_metal(light, layout, defects)
        covered = _narrow(layout.cell_coverage, plan)
        cells[window] = _narrow(light * layout.cell_coverage, plan) * np.float32(brightness[row, column])
        coverage[window] = covered
        mask[window] = _narrow_mask(draw_mask(layout, defects), plan)
    cells *= _junction_shadow(rng, plan)
    glow = _glow(cells, plan)
    light = cells + (1 - coverage) * _gaps(rng, plan, glow)
    if plan.frame:
        _draw_frame(rng, plan, light, glow)
    return ModuleLight(light, mask)


def _visible_cells(plan: ModulePlan, visible: NDArray[np.bool_] | None) -> Iterator[Cell]:
    shown = np.ones((plan.rows, plan.columns), bool) if visible is None else visible
    return ((int(row), int(column)) for row, column in np.argwhere(shown))


def _draw_wafers(rng: np.random.Generator, plan: ModulePlan) -> list[Brightness]:
    layout = Layout.fill(plan.module, plan.unit)
    return [draw_wafer(rng, layout) for _ in range(min(WAFERS, plan.rows * plan.columns))]


def _draw_shadings(rng: np.random.Generator, plan: ModulePlan) -> list[Brightness]:
    """Draw the shading of most cells, and others."""
    layout = Layout.fill(plan.module, plan.unit)
    return [draw_shading(rng, layout, rim=i > 0) for i in range(SHADINGS)]


def _pick(rng: np.random.Generator, images: list[Brightness]) -> Brightness:
    """Pick one of several images, flipped in one of four ways."""
    return images[rng.integers(len(images))][:: _flip(rng), :: _flip(rng)]


def _window(plan: ModulePlan, row: int, column: int) -> tuple[slice, slice]:
    top, left = int(plan.top[row]), int(plan.left[column])
    return slice(top, top + plan.cell_height), slice(left, left + plan.cell_width)


def _is_other_half(plan: ModulePlan, row: int, column: int) -> bool:
    """Say whether a half-cut cell is the second half of its wafer; the halves of a module mirror each other."""
    place, count = (row, plan.rows) if plan.module.upright else (column, plan.columns)
    return plan.module.half and place >= count // 2


def _flip(rng: np.random.Generator) -> int:
    return 1 if COIN_FLIP.draw(rng) else -1


def _narrow(image: Brightness, plan: ModulePlan) -> Brightness:
    """Shrink the square image of a half-cut cell to its true shape."""
    size = (plan.cell_width, plan.cell_height)
    return image if size == image.shape else cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _narrow_mask(mask: NDArray[np.uint8], plan: ModulePlan) -> NDArray[np.uint8]:
    return mask[:: len(mask) // plan.cell_height, :: len(mask) // plan.cell_width]


def _junction_shadow(rng: np.random.Generator, plan: ModulePlan) -> Brightness | float:
    """Draw the loss in front of the junction boxes: in the middle of a half-cut module, or at one end of it."""
    if not JUNCTION_BOX.draw(rng):
        return 1.0
    depth, reach = JUNCTION_SHADOW.draw(rng), JUNCTION_WIDTH.draw(rng) * plan.unit
    along, across = (plan.height, plan.width) if plan.module.upright else (plan.width, plan.height)
    centre = along / 2 if plan.module.half else (0 if COIN_FLIP.draw(rng) else along)
    end = np.exp(-(((np.arange(along) - centre) / reach) ** 4))
    middle = np.exp(-(((np.arange(across) - across / 2) / reach) ** 4))
    shadow = np.outer(end, middle) if plan.module.upright else np.outer(middle, end)
    return (1 - depth * shadow).astype(np.float32)


def _glow(cells: Brightness, plan: ModulePlan) -> Brightness:
    """Return the light of the cells around each place: it spreads in the glass and behind the cells."""
    size = (max(1, plan.width // GLOW_SCALE), max(1, plan.height // GLOW_SCALE))
    small = cv2.resize(cells, size, interpolation=cv2.INTER_AREA)
    deviation = GLOW_REACH * plan.unit / GLOW_SCALE
    blurred = cv2.GaussianBlur(small, (0, 0), deviation, borderType=cv2.BORDER_CONSTANT)
    return cv2.resize(blurred, (plan.width, plan.height), interpolation=cv2.INTER_LINEAR)


def _gaps(rng: np.random.Generator, plan: ModulePlan, glow: Brightness) -> Brightness:
    """Draw what is between and around the cells: the backsheet, with the ribbons in front of it."""
    gaps = glow * np.float32(GAP_BRIGHTNESS.draw(rng))
    ribbon = np.float32(RIBBON_BRIGHTNESS.draw(rng))
    along = gaps.T if plan.module.upright else gaps  # a view in which strings run from left to right
    starts = plan.left if plan.module.upright else plan.top
    ends = plan.top if plan.module.upright else plan.left
    length = plan.cell_height if plan.module.upright else plan.cell_width
    first, last = int(ends[0]), int(ends[-1]) + length
    distance, width = plan.ribbon
    intervals = Layout.fill(plan.module, plan.unit).busbar_intervals or [(0.1, 0.2), (0.8, 0.9)]
    for start in starts:
        for low, high in intervals:
            top = int(start) + round(low * plan.unit)
            bottom = max(top + 1, int(start) + round(high * plan.unit))
            along[top:bottom, first - distance : last + distance] *= np.float32(plan.module.busbar_brightness)
    offset = int(rng.integers(2))
    for end, shift in (
        (slice(first - distance - width, first - distance), offset),
        (slice(last + distance, last + distance + width), 1 - offset),
    ):
        for top, bottom in _joined_strings(plan, shift):
            low = int(starts[top]) + round(intervals[0][0] * plan.unit)
            high = int(starts[bottom]) + round(intervals[-1][1] * plan.unit)
            along[low:high, end] *= ribbon
    return gaps


def _joined_strings(plan: ModulePlan, shift: int) -> Iterator[tuple[int, int]]:
    """Return the first and last string of each ribbon at one end of a module."""
    if shift and plan.strings > 1:
        yield 0, 0
    for string in range(shift, plan.strings, 2):
        yield string, min(string + 1, plan.strings - 1)


def _draw_frame(rng: np.random.Generator, plan: ModulePlan, light: Brightness, glow: Brightness) -> None:
    width = plan.frame
    inside = (slice(width, plan.height - width), slice(width, plan.width - width))
    kept = light[inside].copy()
    light[:] = np.float32(FRAME_BRIGHTNESS.draw(rng))
    line = max(1, min(round(EDGE_LINE.draw(rng) * plan.unit), width // 2))
    lip, glint = LIP_BRIGHTNESS.draw(rng), GLINT_BRIGHTNESS.draw(rng) * GLINT.draw(rng)
    _outline(light, glow * np.float32(lip), width - line, line)
    for side in range(4):  # each side reflects differently
        _draw_glint(rng, np.rot90(light, side), line, glint * rng.random())
    light[inside] = kept


def _outline(light: Brightness, values: Brightness, start: int, line: int) -> None:
    """Copy values to a closed line, ``start`` pixels from the edges."""
    height, width = light.shape
    for rows in (slice(start, start + line), slice(height - start - line, height - start)):
        light[rows, start : width - start] += values[rows, start : width - start]
    for columns in (slice(start, start + line), slice(width - start - line, width - start)):
        light[start : height - start, columns] += values[start : height - start, columns]


def _draw_glint(rng: np.random.Generator, light: Brightness, line: int, brightness: float) -> None:
    along = np.abs(smooth_noise(rng, 64, 4)[:1])
    full = cv2.resize(along, (light.shape[1], 1), interpolation=cv2.INTER_LINEAR)
    light[:line] += np.float32(brightness) * np.minimum(full, 1.5)
