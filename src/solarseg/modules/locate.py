"""Find the modules in a photograph, with their cells."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from solarseg.electrical.wiring import MIN_HALF_CUT_LENGTH
from solarseg.errors import ArgumentError, ImageError
from solarseg.modules.cell_light import is_upright
from solarseg.modules.combs import MAX_CELLS
from solarseg.modules.complete import complete_grids
from solarseg.modules.completeness import continues_outside, may_have_dark_strings
from solarseg.modules.extend import MIDDLE_GAP
from solarseg.modules.fit import fit_bend, fit_placement
from solarseg.modules.fit_quality import Fit, judge_placement
from solarseg.modules.given import DOUBTED, find_contradiction
from solarseg.modules.light import above_black, to_light
from solarseg.modules.placement import ModulePlacement, check_corners, check_image
from solarseg.modules.search import find_modules

__all__ = ["LocatedModules", "fit_corners", "locate_module", "locate_modules", "place_module"]

_MIN_CONFIDENCE = 0.6  # most wrong grids in generated photographs have less, and nearly all right ones more
_COMPLETED = 0.8  # of the confidence: grids that were completed by strings without light
# Of the confidence: grids that modules hardly have, where strings without light may be missing.
_UNUSUAL = 0.5


@dataclass(frozen=True)
class LocatedModules:
    """What a photograph shows.

    Attributes:
        modules: whole modules, the largest first.
        left_out: what was seen and is no whole module, a sentence each.
        doubts: strings without light that these modules were completed by, a sentence each.
    """

    modules: tuple[ModulePlacement, ...]
    left_out: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


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
    light = above_black(to_light(image))
    found, overlapping = find_modules(light, cells)
    lit = [
        replace(fit.placement, upright=is_upright(light, fit.placement), confidence=fit.quality)
        for fit in found
    ]
    placements, incomplete = (lit, ()) if cells is not None else _with_dark_strings(light, lit)
    modules, left_out, doubts = [], [], []
    for i, (fit, placement) in enumerate(zip(found, placements, strict=True)):
        contradiction = None
        if cells is not None and fit.quality >= _MIN_CONFIDENCE:
            others = [other.corners for other in lit[:i] + lit[i + 1 :]]
            contradiction = find_contradiction(light, fit, _MIN_CONFIDENCE, others)
        grid = f"{placement.rows} x {placement.columns} cells at {_place(placement)}"
        if i in incomplete:
            contradiction = "strings without light may be next to these, up to what is seen there"
        if contradiction is not None:
            left_out.append(f"{grid}, but {contradiction}")
        elif placement.confidence < _MIN_CONFIDENCE:
            left_out.append(
                f"{grid}, which is not sure: {placement.confidence:.2f} of {_MIN_CONFIDENCE} required"
            )
        elif continues_outside(light, placement):
            left_out.append(f"a module that an edge of the photograph crops, with {grid}")
        else:
            modules.append(_bend(light, fit, placement))
            if (placement.rows, placement.columns) != (lit[i].rows, lit[i].columns):
                doubts.append(
                    f"{grid}: only {lit[i].rows} x {lit[i].columns} of them have light, and the others are assumed "
                    "from what is seen around them"
                )
    for fit in overlapping:
        one = fit.placement
        left_out.append(
            f"{one.rows} x {one.columns} cells at {_place(one)}, which overlap others that are surer"
        )
    return LocatedModules(tuple(modules), tuple(left_out), tuple(doubts))


def place_module(corners: ArrayLike, cells: tuple[int, int], image: NDArray[np.generic]) -> ModulePlacement:
    """Place a module by its corners; its grid is then fitted to the edges of the cells near it.

    Args:
        corners: ``(4, 2)`` x and y of the outer corners of the area of cells, pixels, from the upper left clockwise.
        cells: number of rows and columns of cells.
        image: ``(H, W)`` or ``(H, W, C)``, the photograph.

    Returns:
        The module, with a confidence that says how well the grid fits the cells that are seen.

    Raises:
        ArgumentError: the corners cross, are on a line or are not clockwise, or there are too many or no cells.
    """
    return fit_corners(corners, cells, image)[0]


def fit_corners(
    corners: ArrayLike, cells: tuple[int, int], image: NDArray[np.generic]
) -> tuple[ModulePlacement, str | None]:
    """Place a module as `place_module` does, and return also what contradicts the corners or the number of cells."""
    check_image(image)
    points = check_corners(corners)
    rows, columns = cells
    if not (1 <= rows <= MAX_CELLS and 1 <= columns <= MAX_CELLS):
        raise ArgumentError(f"`cells={rows}x{columns}`: 1 to {MAX_CELLS} rows and columns are allowed")
    light = above_black(to_light(image))
    first = _between(points, rows, columns, light)
    fits = [fit_placement(light, each) for each in first]
    fit = max((*fits, judge_placement(light, first[0])), key=lambda each: each.quality)
    contradiction = find_contradiction(light, fit)
    confidence = fit.quality if contradiction is None else DOUBTED * fit.quality
    placement = replace(fit.placement, upright=is_upright(light, fit.placement), confidence=confidence)
    return _bend(light, fit, placement), contradiction


def _between(
    corners: NDArray[np.float64], rows: int, columns: int, light: NDArray[np.float32]
) -> list[ModulePlacement]:
    """Return where cells between corners may be: without a gap in the middle, and with one if they may be half-cut."""
    across, down = (MIDDLE_GAP if n >= MIN_HALF_CUT_LENGTH and n % 2 == 0 else 0.0 for n in (columns, rows))
    placements = []
    for gap in sorted({(0.0, 0.0), (across, down)}):
        right, bottom = columns + gap[0], rows + gap[1]
        grid = np.array([(0, 0), (right, 0), (right, bottom), (0, bottom)], np.float32)
        homography = np.asarray(cv2.getPerspectiveTransform(grid, corners.astype(np.float32)), np.float64)
        size = (light.shape[1], light.shape[0])
        placements.append(ModulePlacement(rows, columns, homography, 0.0, size, (0.02, 0.02), gap))
    return placements


def _with_dark_strings(
    light: NDArray[np.float32], placements: list[ModulePlacement]
) -> tuple[list[ModulePlacement], set[int]]:
    """Complete grids by strings without light; they are less sure with them, and where they may be missing.

    Returns:
        The grids, and the numbers of those that may be incomplete.
    """
    found: list[ModulePlacement] = []
    incomplete = set()
    sure, possible = (complete_grids(light, placements, sure) for sure in (True, False))
    for i, (placement, completed) in enumerate(zip(placements, sure, strict=True)):
        if completed is not None:
            found.append(replace(completed, confidence=_COMPLETED * placement.confidence))
        elif may_have_dark_strings(placement):
            found.append(replace(placement, confidence=_UNUSUAL * placement.confidence))
        else:
            found.append(placement)
            incomplete |= {i} if possible[i] is not None else set()
    return found, incomplete


def _bend(light: NDArray[np.float32], fit: Fit, placement: ModulePlacement) -> ModulePlacement:
    """Return a placement with the bend of its cells. This is the last step: grids are compared without bends."""
    if (placement.rows, placement.columns) != (fit.placement.rows, fit.placement.columns):
        return placement  # cells without light were added: how these bend is not seen
    bent = fit_bend(light, fit)
    if bent.placement.bend is None:
        return placement
    confidence = placement.confidence * bent.quality / fit.quality
    return replace(bent.placement, upright=placement.upright, confidence=confidence)


def _place(placement: ModulePlacement) -> str:
    x, y = placement.corners.mean(axis=0)
    return f"({x:.0f}, {y:.0f})"
