import json

import cv2
import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio
import rasterio.features
import scipy.ndimage
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from solarseg.prediction.rasters import polygons as ground_polygons
from solarseg.prediction.rasters.ground import Grid
from solarseg.prediction.rasters.polygons import (
    TOLERANCE,
    Polygons,
    Regions,
    trace_polygons,
    write_geojson,
    write_geopackage,
)

UTM = "EPSG:32633"
PLACE = (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0)
NAMES = ("background", "panel", "roof")
SLOWLY = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


def grid_of(mask, crs=UTM, transform=PLACE):
    return Grid(*mask.shape, rasterio.CRS.from_user_input(crs).to_wkt(), transform)


def traced(mask, confidence=None, rows=256, grid=None, tolerance=TOLERANCE):
    """Polygons of a mask that is added up some rows at a time."""
    grid = grid or grid_of(mask)
    confidence = np.full_like(mask, 255) if confidence is None else confidence
    regions = Regions(mask.shape[1])
    for top in range(0, len(mask), rows):
        part = np.s_[top : top + rows]
        regions.add(mask[part], confidence[part], grid.areas(top, min(top + rows, len(mask))))
    return trace_polygons(regions, grid.transform, tolerance)


def in_pixels(polygons, grid):
    """Shapes in columns and rows."""
    back = ~rasterio.Affine(*grid.transform)
    a, b, c, d, e, f = tuple(back)[:6]
    return shapely.transform(
        shapely.from_wkb(polygons.outlines), lambda xy: xy @ np.array([[a, d], [b, e]]) + np.array([c, f])
    )


def in_order(polygons, grid, width):
    """By the first pixel of each, which is below and to the right of its uppermost corners' leftmost."""
    first = [
        min(y * width + x for x, y in shapely.get_coordinates(shape).round())
        for shape in in_pixels(polygons, grid)
    ]
    order = np.argsort(first)
    parts = (polygons.outlines, polygons.class_ids, polygons.areas, polygons.confidences)
    return Polygons(*(part[order] for part in parts))


MASKS = arrays(
    np.uint8,
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    elements=st.sampled_from([0, 0, 1, 1, 1, 2, 255]),
)


@SLOWLY
@given(mask=MASKS, rows=st.integers(1, 9))
def test_regions_are_those_another_library_finds(tmp_path, mask, rows):
    confidence = np.random.default_rng(0).integers(0, 256, mask.shape, dtype=np.uint8)
    polygons = traced(mask, confidence, rows)
    areas = grid_of(mask).areas(0, len(mask))
    expected = []
    for class_id in (1, 2):
        labels, count = scipy.ndimage.label(mask == class_id)
        for label in range(1, count + 1):
            own = labels == label
            expected.append(
                (int(np.flatnonzero(own)[0]), class_id, areas[own].sum(), confidence[own].mean() / 255)
            )
    expected.sort()
    polygons = in_order(polygons, grid_of(mask), mask.shape[1])
    assert polygons.class_ids.tolist() == [class_id for _, class_id, _, _ in expected]
    assert polygons.areas == pytest.approx([area for _, _, area, _ in expected])
    assert polygons.confidences == pytest.approx([mean for _, _, _, mean in expected])


@SLOWLY
@given(mask=MASKS)
def test_outlines_without_tolerance_are_the_pixels(mask):
    polygons = traced(mask, tolerance=0.0, rows=7)
    grid = grid_of(mask)
    found = (
        rasterio.features.rasterize(
            zip(in_pixels(polygons, grid), polygons.class_ids.tolist(), strict=True),
            mask.shape,
            dtype="uint8",
        )
        if len(polygons.areas)
        else np.zeros_like(mask)
    )
    assert np.array_equal(found, np.where(mask == 255, 0, mask))
    assert shapely.is_valid(in_pixels(polygons, grid)).all()
    assert shapely.area(in_pixels(polygons, grid)).sum() == pytest.approx(np.isin(mask, (1, 2)).sum())


@SLOWLY
@given(mask=MASKS)
def test_outlines_are_those_gdal_traces(mask):
    polygons = traced(mask, tolerance=0.0, rows=5)
    found = in_pixels(polygons, grid_of(mask))
    shown = np.isin(mask, (1, 2))
    wanted = [shapely.geometry.shape(shape) for shape, _ in rasterio.features.shapes(mask, mask=shown)]
    corners = shapely.transform(found, np.round)
    one, other = (shapely.to_wkb(shapely.normalize(np.array(each, object))) for each in (corners, wanted))
    assert sorted(one) == sorted(other)


def spots(side=400, grain=20, seed=0):
    """Spots with ragged outlines and many holes."""
    rng = np.random.default_rng(seed)
    smooth = cv2.resize(
        rng.integers(0, 256, (6, 6), dtype=np.uint8), (side, side), interpolation=cv2.INTER_CUBIC
    )
    return (smooth + rng.integers(0, grain, (side, side)) > 120).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("grain", [1, 20, 60])
def test_simplified_outlines_stay_near_keep_holes_and_do_not_cross(tmp_path, grain):
    mask = spots(grain=grain)
    grid = grid_of(mask)
    exact, simple = (in_pixels(traced(mask, tolerance=t), grid) for t in (0.0, TOLERANCE))
    assert shapely.is_valid(simple).all()
    assert (shapely.get_num_interior_rings(simple) == shapely.get_num_interior_rings(exact)).all()
    far = shapely.hausdorff_distance(shapely.boundary(exact), shapely.boundary(simple))
    assert far.max() <= 1.0 + 1e-9
    areas = [shapely.area(shapely.polygons(shapely.get_rings(shapes))) for shapes in (simple, exact)]
    assert areas[0] == pytest.approx(areas[1], rel=0.05)
    fewer = shapely.get_num_coordinates(simple).sum() / shapely.get_num_coordinates(exact).sum()
    assert fewer < (0.25 if grain == 1 else 0.95)


@SLOWLY
@given(mask=MASKS, tolerance=st.sampled_from([0.0, 0.5, TOLERANCE]))
def test_polygons_turned_inside_out_are_valid_where_they_are(mask, tolerance):
    judge = ground_polygons._are_valid

    def both(shapes):
        found = judge(shapes)
        assert np.array_equal(found, shapely.is_valid(shapes))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ground_polygons, "_MANY_HOLES", 0)
        patch.setattr(ground_polygons, "_are_valid", both)
        traced(mask, tolerance=tolerance)


def test_polygons_turned_inside_out_are_not_valid_where_rings_cross_or_lie_elsewhere(monkeypatch):
    outer, hole = shapely.box(0, 0, 20, 20), shapely.box(5, 5, 10, 10)
    others = {
        "apart": (12, 12, 15, 15),
        "touches a corner": (10, 10, 12, 12),
        "touches a corner of the outer ring": (0, 0, 0.5, 3),
        "in the other hole": (6, 6, 8, 8),
        "around the other hole": (4, 4, 11, 11),
        "the other hole again": (5, 5, 10, 10),
        "outside": (30, 30, 35, 35),
        "crosses the outer ring": (15, 15, 25, 25),
        "crosses the other hole": (7, 7, 12, 12),
        "shares a side with it": (10, 5, 12, 10),
    }
    shapes = [
        shapely.Polygon(outer.exterior, [hole.exterior, shapely.box(*other).exterior])
        for other in others.values()
    ]
    bow = shapely.LinearRing([(1, 1), (3, 3), (3, 1), (1, 3)])
    shapes.append(shapely.Polygon(outer.exterior, [bow]))
    monkeypatch.setattr(ground_polygons, "_MANY_HOLES", 0)
    found = ground_polygons._are_valid(np.array(shapes))
    assert found.tolist() == shapely.is_valid(shapes).tolist() == [True, True] + [False] * 9


def test_no_hole_is_looked_for_along_a_whole_outer_ring(monkeypatch):
    """The library's own check of a polygon takes as long as its holes times its corners."""
    real, seen = shapely.is_valid, []

    def watching(shapes):
        seen.extend(np.atleast_1d(shapely.get_num_interior_rings(shapes)))
        return real(shapes)

    monkeypatch.setattr(shapely, "is_valid", watching)
    polygons = traced(spots(grain=60))
    holes = shapely.get_num_interior_rings(shapely.from_wkb(polygons.outlines))
    assert max(seen) <= ground_polygons._MANY_HOLES < max(holes)


def test_a_slanted_edge_becomes_straight_and_a_line_of_pixels_stays(tmp_path):
    rows, columns = np.mgrid[:60, :60]
    mask = ((columns > 5) & (rows > 5) & (rows + 3 * columns < 150)).astype(np.uint8)
    mask[50, 50:58] = 1
    first, second = in_pixels(traced(mask), grid_of(mask))
    assert shapely.get_num_coordinates(first) <= 8
    assert shapely.equals(second, shapely.box(50, 50, 58, 51))


SYSTEMS = {
    "utm": (UTM, PLACE),
    "utm, far off": (UTM, (10.0, 0.0, 900_000.0, 0.0, -10.0, 6_000_000.0)),
    "turned": (UTM, (8.0, 6.0, 500_000.0, 6.0, -8.0, 5_000_000.0)),
    "degrees": ("EPSG:4326", (1e-4, 0.0, 10.0, 0.0, -1e-4, 60.0)),
    "web mercator": ("EPSG:3857", (5.0, 0.0, 1_000_000.0, 0.0, -5.0, 8_000_000.0)),
    "equal area": ("EPSG:3035", (10.0, 0.0, 4_321_000.0, 0.0, -10.0, 3_210_000.0)),
    "feet": ("EPSG:2263", (3.0, 0.0, 990_000.0, 0.0, -3.0, 200_000.0)),
    "grads": ("EPSG:4807", (1e-4, 0.0, 1.0, 0.0, -1e-4, 54.0)),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_areas_are_those_of_the_geodesic_polygon(tmp_path, system):
    """Every corner of every pixel, so that sides are short and geodesics do not bend away from them."""
    crs, transform = SYSTEMS[system]
    mask = np.zeros((90, 120), np.uint8)
    mask[10:80, 20:110] = 1
    mask[30:50, 40:70] = 0
    mask[34:40, 44:60] = 2
    grid = grid_of(mask, crs, transform)
    polygons = traced(mask, grid=grid, tolerance=0.0)
    to_degrees = pyproj.Transformer.from_crs(crs, pyproj.CRS(crs).geodetic_crs, always_xy=True)
    unit = np.degrees(pyproj.CRS(crs).geodetic_crs.axis_info[0].unit_conversion_factor)

    def place(xy):
        a, b, c, d, e, f = transform
        x, y = xy.T
        return np.stack(to_degrees.transform(a * x + b * y + c, d * x + e * y + f), axis=1) * unit

    shapes = shapely.transform(shapely.segmentize(in_pixels(polygons, grid), 1.0), place)
    geod = pyproj.CRS(crs).get_geod()
    exact = [abs(geod.geometry_area_perimeter(shapely.normalize(shape))[0]) for shape in shapes]
    assert polygons.areas == pytest.approx(exact, rel=1e-6)


def test_in_an_equal_area_system_a_pixel_is_what_it_says():
    """EPSG:6933 is equal-area on the ellipsoid of WGS 84: 100 m2 everywhere, from the equator to 70 degrees north."""
    for north in (0.0, 3_000_000.0, 6_800_000.0):
        areas = Grid(70, 80, "EPSG:6933", (10.0, 0.0, 0.0, 0.0, -10.0, north)).areas(0, 70)
        assert areas == pytest.approx(np.full((70, 80), 100.0), rel=1e-6)


def test_areas_between_nodes_are_those_at_them():
    """Of pixels of a hundredth of a degree, a thousand times as large as any raster of panels has."""
    grid = Grid(500, 500, "EPSG:4326", (0.01, 0.0, 10.0, 0.0, -0.01, 60.0))
    found = grid.areas(100, 103)
    geod = pyproj.Geod(ellps="WGS84")
    for row, column in ((0, 0), (1, 17), (2, 499)):
        x, y = 10 + 0.01 * column, 60 - 0.01 * (100 + row)
        steps = np.linspace(0, 0.01, 50)
        ring = [*((x + s, y) for s in steps), *((x + 0.01 - s, y - 0.01) for s in steps)]
        exact = abs(geod.polygon_area_perimeter(*zip(*ring, strict=True))[0])
        assert found[row, column] == pytest.approx(exact, rel=1e-5)
    assert (
        Grid(3, 3, "EPSG:4326", (0.1, 0, 179.9, 0, -0.1, 0)).areas(0, 3).max() < 1.3e8
    )  # over the date line


def test_files_say_the_same_in_their_own_coordinates(tmp_path):
    mask = spots(200, grain=30)
    mask[:40] *= 2
    mask[150:160, 20:60] = 255
    confidence = np.random.default_rng(0).integers(0, 256, mask.shape, dtype=np.uint8)
    grid = grid_of(mask)
    polygons = traced(mask, confidence)
    write_geopackage(tmp_path / "p.gpkg", polygons, grid, NAMES, "p")
    write_geojson(tmp_path / "p.geojson", polygons, grid, NAMES, "p")
    assert pyogrio.list_layers(tmp_path / "p.gpkg")[0, 0] == "p"
    assert pyogrio.read_info(tmp_path / "p.gpkg")["crs"] == UTM
    _, _, shapes, fields = pyogrio.raw.read(tmp_path / "p.gpkg")
    assert shapely.equals(shapely.from_wkb(shapes), shapely.from_wkb(polygons.outlines)).all()
    content = json.loads((tmp_path / "p.geojson").read_text())
    assert "crs" not in content  # RFC 7946 has none but WGS 84
    features = content["features"]
    to_degrees = pyproj.Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    for i, feature in enumerate(features):
        assert feature["properties"] == {
            "class": NAMES[polygons.class_ids[i]],
            "class_id": polygons.class_ids[i],
            "area_m2": pytest.approx(polygons.areas[i]),
            "confidence": pytest.approx(polygons.confidences[i], abs=1e-4),
        }
        assert [field[i] for field in fields[:2]] == [NAMES[polygons.class_ids[i]], polygons.class_ids[i]]
        shape = shapely.geometry.shape(feature["geometry"])
        assert shape.exterior.is_ccw
        assert not any(hole.is_ccw for hole in shape.interiors)
        expected = shapely.transform(
            shapely.from_wkb(polygons.outlines[i]), lambda xy: np.stack(to_degrees.transform(*xy.T), axis=1)
        )
        assert shapely.hausdorff_distance(shape, expected) < 1e-8
    assert len(features) == len(polygons.areas) > 5


def test_a_mask_of_nothing_gives_files_without_polygons(tmp_path):
    mask = np.zeros((20, 20), np.uint8)
    polygons = traced(mask)
    write_geojson(tmp_path / "p.geojson", polygons, grid_of(mask), NAMES, "p")
    write_geopackage(tmp_path / "p.gpkg", polygons, grid_of(mask), NAMES, "p")
    assert json.loads((tmp_path / "p.geojson").read_text())["features"] == []
    assert pyogrio.read_info(tmp_path / "p.gpkg")["features"] == 0
