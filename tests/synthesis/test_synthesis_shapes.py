import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Polygon, box
from shapely.affinity import rotate

from solarseg.synthesis.shapes import (
    clip_polygon,
    jagged_line,
    perpendicular,
    radial_polygon,
    rectangle,
    unit_vector,
)

ANGLES = st.floats(0, 2 * np.pi)
PLACES = st.tuples(st.floats(-0.5, 1.5), st.floats(-0.5, 1.5))


@settings(deadline=None)
@given(place=PLACES, angle=ANGLES)
def test_clip_polygon_equals_shapely(place, angle):
    normal = np.array([np.cos(angle), np.sin(angle)])
    kept, side = clip_polygon(rectangle(0, 0, 1, 1), np.array(place), normal)
    half_plane = rotate(
        box(place[0] - 9, place[1] - 9, place[0], place[1] + 9), angle, origin=place, use_radians=True
    )
    expected = half_plane.intersection(box(0, 0, 1, 1))
    found = Polygon(kept).area if len(kept) > 2 else 0.0
    assert found == pytest.approx(expected.area, abs=1e-6)
    if side is not None:
        assert np.allclose((side - place) @ normal, 0, atol=1e-9)
        assert LineString(side).length == pytest.approx(np.hypot(*(side[1] - side[0])))


@settings(deadline=None)
@given(half_tangent=st.floats(-1, 1))
def test_unit_vector_is_at_twice_the_angle_of_the_tangent(half_tangent):
    found = unit_vector(half_tangent)
    assert np.hypot(*found) == pytest.approx(1)
    assert np.arctan2(found[1], found[0]) == pytest.approx(2 * np.arctan(half_tangent))


@pytest.mark.parametrize("corners", [8, 12, 16, 24])
def test_radial_polygon_of_equal_radii_is_round(corners):
    found = radial_polygon((3, 4), [2] * corners)
    assert np.allclose(np.hypot(*(found - (3, 4)).T), 2)
    area = Polygon(found).area
    assert 0.88 * np.pi * 4 < area < np.pi * 4


def test_jagged_lines_keep_their_ends_and_stay_near():
    ends = np.array([(0.0, 0), (10, 0)])
    line = jagged_line(np.random.default_rng(0), ends, 0.1)
    assert len(line) == 17
    assert np.array_equal(line[[0, -1]], ends)
    assert np.abs(line[:, 1]).max() < 10 * 0.1 * 2
    assert np.array_equal(jagged_line(np.random.default_rng(0), ends, 0.0)[:, 1], np.zeros(17))


def test_perpendicular_is_a_right_angle():
    vectors = np.random.default_rng(0).random((9, 2))
    assert np.allclose((vectors * perpendicular(vectors)).sum(axis=-1), 0)
