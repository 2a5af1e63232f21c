"""Polygons on the ground, out of a mask that is larger than memory.

GDAL traces their outlines, which it does line by line and so without seams; what it does not tell, their area and the
mean confidence in them, is added up beside, strip by strip. Both know a polygon by its first pixel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX
from solarseg.errors import OutputError
from solarseg.extras import require
from solarseg.files import atomic_path
from solarseg.outputs.ground import Grid

__all__ = ["TOLERANCE", "Polygons", "Sums", "trace_polygons", "write_geojson", "write_geopackage"]

TOLERANCE = 1.0  # pixels: less would leave the steps that slanted edges have in a mask
_CHANGE = 0.05  # share of its area that a ring may gain or lose, else it keeps its steps
_SHARES = (1, 0.75, 0.5)  # of the tolerance, tried one after another
_LEAST_POINTS = 4  # of a ring, the last of which is the first
_AT_ONCE = 10_000
_DIGITS = 9  # of degrees in GeoJSON: a tenth of a millimetre


@dataclass
class Sums:
    """What belongs to each region of a mask, connected pixels of one class that share sides, from strip to strip.

    Attributes:
        width: of the mask, pixels.
    """

    width: int
    _first: list[NDArray[np.int64]] = field(default_factory=list)
    _sums: list[NDArray[np.float64]] = field(default_factory=list)
    _joined: list[NDArray[np.int64]] = field(default_factory=list)
    _count: int = 0
    _above: tuple[NDArray[np.uint8], NDArray[np.int64]] | None = None

    def add(
        self,
        top: int,
        mask: NDArray[np.uint8],
        confidence: NDArray[np.uint8],
        areas: NDArray[np.float64],
    ) -> None:
        """Add the rows below those that were added before.

        Args:
            top: number of the first.
            mask: ``(rows, W)`` class ids.
            confidence: ``(rows, W)``, 255 for certain.
            areas: ``(rows, W)``, m2.
        """
        labels, count = _label(mask)
        places = np.flatnonzero(labels)
        numbers = labels.ravel()[places] - 1
        first = np.zeros(count, np.int64)
        first[numbers[::-1]] = places[::-1] + top * self.width  # of several, the last assigned counts
        self._first.append(first)
        weights = (None, areas.ravel()[places], confidence.ravel()[places])
        self._sums.append(np.stack([np.bincount(numbers, weight, count) for weight in weights]))
        # From here on regions are numbered over all strips, from 1 on.
        head, foot = (np.where(row, row + self._count, 0).astype(np.int64) for row in (labels[0], labels[-1]))
        if self._above is not None:
            classes, regions = self._above
            touching = (classes == mask[0]) & (head > 0)
            self._joined.append(np.unique(np.stack([regions[touching], head[touching]]), axis=1) - 1)
        self._above = mask[-1].copy(), foot
        self._count += count

    def collect(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Give each region's first pixel, ``row * W + column``, in order, its area in m2, and its mean confidence."""
        if not self._count:
            return np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
        one, other = np.concatenate([np.zeros((2, 0), np.int64), *self._joined], axis=1)
        sparse = require("scipy.sparse", "geo")
        graph = sparse.coo_array((np.ones(len(one), np.int8), (one, other)), shape=(self._count, self._count))
        groups, group = require("scipy.sparse.csgraph", "geo").connected_components(graph, directed=False)
        first = np.full(groups, np.iinfo(np.int64).max)
        np.minimum.at(first, group, np.concatenate(self._first))
        pixels, areas, confidence = (
            np.bincount(group, values, groups) for values in np.concatenate(self._sums, axis=1)
        )
        order = np.argsort(first)
        return first[order], areas[order], (confidence / pixels / 255)[order]


def _label(mask: NDArray[np.uint8]) -> tuple[NDArray[np.int32], int]:
    """Number the regions of a strip from 1 on; 0 is background and what shows nothing."""
    labels, count = np.zeros(mask.shape, np.int32), 0
    for class_id in np.flatnonzero(np.bincount(mask.ravel())):
        if class_id in (0, IGNORE_INDEX):
            continue
        found, own = cv2.connectedComponents(
            (mask == class_id).astype(np.uint8), connectivity=4, ltype=cv2.CV_32S
        )
        labels += np.where(own > 0, own + count, 0)
        count += found - 1
    return labels, count


@dataclass(frozen=True)
class Polygons:
    """Regions of a mask, in the order of their first pixels.

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


def trace_polygons(mask: Path, sums: Sums, tolerance: float = TOLERANCE) -> Polygons:
    """Trace the regions of a mask that are not background.

    Outlines are simplified by Douglas and Peucker's rule: no point moves by more than the tolerance, holes stay, and
    none crosses itself. An outline whose area would change by more than 5%, as a thin or a small one's would, keeps
    the sides of its pixels.

    Args:
        mask: GeoTIFF of class ids, 255 where nothing is shown.
        sums: of all its rows.
        tolerance: pixels.

    Raises:
        OutputError: the mask cannot be read.
    """
    keys, areas, confidences = sums.collect()
    outlines, class_ids, places = [np.zeros(0, object)], [], []
    shapely, traced = require("shapely", "geo"), _trace(mask)
    while batch := list(islice(traced, _AT_ONCE)):
        shapes = np.array([shape for _, shape, _ in batch])
        outlines.append(shapely.to_wkb(_place(_simplify(shapes, tolerance), batch[0][2])))
        class_ids += [class_id for class_id, _, _ in batch]
        places.append(np.searchsorted(keys, _first_pixels(shapes, sums.width)))
    number = np.concatenate([np.zeros(0, np.int64), *places])
    order = np.argsort(number)
    return Polygons(
        np.concatenate(outlines)[order],
        np.array(class_ids, np.int32)[order],
        areas[number][order],
        confidences[number][order],
    )


def _trace(mask: Path) -> Iterator[tuple[int, Any, Any]]:
    """Give class id, polygon in pixels, and transform; rows grow downwards."""
    rasterio, shapely = require("rasterio", "geo"), require("shapely", "geo")
    shapes = require("rasterio.features", "geo").shapes
    try:
        with rasterio.open(mask) as file:
            band, back = rasterio.band(file, 1), ~file.transform
            for outline, value in shapes(band, mask=band):  # what is 0 is left out
                if value != IGNORE_INDEX:
                    shell, *holes = (_to_pixels(ring, back) for ring in outline["coordinates"])
                    yield int(value), shapely.Polygon(shell, holes), file.transform
    except rasterio.errors.RasterioError as error:
        raise OutputError(f"{mask}: cannot be read again; free space or choose another folder") from error


def _to_pixels(ring: Sequence[tuple[float, float]], back: Any) -> NDArray[np.float64]:
    """Undo GDAL's placing of corners, which are whole numbers of pixels."""
    x, y = np.array(ring).T
    columns, rows = back @ (x, y)
    return np.rint(np.stack([columns, rows], axis=1))


def _simplify(shapes: NDArray[np.object_], tolerance: float) -> NDArray[np.object_]:
    """Simplify rings by themselves; polygons that would cross themselves get less of it, or none.

    The library's own way of keeping topology takes minutes for a polygon of many holes.
    """
    shapely = require("shapely", "geo")
    simple, left = shapes.copy(), np.arange(len(shapes))
    for share in _SHARES:
        tried = _simplify_rings(shapes[left], share * tolerance)
        good = shapely.is_valid(tried)
        simple[left[good]] = tried[good]
        left = left[~good]
        if not len(left):
            break
    return simple


def _simplify_rings(shapes: NDArray[np.object_], tolerance: float) -> NDArray[np.object_]:
    shapely = require("shapely", "geo")
    rings, of = shapely.get_rings(shapes, return_index=True)
    simple = shapely.simplify(rings, tolerance, preserve_topology=False)
    simple = np.where(shapely.get_num_coordinates(simple) < _LEAST_POINTS, rings, simple)
    before, after = (shapely.area(shapely.polygons(each)) for each in (rings, simple))
    simple = np.where(np.abs(after - before) > _CHANGE * before, rings, simple)
    starts = np.flatnonzero(np.diff(of, prepend=-1))
    ends = np.append(starts[1:], len(of))
    return np.array(
        [
            shapely.Polygon(simple[i], simple[i + 1 : end].tolist())
            for i, end in zip(starts, ends, strict=True)
        ],
        object,
    )


def _place(shapes: NDArray[np.object_], transform: Any) -> NDArray[np.object_]:
    a, b, c, d, e, f = tuple(transform)[:6]
    return require("shapely", "geo").transform(
        shapes, lambda xy: xy @ np.array([[a, d], [b, e]]) + np.array([c, f])
    )


def _first_pixels(shapes: NDArray[np.object_], width: int) -> NDArray[np.int64]:
    """The pixel below and to the right of the leftmost of a polygon's uppermost corners."""
    shapely = require("shapely", "geo")
    corners, of = shapely.get_coordinates(shapely.get_exterior_ring(shapes), return_index=True)
    numbers = corners[:, 1] * width + corners[:, 0]
    starts = np.flatnonzero(np.diff(of, prepend=-1))
    return np.minimum.reduceat(numbers, starts).astype(np.int64)


def write_geojson(path: Path, polygons: Polygons, grid: Grid, names: Sequence[str], layer: str) -> None:
    """Write polygons as RFC 7946 wants them: longitude and latitude of WGS 84, right-hand rule.

    Raises:
        OutputError: the file could not be written.
    """
    options = {"RFC7946": "YES", "COORDINATE_PRECISION": str(_DIGITS)}
    with atomic_path(path) as temporary:
        _write(temporary, polygons, grid, names, layer, driver="GeoJSON", layer_options=options)
        with temporary.open("rb") as file:
            file.seek(-16, 2)
            if not file.read().rstrip().endswith(b"}"):
                raise OSError("the end is missing")


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
    except RuntimeError as error:  # of which all its errors are
        raise OSError(" ".join(str(error).split())) from error
