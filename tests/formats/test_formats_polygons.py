import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageDraw
from rasterio.features import rasterize
from scipy import ndimage

from solarseg.errors import MaskError
from solarseg.formats.polygons import (
    Polygon,
    area,
    as_points,
    bridge,
    draw,
    length,
    outlines,
    simplify,
    stroke,
    window,
)

noise = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
DIAGONAL = np.eye(5, dtype=bool)
CHAIN_OF_HOLES = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 1]], dtype=bool)
OPEN_CORNER = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=bool)


def blobs(seed: int, sigma: float, share: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.random(rng.integers(1, 40, 2)), sigma)
    return smooth > np.quantile(smooth, share)


smooth = st.builds(blobs, st.integers(0, 10**6), st.floats(0.5, 4), st.floats(0.05, 0.95))


def distances(points: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Distance of each point to the nearest of many segments, written out."""
    along = ends - starts
    share = ((points[:, None] - starts) * along).sum(-1) / (along**2).sum(-1)
    nearest = starts + share.clip(0, 1)[..., None] * along
    return np.hypot(*np.moveaxis(points[:, None] - nearest, -1, 0)).min(1)


def to_border(region: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Distance of the centres of pixels to the nearest side between a pixel of the region and one that is not."""
    padded = np.pad(region, 1)
    across = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])[:, ::-1].astype(float)
    down = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])[:, ::-1].astype(float)
    starts = np.concatenate([across, down])
    ends = np.concatenate([across + np.array([0, 1]), down + np.array([1, 0])])
    return distances(np.argwhere(pixels)[:, ::-1] + 0.5, starts, ends)


def rings_of(polygons: list[Polygon]) -> list[np.ndarray]:
    return [ring for polygon in polygons for ring in polygon.rings]


def fill(rings: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Fill by the even-odd rule the pixels whose centre is inside."""
    if not rings:
        return np.zeros(size, bool)
    closed = [np.concatenate([ring, ring[:1]]).tolist() for ring in rings]
    return rasterize([{"type": "Polygon", "coordinates": closed}], out_shape=size, dtype="uint8") > 0


@given(region=noise | smooth)
@example(region=DIAGONAL)
@example(region=CHAIN_OF_HOLES)
@example(region=OPEN_CORNER)
@example(region=np.zeros((3, 4), dtype=bool))
@settings(deadline=None)
def test_outlines_without_tolerance_are_exact(region: np.ndarray) -> None:
    polygons = outlines(region)
    assert np.array_equal(fill(rings_of(polygons), region.shape), region)
    assert np.array_equal(fill([bridge(polygon) for polygon in polygons], region.shape), region)
    assert len(polygons) == ndimage.label(region)[1]  # of pixels that share a side
    assert sum(area(p.outer) - sum(map(area, p.holes)) for p in polygons) == region.sum()
    for ring in rings_of(polygons):
        assert len(np.unique(ring, axis=0)) == len(ring)  # does not touch itself
        before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
        assert (before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]).all()  # turns at every point


@given(region=noise | smooth, tolerance=st.floats(0.1, 6))
@settings(deadline=None)
def test_simplified_outlines_change_pixels_near_the_border_alone(
    region: np.ndarray, tolerance: float
) -> None:
    polygons = outlines(region, tolerance)
    exact = outlines(region)
    assert [len(p.holes) for p in polygons] == [len(p.holes) for p in exact]
    assert all(area(ring) > 0 for ring in rings_of(polygons))  # nothing vanishes
    for filled in (fill(rings_of(polygons), region.shape), fill([*map(bridge, polygons)], region.shape)):
        changed = filled != region
        assert not changed.any() or to_border(region, changed).max() <= tolerance + 1e-9
    for before, after in zip(rings_of(exact), rings_of(polygons), strict=True):
        assert distances(before, after, np.roll(after, -1, axis=0)).max() <= tolerance + 1e-9


def test_a_crack_of_one_pixel_keeps_its_pixels_whatever_the_tolerance() -> None:
    crack = np.zeros((40, 40), dtype=bool)
    crack[5, 3:30] = crack[5:35, 29] = crack[34, 29:38] = True
    assert np.array_equal(fill(rings_of(outlines(crack, 5)), crack.shape), crack)


def test_a_disc_needs_few_points_with_tolerance() -> None:
    y, x = np.ogrid[:101, :101]
    disc = (x - 50) ** 2 + (y - 50) ** 2 <= 45**2
    exact, rough = (outlines(disc, tolerance)[0].outer for tolerance in (0, 1.0))
    assert len(rough) < len(exact) / 8
    assert area(rough) == pytest.approx(np.pi * 45**2, rel=0.03)


def test_threads_do_not_disturb_one_another() -> None:
    rng = np.random.default_rng(0)
    masks = [rng.random((30, 40)) < 0.5 for _ in range(200)]

    def back(mask: np.ndarray) -> bool:
        return sum(area(p.outer) - sum(map(area, p.holes)) for p in outlines(mask)) == mask.sum()

    with warnings.catch_warnings(record=True) as caught, ThreadPoolExecutor(8) as pool:
        warnings.simplefilter("always")
        assert all(pool.map(back, masks))
    assert not caught


@pytest.mark.parametrize(
    ("points", "match"),
    [
        ([], "polygon of 0 points"),
        ([[1, 2], [3, 4]], "polygon of 2 points; at least 3"),
        ([[1, 2], [3, 4], [5]], "pairs of x and y"),
        ([[1, 2, 3], [3, 4, 5], [5, 6, 7]], "pairs of x and y"),
        ([[], [], []], "pairs of x and y"),
        ([[]], "pairs of x and y"),
        ([1, 2, 3], "pairs of x and y"),
        ("nonsense", "pairs of x and y"),
        ({"x": 1}, "pairs of x and y"),
        (None, "pairs of x and y"),
        ([[1, 2], [3, float("nan")], [5, 6]], "pairs of x and y"),
        ([[1, 2], [3, None], [5, 6]], "pairs of x and y"),
        ([[1, 2], [3, 1e9], [5, 6]], "pairs of x and y"),
        ([[1, 2], [3, 10**400], [5, 6]], "pairs of x and y"),
    ],
)
def test_what_is_no_polygon_is_said(points: object, match: str) -> None:
    with pytest.raises(MaskError, match=rf"^a\.json, shape 1: .*{match}.*correct or remove it$"):
        as_points(points, "a.json, shape 1")


def test_what_goes_on_beyond_the_end_of_a_line_is_far_from_it() -> None:
    ring = np.array([[0, 0], [0.5, -30], [1, 0], [0, 100], [40, 100], [40, 0]], dtype=float)
    assert [0.5, -30] in simplify(Polygon(ring), 1).outer.tolist()


def test_bridges_end_where_they_first_meet_something() -> None:
    region = np.ones((3, 7), bool)
    region[1, [1, 3, 5]] = False
    [polygon] = outlines(region)
    # Around the region and three holes, and one pixel there and back before each hole.
    assert length(bridge(polygon)) == 20 + 3 * 4 + 3 * 2
    region = np.ones((6, 7), bool)
    region[1:3, 1] = region[3, 3] = False  # the one's lower edge is in line with the other's upper
    [polygon] = outlines(region)
    assert length(bridge(polygon)) == 26 + 6 + 4 + 2 * 2


def test_many_holes_are_joined_each_by_the_shortest_way_to_the_left() -> None:
    region = np.ones((3, 6001), bool)
    region[1, 1::2] = False
    [polygon] = outlines(region)
    # Each hole lands on the one before: too deep for recursion.
    assert len(polygon.holes) == 3000
    assert length(bridge(polygon)) == 2 * 6004 + 3000 * 4 + 3000 * 2
    region = np.random.default_rng(0).random((40, 50)) < 0.7
    region[:, 0] = True
    polygons = outlines(region)
    assert np.array_equal(fill([bridge(polygon) for polygon in polygons], region.shape), region)
    for polygon in polygons:
        bridges = sum(to_the_left(polygon, hole) for hole in polygon.holes)
        assert length(bridge(polygon)) == sum(map(length, polygon.rings)) + 2 * bridges


def to_the_left(polygon: Polygon, hole: np.ndarray) -> float:
    """How far it is from the first leftmost point of a hole of whole pixels to the next edge left of it."""
    x, y = hole[hole[:, 0].argmin()]
    ways = []
    for ring in polygon.rings:
        upright = (ring[:, 0] == np.roll(ring[:, 0], -1)) & ((ring[:, 0] < x) | (ring is not hole))
        low, high = np.sort(np.stack([ring[:, 1], np.roll(ring[:, 1], -1)]), axis=0)
        met = ring[upright & (low <= y) & (y <= high) & (ring[:, 0] <= x), 0]
        ways += [x - met.max()] if len(met) else []
    return float(min(ways))


def test_a_hole_with_nothing_on_its_left_is_joined_to_the_nearest_point_of_the_outline() -> None:
    square = np.array([[10, 0], [30, 0], [30, 30], [10, 30]], dtype=float)
    inside = np.array([[15, 4], [18, 4], [18, 8]], dtype=float)
    beyond = np.array([[7, 26], [12, 24], [12, 27]], dtype=float)  # crosses the outline
    ring = bridge(Polygon(square, (inside, beyond)))
    assert length(ring) == pytest.approx(sum(map(length, (square, inside, beyond))) + 2 * (5 + 5))


SHAPES = {
    "ellipse": lambda canvas, points: canvas.ellipse(
        np.sort(points, axis=0).ravel().tolist(), fill=1, outline=1
    ),
    "polygon": lambda canvas, points: canvas.polygon([tuple(point) for point in points], fill=1, outline=1),
    "line": lambda canvas, points: canvas.line(
        [tuple(point) for point in points], fill=1, width=5, joint="curve"
    ),
}
coordinates = st.floats(-10, 60, width=32) | st.integers(-10, 60).map(float)


@pytest.mark.parametrize("name", SHAPES)
@given(points=st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=5))
@example(points=[(23, 8), (46, 23), (3, 7), (16, 29), (46, 18)])  # float rounds otherwise elsewhere
@example(points=[(-9, -9), (-5, -5)])
@example(points=[(50, 45), (55, 60)])
@settings(deadline=None, max_examples=200)
def test_drawing_in_a_window_is_drawing_on_the_whole(name: str, points: list[tuple[float, float]]) -> None:
    some = np.array(points[:2] if name == "ellipse" else points)
    whole = Image.new("L", (45, 40))
    SHAPES[name](ImageDraw.Draw(whole), some)
    mask = np.zeros((40, 45), np.uint8)
    if name == "line":
        stroke(mask, some, 7, width=5)
    else:
        draw(mask, some, 7, SHAPES[name])
    assert np.array_equal(mask, np.asarray(whole) * 7)


def test_a_window_is_no_larger_than_needed() -> None:
    points = np.array([[5.5, 3], [8, 9]])
    assert window(points, (20, 30)) == (slice(2, 11), slice(4, 10))
    assert window(points, (4, 7), margin=2) == (slice(1, 4), slice(3, 7))
    rows, columns = window(points - 50, (20, 30))
    assert (rows.start, rows.stop, columns.start, columns.stop) == (0, 0, 0, 0)


def test_a_line_there_and_back_keeps_its_ends() -> None:
    there_and_back = np.array([[0, 0], [1, 0], [2, 0], [3, 0], [2, 0], [1, 0]], dtype=float)
    assert simplify(Polygon(there_and_back), 2).outer.tolist() == [[0, 0], [3, 0]]
    dot = np.array([[4.0, 4.0]])
    assert simplify(Polygon(dot), 2).outer.tolist() == [[4, 4]]
