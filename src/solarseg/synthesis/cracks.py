"""Cracks: single, crossing, branching, ladders of two with rungs between, and along busbars."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from solarseg.synthesis.canvas import THINNEST, stroke
from solarseg.synthesis.defects import CRACK, Defect, light_of
from solarseg.synthesis.layout import Layout
from solarseg.synthesis.parameters import EVEN, Chance, Choice, Range
from solarseg.synthesis.shapes import across, dot, jagged

__all__ = ["crack_along", "draw_crack", "draw_direction"]

Points = NDArray[np.float64]

CRACK_KINDS = Choice(
    {"single": 0.48, "crossing": 0.14, "branching": 0.18, "ladder": 0.1, "beside busbar": 0.1},
    "of kinds of cracks; crossing: what a blow leaves, ladder: two of one load with splinters between",
)
CRACK_WIDTH = Range(
    1 / 190,
    1 / 85,
    "cell",
    "1.3 to 3 pixels of 256 before blur; a hairline is narrower and as much fainter",
    "low",
)
CRACK_DEPTH = Range(0.08, 0.95, "light", "lost, from hardly seen above grain to black", "low")
CRACK_LENGTH = Range(0.08, 0.9, "cell", "of a straight piece")
CRACK_PIECES = Range(1, 3, "count", "a crack turns where it meets another plane, a wire or a grain boundary")
CRACK_BENT = Range(0.6, 1.6, "share", "of the sideways step where a crack in poly turns: 31 to 58 degrees")
MONO_OFF_AXIS = Range(
    -0.16, 0.16, "share", "sideways to forward: cracks follow planes at 45 degrees within 9"
)
MONO_ROUGHNESS = Range(0.0, 0.03, "share", "sideways shift of a piece's middle: little along a crystal plane")
POLY_ROUGHNESS = Range(0.02, 0.12, "share", "likewise, more where it crosses grains")
CROSSING_AT = Range(0.1, 0.9, "cell", "along either side, where two cracks cross")
BRANCHES = Range(2, 7, "count", "of a crack where something struck")
BRANCH_LENGTH = Range(0.15, 0.6, "share", "of the crack it leaves")
BRANCH_SLANT = Range(0.3, 1.2, "share", "sideways to forward: 17 to 50 degrees off the crack")
BRANCH_WIDTH = Range(
    0.6, 0.9, "share", "of the crack's width, as splinters': what is left of the stress that made it"
)
LADDER_APART = Range(0.02, 0.1, "cell", "two cracks of one load, with splinters between")
LADDER_RUNGS = Range(4, 14, "count", "splinters between the two")
LADDER_SLANT = Range(0.006, 0.024, "cell", "forwards, from a splinter's foot to its other end")
BUSBAR_AWAY = Range(0.005, 0.06, "cell", "where the ribbon's stiffness ends")
BUSBAR_ROUGHNESS = Range(0.02, 0.08, "share", "waves between soldered places")
FROM_EDGE = Chance(0.5, "that it begins at an edge, where silicon is weakest")
FAR = 0.2  # square of how far a random point must lie from the middle to tell a direction: rounding spoils nearer ones
OFF_PLANE = Chance(0.12, "that a crack in mono follows no crystal plane")


def draw_crack(rng: np.random.Generator, layout: Layout) -> Defect:
    """Draw a crack of any kind."""
    kind = _KINDS[CRACK_KINDS.draw(rng)]
    width = layout.width(CRACK_WIDTH.draw(rng))
    drawn = kind(rng, layout)
    start = drawn[0][0][0]
    lines = [
        (layout.stretched(line, start), max(THINNEST, round(width * thinner))) for line, thinner in drawn
    ]
    return _crack(layout, lines, 1 - CRACK_DEPTH.draw(rng))


def crack_along(rng: np.random.Generator, layout: Layout, line: Points) -> Defect:
    """Draw the crack that a line is, as at the border of an area it cuts off."""
    return _crack(layout, [(line, layout.width(CRACK_WIDTH.draw(rng)))], 1 - CRACK_DEPTH.draw(rng))


def draw_direction(rng: np.random.Generator, layout: Layout) -> Points:
    """Draw where a crack is heading on the wafer, ``(2,)`` of unit length: along a plane of the crystal in mono."""
    if layout.module.cell == "mono" and not OFF_PLANE.draw(rng):
        plane = np.array([rng.choice((-1.0, 1.0)), rng.choice((-1.0, 1.0))])
        along = plane + across(plane) * MONO_OFF_AXIS.draw(rng)
        return along / np.sqrt(dot(along, along))
    while True:
        heading = 2 * rng.random(2) - 1
        if FAR < (square := dot(heading, heading)) <= 1:
            return heading / np.sqrt(square)


def _crack(layout: Layout, lines: list[tuple[Points, int]], light: float) -> Defect:
    placed = [(layout.place(line), width) for line, width in lines]
    return Defect(CRACK, stroke(layout.size, placed), light_of(light))


Lines = list[tuple[Points, float]]  # points, and share of the crack's width


def _single(rng: np.random.Generator, layout: Layout) -> Lines:
    return [(_path(rng, layout, _start(rng)), 1.0)]


def _crossing(rng: np.random.Generator, layout: Layout) -> Lines:
    """Two through one place, across one another: what a blow from behind leaves."""
    middle, heading = CROSSING_AT.draw_many(rng, 2), draw_direction(rng, layout)
    lines: Lines = []
    for axis in (heading, across(heading)):
        ends = [middle + side * axis * CRACK_LENGTH.draw(rng) for side in (-0.5, 0.5)]
        lines.append((jagged(rng, ends, _roughness(rng, layout)), 1.0))
    return lines


def _branching(rng: np.random.Generator, layout: Layout) -> Lines:
    main = _path(rng, layout, _start(rng))
    lines: Lines = [(main, 1.0)]
    for _ in range(BRANCHES.draw_int(rng)):
        parent, width = lines[rng.integers(len(lines))]
        start = parent[rng.integers(1, len(parent) - 1)]
        forwards = (parent[-1] - parent[0]) * BRANCH_LENGTH.draw(rng)
        sideways = across(forwards) * BRANCH_SLANT.draw(rng) * rng.choice((-1, 1))
        lines.append(
            (
                jagged(rng, (start, start + forwards + sideways), _roughness(rng, layout)),
                width * BRANCH_WIDTH.draw(rng),
            )
        )
    return lines


def _ladder(rng: np.random.Generator, layout: Layout) -> Lines:
    start, heading = _start(rng), draw_direction(rng, layout)
    end = start + heading * CRACK_LENGTH.draw(rng)
    beside = across(heading) * LADDER_APART.draw(rng)
    rails = [
        jagged(rng, (start, end), _roughness(rng, layout)),
        jagged(rng, (start, end + beside), _roughness(rng, layout)),
    ]
    slant = heading * LADDER_SLANT.draw(rng)
    lines: Lines = [(rail, 1.0) for rail in rails]
    for _ in range(LADDER_RUNGS.draw_int(rng)):
        foot = rng.integers(2, len(rails[0]))
        rung = jagged(rng, (rails[0][foot], rails[1][foot] + slant), _roughness(rng, layout), halvings=2)
        lines.append((rung, BRANCH_WIDTH.draw(rng)))
    return lines


def _beside_busbar(rng: np.random.Generator, layout: Layout) -> Lines:
    top, bottom = layout.random_band(rng)
    edge, inwards = (top, 1) if EVEN.draw(rng) else (bottom, -1)
    start, length = rng.random(), CRACK_LENGTH.draw(rng)
    ends = [
        (u, edge + inwards * BUSBAR_AWAY.draw(rng)) for u in (start, start + length * rng.choice((-1, 1)))
    ]
    return [(jagged(rng, ends, BUSBAR_ROUGHNESS.draw(rng)), 1.0)]


_KINDS: dict[str, Callable[[np.random.Generator, Layout], Lines]] = {
    "single": _single,
    "crossing": _crossing,
    "branching": _branching,
    "ladder": _ladder,
    "beside busbar": _beside_busbar,
}


def _start(rng: np.random.Generator) -> Points:
    start = rng.random(2)
    if FROM_EDGE.draw(rng):
        start[rng.integers(2)] = rng.choice((0.0, 1.0))
    return start


def _path(rng: np.random.Generator, layout: Layout, start: Points) -> Points:
    """Draw straight pieces one after another, heading into the cell, that turn in between."""
    heading = draw_direction(rng, layout)
    if dot(heading, 0.5 - start) < 0:
        heading = -heading
    pieces = [start[None]]
    for _ in range(CRACK_PIECES.draw_int(rng)):
        end = start + heading * CRACK_LENGTH.draw(rng)
        pieces.append(jagged(rng, (start, end), _roughness(rng, layout))[1:])
        start, heading = end, _turn(rng, layout, heading)
    return np.concatenate(pieces)


def _turn(rng: np.random.Generator, layout: Layout, heading: Points) -> Points:
    """Onto the other plane in mono, by some angle in poly."""
    side = rng.choice((-1, 1))
    if layout.module.cell == "mono":
        return across(heading) * side
    bent = heading + across(heading) * side * CRACK_BENT.draw(rng)
    return bent / np.sqrt(dot(bent, bent))


def _roughness(rng: np.random.Generator, layout: Layout) -> float:
    return (MONO_ROUGHNESS if layout.module.cell == "mono" else POLY_ROUGHNESS).draw(rng)
