from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from solarseg.errors import ArgumentError
from solarseg.synthesis import CELL_CLASSES, generate_photograph
from solarseg.synthesis.defects import CELL
from solarseg.synthesis.module_light import ModuleLight
from solarseg.synthesis.photograph_camera import PhotographCamera
from solarseg.synthesis.photographs import _add_to_photograph
from solarseg.synthesis.scene import Scene

SHARP = PhotographCamera(
    exposure=0.6, dark_level=0, vignetting=0, uneven=(0, 0), blur=0, stray_light=0, stray_reach=0.02,
    hot_pixels=0, gains=(1.0,), full_well=1e12, read_noise=0, noise_blur=0, depth="uint16", jpeg_quality=None,
)  # fmt: skip
SEEDS = range(12)


@pytest.fixture(scope="module")
def photographs():
    return [generate_photograph(np.random.default_rng([1, i]), 500) for i in SEEDS]


def test_shapes_types_and_classes(photographs):
    for photograph in photographs:
        height, width, channels = photograph.image.shape
        assert max(height, width) == 500
        assert channels in (1, 3)
        assert photograph.image.dtype in (np.uint8, np.uint16)
        assert (photograph.mask.shape, photograph.mask.dtype) == ((height, width), np.uint8)
        assert photograph.mask.max() < len(CELL_CLASSES)
        for module in photograph.modules:
            assert module.cell_corners.shape == (module.rows, module.columns, 4, 2)
            assert module.brightness.shape == (module.rows, module.columns)


def test_a_seed_gives_the_same_photograph_and_another_seed_another():
    first, again, other = (generate_photograph(np.random.default_rng(seed), 300) for seed in (5, 5, 6))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.mask, again.mask)
    assert np.array_equal(first.modules[0].cell_corners, again.modules[0].cell_corners)
    assert first.image.shape != other.image.shape or not np.array_equal(first.image, other.image)


def test_cells_are_rectangles_on_a_plane_seen_through_the_lens(photographs):
    """OpenCV finds a homography that takes all corners of a module to a grid, once the distortion is removed."""
    for photograph in photographs:
        for module in photograph.modules:
            if not module.whole:
                continue
            corners = photograph.lens.from_pixels(module.cell_corners)
            outer = np.stack([corners[0, 0, 0], corners[0, -1, 1], corners[-1, -1, 2], corners[-1, 0, 3]])
            square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)
            homography, _ = cv2.findHomography(outer, square)
            flat = cv2.perspectiveTransform(corners.reshape(-1, 1, 2), homography).reshape(corners.shape)
            x, y = flat[..., 0], flat[..., 1]
            np.testing.assert_allclose(x[:, :, 0], x[:, :, 3], atol=1e-6)  # left edges are upright
            np.testing.assert_allclose(
                x, np.broadcast_to(x[:1], x.shape), atol=1e-6
            )  # and the same in all rows
            np.testing.assert_allclose(y, np.broadcast_to(y[:, :1], y.shape), atol=1e-6)
            assert (np.diff(x[0, :, 0]) > 0).all()
            assert (np.diff(y[:, 0, 0]) > 0).all()
            np.testing.assert_allclose(module.corners[2], module.cell_corners[-1, -1, 2])


def test_edges_of_cells_in_the_picture_are_where_the_corners_say():
    """Of a module where every other cell is white, measure all edges on the picture, across them."""
    errors = []
    for seed in range(4):
        scene = Scene.draw(np.random.default_rng([2, seed]), 1200)
        light = np.zeros((scene.height, scene.width), np.float32)
        drawn = checkerboard(scene.plan)
        place = next(place for place in scene.places if place.offset == (0, 0))
        add_module(scene, place, ModuleLight(drawn, np.zeros(drawn.shape, np.uint8)), light)
        for row, column in np.ndindex(scene.plan.rows, scene.plan.columns):
            cell = scene.plan.cell_corners[row, column]
            if (row + column) % 2 == 0 and scene.contains(scene.to_pixels(cell, place), margin=-5).all():
                for start, end in zip(cell, np.roll(cell, -1, axis=0), strict=True):
                    edge = scene.to_pixels(start + (end - start) * np.array([[0.3], [0.5], [0.7]]), place)
                    errors.append(edge_error(light, *edge))
    errors = np.array(errors)
    assert len(errors) > 500
    assert abs(errors.mean()) < 0.003
    assert np.abs(errors).max() < 0.05


def add_module(scene, place, drawn, light):
    _add_to_photograph(scene, place, drawn, light, np.zeros_like(light), np.zeros(light.shape, np.uint8))


def checkerboard(plan):
    light = np.zeros((plan.height, plan.width), np.float32)
    for row, top in enumerate(plan.top):
        for column, left in enumerate(plan.left):
            light[top : top + plan.cell_height, left : left + plan.cell_width] = (row + column) % 2 == 0
    return light


def edge_error(image, before, point, behind):
    """Return how far a white area reaches beyond a point of its edge, given points before and behind it."""
    along = behind - before
    inwards = np.array([-along[1], along[0]]) / np.linalg.norm(along)
    positions = np.linspace(-4, 4, 161)
    points = point + positions[:, None] * inwards
    profile = map_coordinates(image, points.T[::-1], order=1)
    return np.trapezoid(profile, positions) - 4  # a step at 0 has an integral of 4


def test_a_mask_pixel_is_the_class_at_its_centre():
    """Compare with the signed distance of each pixel's centre from the sides of the cells."""
    scene = Scene.draw(np.random.default_rng([2, 1]), 500)
    place = next(place for place in scene.places if place.offset == (0, 0))
    drawn = checkerboard(scene.plan)
    mask = np.zeros((scene.height, scene.width), np.uint8)
    module = ModuleLight(drawn, drawn.astype(np.uint8))
    _add_to_photograph(scene, place, module, mask * np.float32(0), mask * np.float32(0), mask)
    x, y = np.meshgrid(np.arange(scene.width), np.arange(scene.height))
    inside = np.full(mask.shape, -np.inf)
    for row, column in np.ndindex(scene.plan.rows, scene.plan.columns):
        if (row + column) % 2 == 0:
            corners = scene.to_pixels(scene.plan.cell_corners[row, column], place)
            sides = zip(corners, np.roll(corners, -1, axis=0), strict=True)
            distances = [
                ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / np.hypot(*(b - a))
                for a, b in sides
            ]
            inside = np.maximum(inside, np.min(distances, axis=0))
    assert mask[inside > 0.6].all()
    assert not mask[inside < -0.6].any()
    assert (mask == (inside > 0)).mean() > 0.995


def test_the_mask_is_the_cells(photographs):
    """Filled polygons of the cells, drawn with OpenCV, cover what the mask says is not background."""
    for photograph in photographs:
        drawn = np.zeros(photograph.mask.shape, np.uint8)
        for module in photograph.modules:
            for cell in module.cell_corners.reshape(-1, 4, 2):
                cv2.fillConvexPoly(drawn, np.rint(cell * 16).astype(np.int32), 1, shift=4)
        shrunk = cv2.erode(drawn, np.ones((5, 5), np.uint8))
        assert not (photograph.mask[drawn == 0] > 0).any()
        assert (photograph.mask[shrunk == 1] > 0).mean() > 0.9  # bevels and gaps are missing


def test_cells_are_as_bright_as_stated():
    photograph = generate_photograph(np.random.default_rng(8), 1000, 6, 10, "mono", SHARP, straight=True)
    (module,) = photograph.modules
    light = photograph.image[..., 0] / 65535 / SHARP.exposure
    for row, column in np.ndindex(6, 10):
        (left, top), (right, bottom) = np.rint(module.cell_corners[row, column, [0, 2]]).astype(int)
        inside = (slice(top + 5, bottom - 4), slice(left + 5, right - 4))
        sound = light[inside][photograph.mask[inside] == CELL]
        assert np.median(sound) == pytest.approx(module.brightness[row, column], rel=0.15, abs=0.01)


def test_a_straight_photograph_is_one_module_that_fills_it():
    for rows, columns in ((6, 10), (20, 6)):
        photograph = generate_photograph(np.random.default_rng(4), 600, rows, columns, straight=True)
        (module,) = photograph.modules
        assert (module.rows, module.columns, module.whole, module.lit) == (rows, columns, True, True)
        assert module.upright == (rows > columns)
        assert module.half_cut == (rows == 20)
        width, height = np.ptp(module.corners, axis=0)
        assert width * height > 0.7 * photograph.mask.size
        np.testing.assert_allclose(module.corners[0, 1], module.corners[1, 1], atol=1e-6)


def test_a_photograph_shows_what_is_asked_for():
    module = generate_photograph(np.random.default_rng(5), 400, 9, 4, cell="mono").modules[0]
    assert (module.rows, module.columns, module.cell) == (9, 4, "mono")


def test_cameras_have_one_or_three_channels_and_8_or_16_bits():
    for camera, shape, dtype in (
        (SHARP, 1, np.uint16),
        (replace(SHARP, depth="uint8", jpeg_quality=80), 1, np.uint8),
        (replace(SHARP, depth="uint8", gains=(1.0, 0.4, 0.8), jpeg_quality=90), 3, np.uint8),
    ):
        image = generate_photograph(np.random.default_rng(0), 300, camera=camera, straight=True).image
        assert (image.shape[2], image.dtype) == (shape, dtype)
        if shape == 3:
            red, green, blue = image[image.max(axis=2) > 60].mean(axis=0)
            assert green / red == pytest.approx(0.4, abs=0.05)
            assert blue / red == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(
    "arguments",
    [{"size": 100}, {"size": 9000}, {"rows": 6}, {"rows": 0, "columns": 4}, {"columns": 31, "rows": 6}],
)
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ArgumentError, match=f"`{next(iter(arguments))}"):
        generate_photograph(np.random.default_rng(0), **arguments)
