"""Join cracks across busbars: metal hides a crack, so two ends that face each other over a busbar are one crack."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.measurement.regions import distance_to_border

__all__ = ["join_across_busbars"]

_MAX_SLANT = 1.45  # length of a bridge relative to the shortest way across: 46 degrees
_MIN_HIDDEN = (
    0.8  # minimum part of a bridge in metal, relative to the busbar's thickness; along a side it is 0
)
_MAX_BLUNT = (
    6  # length along the metal relative to half the crack's width; a longer end runs along the busbar
)
_MAX_POINTS = 64  # points of an end that are compared; an end that runs along a busbar has hundreds


def join_across_busbars(
    crack: NDArray[np.bool_], busbar: NDArray[np.bool_], max_gap: int = 3
) -> NDArray[np.bool_]:
    """Draw the parts of cracks that busbars hide.

    For each busbar, pairs of crack ends that face each other are joined, the closest pair first. Each end is joined
    once.

    Args:
        crack: ``(H, W) bool``.
        busbar: ``(H, W) bool``.
        max_gap: maximum distance between a crack end and the busbar that hides the rest of the crack, pixels.

    Returns:
        ``(H, W) bool``: the cracks and their hidden parts.

    Examples:
        >>> crack, busbar = np.zeros((2, 40, 40), bool)
        >>> busbar[18:23], crack[:18, 20], crack[23:, 20] = True, True, True
        >>> bool(join_across_busbars(crack, busbar)[:, 20].all())
        True
    """
    if not crack.any():
        return crack.copy()
    joined = crack.astype(np.uint8)
    radius = distance_to_border(crack)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(busbar.astype(np.uint8))
    for label in range(1, count):
        left, top, width, height, _ = boxes[label].tolist()
        window = (
            slice(max(top - max_gap, 0), top + height + max_gap),
            slice(max(left - max_gap, 0), left + width + max_gap),
        )
        for start, end in _find_bridges(crack[window], labels[window] == label, radius[window], max_gap):
            half_width = max(float(radius[window][point]) for point in (start, end))
            # OpenCV takes x before y.
            cv2.line(joined[window], start[::-1], end[::-1], 1, max(1, round(2 * half_width - 1)))
    return joined > 0


_Point = tuple[int, int]  # row, column


@dataclass(frozen=True)
class _Bridge:
    length: float
    first: int
    second: int
    start: _Point
    end: _Point


def _find_bridges(
    crack: NDArray[np.bool_], metal: NDArray[np.bool_], radius: NDArray[np.float32], max_gap: int
) -> list[tuple[_Point, _Point]]:
    """Return start and end of each hidden part under one busbar."""
    distance = cv2.distanceTransform((~metal).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ends = _find_ends(crack & (distance <= max_gap), distance, radius)
    if len(ends) < 2:
        return []
    bridges, depth = [], distance_to_border(metal)
    boxes = np.array([[end.min(axis=0), end.max(axis=0)] for end in ends])
    longest = _MAX_SLANT * (2 * float(depth.max()) + 2 * max_gap) + 1
    for first, end in enumerate(ends):
        low, high = boxes[:first, 0], boxes[:first, 1]
        box_distance = np.maximum(low - boxes[first, 1], boxes[first, 0] - high).max(axis=1)
        for second in np.flatnonzero(box_distance <= longest).tolist():
            if (bridge := _bridge(first, second, end, ends[second], distance, depth)) is not None:
                bridges.append(bridge)
    chosen, used = [], set[int]()
    for bridge in sorted(bridges, key=lambda bridge: bridge.length):
        if not used & {bridge.first, bridge.second}:
            used |= {bridge.first, bridge.second}
            chosen.append((bridge.start, bridge.end))
    return chosen


def _find_ends(
    crack: NDArray[np.bool_], distance: NDArray[np.float32], radius: NDArray[np.float32]
) -> list[NDArray[np.int64]]:
    """Return, for each crack end near the metal, its closest points as ``(N, 2)`` rows and columns.

    This is only the middle of the end, unless the crack runs along the metal.
    """
    count, labels = cv2.connectedComponents(crack.astype(np.uint8))
    points, point_labels = np.argwhere(crack), labels[crack]
    ends = []
    for label in range(1, count):
        end = points[point_labels == label]
        distances = distance[end[:, 0], end[:, 1]]
        closest = end[distances <= distances.min() + 0.5]
        if np.ptp(closest, axis=0).max() <= _MAX_BLUNT * float(radius[end[:, 0], end[:, 1]].max()):
            middle = np.abs(closest - closest.mean(axis=0)).sum(axis=1).argmin()
            closest = closest[middle : middle + 1]
        ends.append(closest[:: -(-len(closest) // _MAX_POINTS)])
    return ends


def _bridge(
    first: int,
    second: int,
    first_end: NDArray[np.int64],
    second_end: NDArray[np.int64],
    distance: NDArray[np.float32],
    depth: NDArray[np.float32],
) -> _Bridge | None:
    """Return the shortest bridge between two ends, or ``None`` if metal does not hide it."""
    lengths = np.linalg.norm(first_end[:, None] - second_end[None], axis=-1)
    i, j = np.unravel_index(int(lengths.argmin()), lengths.shape)
    start, end, length = first_end[i], second_end[j], float(lengths[i, j])
    gaps = float(
        distance[tuple(start)] + distance[tuple(end)]
    )  # 2 pixels more than the part outside the metal
    steps = np.linspace(start, end, 2 * int(length) + 3).round().astype(int)
    metal = depth[steps[:, 0], steps[:, 1]]
    thickness = 2 * float(metal.max())  # or 1 less: the depth is the same for 3 and for 4 pixels
    hidden = float((metal > 0).mean()) * length
    longest = _MAX_SLANT * (thickness + gaps - 1) + 1
    if not thickness or hidden < _MIN_HIDDEN * (thickness - 1) or length > longest:
        return None
    return _Bridge(length, first, second, _point(start), _point(end))


def _point(pixel: Any) -> _Point:
    return int(pixel[0]), int(pixel[1])
