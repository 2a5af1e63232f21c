"""Finger interruptions: thin dark bars along fingers, where no current reaches the silicon beside them."""

import numpy as np

from solarseg.synthesis.defects import FINGER_INTERRUPTION, Defect, light_of
from solarseg.synthesis.layout import Layout
from solarseg.synthesis.parameters import EVEN, Choice, Range
from solarseg.synthesis.shapes import rectangle

__all__ = ["draw_interruptions"]

INTERRUPTIONS = Range(1, 8, "count", "bars in a neighbourhood, as a clogged screen leaves them", "low")
INTERRUPTED_AMONG = Range(1, 30, "fingers", "width of that neighbourhood")
INTERRUPTION_FINGERS = Range(1, 2, "count", "side by side", "low")
INTERRUPTION_LENGTH = Range(0.15, 1.0, "share", "of the band")
INTERRUPTION_DEPTH = Range(
    0.08, 0.5, "light", "lost: the strip is still fed through the silicon and from its other end", "low"
)
INTERRUPTION_GRADE = Range(0.3, 1.0, "share", "of the loss at its fainter end")
INTERRUPTION_SOFT = Range(0.0, 0.8, "pixels of 256", "by which its outline is blurred, as carriers diffuse")
INTERRUPTION_AT = Range(
    0.01, 0.99, "cell", "along the busbars: at the very edge it is not to be told from the edge"
)
INTERRUPTION_FROM = Choice(
    {"one end": 1 / 3, "the other": 1 / 3, "anywhere": 1 / 3}, "of where in the band it begins"
)


def draw_interruptions(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    """Draw the interruptions of a neighbourhood."""
    middle = rng.random()
    among = INTERRUPTED_AMONG.draw(rng) / layout.module.fingers
    band = layout.random_band(rng)
    places = [middle + among * (rng.random() - 0.5) for _ in range(round(INTERRUPTIONS.draw(rng)))]
    strips = [_strip(rng, layout, place) for place in places]
    inside = [
        (left, right) for left, right in strips if INTERRUPTION_AT.low < left < right < INTERRUPTION_AT.high
    ]
    return [_interruption(rng, layout, band, *strip) for strip in inside]


def _strip(rng: np.random.Generator, layout: Layout, place: float) -> tuple[float, float]:
    """Where along the busbars the silicon is that fingers feed: from half their distance before to half behind."""
    fingers = layout.module.fingers
    left = (round(place * fingers) - 0.5) / fingers
    return left, left + round(INTERRUPTION_FINGERS.draw(rng)) / fingers


def _interruption(
    rng: np.random.Generator, layout: Layout, band: tuple[float, float], left: float, right: float
) -> Defect:
    height = (band[1] - band[0]) * INTERRUPTION_LENGTH.draw(rng)
    begins = {"one end": 0.0, "the other": 1.0}.get(INTERRUPTION_FROM.draw(rng), rng.random())
    top = band[0] + (band[1] - band[0] - height) * begins
    # In an image so small that a strip would not be in the mask, it is wider and as much fainter.
    wider = max(0.0, layout.thinnest - (right - left))
    patch = layout.fill(rectangle(left - wider / 2, top, right + wider / 2, top + height), beyond=2)
    v = layout.uv[1][patch.window]
    along = np.clip((v - np.float32(top)) / np.float32(height), 0, 1)
    loss = INTERRUPTION_DEPTH.draw(rng) * (right - left) / (right - left + wider)
    fainter = np.float32(INTERRUPTION_GRADE.draw(rng))
    softness = INTERRUPTION_SOFT.draw(rng) * layout.size / 256
    grade = fainter + (1 - fainter) * (along if EVEN.draw(rng) else 1 - along)
    return Defect(FINGER_INTERRUPTION, patch, light_of(1 - loss * grade), softness)
