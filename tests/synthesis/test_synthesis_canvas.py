import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solarseg.synthesis.canvas import SUBPIXELS, draw_lines, fill_polygons

SIZE = 20


def as_image(patch, size=SIZE):
    image = np.zeros((size, size), np.float32)
    image[patch.window] = patch.coverage
    return image


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), margin=st.integers(0, 4))
def test_fill_counts_subpixels_wherever_a_polygon_reaches(seed, margin):
    corners = np.random.default_rng(seed).integers(-40, 120, (7, 2)).astype(float)
    fine = np.zeros((SIZE * SUBPIXELS, SIZE * SUBPIXELS), np.uint8)
    cv2.fillPoly(fine, [corners.astype(np.int32)], 1)
    expected = fine.reshape(SIZE, SUBPIXELS, SIZE, SUBPIXELS).mean(axis=(1, 3))
    np.testing.assert_array_equal(as_image(fill_polygons(SIZE, [corners], margin)), expected)


def test_what_two_polygons_cover_is_covered_once():
    square = np.array([(0, 0), (15, 0), (15, 15), (0, 15)], float)
    patch = fill_polygons(SIZE, [square, square + 8])
    assert patch.coverage.max() == 1
    assert as_image(patch).sum() == pytest.approx(as_image(fill_polygons(SIZE, [square])).sum() * 2 - 4)


@pytest.mark.parametrize("width", [5, 7, 8, 14])
@pytest.mark.parametrize("end", [(900, 100), (900, 400), (100, 900)])
def test_lines_are_as_wide_as_asked(width, end):
    covered = draw_lines(256, [(np.array([(100, 100), end], float), width)]).coverage.sum() * SUBPIXELS**2
    assert covered / np.hypot(end[0] - 100, end[1] - 100) == pytest.approx(width, abs=1.2)


def test_a_line_beyond_the_image_covers_nothing_of_it():
    assert not draw_lines(SIZE, [(np.array([(-900.0, -900), (-800, -700)]), 5)]).coverage.any()
