"""Regions of masks to polygons and back.

A ring is a closed line, ``(N, 2) float64`` x and y, whose last point is not the first again. Coordinates count
from the corner of the image: pixel (0, 0) covers 0 to 1, and a pixel belongs to a polygon that covers its centre.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from solarseg.errors import MaskError
from solarseg.extras import require

__all__ = [
    "Polygon",
    "Ring",
    "area",
    "as_points",
    "bridge",
    "fill",
    "length",
    "outlines",
    "simplify",
    "stroke",
]

Ring = NDArray[np.float64]

_RASTERIO = Lock()  # it silences warnings for the whole process while it works, which threads would undo

_FARTHEST = 1e6  # pixels; no image is larger, and GDAL counts in 32 bits


@dataclass(frozen=True)
class Polygon:
    """An outline with its holes.

    Attributes:
        outer: the outline.
        holes: rings within it.
    """

    outer: Ring
    holes: tuple[Ring, ...] = ()

    @property
    def rings(self) -> tuple[Ring, ...]:
        """The outline and the holes."""
        return (self.outer, *self.holes)


def as_points(points: Any, source: str, kind: str = "polygon", least: int = 3) -> Ring:
    """Make ``(N, 2)`` points of what a file says are some.

    Args:
        points: pairs of x and y.
        source: the file and the place in it, for the error message.
        kind: what they are the points of, likewise.
        least: how many there must be.

    Raises:
        MaskError: these are no pairs of numbers, too few, or numbers that no image can hold.

    Examples:
        >>> as_points([[0, 0], [4, 0]], "a.json, shape 1")
        Traceback (most recent call last):
        solarseg.errors.MaskError: a.json, shape 1: polygon of 2 points; at least 3 are needed; correct or remove it
    """
    try:
        pairs = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        pairs = np.full(1, np.nan)
    none = pairs.shape == (0,)
    if not none and (pairs.ndim != 2 or pairs.shape[1] != 2 or not (np.abs(pairs) <= _FARTHEST).all()):
        raise MaskError(f"{source}: {kind} is not pairs of x and y in pixels; correct or remove it")
    if len(pairs) < least:
        raise MaskError(
            f"{source}: {kind} of {len(pairs)} points; at least {least} are needed; correct or remove it"
        )
    return pairs


def fill(rings: Sequence[Ring], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill polygons by the even-odd rule: what lies within a second ring is a hole.

    Args:
        rings: outlines and holes in any order; parts outside the image are left out.
        size: height and width of the image.

    Returns:
        ``(H, W) bool``, true where the centre of the pixel is inside.

    Raises:
        MissingExtraError: rasterio is not installed.

    Examples:
        >>> square, hole = np.array([[0, 0], [3, 0], [3, 3], [0, 3]]), np.array([[1, 1], [2, 1], [2, 2], [1, 2]])
        >>> fill([square, hole], (3, 4)).astype(int)
        array([[1, 1, 1, 0],
               [1, 0, 1, 0],
               [1, 1, 1, 0]])
    """
    if not rings:
        return np.zeros(size, dtype=np.bool_)
    closed = [np.concatenate([ring, ring[:1]]).tolist() for ring in rings]
    geometry = {"type": "Polygon", "coordinates": closed}
    features = require("rasterio.features", "data")
    with _RASTERIO:
        return features.rasterize([geometry], out_shape=size, dtype="uint8").astype(np.bool_)


def stroke(points: NDArray[Any], size: tuple[int, int], width: int) -> NDArray[np.bool_]:
    """Draw a line along points that are pixels, as Pillow and LabelMe do; OpenCV 5 draws it two pixels wider.

    Args:
        points: ``(N, 2)`` x and y; pixel (0, 0) is the first.
        size: height and width of the image.
        width: of the line, in pixels.

    Examples:
        >>> stroke(np.array([[0, 1], [3, 1]]), (4, 4), width=1).sum(axis=1).tolist()
        [0, 4, 0, 0]
    """
    picture = Image.new("L", size[::-1])
    ImageDraw.Draw(picture).line([(x, y) for x, y in points.tolist()], fill=1, width=width, joint="curve")
    return np.asarray(picture) > 0


def outlines(region: NDArray[np.bool_], tolerance: float = 0) -> list[Polygon]:
    """Find the outlines of a region along the borders of its pixels.

    Pixels that meet in a corner alone are parts of different polygons, so that no ring touches itself.

    Args:
        region: ``(H, W) bool``.
        tolerance: in pixels, see `simplify`: only pixels whose centre is within this distance of the region's
            border change. 0 is exact: ``fill`` gives the region again.

    Returns:
        A polygon for each connected component, without points on a straight line.

    Raises:
        MissingExtraError: rasterio is not installed.

    Examples:
        >>> outlines(np.array([[0, 1, 1], [0, 0, 0]], dtype=bool))[0].outer.tolist()
        [[1.0, 0.0], [1.0, 1.0], [3.0, 1.0], [3.0, 0.0]]
    """
    features = require("rasterio.features", "data")
    with _RASTERIO:
        shapes = list(features.shapes(region.astype(np.uint8), mask=region, connectivity=4))
    found = [[np.array(ring[:-1]) for ring in shape["coordinates"]] for shape, _ in shapes]
    return [simplify(Polygon(outer, tuple(holes)), tolerance) for outer, *holes in found]


def area(ring: Ring) -> float:
    """Return the area within a ring, in pixels."""
    x, y = (ring - ring[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def length(ring: Ring) -> float:
    """Return the length of a ring, in pixels."""
    return float(np.hypot(*(np.roll(ring, -1, axis=0) - ring).T).sum())


def simplify(polygon: Polygon, tolerance: float) -> Polygon:
    """Leave out points of a polygon (Douglas and Peucker 1973).

    Narrow polygons, such as those of cracks, are simplified by a quarter of their mean width at most, so that
    none of them vanishes.

    Args:
        polygon: what to simplify.
        tolerance: how far its lines may move, in pixels.

    Examples:
        >>> steps = np.array([[0, 0], [9, 0], [9, 5], [5, 5], [5, 6], [0, 6]])
        >>> simplify(Polygon(steps), tolerance=1).outer.tolist()
        [[0, 0], [9, 0], [9, 5], [0, 6]]
    """
    if tolerance == 0:
        return polygon
    # Half of area over perimeter is a quarter of the mean width, and with it no ring can collapse: what is within
    # t of a line of length L covers at most 2tL + πt², and its perimeter is at least 2L.
    width = area(polygon.outer) - sum(map(area, polygon.holes))
    narrow = width / max(sum(map(length, polygon.rings)), 1) / 2
    outer, *holes = (
        _douglas_peucker(ring, min(tolerance, narrow, area(ring) / max(length(ring), 1) / 2))
        for ring in polygon.rings
    )
    return Polygon(outer, tuple(holes))


def _douglas_peucker(ring: Ring, tolerance: float) -> Ring:
    # OpenCV's approxPolyDP drops further points afterwards, and then strays by more than the tolerance.
    closed = np.concatenate([ring, ring[:1]])
    far = int(np.hypot(*(ring - ring[0]).T).argmax())
    kept = np.zeros(len(closed), dtype=np.bool_)
    kept[[0, far]] = True
    stack = [(0, far), (far, len(ring))]
    while stack:
        first, last = stack.pop()
        distances = _to_segment(closed[first + 1 : last], closed[first], closed[last])
        if distances.size and distances.max() > tolerance:
            middle = first + 1 + int(distances.argmax())
            kept[middle] = True
            stack += [(first, middle), (middle, last)]
    return closed[kept]


def _to_segment(points: Ring, start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    along = end - start
    share = ((points - start) @ along / max(float(along @ along), 1e-12)).clip(0, 1)
    return np.asarray(np.hypot(*(points - start - share[:, None] * along).T))


def bridge(polygon: Polygon) -> Ring:
    """Join holes to the outline by cuts without width, for formats that know no holes.

    Each hole's leftmost point is joined to whatever is straight left of it, so that the cut lies within the
    region. Filled by the even-odd rule the ring gives the same pixels as the polygon; where outlines were
    simplified, rounding may change pixels whose centre lies on a line.

    Examples:
        >>> square, hole = np.array([[0, 0], [3, 0], [3, 3], [0, 3]]), np.array([[1, 1], [2, 1], [2, 2], [1, 2]])
        >>> bridge(Polygon(square, (hole,))).astype(int).tolist()
        [[0, 0], [3, 0], [3, 3], [0, 3], [0, 1], [1, 1], [2, 1], [2, 2], [1, 2], [1, 1], [0, 1]]
    """
    ring = polygon.outer
    for hole in sorted(polygon.holes, key=lambda hole: hole[:, 0].min()):
        opened = np.roll(hole, -int(hole[:, 0].argmin()), axis=0)
        after, landing = _left_of(ring, opened[0])
        detour = np.concatenate([[landing], opened, opened[:1], [landing]])
        ring = np.concatenate([ring[: after + 1], detour, ring[after + 1 :]])
    return ring


def _left_of(ring: Ring, point: NDArray[np.float64]) -> tuple[int, NDArray[np.float64]]:
    """Find where a line to the left first meets a ring: number of the edge, and the point there."""
    x, y = point
    (x0, y0), (x1, y1) = ring.T, np.roll(ring, -1, axis=0).T
    crossed = (np.minimum(y0, y1) <= y) & (y <= np.maximum(y0, y1)) & (y0 != y1)
    meets = np.full(len(ring), -np.inf)
    meets[crossed] = (x0 + (y - y0) * (x1 - x0) / np.where(crossed, y1 - y0, 1))[crossed]
    edge = int(np.where(meets <= x, meets, -np.inf).argmax())
    if np.isfinite(meets[edge]) and meets[edge] <= x:
        return edge, np.array([meets[edge], y])
    # Simplified rings may cross, and then there may be nothing on the left.
    nearest = int(np.hypot(*(ring - point).T).argmin())
    return nearest, ring[nearest]
