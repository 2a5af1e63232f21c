"""Blemishes: spots, smudges, soldering faults and bright pieces. They have no class of their own in the mask."""

import numpy as np

from solarseg.synthesis.areas import RAGGED, draw_isolated_piece
from solarseg.synthesis.defects import CELL, Defect, as_brightness
from solarseg.synthesis.layout import Layout
from solarseg.synthesis.parameters import Chance, Range
from solarseg.synthesis.shapes import Points, radial_polygon, rectangle

__all__ = ["draw_blemishes"]

SPOTS = Range(
    0, 8, "count", "spots: shunts, dust and holes; larger ones are stains, which are in the mask", "low"
)
SPOT_RADIUS = Range(0.003, 0.018, "cell", "radius of a spot: the field of a shunt, or dust", "low")
SPOT_DEPTH = Range(0.05, 0.8, "brightness", "loss in the middle of a spot", "low")
SMUDGED = Chance(0.3, "the cell has a smudge")
SMUDGE_RADIUS = Range(
    0.02, 0.12, "cell", "radius of a smudge: fingerprints, chemical stains, marks of suction cups", "low"
)
SMUDGE_DEPTH = Range(0.02, 0.14, "brightness", "loss in a smudge; darker places are inactive areas")
SMUDGE_CORNERS = 16  # of its outline
SPOT_SOFT, SMUDGE_SOFT = 1 / 2, 1 / 4  # blur of the outline, share of the radius
SOLDER_SOFT = 1 / 3  # blur of the outline, share of the width
SOLDERED = Chance(0.2, "the cell has a soldering fault")
SOLDER_LENGTH = Range(0.02, 0.3, "cell", "length of ribbon that is soldered badly or too hot")
SOLDER_WIDTH = Range(0.01, 0.05, "cell", "width of the affected silicon next to the ribbon")
SOLDER_BRIGHTNESS = Range(
    0.8, 1.15, "brightness", "at a soldering fault: less current, or the current that neighbours do not take"
)
BRIGHT = Chance(0.1, "a piece of the cell is brighter than the rest")
BRIGHT_PIECE = Range(1.03, 1.35, "brightness", "of such a piece, which carries the current of other pieces")


def draw_blemishes(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    """Draw the blemishes of a cell, which are `CELL` in its mask."""
    blemishes = [_spot(rng, layout) for _ in range(round(SPOTS.draw(rng)))]
    if SMUDGED.draw(rng):
        blemishes.append(_smudge(rng, layout))
    if layout.busbar_intervals and SOLDERED.draw(rng):
        blemishes.append(_soldering_fault(rng, layout))
    if BRIGHT.draw(rng):
        outline, _ = draw_isolated_piece(rng, layout)
        brightness = as_brightness(BRIGHT_PIECE.draw(rng))
        blemishes.append(Defect(CELL, layout.fill_polygons(outline), brightness))
    return blemishes


def _spot(rng: np.random.Generator, layout: Layout) -> Defect:
    radius = SPOT_RADIUS.draw(rng)
    outline = radial_polygon(rng.random(2), [radius] * 8)
    return _soft_blemish(layout, outline, 1 - SPOT_DEPTH.draw(rng), radius * SPOT_SOFT)


def _smudge(rng: np.random.Generator, layout: Layout) -> Defect:
    radius = SMUDGE_RADIUS.draw(rng)
    outline = radial_polygon(rng.random(2), radius * RAGGED.draw_many(rng, SMUDGE_CORNERS))
    return _soft_blemish(layout, outline, 1 - SMUDGE_DEPTH.draw(rng), radius * SMUDGE_SOFT)


def _soldering_fault(rng: np.random.Generator, layout: Layout) -> Defect:
    top, bottom = layout.busbar_intervals[rng.integers(len(layout.busbar_intervals))]
    start, length, width = rng.random(), SOLDER_LENGTH.draw(rng), SOLDER_WIDTH.draw(rng)
    outline = rectangle(start, top - width, start + length, bottom + width)
    return _soft_blemish(layout, outline, SOLDER_BRIGHTNESS.draw(rng), width * SOLDER_SOFT)


def _soft_blemish(layout: Layout, outline: Points, brightness: float, softness: float) -> Defect:
    pixels = layout.to_pixels(softness)
    patch = layout.fill_polygons(outline, margin=int(3 * pixels) + 1)
    return Defect(CELL, patch, as_brightness(brightness), pixels)
