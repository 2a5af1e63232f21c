"""Defects of a cell: cracks, inactive areas and finger interruptions.

They are made of sums and products of random numbers only, no sines or logarithms, the last digit of which
differs between machines: masks must not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solarseg.classes import ClassMap
from solarseg.synthesis.layout import SUBPIXELS, Coverage, Layout, fill, stroke

__all__ = [
    "CELL_CLASSES",
    "CRACK",
    "FINGER_INTERRUPTION",
    "INACTIVE_AREA",
    "Defect",
    "draw_defects",
    "draw_mask",
]

CELL_CLASSES = ClassMap(("background", "crack", "inactive_area", "finger_interruption"))
CRACK, INACTIVE_AREA, FINGER_INTERRUPTION = 1, 2, 3

# Later ones win where they overlap: a crack is the thinnest and would be lost under the others, and an
# inactive area the largest.
_PAINTED = (INACTIVE_AREA, FINGER_INTERRUPTION, CRACK)

# "Share" is of the cell's side, "light" what is left of an undisturbed cell's brightness.
SOUND = 0.2  # probability of a cell without defects, so that false alarms show
PRESENT = {CRACK: 0.6, INACTIVE_AREA: 0.4, FINGER_INTERRUPTION: 0.5}  # probability in a cell with defects
CRACKS = (1, 3)  # how many, where there are any
CRACK_WIDTH = (1.5, 3.5)  # pixels of an image of 256, before blur: much more than the crack itself is wide
THINNEST = SUBPIXELS + 1  # subpixels: a line thinner than a pixel would have gaps in the mask
CRACK_LENGTH = (0.3, 1.2)  # share, from end to end
CRACK_FROM_EDGE = 0.5  # probability: edges are where silicon is weakest
CRACK_LIGHT = (0.2, 0.55)  # light, before the camera's blur
# Largest sideways shift of the middle of a piece, share of the piece's length: little where a crack follows
# a crystal plane, more where it crosses grains.
CRACK_ROUGHNESS = (0.02, 0.1)
CRACK_HALVINGS = 4  # how often pieces are halved and shifted: 16 straight pieces, 4 to 16 pixels of 256 each
BRANCHES = (0, 2)  # how many a crack has
BRANCH_LENGTH = (0.25, 0.5)  # share of the crack it leaves
BRANCH_SLANT = (0.5, 1.2)  # sideways to forward: 27 to 50 degrees off the crack
BRANCH_WIDTH = 0.75  # of the crack's width: what is left of the stress that made it
AREAS = (1, 2)  # how many inactive areas, where there are any
AREA_WIDTH = (0.15, 0.6)  # share, along the busbar or edge it hangs on
AREA_FAR_WIDTH = (0.1, 0.9)  # at its far side, share of its width
AREA_SKEW = (-0.4, 0.4)  # sideways shift of its far side, share of its width
AREA_DEPTH = (0.5, 1.3)  # share of the band; cut off at 1, so that most reach the next busbar or the edge
AREA_LIGHT = (0.1, 0.5)  # light: from cut off completely to badly connected; where two overlap, less
AREA_STRIPES = (0.75, 1.25)  # light of each finger's strip, of the area's; kept within AREA_LIGHT
AREA_ROUGHNESS = 0.08  # as CRACK_ROUGHNESS: cracks are what cuts it off
INTERRUPTIONS = (1, 5)  # how many, where there are any
INTERRUPTED = (1, 2)  # fingers side by side, since a flaw of the printing screen often spans two
INTERRUPTION_LENGTH = (0.4, 1.0)  # share of the band, from a busbar or edge onwards
INTERRUPTION_LIGHT = (0.45, 0.75)  # light: the strip is still fed through the silicon
INTERRUPTION_PLACES = (0.14, 0.86)  # share: clear of corners that are cut off


@dataclass(frozen=True)
class Defect:
    """Something wrong with a cell.

    Attributes:
        class_id: of `CELL_CLASSES`.
        coverage: ``(size, size) float32``, how much of each pixel it covers, 0 to 1.
        light: ``(1, 1)`` or ``(1, size) float32``, light left in each column where it covers, 0 to 1.
    """

    class_id: int
    coverage: Coverage
    light: NDArray[np.float32]


def draw_defects(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    """Draw the defects of a cell, in one of five cells none.

    Examples:
        >>> from solarseg.synthesis.layout import Module
        >>> rng = np.random.default_rng(2)
        >>> [defect.class_id for defect in draw_defects(rng, Layout(Module.draw(rng), 64))]
        [2, 3, 3]
    """
    if rng.random() < SOUND:
        return []
    present: list[int] = []
    while not present:
        present = [class_id for class_id, probability in PRESENT.items() if rng.random() < probability]
    counts = {class_id: rng.integers(*_KINDS[class_id][0], endpoint=True) for class_id in present}
    return [_KINDS[class_id][1](rng, layout) for class_id in present for _ in range(counts[class_id])]


def draw_mask(layout: Layout, defects: Sequence[Defect]) -> NDArray[np.uint8]:
    """Draw the mask of a cell.

    A pixel belongs to a defect that covers at least half of it; of several, a crack wins over a finger
    interruption, and that over an inactive area. The image beyond the cell is background. A crack runs on
    under busbars, though little is seen of it there.

    Returns:
        ``(size, size) uint8`` class ids of `CELL_CLASSES`.
    """
    mask = np.zeros((layout.size, layout.size), np.uint8)
    for defect in sorted(defects, key=lambda defect: _PAINTED.index(defect.class_id)):
        mask[(defect.coverage >= 0.5) & (layout.cell >= 0.5)] = defect.class_id
    return mask


def _crack(rng: np.random.Generator, layout: Layout) -> Defect:
    start, end = _ends(rng, layout)
    roughness = rng.uniform(*CRACK_ROUGHNESS)
    main = _jagged(rng, start, end, roughness)
    width = _width(layout, rng.uniform(*CRACK_WIDTH))
    coverage = stroke(layout.size, main, width)
    for _ in range(rng.integers(*BRANCHES, endpoint=True)):
        branch = _branch(rng, main, roughness)
        thinner = max(THINNEST, round(width * BRANCH_WIDTH))
        coverage = np.maximum(coverage, stroke(layout.size, branch, thinner))
    return Defect(CRACK, coverage, _light(rng.uniform(*CRACK_LIGHT)))


def _ends(rng: np.random.Generator, layout: Layout) -> NDArray[np.float64]:
    """Draw two points of the cell, ``(2, 2)`` x and y in subpixels, neither too near nor too far apart."""
    shortest, longest = (share * layout.side for share in CRACK_LENGTH)
    while True:
        ends = rng.uniform(layout.low, layout.high, (2, 2))
        if rng.random() < CRACK_FROM_EDGE:
            ends[0, rng.integers(2)] = rng.choice((layout.low, layout.high))
        if shortest**2 <= ((ends[1] - ends[0]) ** 2).sum() <= longest**2:
            return ends


def _branch(rng: np.random.Generator, main: NDArray[np.float64], roughness: float) -> NDArray[np.float64]:
    """Draw a line that leaves a crack at one of its inner points, forwards and to one side."""
    start = main[rng.integers(1, len(main) - 1)]
    forwards = (main[-1] - main[0]) * rng.uniform(*BRANCH_LENGTH)
    sideways = _across(forwards) * rng.uniform(*BRANCH_SLANT) * rng.choice((-1, 1))
    return _jagged(rng, start, start + forwards + sideways, roughness)


def _inactive_area(rng: np.random.Generator, layout: Layout) -> Defect:
    """Draw an area that hangs on a busbar or edge and that cracks cut off on its other sides."""
    band = layout.random_band(rng)
    near, far = band if rng.random() < 0.5 else band[::-1]
    deep = near + (far - near) * rng.uniform(*AREA_DEPTH)
    width = rng.uniform(*AREA_WIDTH) * layout.side
    # It may reach beyond the cell's left or right edge, by half at most, and then hangs on that too.
    left = rng.uniform(layout.low - width / 2, layout.high - width / 2)
    far_width = width * rng.uniform(*AREA_FAR_WIDTH)
    far_left = left + (width - far_width) / 2 + rng.uniform(*AREA_SKEW) * width
    turns = [(left, near), (far_left, deep), (far_left + far_width, deep), (left + width, near)]
    sides = [_jagged(rng, a, b, AREA_ROUGHNESS) for a, b in pairwise(turns)]
    return Defect(INACTIVE_AREA, fill(layout.size, np.concatenate(sides), band), _stripes(rng, layout))


def _stripes(rng: np.random.Generator, layout: Layout) -> NDArray[np.float32]:
    """Draw the light of an inactive area, ``(1, size) float32``, which differs from finger to finger."""
    strips = rng.uniform(*AREA_LIGHT) * rng.uniform(*AREA_STRIPES, layout.module.fingers)
    columns = np.searchsorted(layout.fingers, np.arange(layout.size) * SUBPIXELS, side="right") - 1
    return _light(strips.clip(*AREA_LIGHT)[columns.clip(0, len(strips) - 1)])


def _finger_interruption(rng: np.random.Generator, layout: Layout) -> Defect:
    """Draw a bar along one or two fingers, from a busbar or edge onwards."""
    band = layout.random_band(rng)
    near, far = band if rng.random() < 0.5 else band[::-1]
    far = round(near + (far - near) * rng.uniform(*INTERRUPTION_LENGTH))
    finger = int(rng.uniform(*INTERRUPTION_PLACES) * layout.module.fingers)
    left = layout.fingers[finger]
    right = layout.fingers[finger + rng.integers(*INTERRUPTED, endpoint=True)]
    right = max(right, left + SUBPIXELS) - 1  # a bar thinner than a pixel would be in no mask
    corners = [(left, near), (left, far), (right, far), (right, near)]
    return Defect(
        FINGER_INTERRUPTION, fill(layout.size, corners, band), _light(rng.uniform(*INTERRUPTION_LIGHT))
    )


_KINDS: dict[int, tuple[tuple[int, int], Callable[[np.random.Generator, Layout], Defect]]] = {
    CRACK: (CRACKS, _crack),
    INACTIVE_AREA: (AREAS, _inactive_area),
    FINGER_INTERRUPTION: (INTERRUPTIONS, _finger_interruption),
}


def _jagged(
    rng: np.random.Generator, start: ArrayLike, end: ArrayLike, roughness: float
) -> NDArray[np.float64]:
    """Draw a jagged line by halving it and shifting the middles sideways, again and again.

    Returns:
        ``(2 ** CRACK_HALVINGS + 1, 2)`` x and y, in the unit of its ends.
    """
    points = np.array([start, end], np.float64)
    for _ in range(CRACK_HALVINGS):
        steps = np.diff(points, axis=0)
        shift = rng.uniform(-roughness, roughness, (len(steps), 1))
        halved = np.empty((len(points) + len(steps), 2))
        halved[::2] = points
        halved[1::2] = points[:-1] + steps / 2 + _across(steps) * shift
        points = halved
    return points


def _across(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn vectors ``(..., 2)`` by a right angle."""
    return vectors[..., ::-1] * (1, -1)


def _width(layout: Layout, pixels: float) -> int:
    """Turn pixels of an image of 256 into subpixels, no fewer than leave no gaps in a mask."""
    return max(THINNEST, layout.length(pixels / 256))


def _light(values: ArrayLike) -> NDArray[np.float32]:
    return np.atleast_2d(np.asarray(values, np.float32))
