"""Modules are found in generated photographs, whose corners are known exactly."""

import numpy as np
import pytest

from solarseg.errors import ArgumentError, ImageError
from solarseg.modules import ModulePlacement, locate_module, locate_modules, place_module
from solarseg.modules.cell_light import cell_light
from solarseg.modules.locate import fit_corners
from solarseg.synthesis import generate_photograph, layout
from solarseg.synthesis.parameters import Chance, Range


def photograph(seed, size=900, **options):
    return generate_photograph(np.random.default_rng(seed), size=size, **options)


def apart(module, truth):
    """Distances between the centres of cells, and between the corners of the module, pixels."""
    centres = module.cell_corners.mean(axis=2) - truth.cell_corners.mean(axis=2)
    return np.linalg.norm(np.concatenate([centres.reshape(-1, 2), module.corners - truth.corners]), axis=-1)


@pytest.mark.parametrize(
    ("seed", "grid"), [(1, (6, 10)), (2, (10, 6)), (3, (6, 12)), (4, (4, 9)), (5, (6, 20)), (6, (24, 6))]
)
def test_a_module_from_the_front_is_found_within_a_pixel(seed, grid):
    shown = photograph(seed, rows=grid[0], columns=grid[1], straight=True)
    module = locate_module(shown.image)
    assert (module.rows, module.columns) == grid
    assert np.median(apart(module, shown.modules[0])) < 0.5
    assert apart(module, shown.modules[0]).max() < 1.5
    assert module.confidence > 0.8


def test_perspective_rotation_and_distortion():
    found = 0
    for seed in (10, 11, 12, 13):
        shown = photograph(seed, 1400)
        whole = [module for module in shown.modules if module.whole and module.lit]
        located = locate_modules(shown.image).modules
        for truth in whole:
            centre = truth.corners.mean(axis=0)
            near = [one for one in located if np.linalg.norm(one.corners.mean(axis=0) - centre) < 50]
            if len(near) == 1 and (near[0].rows, near[0].columns) == (truth.rows, truth.columns):
                found += np.median(apart(near[0], truth)) < 1
    assert found >= 4


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_depth_and_colour_do_not_matter(dtype):
    shown = photograph(1, 700, rows=6, columns=10, straight=True)
    grey = shown.image.astype(np.float32) / np.iinfo(shown.image.dtype).max
    scale = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    image = (grey * [1.0, 0.4, 0.9] * scale).astype(dtype)
    assert apart(locate_module(image), shown.modules[0]).max() < 1.5


def test_a_quarter_turn_exchanges_rows_and_columns():
    shown = photograph(7, 700, rows=6, columns=10, straight=True)
    turned = locate_module(np.rot90(shown.image))
    assert (turned.rows, turned.columns) == (10, 6)
    x, y = turned.corners.T
    back = np.stack([shown.image.shape[1] - 1 - y, x], axis=-1)
    assert np.abs(np.roll(back, 1, axis=0) - shown.modules[0].corners).max() < 1.5


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((300, 400), np.uint8),
        np.full((300, 400, 3), 200, np.uint8),
        np.random.default_rng(0).integers(0, 255, (400, 500), np.uint8),
    ],
)
def test_no_module_is_refused_with_what_helps(image):
    with pytest.raises(ImageError, match=r"found no module: .*; give `corners` and `cells`"):
        locate_module(image)


def test_corners_by_hand_are_fitted_to_the_cells():
    shown = photograph(1, 900, rows=6, columns=10, straight=True)
    truth = shown.modules[0]
    by_hand = truth.corners + np.array([(3, -2), (-2, 3), (2, 2), (-3, -3)])
    module = place_module(by_hand, (6, 10), shown.image)
    assert apart(module, truth).max() < 1.5


@pytest.mark.parametrize(
    ("seed", "grid"), [(1, (6, 10)), (5, (6, 20)), (6, (24, 6)), (4, (1, 2)), (8, (3, 4))]
)
def test_corners_by_hand_have_the_confidence_of_their_fit(seed, grid):
    shown = photograph(seed, 900, rows=grid[0], columns=grid[1], straight=True)
    truth = shown.modules[0]
    by_hand = truth.corners + np.array([(3, -2), (-2, 3), (2, 2), (-3, -3)])
    module, contradiction = fit_corners(by_hand, grid, shown.image)
    assert contradiction is None
    assert 0.8 < module.confidence <= 1
    assert module.upright == truth.upright
    assert apart(module, truth).max() < max(1.5, 0.03 * module.pixels_per_cell)


def shifted(corners, right, down):
    """Corners of a module of 6 x 10 cells, moved by a number of cells."""
    across, along = (corners[1] - corners[0]) / 10, (corners[3] - corners[0]) / 6
    return corners + right * across + down * along


@pytest.mark.parametrize(
    ("right", "down", "cells", "seen"),
    [
        (0.5, 0, (6, 10), "few edges of cells"),
        (0, 0.5, (6, 10), "few edges of cells"),
        (1, 0, (6, 10), "few edges of cells"),
        (0, 0, (5, 10), "few edges of cells"),
        (0, 0, (7, 10), "few edges of cells"),
        (0, 0, (10, 6), "few edges of cells"),
        (0, 0, (6, 5), "each of these cells seems to be 2 cells"),
        (0, 0, (2, 10), "each of these cells seems to be 3 cells"),
    ],
)
def test_corners_or_cells_that_do_not_fit_have_little_confidence(right, down, cells, seen):
    shown = photograph(1, 900, rows=6, columns=10, straight=True)
    corners = shifted(shown.modules[0].corners, right, down)
    module, contradiction = fit_corners(corners, cells, shown.image)
    assert module.confidence < 0.6
    assert contradiction is not None
    assert contradiction.startswith(seen)


def test_corners_that_leave_out_a_column_are_noticed():
    shown = photograph(1, 900, rows=6, columns=10, straight=True)
    corners = shown.modules[0].corners
    inner = np.array([*shifted(corners, 1, 0)[:1], *corners[1:3], *shifted(corners, 1, 0)[3:]])
    module, contradiction = fit_corners(inner, (6, 9), shown.image)
    assert contradiction == "more cells are seen next to these, 6 x 10 in all"
    assert module.confidence < 0.7


def test_a_number_of_cells_of_which_each_is_two_is_refused():
    shown = photograph(1, 900, rows=6, columns=10, straight=True)
    located = locate_modules(shown.image, (3, 10))
    assert not located.modules
    assert ", but " in located.left_out[0]


def test_corners_in_the_dark_stay_where_they_are():
    corners = [(20, 20), (220, 30), (210, 150), (25, 140)]
    module = place_module(corners, (6, 10), np.zeros((200, 300), np.uint8))
    assert module.confidence == 0
    outer = module.to_pixels([(0, 0), (10, 0), (10, 6), (0, 6)])
    assert np.abs(outer - corners).max() < 1e-3


@pytest.mark.parametrize(
    ("corners", "cells", "match"),
    [
        ([(0, 0), (9, 9), (9, 0), (0, 9)], (6, 10), "cross, are on a line or are not clockwise"),
        ([(0, 0), (0, 9), (9, 9), (9, 0)], (6, 10), "not clockwise"),
        ([(0, 0), (9, 0), (9, 9)], (6, 10), "four corners"),
        ([(0, 0), (9, 0), (9, 9), (0, 9)], (0, 10), "1 to 26 rows"),
    ],
)
def test_impossible_corners(corners, cells, match):
    with pytest.raises(ArgumentError, match=match):
        place_module(corners, cells, np.zeros((20, 20), np.uint8))


def test_what_is_no_image():
    with pytest.raises(ArgumentError, match="give \\(H, W\\) or \\(H, W, C\\)"):
        locate_modules(np.zeros(5))


def test_light_of_cells_is_taken_in_their_middle_beyond_a_middle_gap():
    """In the photograph of a half-cut module each cell has its own level."""
    module = ModulePlacement(
        2, 16, np.diag([20.0, 40.0, 1.0]), 0.0, (400, 100), gap=(0.1, 0.1), middle_gap=(2.0, 0.0)
    )
    image, level = np.zeros((100, 400), np.float32), np.linspace(0.2, 0.9, 32).reshape(2, 16)
    for row, column in np.ndindex(2, 16):
        (left, top), _, (right, bottom), _ = module.cell_corners[row, column].round().astype(int)
        image[top : bottom + 1, left : right + 1] = level[row, column]
    assert np.abs(cell_light(image, module) - level).max() < 1e-6


def test_a_given_number_of_cells_is_found_where_dark_strings_could_be_next_to_them():
    shown = photograph(1, 700, rows=4, columns=6, straight=True)
    wide = np.pad(shown.image, ((400, 400), (400, 400), (0, 0)), mode="edge")
    module = locate_module(wide, (4, 6))
    assert np.abs(module.corners - 400 - shown.modules[0].corners).max() < 1.5


@pytest.mark.parametrize("busbars", [1, 2, 3, 5, 9, 12])
def test_the_number_of_busbars_need_not_be_known(busbars, monkeypatch):
    number = Range(busbars, busbars, "count", "of this test")
    monkeypatch.setattr(layout, "BUSBARS", number)
    monkeypatch.setattr(layout, "WIRES", number)
    monkeypatch.setattr(layout, "FLAT_BUSBARS", Chance(float(busbars < 6), "of this test"))
    shown = photograph(3, 600, rows=6, columns=10, straight=True)
    module = locate_module(shown.image)
    assert (module.rows, module.columns) == (6, 10)
    assert np.abs(module.corners - shown.modules[0].corners).max() < 1.5
