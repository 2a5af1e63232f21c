"""Inactive areas: pieces isolated by cracks, whole strips, stains and chipped edges.

A cell that is dim as a whole is not an inactive area: its image looks the same as that of a short exposure.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from solarseg.synthesis.canvas import Patch
from solarseg.synthesis.cracks import draw_crack_along, draw_direction
from solarseg.synthesis.defects import INACTIVE_AREA, Defect, as_brightness
from solarseg.synthesis.layout import Layout
from solarseg.synthesis.noise import MIN_BRIGHTNESS, smooth_noise
from solarseg.synthesis.parameters import COIN_FLIP, Chance, Choice, Range
from solarseg.synthesis.shapes import (
    Points,
    clip_polygon,
    dot,
    jagged_line,
    perpendicular,
    radial_polygon,
    rectangle,
)

__all__ = ["draw_inactive_area", "draw_isolated_piece"]

AREA_KINDS = Choice({"isolated": 0.66, "stain": 0.14, "strip": 0.06, "notch": 0.14}, "kind of inactive area")
AREA_DEPTH = Range(0.16, 0.97, "brightness", "loss, from badly connected to isolated")
AREA_CRACKS = Range(1, 3, "count", "cracks that bound an isolated piece, besides busbars and edges")
AREA_REACH = Range(0.0, 0.5, "cell", "distance from a point in the piece to each crack", "low")
AREA_ROUGHNESS = Range(0.0, 0.07, "share", "sideways shift of the middle of a crack that bounds the piece")
AREA_SIZE = Range(0.003, 0.4, "cell^2", "area of a piece: smaller ones are spots, larger ones are rare")
AREA_ACROSS_BUSBARS = Chance(0.35, "a piece is bounded by the edges of the cell only, not by busbars")
AREA_STRIPED = Chance(0.45, "the loss differs between fingers, as each may be intact or broken")
AREA_STRIPES = Range(0.5, 1.0, "share", "loss in the stripe of each finger, relative to the loss of the area")
STRIPE_CHANGES = Chance(0.6, "a finger has another loss than the finger before it")
AREA_GRADED = Chance(0.35, "an area gets darker with the distance from where current still flows")
AREA_GRADE = Range(0.4, 0.8, "share", "smallest loss in such an area, relative to its largest loss")
AREA_CRACKED = Chance(0.75, "a crack that bounds the piece is visible")
STRIP_DEPTH = Range(
    0.25, 0.97, "brightness", "loss of a whole strip: strips of sound cells differ by less", "low"
)
STAIN_RADIUS = Range(0.04, 0.25, "cell", "radius of a corroded or badly soldered place", "low")
STAIN_OVAL = Range(0.4, 1.0, "share", "height of a stain, relative to its width")
STAIN_RAGGED = Range(0.75, 1.25, "share", "variation of a stain's radius from corner to corner")
STAIN_DEPTH = Range(0.35, 0.95, "brightness", "loss in the middle of a stain")
STAIN_SOFT = Range(0.003, 0.03, "cell", "blur of a stain's outline")
STAIN_GRAIN = Range(0.0, 0.35, "brightness", "deviation of the noise in a stain")
STAIN_GRAINS = Range(40, 160, "per image", "spots of that noise along a side")
NOTCH_RADIUS = Range(
    0.01, 0.1, "cell", "radius of a chip in an edge, or of the shadow of a wafer holder", "low"
)
RAGGED = Range(0.6, 1.4, "share", "variation of the radius of notches and smudges from corner to corner")
NOTCH_DEPTH = Range(0.4, 0.95, "brightness", "loss in a notch, where little or no silicon is left")
STAIN_CORNERS, NOTCH_CORNERS = 24, 12  # of outlines: stains are smoother
MAX_TRIES = (
    20  # to draw cracks that leave a piece of an allowed size, before a part of the first strip is used
)


def draw_inactive_area(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    """Draw an inactive area of a random kind, and the cracks that bound it."""
    return _KINDS[AREA_KINDS.draw(rng)](rng, layout)


def draw_isolated_piece(rng: np.random.Generator, layout: Layout) -> tuple[Points, list[Points]]:
    """Draw a piece of the cell that cracks isolate from the rest.

    Returns:
        Outline ``(N, 2)`` as positions in the cell, and those of its sides that are cracks, each ``(M, 2)``.
    """
    for _ in range(MAX_TRIES):
        top, bottom = (0.0, 1.0) if AREA_ACROSS_BUSBARS.draw(rng) else layout.draw_strip(rng)
        piece = rectangle(0, top, 1, bottom)
        point = np.array([rng.random(), top + (bottom - top) * rng.random()])
        cracks = []
        for _ in range(AREA_CRACKS.draw_int(rng)):
            normal = draw_direction(rng, layout)
            if layout.module.half:
                normal = -perpendicular(layout.stretch_half_cell(perpendicular(normal)))
            piece, side = clip_polygon(piece, point + normal * AREA_REACH.draw(rng), normal)
            if side is not None:
                cracks.append(side)
        if AREA_SIZE.low <= _area(piece) <= AREA_SIZE.high:
            return _roughen(rng, piece, cracks)
    top, bottom = layout.strips[0]
    return rectangle(0, top, 1, min(bottom, top + AREA_SIZE.high)), []


def _roughen(rng: np.random.Generator, piece: Points, cracks: list[Points]) -> tuple[Points, list[Points]]:
    """Make the sides that are cracks jagged. A later crack may have shortened an earlier one."""
    roughness = AREA_ROUGHNESS.draw(rng)
    outline, sides = [], []
    for start, end in zip(piece, np.roll(piece, -1, axis=0), strict=True):
        if any(_is_on_line(crack, start) and _is_on_line(crack, end) for crack in cracks):
            side = jagged_line(rng, (start, end), roughness)
            sides.append(side)
            outline.append(side[:-1])
        else:
            outline.append(start[None])
    return np.concatenate(outline), sides


def _is_on_line(line: Points, point: Points) -> bool:
    return bool(abs(dot(perpendicular(line[1] - line[0]), point - line[0])) < 1e-9)


def _area(polygon: Points) -> float:
    return abs(float(dot(polygon, perpendicular(np.roll(polygon, -1, axis=0))).sum())) / 2


def _isolated(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    outline, sides = draw_isolated_piece(rng, layout)
    patch = layout.fill_polygons(outline)
    cracks = [draw_crack_along(rng, layout, side) for side in sides if AREA_CRACKED.draw(rng)]
    loss = AREA_DEPTH.draw(rng) * _stripes(rng, layout, patch) * _gradient(rng, layout, patch)
    return [Defect(INACTIVE_AREA, patch, as_brightness(1 - loss)), *cracks]


def _stripes(rng: np.random.Generator, layout: Layout, patch: Patch) -> NDArray[np.float32]:
    """Draw the share of the loss in the stripe of each finger: 1 for all, or different from stripe to stripe."""
    stripes = np.ones(layout.module.fingers + 2, np.float32)
    if AREA_STRIPED.draw(rng):
        # Neighbouring fingers often have the same loss: a value stays the same until the next change.
        values = AREA_STRIPES.draw_many(rng, len(stripes))
        changes = rng.random(len(stripes)) < STRIPE_CHANGES.probability
        stripes[:] = values[np.maximum.accumulate(np.where(changes, np.arange(len(stripes)), 0))]
    u = layout.uv[0][patch.window]
    return stripes[np.clip((u * layout.module.fingers).astype(int) + 1, 0, len(stripes) - 1)]


def _gradient(rng: np.random.Generator, layout: Layout, patch: Patch) -> NDArray[np.float32]:
    """Draw the share of the loss along the fingers, smallest where current still flows."""
    v = layout.uv[1][patch.window]
    if not AREA_GRADED.draw(rng):
        return np.ones_like(v)
    along = (v - v.min()) / max(float(np.ptp(v)), 1e-6)
    smallest = np.float32(AREA_GRADE.draw(rng))
    return smallest + (1 - smallest) * (along if COIN_FLIP.draw(rng) else 1 - along)


def _stain(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    radius, oval = STAIN_RADIUS.draw(rng), STAIN_OVAL.draw(rng)
    ragged = STAIN_RAGGED.draw_many(rng, STAIN_CORNERS)
    ragged = (np.roll(ragged, 1) + ragged + np.roll(ragged, -1)) / 3
    softness = layout.to_pixels(STAIN_SOFT.draw(rng))
    outline = radial_polygon((0, 0), radius * ragged) * (1, oval) + rng.random(2)
    patch = layout.fill_polygons(outline, margin=int(3 * softness) + 1)
    # With its own generator: normal numbers may use up a different count of random bits on another machine, and the
    # mask must not depend on that.
    grain = smooth_noise(np.random.default_rng(rng.integers(2**32)), layout.size, STAIN_GRAINS.draw(rng))
    brightness = 1 - STAIN_DEPTH.draw(rng) + STAIN_GRAIN.draw(rng) * grain[patch.window]
    return [Defect(INACTIVE_AREA, patch, as_brightness(np.clip(brightness, MIN_BRIGHTNESS, 1)), softness)]


def _strip(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    """Draw the whole strip between two busbars, or between busbar and edge: a ribbon came off."""
    if not layout.busbar_intervals:  # the only strip would be the whole cell
        return _isolated(rng, layout)
    top, bottom = layout.draw_strip(rng)
    patch = layout.fill_polygons(rectangle(0, top, 1, bottom))
    loss = STRIP_DEPTH.draw(rng) * _stripes(rng, layout, patch) * _gradient(rng, layout, patch)
    return [Defect(INACTIVE_AREA, patch, as_brightness(1 - loss))]


def _notch(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    centre = rng.random(2)
    centre[rng.integers(2)] = rng.choice((0.0, 1.0))
    radii = NOTCH_RADIUS.draw(rng) * RAGGED.draw_many(rng, NOTCH_CORNERS)
    patch = layout.fill_polygons(radial_polygon(centre, radii))
    return [Defect(INACTIVE_AREA, patch, as_brightness(1 - NOTCH_DEPTH.draw(rng)))]


_KINDS: dict[str, Callable[[np.random.Generator, Layout], list[Defect]]] = {
    "isolated": _isolated,
    "stain": _stain,
    "strip": _strip,
    "notch": _notch,
}
