"""The way from a photograph to its cells and back."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solarseg.errors import ArgumentError
from solarseg.modules import ModuleBend, ModulePlacement, cells_to_pixels, cut_cells, rectify

HOMOGRAPHY = np.array([[80.0, 4, 60], [-3, 85, 90], [2e-4, 3e-4, 1]])


BEND = ModuleBend(-0.02, 0.01, 0.03, (400.0, 800.0))


def placement(distortion=-0.04, middle_gap=(0.0, 0.0), size=(1000, 700), bend=None):
    return ModulePlacement(6, 10, HOMOGRAPHY, distortion, size, (0.03, 0.02), middle_gap, bend=bend)


@given(
    st.floats(-0.08, 0.08),
    st.tuples(st.sampled_from([0.0, 0.2]), st.sampled_from([0.0, 0.1])),
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 6)), min_size=1, max_size=9),
)
def test_grid_to_pixels_and_back(distortion, middle_gap, points):
    module = placement(distortion, middle_gap)
    grid = np.array(points)
    assert np.abs(module.to_grid(module.to_pixels(grid)) - grid).max() < 1e-6


@given(
    st.lists(st.floats(-0.02, 0.02), min_size=3, max_size=3),
    st.tuples(st.floats(-900, 1900), st.floats(-900, 1900)),
    st.tuples(st.sampled_from([0.0, 0.2]), st.sampled_from([0.0, 0.1])),
    st.lists(st.tuples(st.floats(-0.4, 10.4), st.floats(-0.4, 6.4)), min_size=1, max_size=9),
)
def test_the_grid_of_a_bent_module_to_pixels_and_back(depths, foot, middle_gap, points):
    module = placement(0.03, middle_gap, bend=ModuleBend(*depths, foot))
    pixels = module.to_pixels(points)
    assert np.abs(module.to_pixels(module.to_grid(pixels)) - pixels).max() < 0.01


@pytest.mark.parametrize("bend", [None, BEND])
def test_pixels_are_those_of_opencv(bend):
    """The same camera in OpenCV: points of the plane, moved along its normal, and one coefficient of distortion."""
    module = placement(bend=bend)
    radius = np.hypot(*module.size) / 2
    centre = (np.array(module.size) - 1) / 2
    camera = np.array([(radius, 0, centre[0]), (0, radius, centre[1]), (0, 0, 1)])
    pose = np.linalg.inv(camera) @ HOMOGRAPHY
    grid = np.random.default_rng(0).uniform(0, 6, (40, 2))
    space = np.c_[grid, np.ones(40)] @ pose.T  # in front of the camera
    if bend is not None:
        s, t = grid[:, 0] / 5 - 1, grid[:, 1] / 3 - 1
        depth = -0.02 * (1 - s**2) + 0.01 * (1 - t**2) + 0.03 * (1 - s**2) * (1 - t**2)
        space += depth[:, None] * (np.linalg.inv(camera) @ (*BEND.foot, 1))
    expected, _ = cv2.projectPoints(space, np.zeros(3), np.zeros(3), camera, np.array([-0.04, 0, 0, 0]))
    assert np.abs(module.to_pixels(grid) - expected[:, 0]).max() < 1e-9


@pytest.mark.parametrize("bend", [None, BEND])
def test_a_pixel_of_a_cell_is_where_the_photograph_has_it(bend):
    """A photograph whose two channels are x and y: the cells show the coordinates that they come from."""
    module = placement(middle_gap=(0.2, 0.1), bend=bend)
    width, height = module.size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    cells = cut_cells(np.stack([x, y], axis=-1), module, size=80)
    pixels = np.stack(np.meshgrid(np.arange(80), np.arange(80)), axis=-1)
    for row, column in ((1, 1), (3, 5), (4, 6), (6, 10)):
        expected = cells_to_pixels(module, row, column, pixels, 80)
        assert np.abs(cells[row - 1, column - 1] - expected).max() < 0.05


def test_cells_are_squares_with_their_edges_inside():
    module = placement(distortion=0.0)
    corners = module.cell_corners_in_grid()
    assert corners[2, 3].tolist() == [[3.015, 2.01], [3.985, 2.01], [3.985, 2.99], [3.015, 2.99]]
    assert rectify(np.zeros((700, 1000), np.uint16), module, 16).shape == (96, 160)
    assert rectify(np.zeros((700, 1000), np.uint16), module, 16).dtype == np.uint16


def test_what_is_outside_the_photograph_is_black():
    module = placement()
    away = ModulePlacement(6, 10, np.array([[80.0, 0, -440], [0, 80, 9], [0, 0, 1]]), 0.0, module.size)
    cells = cut_cells(np.full((700, 1000), 9, np.uint8), away, size=16)
    assert not cells[:, :5].any()
    assert (cells[:, 6:-1] == 9).all()


@pytest.mark.parametrize(
    ("image", "size", "match"),
    [
        (np.zeros((700, 1000)), 7, "`size=7`"),
        (np.zeros((70, 100)), 64, "has 100 x 70 pixels, the photograph of the module has 1000 x 700"),
    ],
)
def test_wrong_arguments(image, size, match):
    with pytest.raises(ArgumentError, match=match):
        cut_cells(image, placement(), size)
