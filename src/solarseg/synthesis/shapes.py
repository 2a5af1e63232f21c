"""Lines and polygons, ``(N, 2)`` in any unit.

They are made of sums, products and quotients of random numbers only, no sines or logarithms, the last digit of which
differs between machines: masks must not.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["across", "circle", "clip", "direction", "dot", "jagged", "rectangle"]

Points = NDArray[np.float64]


def dot(a: Points, b: Points) -> Any:
    """Scalar product of vectors ``(..., 2)``, written out: libraries of matrices round differently."""
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1]


def across(vectors: Points) -> Points:
    """Turn vectors ``(..., 2)`` by a right angle.

    Examples:
        >>> across(np.array([1.0, 0.0])).tolist()
        [0.0, -1.0]
    """
    return vectors[..., ::-1] * (1, -1)


def direction(half_tangent: float) -> Points:
    """Unit vector at twice the angle of a tangent, by the rational parametrisation of the circle.

    Examples:
        >>> direction(1.0).tolist()
        [0.0, 1.0]
    """
    square = half_tangent * half_tangent
    return np.array([1 - square, 2 * half_tangent]) / (1 + square)


def circle(middle: ArrayLike, radii: ArrayLike) -> Points:
    """Corners of a polygon around a middle, one for each radius, at nearly equal angles.

    Examples:
        >>> circle((0, 0), [1, 1, 1, 1]).round(6).tolist()
        [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
    """
    radii = np.asarray(radii, np.float64)
    quarter = -(-len(radii) // 4)
    first = np.stack([direction(i / quarter) for i in range(quarter)])
    turns = [first, -across(first), -first, across(first)]
    return np.asarray(middle, np.float64) + np.concatenate(turns)[: len(radii)] * radii[:, None]


def rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    """Corners of a rectangle, clockwise from the upper left."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def jagged(rng: np.random.Generator, ends: ArrayLike, roughness: float, halvings: int = 4) -> Points:
    """Draw a jagged line by halving it and shifting the middles sideways, again and again.

    Args:
        rng: draws the shifts.
        ends: ``(2, 2)``, where it begins and ends.
        roughness: largest sideways shift of the middle of a piece, share of the piece's length.
        halvings: how often.

    Returns:
        ``(2 ** halvings + 1, 2)``, in the unit of its ends.
    """
    points = np.asarray(ends, np.float64)
    for _ in range(halvings):
        steps = np.diff(points, axis=0)
        shift = roughness * (2 * rng.random((len(steps), 1)) - 1)
        halved = np.empty((len(points) + len(steps), 2))
        halved[::2] = points
        halved[1::2] = points[:-1] + steps / 2 + across(steps) * shift
        points = halved
    return points


def clip(polygon: Points, point: Points, normal: Points) -> tuple[Points, Points | None]:
    """Keep what lies on the side of a line that a normal points away from (Sutherland and Hodgman).

    Args:
        polygon: ``(N, 2)`` convex.
        point: of the line.
        normal: of the line.

    Returns:
        The polygon, begun with the cut where there is one, and the cut's ends, ``(2, 2)``.

    Examples:
        >>> kept, cut = clip(rectangle(0, 0, 2, 2), np.array([1.0, 0.0]), np.array([1.0, 0.0]))
        >>> kept.tolist(), cut.tolist()
        ([[1.0, 2.0], [0.0, 2.0], [0.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 2.0]])
    """
    beyond = dot(polygon - point, normal)
    kept: list[Points] = []
    leaves: list[int] = []  # where in what is kept the polygon crosses the line outwards
    for i in range(len(polygon)):
        j = (i + 1) % len(polygon)
        if beyond[i] <= 0:
            kept.append(polygon[i])
        if (beyond[i] <= 0) != (beyond[j] <= 0):
            share = beyond[i] / (beyond[i] - beyond[j])
            if beyond[i] <= 0:
                leaves.append(len(kept))
            kept.append(polygon[i] + (polygon[j] - polygon[i]) * share)
    if not leaves:
        return np.array(kept).reshape(-1, 2), None
    # Begin behind the cut: its two ends are then the last and the first.
    turned = np.roll(np.array(kept), -leaves[0] - 1, axis=0)
    return turned, np.stack([turned[-1], turned[0]])
