"""Cracks: single, crossing, branching, ladders, and along busbars."""

from collections.abc import Callable

import numpy as np

from solarseg.synthesis.canvas import MIN_LINE_WIDTH, draw_lines
from solarseg.synthesis.defects import CRACK, Defect, as_brightness
from solarseg.synthesis.layout import Layout
from solarseg.synthesis.parameters import COIN_FLIP, Chance, Choice, Range
from solarseg.synthesis.shapes import Points, dot, jagged_line, perpendicular

__all__ = ["draw_crack", "draw_crack_along", "draw_direction"]

CRACK_KINDS = Choice(
    {"single": 0.48, "crossing": 0.14, "branching": 0.18, "ladder": 0.1, "along busbar": 0.1},
    "kind of crack; crossing: left by an impact; ladder: two cracks from one load, with splinters between them",
)
CRACK_WIDTH = Range(
    1 / 190,
    1 / 85,
    "cell",
    "width: 1.3 to 3 pixels at 256 before blur; represents narrower cracks, which are fainter in proportion",
    "low",
)
CRACK_DEPTH = Range(
    0.08, 0.95, "brightness", "loss in a crack, from hardly visible above grain to black", "low"
)
CRACK_LENGTH = Range(0.08, 0.9, "cell", "length of a straight segment")
CRACK_SEGMENTS = Range(
    1, 3, "count", "straight segments: a crack turns at another crystal plane, a wire or a grain boundary"
)
CRACK_TURN = Range(
    0.6, 1.6, "share", "sideways to forward where a crack in a poly cell turns: 31 to 58 degrees"
)
MONO_OFF_AXIS = Range(
    -0.16, 0.16, "share", "sideways to forward: cracks follow crystal planes at 45 degrees within 9 degrees"
)
MONO_ROUGHNESS = Range(
    0.0, 0.03, "share", "sideways shift of the middle of a segment in mono cells: small along a crystal plane"
)
POLY_ROUGHNESS = Range(
    0.02,
    0.12,
    "share",
    "sideways shift of the middle of a segment in poly cells: larger, as it crosses grains",
)
CROSSING_AT = Range(0.1, 0.9, "cell", "position of a crossing along either side")
BRANCHES = Range(2, 7, "count", "branches of a crack caused by an impact")
BRANCH_LENGTH = Range(0.15, 0.6, "share", "length of a branch, relative to the crack it starts from")
BRANCH_SLANT = Range(0.3, 1.2, "share", "sideways to forward of a branch: 17 to 50 degrees from the crack")
BRANCH_WIDTH = Range(
    0.6, 0.9, "share", "width of a branch or splinter, relative to the crack: less stress is left to open it"
)
LADDER_WIDTH = Range(0.02, 0.1, "cell", "distance between the two cracks of a ladder")
LADDER_RUNGS = Range(4, 14, "count", "splinters between the two cracks of a ladder")
LADDER_SLANT = Range(0.006, 0.024, "cell", "forward distance between the two ends of a splinter")
BUSBAR_DISTANCE = Range(
    0.005, 0.06, "cell", "distance of a crack along a busbar, where the stiff ribbon ends"
)
BUSBAR_ROUGHNESS = Range(0.02, 0.08, "share", "waves of a crack along a busbar, between solder joints")
FROM_EDGE = Chance(0.5, "a crack starts at an edge of the cell, where silicon is weakest")
MIN_DIRECTION_SQUARE = (
    0.2  # of the length of a random vector that gives a direction: rounding spoils shorter ones
)
OFF_PLANE = Chance(0.12, "a crack in a mono cell does not follow a crystal plane")


def draw_crack(rng: np.random.Generator, layout: Layout) -> Defect:
    """Draw a crack of a random kind."""
    draw_kind = _KINDS[CRACK_KINDS.draw(rng)]
    width = layout.line_width(CRACK_WIDTH.draw(rng))
    drawn = draw_kind(rng, layout)
    start = drawn[0][0][0]
    lines = [
        (layout.stretch_half_cell(line, start), max(MIN_LINE_WIDTH, round(width * share)))
        for line, share in drawn
    ]
    return _crack(layout, lines, 1 - CRACK_DEPTH.draw(rng))


def draw_crack_along(rng: np.random.Generator, layout: Layout, line: Points) -> Defect:
    """Draw a crack along a given line, such as the border of an inactive area."""
    return _crack(layout, [(line, layout.line_width(CRACK_WIDTH.draw(rng)))], 1 - CRACK_DEPTH.draw(rng))


def draw_direction(rng: np.random.Generator, layout: Layout) -> Points:
    """Draw the direction of a crack on the wafer; in mono cells usually along a crystal plane.

    Returns:
        ``(2,)`` unit vector.
    """
    if layout.module.cell == "mono" and not OFF_PLANE.draw(rng):
        plane = np.array([rng.choice((-1.0, 1.0)), rng.choice((-1.0, 1.0))])
        vector = plane + perpendicular(plane) * MONO_OFF_AXIS.draw(rng)
        return vector / np.sqrt(dot(vector, vector))
    while True:
        vector = 2 * rng.random(2) - 1
        if MIN_DIRECTION_SQUARE < (square := dot(vector, vector)) <= 1:
            return vector / np.sqrt(square)


def _crack(layout: Layout, lines: list[tuple[Points, int]], brightness: float) -> Defect:
    placed = [(layout.to_subpixels(line), width) for line, width in lines]
    return Defect(CRACK, draw_lines(layout.size, placed), as_brightness(brightness))


_Lines = list[tuple[Points, float]]  # points, and width as a share of the crack's width


def _single(rng: np.random.Generator, layout: Layout) -> _Lines:
    return [(_path(rng, layout, _start(rng)), 1.0)]


def _crossing(rng: np.random.Generator, layout: Layout) -> _Lines:
    """Draw two cracks that cross at a right angle, as after an impact from the back."""
    centre, direction = CROSSING_AT.draw_many(rng, 2), draw_direction(rng, layout)
    lines: _Lines = []
    for axis in (direction, perpendicular(direction)):
        ends = [centre + side * axis * CRACK_LENGTH.draw(rng) for side in (-0.5, 0.5)]
        lines.append((jagged_line(rng, ends, _roughness(rng, layout)), 1.0))
    return lines


def _branching(rng: np.random.Generator, layout: Layout) -> _Lines:
    lines: _Lines = [(_path(rng, layout, _start(rng)), 1.0)]
    for _ in range(BRANCHES.draw_int(rng)):
        parent, width = lines[rng.integers(len(lines))]
        start = parent[rng.integers(1, len(parent) - 1)]
        forward = (parent[-1] - parent[0]) * BRANCH_LENGTH.draw(rng)
        sideways = perpendicular(forward) * BRANCH_SLANT.draw(rng) * rng.choice((-1, 1))
        branch = jagged_line(rng, (start, start + forward + sideways), _roughness(rng, layout))
        lines.append((branch, width * BRANCH_WIDTH.draw(rng)))
    return lines


def _ladder(rng: np.random.Generator, layout: Layout) -> _Lines:
    start, direction = _start(rng), draw_direction(rng, layout)
    end = start + direction * CRACK_LENGTH.draw(rng)
    offset = perpendicular(direction) * LADDER_WIDTH.draw(rng)
    rails = [
        jagged_line(rng, (start, end), _roughness(rng, layout)),
        jagged_line(rng, (start, end + offset), _roughness(rng, layout)),
    ]
    slant = direction * LADDER_SLANT.draw(rng)
    lines: _Lines = [(rail, 1.0) for rail in rails]
    for _ in range(LADDER_RUNGS.draw_int(rng)):
        foot = rng.integers(2, len(rails[0]))
        ends = (rails[0][foot], rails[1][foot] + slant)
        lines.append((jagged_line(rng, ends, _roughness(rng, layout), halvings=2), BRANCH_WIDTH.draw(rng)))
    return lines


def _along_busbar(rng: np.random.Generator, layout: Layout) -> _Lines:
    top, bottom = layout.draw_strip(rng)
    edge, away = (top, 1) if COIN_FLIP.draw(rng) else (bottom, -1)
    start, length = rng.random(), CRACK_LENGTH.draw(rng)
    ends = [
        (u, edge + away * BUSBAR_DISTANCE.draw(rng)) for u in (start, start + length * rng.choice((-1, 1)))
    ]
    return [(jagged_line(rng, ends, BUSBAR_ROUGHNESS.draw(rng)), 1.0)]


_KINDS: dict[str, Callable[[np.random.Generator, Layout], _Lines]] = {
    "single": _single,
    "crossing": _crossing,
    "branching": _branching,
    "ladder": _ladder,
    "along busbar": _along_busbar,
}


def _start(rng: np.random.Generator) -> Points:
    start = rng.random(2)
    if FROM_EDGE.draw(rng):
        start[rng.integers(2)] = rng.choice((0.0, 1.0))
    return start


def _path(rng: np.random.Generator, layout: Layout, start: Points) -> Points:
    """Draw straight segments into the cell, with a turn between them."""
    direction = draw_direction(rng, layout)
    if dot(direction, 0.5 - start) < 0:
        direction = -direction
    segments = [start[None]]
    for _ in range(CRACK_SEGMENTS.draw_int(rng)):
        end = start + direction * CRACK_LENGTH.draw(rng)
        segments.append(jagged_line(rng, (start, end), _roughness(rng, layout))[1:])
        start, direction = end, _turn(rng, layout, direction)
    return np.concatenate(segments)


def _turn(rng: np.random.Generator, layout: Layout, direction: Points) -> Points:
    """Turn to the other crystal plane in mono cells, by a random angle in poly cells."""
    side = rng.choice((-1, 1))
    if layout.module.cell == "mono":
        return perpendicular(direction) * side
    turned = direction + perpendicular(direction) * side * CRACK_TURN.draw(rng)
    return turned / np.sqrt(dot(turned, turned))


def _roughness(rng: np.random.Generator, layout: Layout) -> float:
    return (MONO_ROUGHNESS if layout.module.cell == "mono" else POLY_ROUGHNESS).draw(rng)
