"""Combs: equally spaced lines, compared with what a view shows along one of its axes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.modules.front_view import View

__all__ = ["Comb", "Profile", "Shifts", "ViewAxis", "dark_lines"]

Profile = NDArray[np.float64]

MAX_CELLS = 26  # along a side
_MIN_PITCH = 14  # pixels of the view: smaller cells cannot be seen
_TOOTH = 1.6  # pixels: standard deviation of a tooth of the comb
_MIN_TEETH = 5 * _TOOTH  # pixels between teeth: closer ones are a grey area
_SHIFTS = np.linspace(-0.24, 0.24, 9)  # of a cell: from the side of the quadrilateral to that of the grid
_MAX_DARKNESS = 0.35  # of the logarithm of the light: darker lines, as cracks are, count no more
LINE_REACH = 3  # pixels on both sides of a dark line where it must be brighter
_BLOCKS = 12
_OUTLINE_WEIGHT = 0.3  # relative to the lines
_CLEAR = 0.9  # of the change from light to dark at the clearest outline
_SECOND_HEIGHT = 0.01  # of the score: a second height of teeth explains a little of anything


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
class ViewAxis:
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
    _shifts: "dict[tuple[int, float], Shifts]" = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, view: View, axis: int) -> Self:
        """Take what a view shows along an axis, 0 for the rows and 1 for the columns."""
        sides = (view.height, view.width)
        lines = dark_lines(view.light, axis)
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

    def shifts(self, cells: int, middle: float = 0.0) -> "Shifts":
        """Return the combs of a number of cells; they are compared with the lines only once."""
        key = (cells, middle)
        if key not in self._shifts:
            self._shifts[key] = Shifts(self, cells, middle)
        return self._shifts[key]


class Shifts:
    """Combs of a number of cells along an axis, of all starts and stops near the sides of the quadrilateral."""

    def __init__(self, axis: ViewAxis, cells: int, middle: float) -> None:
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
        inside = slice(self.axis.margin, self.axis.margin + self.axis.side)
        # Lines outside, as those of the frame are, count neither as energy nor as explained.
        centred = np.zeros_like(high)
        centred[inside] = high[inside] - high[inside].mean()
        energy = float((centred**2).sum()) + 1e-12
        smooth = _smooth(centred)
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


def dark_lines(light: NDArray[np.float32], axis: int, reach: int = LINE_REACH) -> NDArray[np.float32]:
    """Return how much darker a pixel is than those on both sides along an axis."""
    smooth = cv2.GaussianBlur(light, (0, 0), 0.8)
    sides = np.minimum(np.roll(smooth, reach, axis), np.roll(smooth, -reach, axis))
    return np.clip(sides - smooth, 0, _MAX_DARKNESS)
