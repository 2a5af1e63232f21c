"""Extend a grid by rows and columns of cells that its outline left out."""

from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from solarseg.electrical.wiring import MIN_HALF_CUT_LENGTH
from solarseg.modules.cell_light import cell_light
from solarseg.modules.combs import MAX_CELLS
from solarseg.modules.fit import fit_placement
from solarseg.modules.fit_quality import Fit, judge_placement
from solarseg.modules.grid import is_usual

__all__ = [
    "MIDDLE_GAP",
    "SIDES",
    "bridge_dark_strings",
    "extend_grid",
    "halve_cells",
    "join_halves",
    "quarter_cells",
]

SIDES = ((0, -1), (0, 1), (1, -1), (1, 1))  # axis, and whether before or after
_DARK = (2, 4)  # strings without light between others
_MIN_NEW = 0.6  # of the edges that other cells have: with fewer there are no more cells
_MIN_KEPT = 0.85  # of the quality: a grid that keeps less contains cells of another module
MIDDLE_GAP = 0.1  # of a cell: gap in the middle of half-cut modules, to start with
_BRIDGED = 0.6  # of the quality, with lines between dark cells
_JOINED = 0.6  # of the quality, of a common grid with half as many lines
_SQUARE = 1.2  # length of a cell relative to its width, at most, as perspective may change it
_MIN_NEW_LIGHT = 0.3  # of the light of other cells: the edges of frames are no cells


def extend_grid(light: NDArray[np.float32], fit: Fit) -> Fit:
    """Add rows and columns at whose cells there are edges as well: the outline was too small."""
    for _ in range(MAX_CELLS):
        wider = next((more for more in map(partial(_wider, light, fit), SIDES) if more is not None), None)
        if wider is None:
            break
        fit = wider
    return fit


def bridge_dark_strings(light: NDArray[np.float32], fit: Fit) -> Fit:
    """Add cells beyond strings without light to an unusual grid, if modules with so many cells are common."""
    if is_usual(fit.placement.rows, fit.placement.columns):
        return fit
    for side, dark in product(SIDES, _DARK):
        wider = _wider(light, fit, side, dark)
        if wider is not None:
            wider = extend_grid(light, wider)
            if is_usual(wider.placement.rows, wider.placement.columns):
                return wider
    return fit


def join_halves(light: NDArray[np.float32], fit: Fit) -> Fit:
    """Join pairs of cells of an unusual grid if square cells of a common one result: busbars are at their middle."""
    placement = fit.placement
    if is_usual(placement.rows, placement.columns):
        return fit
    for axis in (0, 1):
        cells = [placement.columns, placement.rows]
        cells[axis] //= 2
        pitch = list(placement.pitch)
        pitch[axis] *= 2
        ratio = max(pitch) / min(pitch)
        odd = (placement.columns, placement.rows)[axis] % 2
        if odd or not is_usual(cells[1], cells[0]) or max(cells) >= MIN_HALF_CUT_LENGTH or ratio > _SQUARE:
            continue
        scale = np.eye(3)
        scale[axis, axis] = 2.0
        gap = list(placement.gap)
        gap[axis] /= 2
        coarser = replace(
            placement,
            homography=placement.homography @ scale,
            columns=cells[0],
            rows=cells[1],
            gap=(gap[0], gap[1]),
            middle_gap=(0.0, 0.0),
        )
        joined = fit_placement(light, coarser, near=True)
        if joined.quality > _JOINED:
            return joined
    return fit


def halve_cells(light: NDArray[np.float32], fit: Fit) -> Fit:
    """Divide each cell in two along the strings if the lines between such halves are visible: they are half-cut."""
    for axis in (0, 1):
        cells = [fit.placement.columns, fit.placement.rows]
        cells[axis] *= 2
        if cells[axis] < MIN_HALF_CUT_LENGTH or not is_usual(cells[1], cells[0]):
            continue
        scale, middle = np.eye(3), [0.0, 0.0]
        scale[axis, axis], middle[axis] = 0.5, MIDDLE_GAP
        wide = [1.0, 1.0]
        wide[axis] = 2.0
        finer = replace(
            fit.placement,
            homography=fit.placement.homography @ scale,
            columns=cells[0],
            rows=cells[1],
            gap=(fit.placement.gap[0] * wide[0], fit.placement.gap[1] * wide[1]),
            middle_gap=(middle[0], middle[1]),
        )
        halved = fit_placement(light, finer)
        if halved.quality > _MIN_KEPT * fit.quality:
            return halved
    return fit


def quarter_cells(light: NDArray[np.float32], fit: Fit) -> Fit:
    """Divide each cell in four if the lines between such quarters are visible along both axes.

    Busbars and the middle of half-cut cells are lines along one axis only. Along both axes they show that each cell is
    a group of cells: cells of several modules, if the gap between these is as wide as a cell.
    """
    placement = fit.placement
    if max(placement.rows, placement.columns) >= MIN_HALF_CUT_LENGTH:
        return fit
    finer = replace(
        placement,
        homography=placement.homography @ np.diag([0.5, 0.5, 1.0]),
        columns=2 * placement.columns,
        rows=2 * placement.rows,
        gap=(2 * placement.gap[0], 2 * placement.gap[1]),
        middle_gap=(2 * placement.middle_gap[0], 2 * placement.middle_gap[1]),
    )
    if judge_placement(light, finer).quality < _MIN_KEPT * fit.quality:
        return fit
    return fit_placement(light, finer)


def _wider(light: NDArray[np.float32], fit: Fit, side: tuple[int, int], dark: int = 0) -> Fit | None:
    """Return a grid with another line of cells at a side, after dark ones, if most of its edges are seen."""
    (axis, where), placement = side, fit.placement
    if placement.middle_gap[axis] > 0:
        return None
    shift = np.eye(3)
    shift[axis, 2] = min(where, 0) * (dark + 1)
    longer = replace(
        placement,
        homography=placement.homography @ shift,
        rows=placement.rows + (dark + 1) * (axis == 1),
        columns=placement.columns + (dark + 1) * (axis == 0),
    )
    index = 0 if where < 0 else -1
    outer = longer.cell_corners[:, index] if axis == 0 else longer.cell_corners[index]
    if (outer < 0).any() or (outer > np.array(placement.size) - 1).any():
        return None
    bright = cell_light(light, longer)
    new = bright[:, index] if axis == 0 else bright[index]
    if np.median(new) < _MIN_NEW_LIGHT * np.median(bright):
        return None
    lines = bright.T if axis == 0 else bright
    between = lines[1 : dark + 1] if where < 0 else lines[-dark - 1 : -1]
    if dark and np.median(between) > _MIN_NEW_LIGHT * np.median(new):
        return None
    judged = fit_placement(light, longer) if dark else judge_placement(light, longer)
    seen, wrong = ((x[:, :, index] if axis == 0 else x[:, index]) for x in (judged.seen, judged.wrong))
    # Along both axes: lines of another module may continue, but not its rows and its columns.
    few = seen.mean(axis=1) < _MIN_NEW * fit.seen.mean(axis=(1, 2))
    if few.any() or seen.sum() < 2 * wrong.sum():
        return None
    wider = judged if dark else fit_placement(light, longer)
    least = _BRIDGED if dark else _MIN_KEPT
    return wider if wider.quality > least * fit.quality else None
