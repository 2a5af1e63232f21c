"""The grid of a module: how many rows and columns of cells, and where its lines are in a view.

Gaps between cells are dark lines. Across the busbars nothing else is: a comb of equally spaced teeth finds them. Along
them busbars are dark lines too, at known places between the gaps, and cells are square, or half as long as wide.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.electrical.wiring import MIN_HALF_CUT_LENGTH
from solarseg.modules.combs import LINE_REACH, Comb, Profile, ViewAxis, dark_lines
from solarseg.modules.front_view import View

__all__ = ["GridGuess", "find_grid", "sharpness"]

_MAX_BUSBARS = 12
_MIDDLES = (0.0, 0.08, 0.18, 0.28, 0.38, 0.48)  # of a half cell: wider gaps in the middle of half-cut modules
# Length along busbars relative to the width, as perspective may change it.
_SQUARE, _HALF = (0.72, 1.4), (0.36, 0.7)
_USUAL = {
    (6, 10),
    (6, 12),
    (6, 9),
    (4, 9),
    (6, 20),
    (6, 24),
    (6, 18),
    (6, 22),
    (8, 12),
    (5, 10),
    (6, 8),
}
_USUAL_BONUS = 0.06
_STEP_WEIGHT = 0.7  # relative to the lines
# Standard deviation of the logarithm of the ratio of the sides of a cell, from oblique views.
_FORESHORTENED = 0.12


@dataclass(frozen=True)
class GridGuess:
    """A grid in a view.

    Attributes:
        columns: lines from left to right.
        rows: lines from top to bottom.
        upright: whether busbars run from top to bottom.
        score: the higher, the more it explains; 0 to about 3.
    """

    columns: Comb
    rows: Comb
    upright: bool
    score: float


def is_usual(rows: int, columns: int) -> bool:
    """Return whether modules with this number of cells are common."""
    return (min(rows, columns), max(rows, columns)) in _USUAL


def sharpness(view: View) -> float:
    """Return how sharp the mean lines of a view are: highest if its straight lines are straight."""
    total = 0.0
    for axis in (0, 1):
        profile = _inside(dark_lines(view.light, axis, LINE_REACH - 1), view).mean(axis=1 - axis)
        total += float((np.diff(profile) ** 2).mean() / (profile.mean() ** 2 + 1e-9))
    return total


def find_grid(view: View, cells: tuple[int, int] | None = None) -> list[GridGuess]:
    """Find the grids that explain the lines of a view, the best first.

    Args:
        view: of a module.
        cells: number of rows and columns, if known.
    """
    rows, columns = (ViewAxis.of(view, axis) for axis in (0, 1))
    guesses = []
    for upright in (True, False):
        # Across the busbars, that is from one cell of a string to the next, there are no lines but gaps.
        along, across = (rows, columns) if upright else (columns, rows)
        number = cells and (cells if upright else cells[::-1])
        for first in _along_combs(along, number and number[0]):
            for second in _across_combs(across, first, number and number[1]):
                pair = (second, first) if upright else (first, second)
                usual = _USUAL_BONUS * is_usual(pair[1].cells, pair[0].cells)
                guesses.append(GridGuess(*pair, upright, first.score + second.score + usual))
    return sorted(guesses, key=lambda guess: -guess.score)


def _inside(pixels: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    return pixels[view.margin : view.margin + view.height, view.margin : view.margin + view.width]


def _along_combs(axis: ViewAxis, cells: int | None) -> list[Comb]:
    """Return the three combs that explain the lines along the strings best."""
    numbers = range(2, axis.most + 1) if cells is None else (cells,)
    combs = (axis.shifts(n, middle).best() for n in numbers for middle in _middles(n))
    return sorted(combs, key=lambda comb: -comb.score)[:3]


def _across_combs(axis: ViewAxis, first: Comb, cells: int | None) -> list[Comb]:
    """Return combs across the strings whose cells are square, or half as long as wide."""
    steps = _steps(axis, first)
    half_cut = first.cells >= MIN_HALF_CUT_LENGTH
    low, high = _HALF if half_cut else _SQUARE
    found = []
    for n in range(2, axis.most + 1) if cells is None else (cells,):
        ratio = first.pitch / (axis.side / n)
        if cells is None and not low <= ratio <= high:
            continue
        shifts = axis.shifts(n)
        unlike = np.log(ratio / (0.5 if half_cut else 1.0)) / _FORESHORTENED
        more = _STEP_WEIGHT * shifts.explained(steps) - 0.04 * unlike**2
        found += shifts.best_two(range(_MAX_BUSBARS + 1), more)
    return found


def _middles(cells: int) -> tuple[float, ...]:
    return _MIDDLES if cells >= MIN_HALF_CUT_LENGTH and cells % 2 == 0 else (0.0,)


def _steps(axis: ViewAxis, comb: Comb) -> Profile:
    """Return the steps of brightness along an axis, in each line of cells of the other one.

    Cells differ in brightness, and within a cell nothing does across a busbar.
    """
    width = max(3, axis.side // 100)
    found = []
    for i in range(comb.cells):
        past = comb.middle if i >= comb.cells / 2 else 0.0
        start, stop = (axis.margin + comb.start + (i + past + share) * comb.pitch for share in (0.15, 0.85))
        line = np.median(axis.light[:, max(0, round(start)) : max(round(stop), round(start) + 1)], axis=1)
        smooth = cv2.blur(line[None].astype(np.float32), (width, 1))[0]
        apart = width // 2 + 2
        found.append(np.abs(np.roll(smooth, apart) - np.roll(smooth, -apart)))
    return np.asarray(np.minimum(found, 0.5).mean(axis=0), np.float64)
