"""The grid of a module: how many rows and columns of cells, and where its lines are in a view.

Gaps between cells are dark lines. Across the busbars nothing else is: a comb of equally spaced teeth finds them. Along
them busbars are dark lines too, at known places between the gaps, and cells are square, or half as long as wide.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.modules.view import View

__all__ = ["GridGuess", "find_grid", "sharpness"]

Profile = NDArray[np.float64]

MAX_CELLS = 26  # along a side
_MIN_PITCH = 14  # pixels of the view: smaller cells cannot be seen
_MAX_BUSBARS = 12
_TOOTH = 1.6  # pixels: standard deviation of a tooth of the comb
_MIN_TEETH = 5 * _TOOTH  # pixels between teeth: closer ones are a grey area
_SHIFTS = np.linspace(-0.24, 0.24, 9)  # of a cell: from the side of the quadrilateral to that of the grid
_MIDDLES = (0.0, 0.07, 0.14, 0.21)  # of a cell: wider gaps in the middle of half-cut modules
HALF_CUT = 16  # cells along a side, or more
_MAX_DARKNESS = 0.35  # of the logarithm of the light: darker lines, as cracks are, count no more
_REACH = 3  # pixels on both sides of a dark line where it must be brighter
_BLOCKS = 12
_SQUARE, _HALF = (
    (0.72, 1.4),
    (0.36, 0.7),
)  # length along busbars relative to the width, as perspective may change it
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
_STEP_WEIGHT, _OUTLINE_WEIGHT = 0.7, 0.3  # relative to the lines
_CLEAR = 0.9  # of the change from light to dark at the clearest outline
_SECOND_HEIGHT = 0.01  # of the score: a second height of teeth explains a little of anything
_FORESHORTENED = (
    0.12  # standard deviation of the logarithm of the ratio of the sides of a cell, from oblique views
)


@dataclass(frozen=True)
class Comb:
    """Equally spaced lines along an axis of a view.

    Attributes:
        cells: number of cells.
        start: first line, pixels from the start of the quadrilateral.
        stop: last line.
        busbars: number of busbars that explain the other lines.
        middle: width of the gap in the middle beyond that of others, in units of a cell.
        score: share of the profile that the comb explains, 0 to 1.
    """

    cells: int
    start: float
    stop: float
    busbars: int
    middle: float
    score: float

    @property
    def pitch(self) -> float:
        """Distance between lines, pixels."""
        return (self.stop - self.start) / (self.cells + self.middle)


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
        profile = _inside(_dark_lines(view.light, axis, _REACH - 1), view).mean(axis=1 - axis)
        total += float((np.diff(profile) ** 2).mean() / (profile.mean() ** 2 + 1e-9))
    return total


def find_grid(view: View, cells: tuple[int, int] | None = None) -> list[GridGuess]:
    """Find the grids that explain the lines of a view, the best first.

    Args:
        view: of a module.
        cells: number of rows and columns, if known.
    """
    rows, columns = (_Axis.of(view, axis) for axis in (0, 1))
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


@dataclass(frozen=True)
class _Axis:
    """What a view shows along one of its axes.

    Attributes:
        light: logarithm of the light; the axis is the first.
        lines: darkness of lines across the axis.
        outline: how much light increases along the axis.
        margin: pixels before the quadrilateral.
        side: of the quadrilateral, pixels.
    """

    light: NDArray[np.float32]
    lines: Profile
    outline: Profile
    margin: int
    side: int
    _shifts: "dict[tuple[int, float], _Shifts]" = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, view: View, axis: int) -> Self:
        """Take what a view shows along an axis, 0 for the rows and 1 for the columns."""
        sides = (view.height, view.width)
        lines = _dark_lines(view.light, axis)
        lines = cv2.dilate(lines, np.ones((3, 1) if axis == 0 else (1, 3), np.uint8))
        light, lines = (view.light, lines) if axis == 0 else (view.light.T, lines.T)
        within = slice(view.margin, view.margin + sides[1 - axis])
        # What only a few parts of a line show, as cracks are, counts little.
        blocks = np.stack([block.mean(axis=1) for block in np.array_split(lines[:, within], _BLOCKS, axis=1)])
        profile = np.minimum(blocks, 2.5 * np.median(blocks, axis=0) + 0.01).mean(axis=0)
        wide = max(2, sides[axis] // 60)
        smooth = cv2.blur(np.ascontiguousarray(light[:, within]), (1, wide))
        rise = np.roll(smooth, -wide, axis=0) - np.roll(smooth, wide, axis=0)
        return cls(light, profile, np.clip(rise, -1, 1).mean(axis=1), view.margin, sides[axis])

    @property
    def most(self) -> int:
        """Largest number of cells that can be seen."""
        return min(MAX_CELLS, self.side // _MIN_PITCH)

    def shifts(self, cells: int, middle: float = 0.0) -> "_Shifts":
        """Return the combs of a number of cells; they are compared with the lines only once."""
        key = (cells, middle)
        if key not in self._shifts:
            self._shifts[key] = _Shifts(self, cells, middle)
        return self._shifts[key]


def _dark_lines(light: NDArray[np.float32], axis: int, reach: int = _REACH) -> NDArray[np.float32]:
    """Return how much darker a pixel is than those on both sides along an axis."""
    smooth = cv2.GaussianBlur(light, (0, 0), 0.8)
    sides = np.minimum(np.roll(smooth, reach, axis), np.roll(smooth, -reach, axis))
    return np.clip(sides - smooth, 0, _MAX_DARKNESS)


def _inside(pixels: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    return pixels[view.margin : view.margin + view.height, view.margin : view.margin + view.width]


def _along_combs(axis: _Axis, cells: int | None) -> list[Comb]:
    """Return the three combs that explain the lines along the strings best."""
    numbers = range(2, axis.most + 1) if cells is None else (cells,)
    combs = (axis.shifts(n, middle).best() for n in numbers for middle in _middles(n))
    return sorted(combs, key=lambda comb: -comb.score)[:3]


def _across_combs(axis: _Axis, first: Comb, cells: int | None) -> list[Comb]:
    """Return combs across the strings whose cells are square, or half as long as wide."""
    steps = _steps(axis, first)
    half_cut = first.cells >= HALF_CUT
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
    return _MIDDLES if cells >= HALF_CUT and cells % 2 == 0 else (0.0,)


def _steps(axis: _Axis, comb: Comb) -> Profile:
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


class _Shifts:
    """Combs of a number of cells along an axis, of all starts and stops near the sides of the quadrilateral."""

    def __init__(self, axis: _Axis, cells: int, middle: float) -> None:
        self.axis, self.cells, self.middle = axis, cells, middle
        edge = _SHIFTS * axis.side / cells
        self.starts, self.stops = (a.ravel() for a in np.meshgrid(edge, axis.side + edge, indexing="ij"))
        self.pitches = (self.stops - self.starts) / (cells + middle)
        self._explained: dict[int, Profile] = {}

    def best_two(self, busbars: Sequence[int], more: Profile | float) -> list[Comb]:
        """Return the comb with the highest score, and that whose outline is clear if it is another one.

        Many busbars are nearly equally spaced with the gaps: then a comb of busbars may explain more.
        """
        best = self.best(busbars, more)
        outlined = self.outlined()
        clear = np.where(outlined >= _CLEAR * outlined.max(), 0.0, -np.inf)
        other = self.best(busbars, more + clear)
        return [best] if (other.start, other.stop) == (best.start, best.stop) else [best, other]

    def best(self, busbars: Sequence[int] = (0,), more: Profile | float = 0.0) -> Comb:
        """Return the comb with the highest score: of its lines, of its outline, and ``more``."""
        more = more + _OUTLINE_WEIGHT * self.outlined()
        best = Comb(self.cells, 0.0, float(self.axis.side), 0, self.middle, -1.0)
        for number in busbars:
            if number * _MIN_TEETH > self.axis.side / self.cells:
                break
            if number not in self._explained:
                self._explained[number] = self.explained(self.axis.lines, number)
            score = self._explained[number] - _SECOND_HEIGHT * (number > 0) + more
            i = int(np.argmax(score))
            if score[i] > best.score:
                best = Comb(
                    self.cells,
                    float(self.starts[i]),
                    float(self.stops[i]),
                    number,
                    self.middle,
                    float(score[i]),
                )
        return best

    def outlined(self) -> Profile:
        """Return how much brighter the first and last cells are than what is outside, 0 to 1."""
        places, outline = np.arange(len(self.axis.outline)), self.axis.outline
        first = np.interp(self.axis.margin + self.starts, places, outline)
        last = np.interp(self.axis.margin + self.stops, places, outline)
        return np.clip((first - last) / 2, 0, 1)

    def explained(self, profile: Profile, busbars: int = 0) -> Profile:
        """Return the share of a profile that lines in the gaps, and lines at the busbars, explain."""
        high = _high_pass(profile, self.axis.side / self.cells)
        window = high[self.axis.margin : self.axis.margin + self.axis.side]
        energy = float(((window - window.mean()) ** 2).sum()) + 1e-12
        smooth = _smooth(high - window.mean())
        index = np.arange(1, self.cells)
        gaps = index + self.middle * ((index > self.cells / 2) + 0.5 * (index == self.cells / 2))
        on_gaps = self._sum_at(smooth, gaps)
        norm = self._norm(self.cells - 1, self.cells - 1)
        if not busbars:
            return np.maximum(on_gaps, 0) ** 2 / (norm * energy)
        cell = np.arange(self.cells)[:, None]
        places = cell + (2 * np.arange(busbars) + 1) / (2 * busbars) + self.middle * (cell >= self.cells / 2)
        on_busbars = self._sum_at(smooth, places.ravel())
        count = self.cells * busbars
        other, mixed = self._norm(count, count), -self._norm(self.cells - 1, count, same=False)
        determinant = norm * other - mixed**2
        if min(determinant, other) <= 0:
            return np.zeros(len(self.starts))
        gap = (other * on_gaps + mixed * on_busbars) / determinant
        busbar = (norm * on_busbars + mixed * on_gaps) / determinant
        explained = (gap * on_gaps + busbar * on_busbars) / energy
        return np.where((gap > 0) & (busbar > 0), explained, 0.0)

    def _sum_at(self, smooth: Profile, places: Profile) -> Profile:
        pixels = self.axis.margin + self.starts[:, None] + self.pitches[:, None] * places
        return np.interp(pixels.ravel(), np.arange(len(smooth)), smooth).reshape(pixels.shape).sum(axis=1)

    def _norm(self, one: int, other: int, same: bool = True) -> float:
        """Return the product of two combs with a mean of 0, of different teeth unless ``same``."""
        mean = one * other * (_TOOTH * np.sqrt(2 * np.pi)) ** 2 / self.axis.side
        return one * _TOOTH * np.sqrt(np.pi) * same - mean


def _smooth(profile: Profile) -> Profile:
    """Return the sum of a profile times a tooth at each pixel."""
    reach = int(4 * _TOOTH)
    tooth = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _TOOTH) ** 2)
    return np.convolve(profile, tooth, "same")


def _high_pass(profile: Profile, pitch: float) -> Profile:
    width = 2 * round(pitch) + 1
    return profile - cv2.blur(profile[None], (width, 1), borderType=cv2.BORDER_REFLECT)[0]
