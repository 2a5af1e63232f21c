"""What is seen on cells and is no defect of its own class: spots, faults of soldering, brighter pieces."""

import numpy as np

from solarseg.synthesis.areas import RAGGED, draw_piece
from solarseg.synthesis.defects import CELL, Defect, light_of
from solarseg.synthesis.layout import Layout
from solarseg.synthesis.parameters import Chance, Range
from solarseg.synthesis.shapes import circle, rectangle

__all__ = ["draw_blemishes"]

SPOTS = Range(
    0, 8, "count", "shunts, dust and holes; those in the mask are `areas`' stains, which are larger", "low"
)
SPOT_RADIUS = Range(0.003, 0.018, "cell", "the field of a shunt, and dust", "low")
SPOT_DEPTH = Range(0.05, 0.8, "light", "lost in its middle", "low")
SMUDGED = Chance(0.3, "of a smudge")
SMUDGE_RADIUS = Range(0.02, 0.12, "cell", "finger prints, stains of chemicals, marks of suction cups", "low")
SMUDGE_DEPTH = Range(0.02, 0.14, "light", "lost: what is darker is an inactive area")
SMUDGE_CORNERS = 16  # of its outline
SPOT_SOFT, SMUDGE_SOFT = 1 / 2, 1 / 4  # of the radius, by which outlines are blurred
SOLDER_SOFT = 1 / 3  # of the width, likewise
SOLDERED = Chance(0.2, "of a fault of soldering")
SOLDER_LENGTH = Range(0.02, 0.3, "cell", "of a ribbon that is soldered badly or too hot")
SOLDER_WIDTH = Range(0.01, 0.05, "cell", "of the silicon beside that shows it")
SOLDER_LIGHT = Range(0.8, 1.15, "light", "there: less current, or all that neighbours cannot take")
BRIGHT = Chance(0.1, "of a piece that is brighter than the rest")
BRIGHTER = Range(1.03, 1.35, "light", "of a piece through which the current of others flows")


def draw_blemishes(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    """Draw the blemishes of a cell, which are `CELL` in its mask."""
    found = [_spot(rng, layout) for _ in range(round(SPOTS.draw(rng)))]
    if SMUDGED.draw(rng):
        found.append(_smudge(rng, layout))
    if layout.busbar_places and SOLDERED.draw(rng):
        found.append(_solder(rng, layout))
    if BRIGHT.draw(rng):
        outline, _ = draw_piece(rng, layout)
        found.append(Defect(CELL, layout.fill(outline), light_of(BRIGHTER.draw(rng))))
    return found


def _spot(rng: np.random.Generator, layout: Layout) -> Defect:
    radius = SPOT_RADIUS.draw(rng)
    return _soft(layout, circle(rng.random(2), [radius] * 8), 1 - SPOT_DEPTH.draw(rng), radius * SPOT_SOFT)


def _smudge(rng: np.random.Generator, layout: Layout) -> Defect:
    radius = SMUDGE_RADIUS.draw(rng)
    outline = circle(rng.random(2), radius * RAGGED.draw_many(rng, SMUDGE_CORNERS))
    return _soft(layout, outline, 1 - SMUDGE_DEPTH.draw(rng), radius * SMUDGE_SOFT)


def _solder(rng: np.random.Generator, layout: Layout) -> Defect:
    top, bottom = layout.busbar_places[rng.integers(len(layout.busbar_places))]
    start, length, beside = rng.random(), SOLDER_LENGTH.draw(rng), SOLDER_WIDTH.draw(rng)
    outline = rectangle(start, top - beside, start + length, bottom + beside)
    return _soft(layout, outline, SOLDER_LIGHT.draw(rng), beside * SOLDER_SOFT)


def _soft(layout: Layout, outline: np.ndarray, light: float, softness: float) -> Defect:
    pixels = layout.pixels(softness)
    return Defect(CELL, layout.fill(outline, beyond=int(3 * pixels) + 1), light_of(light), pixels)
