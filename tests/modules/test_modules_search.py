"""Parts of the search for modules, each with a picture whose truth is known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from solarseg.modules import ModulePlacement, locate_modules
from solarseg.modules.complete import complete_grid
from solarseg.modules.doubts import continues_outside
from solarseg.modules.extend import halve_cells, join_halves
from solarseg.modules.fit import fit_placement
from solarseg.modules.judgement import judge_placement
from solarseg.modules.light import above_black, to_light
from solarseg.modules.maps import map_pixels
from solarseg.modules.outlines import find_outlines
from solarseg.synthesis import generate_photograph

PITCH = 40  # pixels per cell


def grid(rows, columns, left=100, top=100, size=(640, 480), **options):
    homography = np.array([(PITCH, 0, left - 0.5), (0, PITCH, top - 0.5), (0, 0, 1.0)])
    return ModulePlacement(rows, columns, homography, 0.0, size, (0.1, 0.1), **options)


def drawn(lit, background=0.1, left=100, top=100, size=(640, 480), frame=12):
    """Draw a module: its cells where ``lit``, black where not, a black frame, and a brighter background."""
    rows, columns = lit.shape
    image = np.full(size[::-1], background, np.float32)
    image[top - frame : top + rows * PITCH + frame, left - frame : left + columns * PITCH + frame] = 0
    for row, column in np.argwhere(lit):
        y, x = top + row * PITCH, left + column * PITCH
        image[y + 2 : y + PITCH - 2, x + 2 : x + PITCH - 2] = 0.8
    return cv2.GaussianBlur(image, (0, 0), 1.0)


def test_maps_are_exact_to_a_hundredth_of_a_pixel():
    homography = np.array([(2.8, 0.3, 5.0), (0.1, 2.6, -9.0), (2e-4, -1e-4, 1.0)])

    def to_photograph(pixels):
        return cv2.perspectiveTransform(pixels, homography)

    x, y = np.meshgrid(np.arange(333.0), np.arange(217.0))
    exact = to_photograph(np.stack([x, y], axis=-1))
    assert np.abs(map_pixels(333, 217, to_photograph) - exact).max() < 0.01


def test_offsets_of_a_camera_do_not_matter():
    light = np.linspace(0.25, 0.75, 4000, dtype=np.float32).reshape(40, 100)
    above = above_black(light)
    assert above.min() == 0
    assert above.max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("corner", [(slice(0, 90), slice(0, 90)), (slice(150, None), slice(230, None))])
def test_an_outline_includes_a_corner_without_light(corner):
    light = np.zeros((400, 600), np.float32)
    module = np.ones((240, 400), np.float32)
    module[corner] = 0
    light[80:320, 100:500] = module
    best = find_outlines(light)[0]
    assert np.abs(best - [(100, 80), (499, 80), (499, 319), (100, 319)]).max() < 4


@pytest.mark.parametrize("dark", [slice(0, 2), slice(4, 6)])
def test_strings_without_light_are_at_the_darker_side(dark):
    lit = np.ones((6, 10), bool)
    lit[dark] = False
    seen = grid(4, 10, top=100 + 2 * PITCH * (dark.start == 0), upright=False)
    completed = complete_grid(drawn(lit), seen)
    assert (completed.rows, completed.columns) == (6, 10)
    assert np.abs(completed.corners - grid(6, 10).corners).max() < 1e-6


def test_it_is_not_guessed_where_strings_without_light_are():
    lit = np.ones((6, 10), bool)
    lit[:2] = False
    assert complete_grid(drawn(lit, background=0.0), grid(4, 10, top=180, upright=False)) is None


@pytest.mark.parametrize("dark", [slice(0, 2), slice(4, 6)])
def test_strings_without_light_end_at_their_frame(dark):
    """4 x 9 cells are common too, but here their frame is two strings away at one side."""
    lit = np.ones((6, 9), bool)
    lit[dark] = False
    image = drawn(lit, background=0.0)
    cv2.rectangle(image, (88, 88), (472, 352), 0.05, 6)
    completed = complete_grid(image, grid(4, 9, top=100 + 2 * PITCH * (dark.start == 0), upright=False))
    assert (completed.rows, completed.columns) == (6, 9)
    assert np.abs(completed.corners - grid(6, 9).corners).max() < 1e-6


def test_no_strings_are_added_between_cells_and_their_frame():
    image = drawn(np.ones((4, 9), bool), background=0.0)
    cv2.rectangle(image, (88, 88), (472, 272), 0.05, 6)
    cv2.rectangle(
        image, (60, 352), (500, 362), 0.05, 6
    )  # something else, where a frame of six strings would be
    assert complete_grid(image, grid(4, 9, upright=False)) is None


def test_lines_in_the_middle_of_all_cells_are_busbars():
    image = drawn(np.ones((6, 10), bool))
    for row in range(6):
        middle = 100 + row * PITCH + PITCH // 2
        image[middle - 1 : middle + 1, 100:500] = 0.3
    halves = grid(12, 10)
    halves = replace(halves, homography=halves.homography @ np.diag([1, 0.5, 1]))
    joined = join_halves(image, fit_placement(image, halves)).placement
    assert (joined.rows, joined.columns) == (6, 10)
    assert np.abs(joined.corners - grid(6, 10).corners).max() < 1


def test_a_module_with_dark_strings_between_others_is_one_module():
    lit = np.ones((6, 10), bool)
    lit[2:4] = False
    located = locate_modules(drawn(lit))
    assert [(one.rows, one.columns) for one in located.modules] == [(6, 10)]
    assert np.abs(located.modules[0].corners - grid(6, 10).corners).max() < 1


def test_a_grid_with_twice_the_lines_is_doubtful():
    shown = generate_photograph(np.random.default_rng(1), size=900, rows=6, columns=10, straight=True)
    light = to_light(shown.image)
    right = fit_placement(light, locate_modules(shown.image).modules[0])
    half = np.diag([0.5, 0.5, 1.0])
    finer = replace(right.placement, rows=12, columns=20, homography=right.placement.homography @ half)
    assert right.quality > 0.9
    assert judge_placement(light, finer).quality < 0.6


@pytest.mark.parametrize(("seed", "columns"), [(5, 20), (1, 10)])
def test_cells_are_halved_only_if_a_line_between_halves_is_visible(seed, columns):
    shown = generate_photograph(np.random.default_rng(seed), size=900, rows=6, columns=columns, straight=True)
    light = to_light(shown.image)
    truth = shown.modules[0].corners
    homography = cv2.getPerspectiveTransform(
        np.array([(0, 0), (10, 0), (10, 6), (0, 6)], np.float32), truth.astype(np.float32)
    )
    whole = ModulePlacement(6, 10, homography, 0.0, (light.shape[1], light.shape[0]), (0.02, 0.02))
    halved = halve_cells(light, fit_placement(light, whole)).placement
    assert (halved.rows, halved.columns) == (6, columns)
    assert np.abs(halved.corners - truth).max() < 1.5


def test_a_module_whose_corner_is_outside_is_cropped():
    light = drawn(np.ones((6, 10), bool))
    assert not continues_outside(light, grid(6, 10))
    assert continues_outside(light, grid(6, 10, left=-10))
