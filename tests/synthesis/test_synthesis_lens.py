import cv2
import numpy as np
import pytest

from solarseg.synthesis.lens import Lens, Pose, plane_map

LENS = Lens(focal_length=1500.0, centre=(810.0, 590.0), k1=-0.12, k2=0.03)
ROTATION = np.array([0.2, -0.3, 0.15])  # as OpenCV has it: axis times angle


def pose():
    matrix, _ = cv2.Rodrigues(ROTATION)
    return Pose(matrix, np.array([-5.0, -3.0, 14.0]))


def on_plane(count=200):
    return np.random.default_rng(0).uniform((0, 0), (10, 6), (count, 2))


def test_projection_is_that_of_opencv():
    points = on_plane()
    expected, _ = cv2.projectPoints(
        np.column_stack([points, np.zeros(len(points))]),
        ROTATION,
        pose().translation,
        LENS.matrix,
        LENS.coefficients,
    )
    np.testing.assert_allclose(LENS.to_pixels(pose().project(points)), expected[:, 0], atol=1e-6)


def test_pixels_convert_back_to_the_plane():
    points = on_plane()
    pixels = LENS.to_pixels(pose().project(points))
    np.testing.assert_allclose(pose().unproject(LENS.from_pixels(pixels)), points, atol=1e-5)


@pytest.mark.parametrize(("k1", "k2"), [(0.0, 0.0), (0.3, 0.0), (-0.2, 0.05)])
def test_opencv_adds_the_distortion_that_is_removed(k1, k2):
    lens = Lens(1000.0, (499.5, 374.5), k1, k2)
    pixels = np.random.default_rng(1).uniform((0, 0), (999, 749), (100, 2))
    straight = np.column_stack([lens.from_pixels(pixels), np.ones(len(pixels))])
    back, _ = cv2.projectPoints(straight, np.zeros(3), np.zeros(3), lens.matrix, lens.coefficients)
    np.testing.assert_allclose(back[:, 0], pixels, atol=1e-3)


@pytest.mark.parametrize("oversampling", [1, 2])
def test_a_map_is_exact_at_the_centre_of_each_subpixel(oversampling):
    window = (37, 51, 240, 187)
    x, y = plane_map(LENS, pose(), window, oversampling)
    assert x.shape == y.shape == (136 * oversampling, 203 * oversampling)
    columns = 37 + (np.arange(x.shape[1]) + 0.5) / oversampling - 0.5
    rows = 51 + (np.arange(x.shape[0]) + 0.5) / oversampling - 0.5
    pixels = np.stack(np.meshgrid(columns, rows), axis=-1)
    back = LENS.to_pixels(pose().project(np.stack([x, y], axis=-1)))
    np.testing.assert_allclose(back, pixels, atol=0.01)
