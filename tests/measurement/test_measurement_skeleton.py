import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import euler_number, label

from solarseg.measurement.skeleton import Skeleton, thin


def canvas(size=160):
    return np.zeros((size, size), np.uint8)


def bar(length, width, degrees):
    """Return a bar in the middle of an image: the pixels that it covers by half or more."""
    along = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    across = along[::-1] * (-1, 1)
    corners = 80 + np.array(
        [along * i * length / 2 + across * j * width / 2 for i, j in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
    )
    fine = np.zeros((160 * 8, 160 * 8), np.uint8)
    cv2.fillPoly(fine, [np.rint(corners * 8).astype(np.int32)], 255)
    return cv2.resize(fine, (160, 160), interpolation=cv2.INTER_AREA) >= 128


def blobs(seed):
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal((9, 9)).astype(np.float32)
    return cv2.resize(coarse, (60, 60), interpolation=cv2.INTER_CUBIC) > 0.3


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_thinning_keeps_components_and_holes(seed):
    region = blobs(seed)
    lines = thin(region)
    assert not (lines & ~region).any()
    assert euler_number(lines, connectivity=2) == euler_number(region, connectivity=2)
    assert label(lines, connectivity=2).max() == label(region, connectivity=2).max()
    assert np.array_equal(thin(lines), lines)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), margin=st.integers(1, 9))
def test_lines_do_not_depend_on_the_window(seed, margin):
    """So a crack is thinned once, in its bounding box."""
    region = blobs(seed)
    inner = (slice(margin, -margin),) * 2
    assert np.array_equal(thin(np.pad(region, margin))[inner], thin(region))
    assert Skeleton.from_region(np.pad(region, margin)) == Skeleton.from_region(region, thin(region))


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_lines_are_one_pixel_wide(seed):
    lines = thin(blobs(seed))
    assert not (lines[1:, 1:] & lines[:-1, 1:] & lines[1:, :-1] & lines[:-1, :-1]).any()


@pytest.mark.parametrize("width", [1.5, 2, 3, 4])
@pytest.mark.parametrize("degrees", [0, 10, 22.5, 37, 45, 60, 90, 117, 135, 170])
def test_length_of_a_bar_at_any_angle(width, degrees):
    skeleton = Skeleton.from_region(bar(100, width, degrees))
    assert skeleton.length == pytest.approx(100, rel=0.04)
    assert skeleton.branches == 0


@pytest.mark.parametrize("between", [45, 60, 75, 90])
@pytest.mark.parametrize("width", [2, 3, 5])
def test_a_cross_has_a_branching_point_and_the_length_of_both_bars(between, width):
    skeleton = Skeleton.from_region(bar(100, width, 45) | bar(100, width, 45 + between))
    assert skeleton.branches == 1
    assert skeleton.length == pytest.approx(200, rel=0.06)  # at a small angle they share some of it


def test_a_tree_has_a_branching_point_for_each_branch():
    region = canvas()
    cv2.line(region, (20, 80), (140, 80), 1, 3)
    for x in (50, 90):
        cv2.line(region, (x, 80), (x + 30, 50), 1, 3)
    skeleton = Skeleton.from_region(region > 0)
    assert skeleton.branches == 2
    assert skeleton.length == pytest.approx(120 + 2 * 30 * np.sqrt(2), rel=0.04)


def test_branches_of_a_comb_are_counted_one_by_one():
    region = canvas()
    cv2.line(region, (10, 80), (150, 80), 1, 3)
    for x in range(20, 136, 14):
        cv2.line(region, (x, 80), (x, 60), 1, 2)
    cv2.circle(region, (150, 80), 8, 1, -1)  # a blob elsewhere changes nothing
    assert Skeleton.from_region(region > 0).branches == 9


def test_a_ring_has_no_branching_point():
    region = canvas()
    cv2.circle(region, (80, 80), 40, 1, 3)
    skeleton = Skeleton.from_region(region > 0)
    assert skeleton.branches == 0
    assert skeleton.length == pytest.approx(2 * np.pi * 40, rel=0.04)


@pytest.mark.parametrize("radius", [0, 2, 5])
def test_a_dot_is_as_long_as_it_is_wide(radius):
    region = canvas()
    cv2.circle(region, (80, 80), radius, 1, -1)
    assert Skeleton.from_region(region > 0).length == pytest.approx(2 * radius + 1, rel=0.25)
