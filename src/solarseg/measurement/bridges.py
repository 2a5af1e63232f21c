"""Cracks that busbars divide: metal hides what is beneath, so two ends that face one another over a busbar are one."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.measurement.regions import depths

__all__ = ["bridged"]

_SLANT = 1.45  # way from end to end by the shortest way across: 46 degrees
_CROSSED = 0.8  # least share of the busbar's thickness that the way is in metal: along a side it is none
_BLUNT = 6  # length along the metal by half the crack's width: more is a crack that runs along it
_POINTS = 64  # of an end that are looked at: one that runs along a busbar has hundreds


def bridged(crack: NDArray[np.bool_], busbar: NDArray[np.bool_], near: int = 3) -> NDArray[np.bool_]:
    """Draw in what metal hides between the ends of cracks that face one another over a busbar.

    Of each busbar the nearest ends are joined first, and each once.

    Args:
        crack: ``(H, W) bool``.
        busbar: ``(H, W) bool``.
        near: pixels from a busbar within which a crack may end that goes on beneath.

    Returns:
        ``(H, W) bool``: the cracks and the ways beneath.

    Examples:
        >>> crack, busbar = np.zeros((2, 40, 40), bool)
        >>> busbar[18:23], crack[:18, 20], crack[23:, 20] = True, True, True
        >>> bool(bridged(crack, busbar)[:, 20].all())
        True
    """
    joined = crack.astype(np.uint8)
    radius = depths(crack)
    count, numbers, boxes, _ = cv2.connectedComponentsWithStats(busbar.astype(np.uint8))
    for number in range(1, count):
        left, top, width, height, _ = boxes[number].tolist()
        window = (
            slice(max(top - near, 0), top + height + near),
            slice(max(left - near, 0), left + width + near),
        )
        for start, end in _ways(crack[window], numbers[window] == number, radius[window], near):
            wide = max(float(radius[window][place]) for place in (start, end))
            # OpenCV takes x before y.
            cv2.line(joined[window], start[::-1], end[::-1], 1, max(1, round(2 * wide - 1)))
    return joined > 0


Place = tuple[int, int]


@dataclass(frozen=True)
class _Way:
    length: float
    first: int
    second: int
    start: Place
    end: Place


def _ways(
    crack: NDArray[np.bool_], metal: NDArray[np.bool_], radius: NDArray[np.float32], near: int
) -> list[tuple[Place, Place]]:
    """Places, row and column, that one busbar hides the way between."""
    away = cv2.distanceTransform((~metal).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ends = _ends(crack & (away <= near), away, radius)
    if len(ends) < 2:
        return []
    found, depth = [], depths(metal)
    boxes = np.array([[end.min(axis=0), end.max(axis=0)] for end in ends])
    longest = _SLANT * (2 * float(depth.max()) + 2 * near) + 1
    for first, one in enumerate(ends):
        low, high = boxes[:first, 0], boxes[:first, 1]
        apart = np.maximum(low - boxes[first, 1], boxes[first, 0] - high).max(axis=1)
        for second in np.flatnonzero(apart <= longest).tolist():
            if (way := _hidden(first, second, one, ends[second], away, depth)) is not None:
                found.append(way)
    chosen, used = [], set[int]()
    for way in sorted(found, key=lambda way: way.length):
        if not used & {way.first, way.second}:
            used |= {way.first, way.second}
            chosen.append((way.start, way.end))
    return chosen


def _ends(
    near: NDArray[np.bool_], away: NDArray[np.float32], radius: NDArray[np.float32]
) -> list[NDArray[np.int64]]:
    """Rows and columns ``(N, 2)`` where each end is nearest to the metal: its middle, unless it runs along."""
    count, numbers = cv2.connectedComponents(near.astype(np.uint8))
    places, which = np.argwhere(near), numbers[near]
    ends = []
    for number in range(1, count):
        end = places[which == number]
        far = away[end[:, 0], end[:, 1]]
        nearest = end[far <= far.min() + 0.5]
        if np.ptp(nearest, axis=0).max() <= _BLUNT * float(radius[end[:, 0], end[:, 1]].max()):
            middle = np.abs(nearest - nearest.mean(axis=0)).sum(axis=1).argmin()
            nearest = nearest[middle : middle + 1]
        ends.append(nearest[:: -(-len(nearest) // _POINTS)])
    return ends


def _hidden(
    first: int,
    second: int,
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    away: NDArray[np.float32],
    depth: NDArray[np.float32],
) -> _Way | None:
    """The shortest way between two ends, if metal hides it."""
    lengths = np.linalg.norm(one[:, None] - other[None], axis=-1)
    i, j = np.unravel_index(int(lengths.argmin()), lengths.shape)
    start, end, length = one[i], other[j], float(lengths[i, j])
    across = float(away[tuple(start)] + away[tuple(end)])  # besides the metal's thickness, two pixels less
    steps = np.linspace(start, end, 2 * int(length) + 3).round().astype(int)
    metal = depth[steps[:, 0], steps[:, 1]]
    thickness = 2 * float(metal.max())  # or one pixel less: a depth does not tell 3 from 4
    inside = float((metal > 0).mean()) * length
    if not thickness or inside < _CROSSED * (thickness - 1) or length > _SLANT * (thickness + across - 1) + 1:
        return None
    return _Way(length, first, second, _place(start), _place(end))


def _place(pixel: Any) -> Place:
    return int(pixel[0]), int(pixel[1])
