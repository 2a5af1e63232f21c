"""Inactive areas: cut off by cracks, whole bands, broken edges and stained places.

A cell that is dim as a whole is not among them: nothing in its image tells it from one exposed too short.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from solarseg.synthesis.canvas import Patch
from solarseg.synthesis.cracks import crack_along, draw_direction
from solarseg.synthesis.defects import INACTIVE_AREA, Defect, light_of
from solarseg.synthesis.layout import Layout
from solarseg.synthesis.noise import DARKEST, smooth_noise
from solarseg.synthesis.parameters import EVEN, Chance, Choice, Range
from solarseg.synthesis.shapes import across, circle, clip, dot, jagged, rectangle

__all__ = ["draw_area", "draw_piece"]

Points = NDArray[np.float64]

AREA_KINDS = Choice(
    {"cut off": 0.66, "stain": 0.14, "band": 0.06, "notch": 0.14}, "of kinds of inactive areas"
)
AREA_DEPTH = Range(0.16, 0.97, "light", "lost, from badly connected to cut off")
AREA_CUTS = Range(1, 3, "count", "cracks that bound it; busbars and edges do the rest")
AREA_REACH = Range(0.0, 0.5, "cell", "from a place in it to each cut", "low")
AREA_ROUGHNESS = Range(0.0, 0.07, "share", "sideways shift of a cut's middle, as of cracks")
AREA_SIZE = Range(0.003, 0.4, "cell^2", "smaller ones are spots, larger ones seldom")
AREA_WHOLE = Chance(0.35, "that it is bounded by the cell's edges alone, and not by busbars")
AREA_STRIPED = Chance(0.45, "that it is fed by single fingers, each as far as it still is whole")
AREA_STRIPES = Range(0.5, 1.0, "share", "of the area's loss of light, in each finger's strip")
STRIPE_ENDS = Chance(0.6, "that a finger is fed otherwise than the one before")
AREA_GRADED = Chance(0.35, "that it grows darker away from where current still comes from")
AREA_GRADE = Range(0.4, 0.8, "share", "of the loss of light, where it is least")
AREA_CRACKED = Chance(0.75, "that the crack that bounds it is seen")
BAND_DEPTH = Range(0.25, 0.97, "light", "lost by a whole band: less is how bands differ anyway", "low")
STAIN_RADIUS = Range(0.04, 0.25, "cell", "corroded or badly soldered places", "low")
STAIN_OVAL = Range(0.4, 1.0, "share", "height to width")
STAIN_RAGGED = Range(0.75, 1.25, "share", "radius from corner to corner")
STAIN_DEPTH = Range(0.35, 0.95, "light", "lost in its middle")
STAIN_SOFT = Range(0.003, 0.03, "cell", "by which its outline is blurred")
STAIN_GRAIN = Range(0.0, 0.35, "light", "deviation from place to place")
STAIN_GRAINS = Range(40, 160, "per image", "of such places along its side")
NOTCH_RADIUS = Range(0.01, 0.1, "cell", "edges chipped, or shaded by what holds the wafer", "low")
RAGGED = Range(0.6, 1.4, "share", "radius of notches and smudges from corner to corner")
NOTCH_DEPTH = Range(0.4, 0.95, "light", "lost there: hardly any silicon is left, or none")
STAIN_CORNERS, NOTCH_CORNERS = 24, 12  # of outlines: stains are smoother
TRIES = 20  # of cuts that leave an area of a size allowed, before the band is taken as it is


def draw_area(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    """Draw an inactive area of any kind, with the cracks that cut it off."""
    return _KINDS[AREA_KINDS.draw(rng)](rng, layout)


def draw_piece(rng: np.random.Generator, layout: Layout) -> tuple[Points, list[Points]]:
    """Draw a piece of the cell that cracks cut off from the rest, and those of its sides that cracks are."""
    for _ in range(TRIES):
        top, bottom = (0.0, 1.0) if AREA_WHOLE.draw(rng) else layout.random_band(rng)
        piece = rectangle(0, top, 1, bottom)
        point = np.array([rng.random(), top + (bottom - top) * rng.random()])
        cuts = []
        for _ in range(AREA_CUTS.draw_int(rng)):
            normal = draw_direction(rng, layout)
            if layout.module.half:
                normal = -across(layout.stretched(across(normal)))
            piece, cut = clip(piece, point + normal * AREA_REACH.draw(rng), normal)
            if cut is not None:
                cuts.append(cut)
        if AREA_SIZE.low <= _size(piece) <= AREA_SIZE.high:
            return _roughen(rng, piece, cuts)
    top, bottom = layout.bands[0]
    return rectangle(0, top, 1, min(bottom, top + AREA_SIZE.high)), []


def _roughen(rng: np.random.Generator, piece: Points, cuts: list[Points]) -> tuple[Points, list[Points]]:
    """Make sides that are cuts jagged; a cut of which a later one took a part is as long as what is left."""
    roughness = AREA_ROUGHNESS.draw(rng)
    outline, cracks = [], []
    for start, end in zip(piece, np.roll(piece, -1, axis=0), strict=True):
        if any(_lies_on(cut, start) and _lies_on(cut, end) for cut in cuts):
            side = jagged(rng, (start, end), roughness)
            cracks.append(side)
            outline.append(side[:-1])
        else:
            outline.append(start[None])
    return np.concatenate(outline), cracks


def _lies_on(line: Points, point: Points) -> bool:
    return bool(abs(dot(across(line[1] - line[0]), point - line[0])) < 1e-9)


def _size(polygon: Points) -> float:
    return abs(float(dot(polygon, across(np.roll(polygon, -1, axis=0))).sum())) / 2


def _cut_off(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    outline, sides = draw_piece(rng, layout)
    patch = layout.fill(outline)
    cracks = [crack_along(rng, layout, side) for side in sides if AREA_CRACKED.draw(rng)]
    loss = AREA_DEPTH.draw(rng) * _striped(rng, layout, patch) * _graded(rng, layout, patch)
    return [Defect(INACTIVE_AREA, patch, light_of(1 - loss)), *cracks]


def _striped(rng: np.random.Generator, layout: Layout, patch: Patch) -> NDArray[np.float32]:
    """Share of the loss in each finger's strip: one for all, or from strip to strip."""
    strips = np.ones(layout.module.fingers + 2, np.float32)
    if AREA_STRIPED.draw(rng):
        # Drawn every few fingers, since neighbours are fed alike.
        knots = AREA_STRIPES.draw_many(rng, len(strips))
        runs = rng.random(len(strips)) < STRIPE_ENDS.probability
        strips[:] = knots[np.maximum.accumulate(np.where(runs, np.arange(len(strips)), 0))]
    u = layout.uv[0][patch.window]
    return strips[np.clip((u * layout.module.fingers).astype(int) + 1, 0, len(strips) - 1)]


def _graded(rng: np.random.Generator, layout: Layout, patch: Patch) -> NDArray[np.float32]:
    """Share of the loss from where current still comes from, along fingers."""
    v = layout.uv[1][patch.window]
    if not AREA_GRADED.draw(rng):
        return np.ones_like(v)
    along = (v - v.min()) / max(float(np.ptp(v)), 1e-6)
    least = np.float32(AREA_GRADE.draw(rng))
    return least + (1 - least) * (along if EVEN.draw(rng) else 1 - along)


def _stain(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    radius, oval = STAIN_RADIUS.draw(rng), STAIN_OVAL.draw(rng)
    ragged = STAIN_RAGGED.draw_many(rng, STAIN_CORNERS)
    ragged = (np.roll(ragged, 1) + ragged + np.roll(ragged, -1)) / 3
    softness = layout.pixels(STAIN_SOFT.draw(rng))
    outline = circle((0, 0), radius * ragged) * (1, oval) + rng.random(2)
    patch = layout.fill(outline, beyond=int(3 * softness) + 1)
    # From random numbers of its own: how many normal ones take may differ between machines, and the mask must not.
    grain = smooth_noise(np.random.default_rng(rng.integers(2**32)), layout.size, STAIN_GRAINS.draw(rng))
    light = np.clip(1 - STAIN_DEPTH.draw(rng) + STAIN_GRAIN.draw(rng) * grain[patch.window], DARKEST, 1)
    return [Defect(INACTIVE_AREA, patch, light_of(light), softness)]


def _band(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    """All that lies between two busbars, or between busbar and edge: a ribbon that came off."""
    if not layout.busbar_places:  # there the only band is the whole cell
        return _cut_off(rng, layout)
    top, bottom = layout.random_band(rng)
    patch = layout.fill(rectangle(0, top, 1, bottom))
    loss = BAND_DEPTH.draw(rng) * _striped(rng, layout, patch) * _graded(rng, layout, patch)
    return [Defect(INACTIVE_AREA, patch, light_of(1 - loss))]


def _notch(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    place = rng.random(2)
    place[rng.integers(2)] = rng.choice((0.0, 1.0))
    radii = NOTCH_RADIUS.draw(rng) * RAGGED.draw_many(rng, NOTCH_CORNERS)
    return [Defect(INACTIVE_AREA, layout.fill(circle(place, radii)), light_of(1 - NOTCH_DEPTH.draw(rng)))]


_KINDS: dict[str, Callable[[np.random.Generator, Layout], list[Defect]]] = {
    "cut off": _cut_off,
    "stain": _stain,
    "band": _band,
    "notch": _notch,
}
