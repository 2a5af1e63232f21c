"""Lines and polygons as arrays of points ``(N, 2)`` in any unit.

They are computed with additions, multiplications and divisions of random numbers only. Sines and logarithms differ in
the last digit between machines, and masks must be identical everywhere.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Points",
    "clip_polygon",
    "dot",
    "jagged_line",
    "perpendicular",
    "radial_polygon",
    "rectangle",
    "unit_vector",
]

Points = NDArray[np.float64]


def dot(a: Points, b: Points) -> Any:
    """Return the scalar product of vectors ``(..., 2)``; linear algebra libraries round differently."""
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1]


def perpendicular(vectors: Points) -> Points:
    """Rotate vectors ``(..., 2)`` by a right angle.

    Examples:
        >>> perpendicular(np.array([1.0, 0.0])).tolist()
        [0.0, -1.0]
    """
    return vectors[..., ::-1] * (1, -1)


def unit_vector(half_tangent: float) -> Points:
    """Return the unit vector at an angle, given the tangent of half the angle.

    Uses the rational parametrisation of the circle.

    Examples:
        >>> unit_vector(1.0).tolist()
        [0.0, 1.0]
    """
    square = half_tangent * half_tangent
    return np.array([1 - square, 2 * half_tangent]) / (1 + square)


def radial_polygon(centre: ArrayLike, radii: ArrayLike) -> Points:
    """Return a polygon around a centre with one corner per radius, at nearly equal angles.

    Examples:
        >>> radial_polygon((0, 0), [1, 1, 1, 1]).round(6).tolist()
        [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
    """
    radii = np.asarray(radii, np.float64)
    quarter = -(-len(radii) // 4)
    first = np.stack([unit_vector(i / quarter) for i in range(quarter)])
    quarters = [first, -perpendicular(first), -first, perpendicular(first)]
    return np.asarray(centre, np.float64) + np.concatenate(quarters)[: len(radii)] * radii[:, None]


def rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    """Return the corners of a rectangle, clockwise from the upper left."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def jagged_line(rng: np.random.Generator, ends: ArrayLike, roughness: float, halvings: int = 4) -> Points:
    """Draw a jagged line: halve each segment and shift its middle sideways, several times.

    Args:
        rng: random numbers for the shifts.
        ends: ``(2, 2)`` start and end.
        roughness: maximum sideways shift of the middle of a segment, as a share of the segment's length.
        halvings: how many times all segments are halved.

    Returns:
        ``(2 ** halvings + 1, 2)`` points, in the unit of ``ends``.
    """
    points = np.asarray(ends, np.float64)
    for _ in range(halvings):
        steps = np.diff(points, axis=0)
        shift = roughness * (2 * rng.random((len(steps), 1)) - 1)
        halved = np.empty((len(points) + len(steps), 2))
        halved[::2] = points
        halved[1::2] = points[:-1] + steps / 2 + perpendicular(steps) * shift
        points = halved
    return points


def clip_polygon(polygon: Points, point: Points, normal: Points) -> tuple[Points, Points | None]:
    """Clip a convex polygon at a line (Sutherland and Hodgman 1974).

    Args:
        polygon: ``(N, 2)`` corners.
        point: ``(2,)``, a point on the line.
        normal: ``(2,)``, normal of the line; the side that it points to is removed.

    Returns:
        The clipped polygon, and the new side along the line as ``(2, 2)``, or ``None`` where the line does not cross
        the polygon. The polygon starts at the first point of the new side.

    Examples:
        >>> clipped, side = clip_polygon(rectangle(0, 0, 2, 2), np.array([1.0, 0.0]), np.array([1.0, 0.0]))
        >>> clipped.tolist(), side.tolist()
        ([[1.0, 2.0], [0.0, 2.0], [0.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 2.0]])
    """
    distance = dot(polygon - point, normal)
    kept: list[Points] = []
    exits: list[int] = []  # indices in `kept` where the polygon crosses the line outwards
    for i in range(len(polygon)):
        j = (i + 1) % len(polygon)
        if distance[i] <= 0:
            kept.append(polygon[i])
        if (distance[i] <= 0) != (distance[j] <= 0):
            share = distance[i] / (distance[i] - distance[j])
            if distance[i] <= 0:
                exits.append(len(kept))
            kept.append(polygon[i] + (polygon[j] - polygon[i]) * share)
    if not exits:
        return np.array(kept).reshape(-1, 2), None
    # Start after the new side: its two ends are then the last and the first corner.
    rolled = np.roll(np.array(kept), -exits[0] - 1, axis=0)
    return rolled, np.stack([rolled[-1], rolled[0]])
