"""Search the grids of modules at the bright parts of a photograph."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.electrical.wiring import MIN_HALF_CUT_LENGTH
from solarseg.modules.extend import (
    bridge_dark_strings,
    extend_grid,
    halve_cells,
    join_halves,
    quarter_cells,
)
from solarseg.modules.fit import fit_placement
from solarseg.modules.fit_quality import Fit
from solarseg.modules.front_view import View, look_at
from solarseg.modules.grid import GridGuess, find_grid, is_usual, sharpness
from solarseg.modules.module_outlines import find_outlines
from solarseg.modules.placement import ModulePlacement, area, cover, overlap
from solarseg.modules.starts import fit_from_starts

__all__ = ["find_modules"]

Points = NDArray[np.float64]

_SEARCHED = 1200  # pixels: longer side of the photograph in which grids are searched
_VIEW, _SMALL_VIEW = 720, 400  # pixels: longer side of a module in its view
_DISTORTIONS = np.linspace(-0.1, 0.06, 7)
_TRIES = 40  # candidates
_MAX_UNSURE = 8  # candidates that are no clear modules: with so many the photograph shows something else
_MIN_SCORE = 0.55
_NEARLY = 0.25  # of a score: grids that are worse by less are tried too
_ENOUGH = 0.6  # of the best score: grids with more are tried if none of these is sure
_GOOD_SCORE = 0.9  # grids with less are not; most parts whose best grid has less are no modules
_SAME_PLACE = 5  # starts in a cell: closer ones lead to the same fit
_MAX_POOR, _MAX_CLOSE, _MAX_GRIDS = 2, 4, 6  # at one place: of low scores, of nearly the best one, of all
_QUALITY_WEIGHT, _USUAL_WEIGHT = 4.0, 0.3  # relative to a score
# Of the weight: grids that modules hardly have; they may be parts of modules, with busbars as lines.
_RARE = 0.5
_SURE = 0.8  # of the quality: no other candidate at the same place is tried
_MIN_EXTENDED = 0.5  # of the quality: worse grids are not extended
# Of the lines along one axis, and of all sides: then the others are assumed.
_SEEN_LINES, _SEEN_SIDES = 0.9, 0.75
_WRONG = 0.05  # of the edges along an axis may be elsewhere
_SQUARE = 0.1  # of the logarithm: cells may be as much longer than wide, from oblique views
_ASSUMED = 0.85  # of the quality, where lines are assumed
_HALF_CUT_STRINGS = 6  # of common half-cut modules
_LONG = 1.4  # of the side between its halves: half-cut modules are longer
_TOUCHING = 0.08  # of the side between them: halves of modules are as close, and modules are not
# Of the quality: of grids that are left out since they overlap others, better ones are named.
_MIN_LIKELY = 0.5
_MOSTLY = 0.5  # of a grid within modules: with less it shows something else than these
_MIN_RELATIVE = 0.2  # of the largest module: smaller ones are parts of something
_OVERLAP = 0.2  # of the smaller one: modules do not overlap more


@dataclass(frozen=True)
class _Seen:
    """A photograph in two sizes."""

    light: NDArray[np.float32]
    small: NDArray[np.float32]
    scale: float

    @property
    def size(self) -> tuple[int, int]:
        return (self.light.shape[1], self.light.shape[0])


def find_modules(light: NDArray[np.float32], cells: tuple[int, int] | None) -> tuple[list[Fit], list[Fit]]:
    """Fit grids to the bright parts of a photograph, until each part is explained as well as possible.

    Args:
        light: ``(H, W) float32``, 0 to 1.
        cells: number of rows and columns of cells, if known.

    Returns:
        Modules that do not overlap, sure and unsure ones, the largest first; and likely grids that overlap one of
        these, but are mostly elsewhere.
    """
    scale = min(1.0, _SEARCHED / max(light.shape))
    seen = _Seen(light, cv2.resize(light, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), scale)
    sure: list[Fit] = []
    unsure: list[Fit] = []
    overlapping: list[Fit] = []
    for corners in find_outlines(seen.light)[:_TRIES]:
        if len(unsure) >= _MAX_UNSURE:
            break
        if _taken(corners, sure):
            continue
        fit = _locate(seen, corners, cells, sure)
        if fit is not None and _taken(fit.placement.corners, sure):
            overlapping.append(fit)
        elif fit is not None:
            known = cells is not None or is_usual(fit.placement.rows, fit.placement.columns)
            if known and fit.quality >= _SURE:
                sure.append(fit)
            else:
                unsure.append(fit)
    for fit in sorted(unsure, key=_worth, reverse=True):
        (overlapping if _taken(fit.placement.corners, sure) else sure).append(fit)
    joined = _join_halves_of_modules(seen, sure) if cells is None else sure
    modules = sorted(joined, key=lambda fit: -area(fit.placement.corners))
    return modules, _elsewhere(overlapping, modules)


def _elsewhere(overlapping: list[Fit], modules: list[Fit]) -> list[Fit]:
    """Return likely grids that are mostly outside of modules, and only one at each place."""
    likely = [fit for fit in overlapping if fit.quality > _MIN_LIKELY]
    found: list[Fit] = []
    for fit in sorted(likely, key=_worth, reverse=True):
        corners = fit.placement.corners
        if not _taken(corners, found) and _covered(corners, modules) < _MOSTLY:
            found.append(fit)
    return found


def _covered(corners: Points, fits: list[Fit]) -> float:
    """Return the share of a quadrilateral that is within modules, which do not overlap."""
    own = max(area(corners), 1.0)
    others = [fit.placement.corners for fit in fits]
    return sum(overlap(corners, other) * min(own, area(other)) for other in others) / own


def _join_halves_of_modules(seen: _Seen, fits: list[Fit]) -> list[Fit]:
    """Replace pairs of parts that nearly touch by one half-cut module, if it is as sure: they were its halves."""
    joined = fits
    for one, other in permutations(fits, 2):
        if sum(fit is one or fit is other for fit in joined) < 2:
            continue
        outline = _common_outline(one.placement.corners, other.placement.corners)
        whole = None if outline is None else _locate(seen, outline, None, ())
        if whole is not None and _is_half_cut(whole.placement) and whole.quality >= _SURE:
            joined = [whole, *(fit for fit in joined if fit is not one and fit is not other)]
    return joined


def _is_half_cut(placement: ModulePlacement) -> bool:
    """Return whether a grid has a gap in the middle, and as many half cells in a string as common modules."""
    return any(placement.middle_gap) and is_usual(_HALF_CUT_STRINGS, max(placement.rows, placement.columns))


def _common_outline(one: Points, other: Points) -> Points | None:
    """Return the quadrilateral around two that nearly touch, the second to the right of the first or below it."""
    for turn in (0, 1):  # the right side of the first one, or its lower side
        a, b = np.roll(one, -turn, axis=0), np.roll(other, -turn, axis=0)
        apart = np.linalg.norm(a[[1, 2]] - b[[0, 3]], axis=1)
        side = np.linalg.norm(a[1] - a[2])
        if apart.max() < _TOUCHING * side and np.linalg.norm(a[0] - b[1]) > _LONG * side:
            return np.roll(np.array([a[0], b[1], b[2], a[3]]), turn, axis=0)
    return None


def _taken(corners: Points, fits: list[Fit]) -> bool:
    """Return whether a quadrilateral is at the place of a module, or much smaller than the largest one."""
    largest = max((area(fit.placement.corners) for fit in fits), default=0.0)
    return area(corners) < _MIN_RELATIVE * largest or any(
        overlap(corners, fit.placement.corners) > _OVERLAP for fit in fits
    )


def _locate(seen: _Seen, corners: Points, cells: tuple[int, int] | None, others: Sequence[Fit]) -> Fit | None:
    """Fit a grid to a bright part, and extend it, but not by the cells of other modules."""
    near = (corners + 0.5) * seen.scale - 0.5
    distortion = _distortion(seen.small, near)
    view = look_at(seen.small, near, distortion, _VIEW)
    alone = cover(seen.light, (other.placement.corners for other in others)) if others else seen.light
    fits: list[tuple[Fit, float]] = []
    guesses = _different(find_grid(view, cells))
    for guess in guesses:
        sure = [fit.placement for fit, _ in fits if fit.quality >= _SURE]
        if sure and guess.score < guesses[0].score - _NEARLY:
            break
        if any((one.rows, one.columns) == (guess.rows.cells, guess.columns.cells) for one in sure):
            continue
        placed = _to_placement(seen, view, guess, distortion)
        fit = fit_placement(seen.light, placed)
        if guess is guesses[0]:
            fit = fit_from_starts(seen.light, placed, fit)
        if cells is None and fit.quality > _MIN_EXTENDED:
            fit = extend_grid(alone, fit)
        fits.append((_assume_square(fit) if cells is None else fit, guess.score))
    if not fits:
        return None
    best, _ = max(fits, key=lambda one: _preference(*one))
    if cells is None and best.quality > _MIN_EXTENDED:
        best = join_halves(seen.light, bridge_dark_strings(alone, best))
        best = quarter_cells(seen.light, halve_cells(seen.light, best))
    return best


def _assume_square(fit: Fit) -> Fit:
    """Return the fit of a common grid as nearly sure if only lines along one axis cannot be seen.

    Where gaps are narrower than the blur, the sides of the module and the lines along the other axis are enough if
    cells are then square, or half as long as wide.
    """
    placement, seen = fit.placement, fit.along_axes
    most = int(np.argmax(seen))
    agree = fit.wrong[1 - most].sum() <= _WRONG * fit.seen[1 - most].sum()
    sure = agree and seen[most] > _SEEN_LINES and min(fit.outer) > _SEEN_SIDES
    if fit.quality >= _SURE or not sure or not is_usual(placement.rows, placement.columns):
        return fit
    width, height = placement.pitch
    half = [2.0 if cells >= MIN_HALF_CUT_LENGTH else 1.0 for cells in (placement.columns, placement.rows)]
    if abs(np.log(width * half[0] / (height * half[1]))) > _SQUARE:
        return fit
    return replace(fit, assumed=_ASSUMED * float(seen[most] * min(fit.outer)))


def _preference(fit: Fit, score: float) -> float:
    """Return what is highest for the best of several grids at one place: all that it explains, as lines and squares."""
    usual = is_usual(fit.placement.rows, fit.placement.columns)
    return score + _QUALITY_WEIGHT * fit.quality + _USUAL_WEIGHT * usual


def _worth(fit: Fit) -> float:
    """Return what is highest for the best of several fits at overlapping places."""
    return fit.weight * (1.0 if is_usual(fit.placement.rows, fit.placement.columns) else _RARE)


def _different(guesses: list[GridGuess]) -> list[GridGuess]:
    """Return the best guess of each grid at each place, the best first, of those that explain enough."""
    best: dict[tuple[int, ...], GridGuess] = {}
    for guess in guesses:
        ends = [
            round(_SAME_PLACE * end / comb.pitch)
            for comb in (guess.rows, guess.columns)
            for end in (comb.start, comb.stop)
        ]
        best.setdefault((guess.rows.cells, guess.columns.cells, *ends), guess)
    if not guesses:
        return []
    least = max(_MIN_SCORE, guesses[0].score - _NEARLY)
    if guesses[0].score < _GOOD_SCORE:
        return [guess for guess in best.values() if guess.score > least][:_MAX_POOR]
    enough = max(_GOOD_SCORE, _ENOUGH * guesses[0].score)
    close = [guess for guess in best.values() if guess.score > least][:_MAX_CLOSE]
    more = [guess for guess in best.values() if guess.score > enough and guess not in close]
    return (close + more)[:_MAX_GRIDS]


def _distortion(small: NDArray[np.float32], corners: Points) -> float:
    """Return the distortion at which the lines of a module are straight."""
    sharp = np.array([sharpness(look_at(small, corners, float(k), _SMALL_VIEW)) for k in _DISTORTIONS])
    best = int(np.clip(np.argmax(sharp), 1, len(sharp) - 2))
    before, at, after = sharp[best - 1 : best + 2]
    bend = before - 2 * at + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(_DISTORTIONS[best] + np.clip(shift, -1, 1) * (_DISTORTIONS[1] - _DISTORTIONS[0]))


def _to_placement(seen: _Seen, view: View, guess: GridGuess, distortion: float) -> ModulePlacement:
    columns, rows = guess.columns, guess.rows
    to_view = np.array(
        [
            (columns.pitch, 0, view.margin + columns.start),
            (0, rows.pitch, view.margin + rows.start),
            (0, 0, 1),
        ]
    )
    offset = 0.5 / seen.scale - 0.5
    to_photograph = np.array([(1 / seen.scale, 0, offset), (0, 1 / seen.scale, offset), (0, 0, 1)])
    homography = to_photograph @ view.homography @ to_view
    return ModulePlacement(
        rows.cells,
        columns.cells,
        homography / homography[2, 2],
        distortion,
        seen.size,
        (0.02, 0.02),
        (columns.middle, rows.middle),
        guess.upright,
    )
