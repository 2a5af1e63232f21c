"""Polygons on the ground, out of a mask that is larger than memory.

Regions are numbered in each strip of rows and joined from strip to strip. What belongs to them, their outlines, their
area and the mean confidence in them, is added up on the way.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX
from solarseg.extras import require
from solarseg.files import atomic_path
from solarseg.prediction.rasters.ground import Grid
from solarseg.prediction.rasters.outlines import Outlines, Rings

__all__ = ["TOLERANCE", "Polygons", "Regions", "trace_polygons", "write_geojson", "write_geopackage"]

# Pixels. Much less would leave the steps that slanted edges have in a mask; from one pixel on, outlines would come to
# touch where they did not, see _are_valid.
TOLERANCE = 0.99
_CHANGE = 0.05  # share of its area that a ring may gain or lose, else it keeps its steps
_SHARES = (1, 0.75, 0.5)  # of the tolerance, tried one after another
_LEAST_POINTS = 4  # of a ring, whose last point is the first
_AT_ONCE = 200_000  # corners
_MANY_HOLES = 100
_WRITTEN_AT_ONCE = 1000
_DIGITS = 9  # of degrees in GeoJSON: a tenth of a millimetre


@dataclass
class Regions:
    """Connected pixels of one class that share sides, from strip to strip; neither background nor nothing.

    Attributes:
        width: of the mask, pixels.
    """

    width: int
    _outlines: Outlines = field(init=False)
    _classes: list[NDArray[np.uint8]] = field(default_factory=list)
    _sums: list[NDArray[np.float64]] = field(default_factory=list)
    _joined: list[NDArray[np.int32]] = field(default_factory=list)
    _count: int = 0
    _above: tuple[NDArray[np.uint8], NDArray[np.int32]] | None = None

    def __post_init__(self) -> None:
        self._outlines = Outlines(self.width)

    def add(self, mask: NDArray[np.uint8], confidence: NDArray[np.uint8], areas: NDArray[np.float64]) -> None:
        """Add the rows below those that were added before.

        Args:
            mask: ``(rows, W)`` class ids.
            confidence: ``(rows, W)``, 255 for certain.
            areas: ``(rows, W)``, m2.
        """
        labels, classes = _label(mask)
        places = np.flatnonzero(labels)
        own = labels.ravel()[places] - 1
        weights = (None, areas.ravel()[places], confidence.ravel()[places])
        self._sums.append(np.stack([np.bincount(own, weight, len(classes)) for weight in weights]))
        self._classes.append(classes)
        numbers = labels + np.int32(self._count - 1)  # over all strips, from 0 on
        if self._above is not None:
            touching = (self._above[0] == mask[0]) & (labels[0] > 0)
            pairs = np.stack([self._above[1][touching], numbers[0][touching]])
            self._joined.append(np.unique(pairs, axis=1))
        self._outlines.add(mask, numbers)
        self._above = mask[-1].copy(), numbers[-1].copy()
        self._count += len(classes)

    def collect(self) -> tuple[Rings, NDArray[np.uint8], NDArray[Any], NDArray[Any]]:
        """Give, once all rows were added, the outlines, and class id, area in m2 and mean confidence of each region."""
        one, other = np.concatenate([np.zeros((2, 0), np.int32), *self._joined], axis=1)
        sparse = require("scipy.sparse", "geo")
        graph = sparse.coo_array((np.ones(len(one), np.int8), (one, other)), shape=(self._count, self._count))
        count, region_of = require("scipy.sparse.csgraph", "geo").connected_components(graph, directed=False)
        classes = np.zeros(count, np.uint8)
        classes[region_of] = np.concatenate(self._classes)
        pixels, areas, confidence = (
            np.bincount(region_of, values, count) for values in np.concatenate(self._sums, axis=1)
        )
        return self._outlines.close(region_of), classes, areas, confidence / np.maximum(pixels, 1) / 255


def _label(mask: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Number the regions of a strip from 1 on, and give the class of each; 0 belongs to none."""
    labels, classes = np.zeros(mask.shape, np.int32), np.zeros(0, np.uint8)
    for class_id in np.flatnonzero(np.bincount(mask.ravel())):
        if class_id in (0, IGNORE_INDEX):
            continue
        found, own = cv2.connectedComponents(
            (mask == class_id).astype(np.uint8), connectivity=4, ltype=cv2.CV_32S
        )
        labels += np.where(own > 0, own + np.int32(len(classes)), 0)
        classes = np.append(classes, np.full(found - 1, class_id, np.uint8))
    return labels, classes


@dataclass(frozen=True)
class Polygons:
    """Regions of a mask.

    Attributes:
        outlines: in the coordinates of the raster, as WKB.
        class_ids: of each.
        areas: of each, m2 on the ellipsoid, of its pixels and not of its simplified outline.
        confidences: of each, the mean probability of its class, 0 to 1.
    """

    outlines: NDArray[np.object_]
    class_ids: NDArray[np.int32]
    areas: NDArray[np.float64]
    confidences: NDArray[np.float64]


def trace_polygons(regions: Regions, transform: Sequence[float], tolerance: float = TOLERANCE) -> Polygons:
    """Make polygons of the regions of a mask.

    Outlines are simplified by Douglas and Peucker's rule: no point moves by more than the tolerance, holes stay, and
    none crosses itself. An outline whose area would change by more than 5%, as a thin or a small one's would, keeps
    the sides of its pixels.

    Args:
        regions: of all rows of the mask.
        transform: from columns and rows to coordinates, as in `Grid`.
        tolerance: pixels, less than one.
    """
    rings, classes, areas, confidences = regions.collect()
    outlines = [np.zeros(0, object)]
    shapely = require("shapely", "geo")
    for some in _batches(rings):
        simple = _simplify(_shapes(rings, some), tolerance)
        outlines.append(shapely.to_wkb(_place(simple, transform)))
    return Polygons(np.concatenate(outlines), classes.astype(np.int32), areas, confidences)


def _batches(rings: Rings) -> Iterator[NDArray[np.int64]]:
    """Give the numbers of rings, those of a region together, its outer one first, some corners at a time."""
    order = np.lexsort((rings.are_holes(), rings.region))
    if not len(order):
        return
    corners = np.cumsum(rings.lengths()[order])
    begins = np.flatnonzero(np.diff(rings.region[order], prepend=-1))  # of regions
    batch = (corners[begins] - 1) // _AT_ONCE
    yield from np.split(order, begins[1:][np.diff(batch) > 0])


def _shapes(rings: Rings, some: NDArray[np.int64]) -> NDArray[np.object_]:
    corners, of = rings.corners(some)
    lines = require("shapely", "geo").linearrings(corners, indices=of)
    return _join(lines, rings.region[some])


def _join(rings: NDArray[np.object_], of: NDArray[np.integer]) -> NDArray[np.object_]:
    """Make polygons of rings, those of one together, the outer one first."""
    shapely = require("shapely", "geo")
    starts = np.flatnonzero(np.diff(of.astype(np.int64), prepend=-1))
    ends = np.append(starts[1:], len(of))
    return np.array(
        [shapely.Polygon(rings[i], rings[i + 1 : end].tolist()) for i, end in zip(starts, ends, strict=True)],
        object,
    )


def _simplify(shapes: NDArray[np.object_], tolerance: float) -> NDArray[np.object_]:
    """Simplify rings by themselves; polygons that would cross themselves get less of it, or none.

    The library's own way of keeping topology takes minutes for a polygon of many holes.
    """
    simple, left = shapes.copy(), np.arange(len(shapes))
    for share in _SHARES:
        tried = _simplify_rings(shapes[left], share * tolerance)
        good = _are_valid(tried)
        simple[left[good]] = tried[good]
        left = left[~good]
        if not len(left):
            break
    return simple


def _are_valid(shapes: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Say which polygons are valid, in a time that grows with their corners.

    The library would look for each hole along the whole outer ring. A polygon of many holes is therefore turned inside
    out: into a plate whose hole is the outer ring, and pieces in it that are the holes, which are found by an index.
    Rings that cross, overlap or lie where they should not are invalid in the one as in the other. Only an interior that
    is divided where rings touch would show in the polygon alone, and none is: a straight line between two corners
    that strays from its outline by less than a pixel passes no corner that the outline did not.
    """
    shapely = require("shapely", "geo")
    many = shapely.get_num_interior_rings(shapes) > _MANY_HOLES
    good: NDArray[np.bool_] = ~many
    good[~many] = shapely.is_valid(shapes[~many])
    good[many] = [shapely.is_valid(_turn_inside_out(shape)) for shape in shapes[many]]
    return good


def _turn_inside_out(shape: Any) -> Any:
    shapely = require("shapely", "geo")
    outer = shapely.get_exterior_ring(shape)
    pieces = shapely.polygons(
        shapely.get_rings(shape)[1:]
    )  # the rings themselves are let go of: there may be many
    left, top, right, bottom = shapely.total_bounds([outer, *pieces])
    plate = shapely.box(left - 1, top - 1, right + 1, bottom + 1)
    return shapely.MultiPolygon([shapely.Polygon(plate.exterior, [outer]), *pieces])


def _simplify_rings(shapes: NDArray[np.object_], tolerance: float) -> NDArray[np.object_]:
    shapely = require("shapely", "geo")
    rings, of = shapely.get_rings(shapes, return_index=True)
    simple = shapely.simplify(rings, tolerance, preserve_topology=False)
    simple = np.where(shapely.get_num_coordinates(simple) < _LEAST_POINTS, rings, simple)
    before, after = (shapely.area(shapely.polygons(each)) for each in (rings, simple))
    simple = np.where(np.abs(after - before) > _CHANGE * before, rings, simple)
    return _join(simple, of)


def _place(shapes: NDArray[np.object_], transform: Sequence[float]) -> NDArray[np.object_]:
    a, b, c, d, e, f = transform
    return require("shapely", "geo").transform(
        shapes, lambda xy: xy @ np.array([[a, d], [b, e]]) + np.array([c, f])
    )


def write_geojson(path: Path, polygons: Polygons, grid: Grid, names: Sequence[str], layer: str) -> None:
    """Write polygons as RFC 7946 wants them: longitude and latitude of WGS 84, right-hand rule.

    Written here, corner by corner: GDAL keeps a polygon in several hundred bytes a corner while it writes it.

    Raises:
        OutputError: the file could not be written.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(f'{{"type": "FeatureCollection", "name": {json.dumps(layer)}, "features": [')
        for i, shape in enumerate(_on_wgs84(polygons, grid)):
            properties = {
                "class": names[polygons.class_ids[i]],
                "class_id": int(polygons.class_ids[i]),
                "area_m2": float(polygons.areas[i]),
                "confidence": round(float(polygons.confidences[i]), 4),
            }
            file.write(f'{"," if i else ""}\n{{"type": "Feature", "properties": {json.dumps(properties)}, ')
            file.write('"geometry": {"type": "Polygon", "coordinates": [')
            _write_rings(file, shape)
            file.write("]}}")
        file.write("\n]}\n")


def _on_wgs84(polygons: Polygons, grid: Grid) -> Iterator[Any]:
    shapely, pyproj = require("shapely", "geo"), require("pyproj", "geo")
    there = pyproj.Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    for first in range(0, len(polygons.outlines), _WRITTEN_AT_ONCE):
        shapes = shapely.from_wkb(polygons.outlines[first : first + _WRITTEN_AT_ONCE])
        yield from shapely.transform(shapes, lambda xy: np.stack(there.transform(*xy.T), axis=1))


def _write_rings(file: TextIO, shape: Any) -> None:
    """Outer rings run against the clock, holes with it."""
    shapely = require("shapely", "geo")
    for k, ring in enumerate(shapely.get_rings(shape)):
        corners = shapely.get_coordinates(ring)
        if shapely.is_ccw(ring) != (k == 0):
            corners = corners[::-1]
        file.write(", [" if k else "[")
        for first in range(0, len(corners), _WRITTEN_AT_ONCE):
            text = (
                f"[{x:.{_DIGITS}f},{y:.{_DIGITS}f}]" for x, y in corners[first : first + _WRITTEN_AT_ONCE]
            )
            file.write((", " if first else "") + ", ".join(text))
        file.write("]")


def write_geopackage(path: Path, polygons: Polygons, grid: Grid, names: Sequence[str], layer: str) -> None:
    """Write polygons in the raster's own coordinates.

    Raises:
        OutputError: the file could not be written.
    """
    pyogrio = require("pyogrio", "geo")
    with atomic_path(path) as temporary:
        _write(temporary, polygons, grid, names, layer, driver="GPKG")
        found = pyogrio.read_info(temporary)
        if (
            found["features"] != len(polygons.areas)
            or not found["capabilities"]["fast_spatial_filter"]  # the index is what is written last
        ):
            raise OSError("polygons or their index are missing")


def _write(
    path: Path, polygons: Polygons, grid: Grid, names: Sequence[str], layer: str, **options: Any
) -> None:
    fields = {
        "class": np.array([names[class_id] for class_id in polygons.class_ids], object),
        "class_id": polygons.class_ids,
        "area_m2": polygons.areas,
        "confidence": polygons.confidences.round(4),
    }
    try:
        require("pyogrio.raw", "geo").write(
            path,
            polygons.outlines,
            list(fields.values()),
            list(fields),
            geometry_type="Polygon",
            crs=grid.crs,
            layer=layer,
            **options,
        )
    except RuntimeError as error:  # the base class of its errors
        raise OSError(" ".join(str(error).split())) from error
