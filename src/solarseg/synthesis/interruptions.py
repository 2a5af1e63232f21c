"""Finger interruptions: thin dark bars along fingers, where no current reaches the silicon next to them."""

import numpy as np

from solarseg.synthesis.defects import FINGER_INTERRUPTION, Defect, as_brightness
from solarseg.synthesis.layout import Layout
from solarseg.synthesis.parameters import COIN_FLIP, Choice, Range
from solarseg.synthesis.shapes import rectangle

__all__ = ["draw_interruptions"]

INTERRUPTIONS = Range(1, 8, "count", "bars in a group, as left by a clogged printing screen", "low")
INTERRUPTION_GROUP_WIDTH = Range(1, 30, "fingers", "width of a group")
INTERRUPTION_FINGERS = Range(1, 2, "count", "adjacent fingers that one bar covers", "low")
INTERRUPTION_LENGTH = Range(0.15, 1.0, "share", "length of a bar, relative to the height of the strip")
INTERRUPTION_DEPTH = Range(
    0.08,
    0.5,
    "brightness",
    "loss: current still comes through the silicon and from the other end of the finger",
    "low",
)
INTERRUPTION_GRADE = Range(
    0.3, 1.0, "share", "loss at the fainter end, relative to the loss at the other end"
)
INTERRUPTION_SOFT = Range(
    0.0, 0.8, "pixels at 256", "blur of the outline, caused by the diffusion of carriers"
)
INTERRUPTION_AT = Range(
    0.01, 0.99, "cell", "position along the busbars; closer to the edge it looks like a dark edge"
)
INTERRUPTION_FROM = Choice(
    {"one end": 1 / 3, "other end": 1 / 3, "anywhere": 1 / 3}, "where a bar starts in its strip"
)


def draw_interruptions(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    """Draw a group of finger interruptions in one strip."""
    centre = rng.random()
    group_width = INTERRUPTION_GROUP_WIDTH.draw(rng) / layout.module.fingers
    strip = layout.draw_strip(rng)
    positions = [centre + group_width * (rng.random() - 0.5) for _ in range(round(INTERRUPTIONS.draw(rng)))]
    stripes = [_stripe(rng, layout, position) for position in positions]
    inside = [
        (left, right) for left, right in stripes if INTERRUPTION_AT.low < left < right < INTERRUPTION_AT.high
    ]
    return [_interruption(rng, layout, strip, *stripe) for stripe in inside]


def _stripe(rng: np.random.Generator, layout: Layout, position: float) -> tuple[float, float]:
    """Return the start and end along ``u`` of the silicon around one or two fingers, half their distance each side."""
    fingers = layout.module.fingers
    left = (round(position * fingers) - 0.5) / fingers
    return left, left + round(INTERRUPTION_FINGERS.draw(rng)) / fingers


def _interruption(
    rng: np.random.Generator, layout: Layout, strip: tuple[float, float], left: float, right: float
) -> Defect:
    height = (strip[1] - strip[0]) * INTERRUPTION_LENGTH.draw(rng)
    start = {"one end": 0.0, "other end": 1.0}.get(INTERRUPTION_FROM.draw(rng), rng.random())
    top = strip[0] + (strip[1] - strip[0] - height) * start
    # In a small image the bar may be too narrow for the mask: draw it wider, and fainter in proportion.
    widening = max(0.0, layout.min_line_width - (right - left))
    patch = layout.fill_polygons(
        rectangle(left - widening / 2, top, right + widening / 2, top + height), margin=2
    )
    v = layout.uv[1][patch.window]
    along = np.clip((v - np.float32(top)) / np.float32(height), 0, 1)
    loss = INTERRUPTION_DEPTH.draw(rng) * (right - left) / (right - left + widening)
    fainter = np.float32(INTERRUPTION_GRADE.draw(rng))
    softness = INTERRUPTION_SOFT.draw(rng) * layout.size / 256
    grade = fainter + (1 - fainter) * (along if COIN_FLIP.draw(rng) else 1 - along)
    return Defect(FINGER_INTERRUPTION, patch, as_brightness(1 - loss * grade), softness)
