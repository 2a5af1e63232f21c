import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.path import Path as Outline
from scipy import ndimage
from skimage.draw import polygon2mask

from solarseg.datasets.polygons import Polygon, area, as_points, bridge, fill, length, outlines, simplify
from solarseg.errors import MaskError

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


@given(data=st.data())
@settings(deadline=None)
def test_fill_takes_pixels_whose_centre_is_inside(data: st.DataObject) -> None:
    # Odd eighths lie on no centre, so that nothing depends on how ties are broken.
    eighths = st.integers(-20, 100).map(lambda i: (2 * i + 1) / 16)
    ring = np.array(data.draw(st.lists(st.tuples(eighths, eighths), min_size=3, max_size=3, unique=True)))
    if area(ring) < 1e-9:
        return
    centres = np.stack(np.meshgrid(np.arange(9) + 0.5, np.arange(8) + 0.5), -1).reshape(-1, 2)
    expected = Outline(ring).contains_points(centres).reshape(8, 9)
    sure = distances(centres, ring, np.roll(ring, -1, axis=0)).reshape(8, 9) > 1e-6
    assert np.array_equal(fill([ring], (8, 9))[sure], expected[sure])


def test_fill_agrees_with_scikit_image_on_a_star() -> None:
    angles = np.arange(5) * 4 * np.pi / 5
    star = np.stack([40.3 + 30 * np.cos(angles), 35.7 + 30 * np.sin(angles)], 1)
    expected = polygon2mask(
        (70, 80), star[:, ::-1] - 0.5
    )  # its pixels are centred on whole numbers; even-odd too
    assert np.array_equal(fill([star], (70, 80)), expected)


def test_fill_of_a_ring_twice_is_empty_and_of_nothing_too() -> None:
    square = np.array([[0, 0], [3, 0], [3, 3], [0, 3]])
    assert not fill([square, square], (4, 4)).any()
    assert not fill([], (4, 4)).any()
    assert fill([square * 1e6], (2, 3)).all()  # far beyond the image


def test_threads_do_not_disturb_one_another() -> None:
    rng = np.random.default_rng(0)
    masks = [rng.random((30, 40)) < 0.5 for _ in range(200)]

    def back(mask: np.ndarray) -> bool:
        return np.array_equal(fill(rings_of(outlines(mask)), mask.shape), mask)

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


def test_cuts_end_where_they_first_meet_something() -> None:
    region = np.ones((3, 7), bool)
    region[1, [1, 3, 5]] = False
    [polygon] = outlines(region)
    # Around the region and three holes, and one pixel there and back before each hole.
    assert length(bridge(polygon)) == 20 + 3 * 4 + 3 * 2
    region = np.ones((6, 7), bool)
    region[1:3, 1] = region[3, 3] = False  # the one's lower edge is in line with the other's upper
    [polygon] = outlines(region)
    assert length(bridge(polygon)) == 26 + 6 + 4 + 2 * 2


def test_a_line_there_and_back_keeps_its_ends() -> None:
    there_and_back = np.array([[0, 0], [1, 0], [2, 0], [3, 0], [2, 0], [1, 0]], dtype=float)
    assert simplify(Polygon(there_and_back), 2).outer.tolist() == [[0, 0], [3, 0]]
    dot = np.array([[4.0, 4.0]])
    assert simplify(Polygon(dot), 2).outer.tolist() == [[4, 4]]
