"""Find the modules in a photograph, with their cells."""

from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from solarseg.errors import ArgumentError, ImageError
from solarseg.modules.fit import Fit, cell_light, fit_placement, is_upright, judge_placement
from solarseg.modules.grid import HALF_CUT, MAX_CELLS, GridGuess, find_grid, is_usual, sharpness
from solarseg.modules.light import to_light
from solarseg.modules.outlines import find_outlines
from solarseg.modules.placement import ModulePlacement, check_corners, check_image
from solarseg.modules.view import View, look_at

__all__ = ["LocatedModules", "locate_module", "locate_modules", "place_module"]

Points = NDArray[np.float64]

_SEARCHED = 1200  # pixels: longer side of the photograph in which grids are searched
_VIEW, _SMALL_VIEW = 720, 400  # pixels: longer side of a module in its view
_DISTORTIONS = np.linspace(-0.1, 0.06, 7)
_TRIES = 40  # candidates
_MAX_UNSURE = 10  # candidates that are no clear modules: with so many the photograph shows something else
_MIN_SCORE = 0.45
_NEARLY = 0.25  # of a score: grids that are worse by less are tried too
_SURE = 0.75  # of the quality: no other candidate at the same place is tried
_MIN_CONFIDENCE = 0.6  # most wrong grids in generated photographs have less, and nearly all right ones more
_UNUSUAL = (
    0.5  # of the confidence, for grids that modules hardly have, where strings without light may be missing
)
_MIN_EXTENDED = 0.5  # of the quality: worse grids are not extended
_MIN_NEW = 0.6  # of the edges that other cells have: with fewer there are no more cells
_MIN_NEW_LIGHT = 0.3  # of the light of other cells: the edges of frames are no cells
_BEYOND = (0.22, 0.27, 0.32)  # of a cell: where the frame is, and not the margin between it and the cells
_CONTINUED = 0.5  # of the light of the last cells: with more the next cells begin there
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


@dataclass(frozen=True)
class LocatedModules:
    """What a photograph shows.

    Attributes:
        modules: whole modules, the largest first.
        left_out: what was seen and is no whole module, a sentence each.
    """

    modules: tuple[ModulePlacement, ...]
    left_out: tuple[str, ...] = ()


def locate_module(image: NDArray[np.generic], cells: tuple[int, int] | None = None) -> ModulePlacement:
    """Find the module in a photograph; the largest if there are several.

    Args:
        image: ``(H, W)`` or ``(H, W, C)``, grey or RGB, 8 or 16 bits or floats from 0 to 1.
        cells: number of rows and columns of cells as seen in the photograph; by default it is found.

    Raises:
        ImageError: there is no module, or it is not sure where its cells are. The message says what was seen.
        ArgumentError: ``image`` is no image.

    Examples:
        >>> from solarseg.synthesis import generate_photograph
        >>> image = generate_photograph(np.random.default_rng(0), size=600, rows=4, columns=6, straight=True).image
        >>> module = locate_module(image)
        >>> module.rows, module.columns, module.corners.shape
        (4, 6, (4, 2))
    """
    located = locate_modules(image, cells)
    if not located.modules:
        seen = "; ".join(located.left_out) or "nothing in it is bright and has four sides"
        raise ImageError(f"found no module: {seen}; give `corners` and `cells`")
    return located.modules[0]


def locate_modules(image: NDArray[np.generic], cells: tuple[int, int] | None = None) -> LocatedModules:
    """Find all modules in a photograph that are completely in it.

    Args:
        image: ``(H, W)`` or ``(H, W, C)``, grey or RGB, 8 or 16 bits or floats from 0 to 1.
        cells: number of rows and columns of cells of each module; by default they are found.

    Raises:
        ArgumentError: ``image`` is no image.
    """
    check_image(image)
    light = to_light(image)
    scale = min(1.0, _SEARCHED / max(light.shape))
    seen = _Seen(light, cv2.resize(light, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), scale)
    fits = sorted(_find(seen, cells), key=lambda fit: -_area(fit.placement.corners))
    modules, left_out = [], []
    for fit in fits:
        placement = replace(fit.placement, upright=is_upright(light, fit.placement))
        doubtful = cells is None and _may_have_dark_strings(placement)
        placement = replace(placement, confidence=fit.quality * (_UNUSUAL if doubtful else 1))
        grid = f"{placement.rows} x {placement.columns} cells at {_place(placement)}"
        if placement.confidence < _MIN_CONFIDENCE:
            left_out.append(
                f"{grid}, which is not sure: {placement.confidence:.2f} of {_MIN_CONFIDENCE} required"
            )
        elif _continues_outside(light, placement):
            left_out.append(f"a module that an edge of the photograph crops, with {grid}")
        else:
            modules.append(placement)
    return LocatedModules(tuple(modules), tuple(left_out))


def place_module(corners: ArrayLike, cells: tuple[int, int], image: NDArray[np.generic]) -> ModulePlacement:
    """Place a module by its corners; its grid is then fitted to the edges of the cells near it.

    Args:
        corners: ``(4, 2)`` x and y of the outer corners of the area of cells, pixels, from the upper left clockwise.
        cells: number of rows and columns of cells.
        image: ``(H, W)`` or ``(H, W, C)``, the photograph.

    Raises:
        ArgumentError: the corners cross, are on a line or are not clockwise, or there are too many or no cells.
    """
    check_image(image)
    points = check_corners(corners)
    rows, columns = cells
    if not (1 <= rows <= MAX_CELLS and 1 <= columns <= MAX_CELLS):
        raise ArgumentError(f"`cells={rows}x{columns}`: 1 to {MAX_CELLS} rows and columns are allowed")
    light = to_light(image)
    grid = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows)], np.float32)
    homography = np.asarray(cv2.getPerspectiveTransform(grid, points.astype(np.float32)), np.float64)
    given = ModulePlacement(rows, columns, homography, 0.0, (light.shape[1], light.shape[0]), (0.02, 0.02))
    fit = fit_placement(light, given)
    return fit.placement if fit.quality >= judge_placement(light, given).quality else given


def _find(seen: _Seen, cells: tuple[int, int] | None) -> list[Fit]:
    """Fit grids to the candidates, until each bright part of the photograph is explained as well as possible."""
    sure: list[Fit] = []
    unsure: list[Fit] = []
    for corners in find_outlines(seen.light)[:_TRIES]:
        if len(unsure) >= _MAX_UNSURE:
            break
        if _taken(corners, sure):
            continue
        fit = _locate(seen, corners, cells)
        if fit is not None and not _taken(fit.placement.corners, sure):
            known = cells is not None or is_usual(fit.placement.rows, fit.placement.columns)
            (sure if known and fit.quality >= _SURE else unsure).append(fit)
    for fit in sorted(unsure, key=lambda fit: -fit.weight):
        if not _taken(fit.placement.corners, sure):
            sure.append(fit)
    return sure


def _may_have_dark_strings(placement: ModulePlacement) -> bool:
    """Return whether strings without light may be next to the cells of an unusual grid: there is room for them."""
    if is_usual(placement.rows, placement.columns):
        return False
    across = 0 if placement.upright else 1
    cells = (placement.columns, placement.rows)[across]
    for place in (-2.0, cells + 2.0):
        along = np.linspace(0, (placement.rows, placement.columns)[across], 5)
        line = np.stack([np.full(5, place), along] if across == 0 else [along, np.full(5, place)], axis=-1)
        pixels = placement.to_pixels(line)
        if ((pixels >= 0) & (pixels < placement.size)).all():
            return True
    return False


def _place(placement: ModulePlacement) -> str:
    x, y = placement.corners.mean(axis=0)
    return f"({x:.0f}, {y:.0f})"


def _continues_outside(light: NDArray[np.float32], placement: ModulePlacement) -> bool:
    """Return whether a module is cropped by an edge of the photograph: its light reaches that edge."""
    size = np.array(placement.size)
    bright = cell_light(light, placement)
    for axis, end in _SIDES:
        cells = (placement.columns, placement.rows)
        outer = 0.0 if end < 0 else cells[axis]
        along = np.linspace(0.1, 0.9, 9 * cells[1 - axis]) * cells[1 - axis]

        def at(
            distance: float, axis: int = axis, end: int = end, outer: float = outer, along: Points = along
        ) -> Points:
            across = np.full_like(along, outer + end * distance)
            return placement.to_pixels(np.stack([across, along] if axis == 0 else [along, across], axis=-1))

        next_cell = at(1.0)
        if ((next_cell >= 0) & (next_cell <= size - 1)).all(axis=1).mean() > 0.5:
            continue  # a cell more would be in the photograph, and was looked for
        side = 2 if cells[axis] >= HALF_CUT else 1  # distances are those of whole cells
        near = np.concatenate([at(side * distance) for distance in _BEYOND])
        near = near[((near >= 0) & (near <= size - 1)).all(axis=1)].round().astype(np.int64)
        line = bright[:, 0 if end < 0 else -1] if axis == 0 else bright[0 if end < 0 else -1]
        if len(near) and np.median(light[near[:, 1], near[:, 0]]) > _CONTINUED * np.median(line):
            return True
    return False


def _taken(corners: Points, fits: list[Fit]) -> bool:
    """Return whether a quadrilateral is at the place of a module, or much smaller than the largest one."""
    largest = max((_area(fit.placement.corners) for fit in fits), default=0.0)
    return _area(corners) < _MIN_RELATIVE * largest or any(
        _overlap(corners, fit.placement.corners) > _OVERLAP for fit in fits
    )


def _locate(seen: _Seen, corners: Points, cells: tuple[int, int] | None) -> Fit | None:
    near = (corners + 0.5) * seen.scale - 0.5
    distortion = _distortion(seen.small, near)
    view = look_at(seen.small, near, distortion, _VIEW)
    fits: list[Fit] = []
    for guess in _different(find_grid(view, cells)):
        fit = fit_placement(seen.light, _to_placement(seen, view, guess, distortion))
        fits.append(_extend(seen.light, fit) if cells is None and fit.quality > _MIN_EXTENDED else fit)
    return max(fits, key=lambda fit: fit.weight, default=None)


def _different(guesses: list[GridGuess]) -> list[GridGuess]:
    """Return the best guess of each grid, those that explain nearly as much as the best, three at most."""
    best: dict[tuple[int, int], GridGuess] = {}
    for guess in guesses:
        best.setdefault((guess.rows.cells, guess.columns.cells), guess)
    close = [guess for guess in best.values() if guess.score > max(_MIN_SCORE, guesses[0].score - _NEARLY)]
    return close[:3]


def _extend(light: NDArray[np.float32], fit: Fit) -> Fit:
    """Add rows and columns at whose cells there are edges as well: the outline was too small."""
    for _ in range(MAX_CELLS):
        wider = next((more for more in map(partial(_wider, light, fit), _SIDES) if more is not None), None)
        if wider is None:
            return fit
        fit = wider
    return fit


_SIDES = ((0, -1), (0, 1), (1, -1), (1, 1))  # axis, and whether before or after


def _wider(light: NDArray[np.float32], fit: Fit, side: tuple[int, int]) -> Fit | None:
    """Return a grid with another line of cells at a side, if most of their edges are seen."""
    (axis, where), placement = side, fit.placement
    if placement.middle_gap[axis] > 0:
        return None
    shift = np.eye(3)
    shift[axis, 2] = min(where, 0)
    longer = replace(
        placement,
        homography=placement.homography @ shift,
        rows=placement.rows + (axis == 1),
        columns=placement.columns + (axis == 0),
    )
    index = 0 if where < 0 else -1
    outer = longer.cell_corners[:, index] if axis == 0 else longer.cell_corners[index]
    if (outer < 0).any() or (outer > np.array(placement.size) - 1).any():
        return None
    bright = cell_light(light, longer)
    new = bright[:, index] if axis == 0 else bright[index]
    if np.median(new) < _MIN_NEW_LIGHT * np.median(bright):
        return None
    judged = judge_placement(light, longer)
    seen, wrong = ((x[:, :, index] if axis == 0 else x[:, index]) for x in (judged.seen, judged.wrong))
    if seen.mean() < _MIN_NEW * fit.seen.mean() or seen.sum() < 2 * wrong.sum():
        return None
    return fit_placement(light, longer)


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


def _overlap(one: Points, other: Points) -> float:
    """Return the common area of two quadrilaterals, as a share of the smaller one."""
    areas = [_area(corners) for corners in (one, other)]
    common, _ = cv2.intersectConvexConvex(one.astype(np.float32), other.astype(np.float32))
    return float(common / max(min(areas), 1.0))


def _area(corners: Points) -> float:
    return abs(float(cv2.contourArea(corners.astype(np.float32))))
