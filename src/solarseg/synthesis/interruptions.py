"""Finger interruptions: thin dark bars along fingers, where no current reaches the silicon beside them."""

import numpy as np

from solarseg.synthesis.defects import FINGER_INTERRUPTION, Defect, light_of
from solarseg.synthesis.layout import Layout
from solarseg.synthesis.parameters import EVEN, Range
from solarseg.synthesis.shapes import rectangle

__all__ = ["draw_interruptions"]

INTERRUPTIONS = Range(1, 8, "count", "bars in a neighbourhood, as a clogged screen leaves them")
INTERRUPTED_AMONG = Range(1, 30, "fingers", "width of that neighbourhood")
INTERRUPTION_FINGERS = Range(1, 2, "count", "side by side")
INTERRUPTION_LENGTH = Range(0.15, 1.0, "share", "of the band")
INTERRUPTION_DEPTH = Range(
    0.08, 0.5, "light", "lost: the strip is still fed through the silicon and from its other end"
)
INTERRUPTION_GRADE = Range(0.3, 1.0, "share", "of the loss at its fainter end")
INTERRUPTION_SOFT = Range(0.0, 0.8, "pixels of 256", "by which its outline is blurred, as carriers diffuse")
INTERRUPTION_AT = Range(
    0.01, 0.97, "cell", "along the busbars: at the very edge it is not to be told from the edge"
)
NARROWEST = 1.5 / 256  # of the cell: less would be in no mask


def draw_interruptions(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    """Draw the interruptions of a neighbourhood."""
    middle = rng.random()
    among = INTERRUPTED_AMONG.draw(rng) / layout.module.fingers
    band = layout.random_band(rng)
    places = [middle + among * (rng.random() - 0.5) for _ in range(round(INTERRUPTIONS.draw_low(rng)))]
    inside = [place for place in places if INTERRUPTION_AT.low < place < INTERRUPTION_AT.high]
    return [_interruption(rng, layout, band, place) for place in inside]


def _interruption(
    rng: np.random.Generator, layout: Layout, band: tuple[float, float], place: float
) -> Defect:
    fingers = layout.module.fingers
    left = int(place * fingers) / fingers
    right = left + max(round(INTERRUPTION_FINGERS.draw_low(rng)) / fingers, NARROWEST)
    height = (band[1] - band[0]) * INTERRUPTION_LENGTH.draw(rng)
    top = band[0] + (band[1] - band[0] - height) * rng.choice((0.0, rng.random(), 1.0))
    patch = layout.fill(rectangle(left, top, right, top + height), beyond=2)
    v = layout.uv[1][patch.window]
    along = np.clip((v - np.float32(top)) / np.float32(height), 0, 1)
    fainter = np.float32(INTERRUPTION_GRADE.draw(rng))
    softness = INTERRUPTION_SOFT.draw(rng) * layout.size / 256
    grade = fainter + (1 - fainter) * (along if EVEN.draw(rng) else 1 - along)
    return Defect(
        FINGER_INTERRUPTION, patch, light_of(1 - INTERRUPTION_DEPTH.draw_low(rng) * grade), softness
    )
