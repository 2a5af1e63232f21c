"""Regions of masks to polygons and back.

A ring is a closed line, ``(N, 2) float64`` x and y, whose last point is not the first again. Coordinates count
from the corner of the image: pixel (0, 0) covers 0 to 1, and a pixel belongs to a polygon that covers its centre.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from solarseg.errors import MaskError
from solarseg.extras import require

__all__ = [
    "Polygon",
    "Ring",
    "Work",
    "area",
    "as_points",
    "bridge",
    "draw",
    "draw_outline",
    "is_thin",
    "length",
    "outlines",
    "simplify",
    "stroke",
    "window",
]

Ring = NDArray[np.float64]

_Numbers = NDArray[np.intp]

_RASTERIO = Lock()  # it silences warnings for the whole process while it works, which threads would undo

_MOST_TIMES, _FEW_PIXELS = 500, 10**8
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


class Work:
    """Counts the pixels that are looked at to draw the annotations of an image, so that no file keeps us for hours.

    Args:
        size: height and width of the image.
        source: the file, for the error message.
    """

    def __init__(self, size: tuple[int, ...], source: str) -> None:
        self._size, self._source = size, source
        self._left = _MOST_TIMES * size[0] * size[1] + _FEW_PIXELS

    def add(self, points: NDArray[Any]) -> bool:
        """Add the box around some points, and return whether any of it is in the image.

        Raises:
            MaskError: that is more than 500 times the image, and 100 million pixels.
        """
        rows, columns = window(points, self._size)
        self._left -= (rows.stop - rows.start) * (columns.stop - columns.start) + len(points)
        if self._left < 0:
            raise MaskError(
                f"{self._source}: its annotations cover the image more than {_MOST_TIMES} times; correct the file"
            )
        rows, columns = window(points, self._size, margin=0)
        return rows.start < rows.stop and columns.start < columns.stop


def as_points(points: Any, source: str, kind: str = "polygon", least: int = 3) -> Ring:
    """Make ``(N, 2)`` points of what a file says are some.

    Args:
        points: pairs of x and y.
        source: the file and the place in it, for the error message.
        kind: what they are the points of, for the same messages.
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


def window(points: NDArray[Any], size: tuple[int, ...], margin: int = 1) -> tuple[slice, slice]:
    """Find the part of an image that contains some points and what is around them, to draw no more than that.

    Args:
        points: ``(N, 2)`` x and y.
        size: height and width of the image.
        margin: in pixels.

    Returns:
        Rows and columns; none where all is outside.

    Examples:
        >>> window(np.array([[4.5, 2], [6, -7]]), (10, 7))
        (slice(0, 4, None), slice(3, 7, None))
    """
    edge = np.array(size[::-1])
    first = (np.floor(points.min(axis=0)).astype(np.int64) - margin).clip(0, edge)
    last = (np.floor(points.max(axis=0)).astype(np.int64) + margin + 1).clip(first, edge)
    (left, top), (right, bottom) = first.tolist(), last.tolist()
    return slice(top, bottom), slice(left, right)


def draw(
    mask: NDArray[np.uint8],
    points: NDArray[Any],
    class_id: int,
    shape: Callable[[ImageDraw.ImageDraw, list[tuple[float, float]]], None],
    margin: int = 1,
) -> None:
    """Draw with Pillow on a mask itself.

    Args:
        mask: ``(H, W) uint8`` class ids.
        points: ``(N, 2)`` x and y.
        class_id: to draw.
        shape: draws it, given where to, and the points as they are there; whatever is not 0 belongs to it.
        margin: in pixels, how far beyond the points it reaches.

    Examples:
        >>> mask = np.zeros((2, 4), dtype=np.uint8)
        >>> draw(mask, np.array([[1, 0], [2, 0]]), 7, lambda canvas, points: canvas.line(points, fill=1))
        >>> mask.tolist()
        [[0, 7, 7, 0], [0, 0, 0, 0]]
    """
    rows, columns = window(points, mask.shape, margin)
    if rows.start == rows.stop or columns.start == columns.stop:
        return
    # Columns are not moved: Pillow rounds in single precision, which depends on x itself.
    picture = Image.new("L", (columns.stop, rows.stop - rows.start))
    moved = points - np.array([0, rows.start])
    shape(ImageDraw.Draw(picture), [(x, y) for x, y in moved.tolist()])
    mask[rows, columns][np.asarray(picture)[:, columns] > 0] = class_id


def stroke(mask: NDArray[np.uint8], points: NDArray[Any], class_id: int, width: int) -> None:
    """Draw a line along points that are pixels, as Pillow and LabelMe do; OpenCV 5 draws it two pixels wider.

    Args:
        mask: ``(H, W) uint8`` class ids, which is drawn on.
        points: ``(N, 2)`` x and y; pixel (0, 0) is the first.
        class_id: to draw.
        width: of the line, in pixels.

    Examples:
        >>> mask = np.zeros((3, 4), dtype=np.uint8)
        >>> stroke(mask, np.array([[0, 1], [3, 1]]), class_id=2, width=1)
        >>> mask.tolist()
        [[0, 0, 0, 0], [2, 2, 2, 2], [0, 0, 0, 0]]
    """
    draw(
        mask,
        points,
        class_id,
        lambda canvas, moved: canvas.line(moved, fill=1, width=width, joint="curve"),
        margin=width + 1,
    )


def outlines(region: NDArray[np.bool_], tolerance: float = 0) -> list[Polygon]:
    """Find the outlines of a region along the borders of its pixels.

    Pixels that meet in a corner alone are parts of different polygons, so that no ring touches itself.

    Args:
        region: ``(H, W) bool``.
        tolerance: in pixels, see `simplify`: only pixels whose centre is within this distance of the region's
            border change. 0 is exact: filled by the even-odd rule, they give the region again.

    Returns:
        A polygon for each connected component, without points on a straight line.

    Raises:
        MissingExtraError: rasterio or shapely is not installed.

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


def is_thin(ring: Ring) -> bool:
    """Return whether a ring is narrower than a pixel: as wide as the rectangle of its area and length.

    Examples:
        >>> is_thin(np.array([[0, 0], [9, 0], [9, 0.4], [0, 0.4]])), is_thin(np.array([[0, 0], [9, 0], [9, 1], [0, 1]]))
        (True, False)
    """
    half, covered = length(ring) / 2, area(ring)
    width = (half - max(half**2 - 4 * covered, 0) ** 0.5) / 2
    return width < 0.999  # rounding; what is made of whole pixels is 1 or more


def draw_outline(mask: NDArray[np.uint8], ring: Ring, class_id: int) -> int:
    """Draw the pixels along a ring on a mask itself, and return how many there are.

    Args:
        mask: ``(H, W) uint8`` class ids.
        ring: the ring; points on the right or lower edge of the image count as within.
        class_id: to draw.

    Examples:
        >>> mask = np.zeros((3, 4), dtype=np.uint8)
        >>> draw_outline(mask, np.array([[0.5, 1.2], [4, 1.2], [0.5, 1.2]]), 2)
        4
        >>> mask.tolist()
        [[0, 0, 0, 0], [2, 2, 2, 2], [0, 0, 0, 0]]
    """
    edge = np.array(mask.shape[::-1])
    pixels = np.where(ring == edge, edge - 1, np.floor(ring)).astype(np.int32)
    rows, columns = window(pixels, mask.shape)
    drawn = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
    if not drawn.size:
        return 0
    cv2.polylines(drawn, [pixels - np.array([columns.start, rows.start], np.int32)], True, 1)
    mask[rows, columns][drawn > 0] = class_id
    return int(np.count_nonzero(drawn))


def simplify(polygon: Polygon, tolerance: float) -> Polygon:
    """Leave out points of a polygon (Douglas and Peucker 1973).

    Narrow polygons, such as those of cracks, are simplified by a quarter of their mean width at most, so that
    none of them vanishes.

    Args:
        polygon: what to simplify.
        tolerance: how far its lines may move, in pixels.

    Raises:
        MissingExtraError: shapely is not installed.

    Examples:
        >>> steps = np.array([[0, 0], [9, 0], [9, 5], [5, 5], [5, 6], [0, 6]])
        >>> simplify(Polygon(steps), tolerance=1).outer.tolist()
        [[0.0, 0.0], [9.0, 0.0], [9.0, 5.0], [0.0, 6.0]]
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
    # As two lines, since of a ring GEOS may remove the point that it begins with, and then strays by more.
    shapely = require("shapely", "data")
    closed = np.concatenate([ring, ring[:1]])
    far = int(np.hypot(*(ring - ring[0]).T).argmax())
    if far == 0:  # all points are one
        return ring[:1]
    lines = [shapely.linestrings(closed[: far + 1]), shapely.linestrings(closed[far:])]
    simple = shapely.simplify(lines, tolerance, preserve_topology=False)
    return np.concatenate([shapely.get_coordinates(line)[:-1] for line in simple])


@dataclass(frozen=True)
class _Bridge:
    """From the first point of a ring to the edge of another where it lands."""

    edge: int
    landing: NDArray[np.float64]
    ring: int


def bridge(polygon: Polygon) -> Ring:
    """Join holes to the outline by bridges without width, for formats that know no holes.

    Each hole's leftmost point is joined to whatever is straight left of it, so that the bridge lies within the
    region. Filled by the even-odd rule the ring gives the same pixels as the polygon; where outlines were
    simplified, rounding may change pixels whose centre lies on a line.

    Examples:
        >>> square, hole = np.array([[0, 0], [3, 0], [3, 3], [0, 3]]), np.array([[1, 1], [2, 1], [2, 2], [1, 2]])
        >>> bridge(Polygon(square, (hole,))).astype(int).tolist()
        [[0, 0], [3, 0], [3, 3], [0, 3], [0, 1], [1, 1], [2, 1], [2, 2], [1, 2], [1, 1], [0, 1]]
    """
    if not polygon.holes:
        return polygon.outer
    holes = sorted(polygon.holes, key=lambda hole: hole[:, 0].min())
    rings = [polygon.outer, *(np.roll(hole, -int(hole[:, 0].argmin()), axis=0) for hole in holes)]
    return _join(rings, _bridges(rings))


def _join(rings: Sequence[Ring], bridges: Mapping[int, Sequence[_Bridge]]) -> Ring:
    """Go along the first ring, and at each bridge around the ring at its other end and back."""

    def pieces(number: int) -> Iterator[Ring | int]:
        start = 0
        for each in bridges.get(number, ()):
            yield rings[number][start : each.edge + 1]
            yield each.landing[None]
            yield each.ring
            yield each.landing[None]
            start = each.edge + 1
        yield rings[number][start:]
        if number:
            yield rings[number][:1]

    found: list[Ring] = []
    under_way = [pieces(0)]  # no recursion, since holes in a row may be thousands
    while under_way:
        piece = next(under_way[-1], None)
        if piece is None:
            under_way.pop()
        elif isinstance(piece, int):
            under_way.append(pieces(piece))
        else:
            found.append(piece)
    return np.concatenate(found)


def _bridges(rings: Sequence[Ring]) -> dict[int, list[_Bridge]]:
    """Join each ring but the first to one before it; ring -> the bridges that land on it, in order.

    Args:
        rings: all but the first begin with their leftmost point, and are sorted by it.
    """
    sizes = np.array([len(ring) for ring in rings])
    begins = np.cumsum(sizes) - sizes
    starts, owners = np.concatenate(rings), np.repeat(np.arange(len(rings)), sizes)
    following = np.arange(1, len(starts) + 1)
    following[begins + sizes - 1] = begins
    points = starts[begins[1:]]
    edges, x = _left_of(starts, starts[following], owners, points)
    landings = np.stack([x, points[:, 1]], axis=1)
    # Simplified rings may cross, and then there may be nothing on the left.
    for i in np.flatnonzero(np.isinf(x)):
        edges[i] = np.hypot(*(rings[0] - points[i]).T).argmin()
        landings[i] = starts[edges[i]]
    bridges: dict[int, list[_Bridge]] = defaultdict(list)
    from_start = np.abs(landings[:, 1] - starts[edges, 1])
    for i in np.lexsort((from_start, edges)).tolist():
        owner = int(owners[edges[i]])
        bridges[owner].append(_Bridge(int(edges[i] - begins[owner]), landings[i], i + 1))
    return bridges


def _left_of(
    starts: Ring, ends: Ring, owners: _Numbers, points: Ring
) -> tuple[_Numbers, NDArray[np.float64]]:
    """Find where lines to the left from the first points of rings first meet an edge of a ring before them.

    Args:
        starts: of all edges.
        ends: of all edges.
        owners: the ring of each.
        points: the first of each ring but ring 0, which is its leftmost.

    Returns:
        The edge for each point, and x where it is met, which is -inf where there is none.
    """
    rows, row_of_point = np.unique(points[:, 1], return_inverse=True)
    edge, row, x = _crossings(starts, ends, rows)
    # However it was rounded, no edge is left of its ring's first point.
    leftmost = np.concatenate([[-np.inf], points[:, 0]])
    x = np.maximum(x, leftmost[owners[edge]])
    # Row by row and from left to right; in one place edges of rings before, the point, edges of its own ring.
    is_edge = np.repeat([True, False], [len(edge), len(points)])
    ring = np.concatenate([owners[edge], np.arange(1, len(points) + 1)])
    rows_of_all = np.concatenate([row, row_of_point])
    order = np.lexsort((is_edge, ring, np.concatenate([x, points[:, 0]]), rows_of_all))
    latest = np.maximum.accumulate(np.where(is_edge[order], np.arange(len(order)), -1))
    is_point = ~is_edge[order]
    hits = np.empty(len(points), dtype=np.intp)
    hits[order[is_point] - len(edge)] = np.where(latest >= 0, order[latest], -1)[is_point]
    found = (hits >= 0) & (rows_of_all[hits] == row_of_point)
    edges, met = np.zeros(len(points), dtype=np.intp), np.full(len(points), -np.inf)
    edges[found], met[found] = edge[hits[found]], x[hits[found]]
    return edges, met


def _crossings(
    starts: Ring, ends: Ring, rows: NDArray[np.float64]
) -> tuple[_Numbers, _Numbers, NDArray[np.float64]]:
    """Intersect edges with rows, which are sorted: edge, row and x of each intersection."""
    (x0, y0), (x1, y1) = starts.T, ends.T
    first = np.searchsorted(rows, np.minimum(y0, y1))
    count = np.where(y0 == y1, 0, np.searchsorted(rows, np.maximum(y0, y1), side="right") - first)
    edge = np.repeat(np.arange(len(starts)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count - first, count)
    return edge, row, x0[edge] + (rows[row] - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
