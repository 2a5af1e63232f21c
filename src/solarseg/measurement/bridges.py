"""Cracks that busbars divide: metal hides what is beneath, so two ends that face one another over a busbar are one."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Bridges", "find_bridges"]

_NEAR = 3  # pixels from a busbar within which a crack may end that goes on beneath
_SLANT = 1.6  # way beneath by the busbar's width: a crack at 45 degrees has 1.4 times as far to go
_HIDDEN = (
    0.6  # share of the way between two ends that must be busbar: along one side of it there is hardly any
)


class Bridges(NamedTuple):
    """Ways beneath busbars.

    Attributes:
        cracks: how many there are, parts that are bridged being one.
        length: of all ways, pixels.
    """

    cracks: int
    length: float


def find_bridges(crack: NDArray[np.bool_], busbar: NDArray[np.bool_]) -> Bridges:
    """Join the ends of cracks that face one another over a busbar, the nearest first, each end once.

    Args:
        crack: ``(H, W) bool``.
        busbar: ``(H, W) bool``.

    Examples:
        >>> crack, busbar = np.zeros((2, 40, 40), bool)
        >>> busbar[18:23], crack[:18, 20], crack[23:, 20] = True, True, True
        >>> find_bridges(crack, busbar)
        Bridges(cracks=1, length=5.0)
    """
    count, numbers = cv2.connectedComponents(crack.astype(np.uint8))
    near = cv2.dilate(busbar.astype(np.uint8), np.ones((2 * _NEAR + 1, 2 * _NEAR + 1), np.uint8)) > 0
    ends = _ends(crack & near)
    if len(ends) < 2:
        return Bridges(count - 1, 0.0)
    depth = cv2.distanceTransform(np.pad(busbar, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    whole = list(range(count))
    used: set[int] = set()
    length = 0.0
    for distance, first, second, start, end in sorted(_ways(ends, depth[1:-1, 1:-1])):
        if first not in used and second not in used:
            used |= {first, second}
            length += distance - 1
            one, other = (_root(whole, int(numbers[place])) for place in (start, end))
            whole[one] = other
    return Bridges(len({_root(whole, number) for number in range(1, count)}), length)


Place = tuple[int, int]


def _ends(near: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Rows and columns ``(N, 2)`` of each end."""
    count, numbers = cv2.connectedComponents(near.astype(np.uint8))
    places = np.argwhere(near)
    which = numbers[near]
    return [places[which == number] for number in range(1, count)]


def _ways(
    ends: list[NDArray[np.int64]], depth: NDArray[np.float32]
) -> list[tuple[float, int, int, Place, Place]]:
    """Length, ends and places of every way that is hidden by metal."""
    most = _SLANT * 2 * float(depth.max()) + 2 * _NEAR
    boxes = np.array([[*places.min(axis=0), *places.max(axis=0)] for places in ends])
    found = []
    for first in range(len(ends)):
        apart = np.maximum(boxes[:, :2] - boxes[first, 2:], boxes[first, :2] - boxes[:, 2:]).max(axis=1)
        for second in np.flatnonzero(apart <= most).tolist():
            if second > first and (way := _hidden(ends[first], ends[second], depth)) is not None:
                found.append((way[0], first, second, *way[1:]))
    return found


def _hidden(
    one: NDArray[np.int64], other: NDArray[np.int64], depth: NDArray[np.float32]
) -> tuple[float, Place, Place] | None:
    distances = np.linalg.norm(one[:, None] - other[None], axis=-1)
    i, j = np.unravel_index(int(distances.argmin()), distances.shape)
    start, end, distance = one[i], other[j], float(distances[i, j])
    steps = np.linspace(start, end, int(distance) + 2)[1:-1].round().astype(int)
    hidden = depth[steps[:, 0], steps[:, 1]]
    if (hidden > 0).mean() < _HIDDEN or distance > _SLANT * 2 * float(hidden.max()) + 2 * _NEAR:
        return None
    return distance, (int(start[0]), int(start[1])), (int(end[0]), int(end[1]))


def _root(whole: list[int], number: int) -> int:
    while whole[number] != number:
        number = whole[number]
    return number
