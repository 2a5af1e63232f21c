"""Parts of the search for modules, each with a picture whose truth is known."""

import re
from dataclasses import replace
from itertools import product

import cv2
import numpy as np
import pytest

from solarseg.modules import ModulePlacement, locate, locate_modules, search
from solarseg.modules.combs import ViewAxis
from solarseg.modules.complete import complete_grid, complete_grids
from solarseg.modules.completeness import continues_outside
from solarseg.modules.edge_residuals import MeasuredEdges
from solarseg.modules.edges import measure_edges
from solarseg.modules.extend import halve_cells, join_halves, quarter_cells
from solarseg.modules.fit import fit_placement
from solarseg.modules.fit_quality import Fit, judge_edges, judge_placement
from solarseg.modules.given import find_contradiction
from solarseg.modules.light import above_black, to_light
from solarseg.modules.module_outlines import find_outlines
from solarseg.modules.pixel_maps import map_pixels
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


def drawn_with_busbars():
    """Draw 6 x 10 cells with a busbar in the middle of each."""
    image = drawn(np.ones((6, 10), bool))
    for row in range(6):
        middle = 100 + row * PITCH + PITCH // 2
        image[middle - 1 : middle + 1, 100:500] = 0.3
    return image


def test_lines_in_the_middle_of_all_cells_are_busbars():
    image = drawn_with_busbars()
    halves = grid(12, 10)
    halves = replace(halves, homography=halves.homography @ np.diag([1, 0.5, 1]))
    joined = join_halves(image, fit_placement(image, halves)).placement
    assert (joined.rows, joined.columns) == (6, 10)
    assert np.abs(joined.corners - grid(6, 10).corners).max() < 1


def test_groups_of_cells_are_divided_and_cells_with_a_busbar_in_their_middle_are_not():
    image = drawn_with_busbars()
    cells = grid(6, 10)
    groups = replace(grid(3, 5), homography=cells.homography @ np.diag([2, 2, 1]))
    for seen in (groups, cells):
        fit = fit_placement(image, seen)
        assert fit.quality > 0.9
        divided = quarter_cells(image, fit).placement
        assert (divided.rows, divided.columns) == (6, 10)
        assert np.abs(divided.corners - cells.corners).max() < 1


def drawn_with_middle_gap():
    """Draw 6 x 8 cells with 0.4 of a cell between the halves of each row."""
    image, middle = drawn(np.ones((6, 8), bool)), 100 + 4 * PITCH
    wide = np.repeat(image[:, middle : middle + 1], 16, axis=1)
    return np.hstack([image[:, :middle], wide, image[:, middle:-16]])


def test_a_middle_gap_is_as_wide_after_groups_of_cells_are_divided():
    image, cells = drawn_with_middle_gap(), grid(6, 8, middle_gap=(0.4, 0.0))
    groups = grid(3, 4, middle_gap=(0.2, 0.0))
    groups = replace(groups, homography=cells.homography @ np.diag([2, 2, 1]))
    divided = quarter_cells(image, fit_placement(image, groups)).placement
    assert (divided.rows, divided.columns) == (6, 8)
    assert divided.middle_gap == pytest.approx((0.4, 0.0), abs=0.03)
    assert np.abs(divided.cell_corners - cells.cell_corners).max() < 1


def test_wide_cells_are_several_cells_also_next_to_a_middle_gap():
    image = drawn_with_middle_gap()
    wide = grid(6, 4, middle_gap=(0.2, 0.0))
    wide = replace(wide, homography=wide.homography @ np.diag([2, 1, 1]), gap=(0.05, 0.1))
    contradiction = find_contradiction(image, fit_placement(image, wide))
    assert contradiction == "each of these cells seems to be 2 cells"


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


def drawn_modules(grids, busbars=2, bar=None, size=(800, 640)):
    """Draw lit modules without a visible frame, (rows, columns, left in cells), and something bright next to them."""
    image = np.zeros(size[::-1], np.float32)
    if bar is not None:
        left, top, right, bottom, level = bar
        image[int(top * PITCH) : int(bottom * PITCH), int(left * PITCH) : int(right * PITCH)] = level
    for rows, columns, left in grids:
        for row, column in np.ndindex(rows, columns):
            y, x = (2 + row) * PITCH, round((left + column) * PITCH)
            cell = image[y + 2 : y + PITCH - 2, x + 2 : x + PITCH - 2]
            cell[:] = 0.5 + 0.01 * ((row * 7 + column * 5) % 11)
            for busbar in range(busbars):
                place = round((busbar + 0.5) * PITCH / busbars) - 2
                cell[:, place - 1 : place + 1] *= 0.5
    noise = np.random.default_rng(0).normal(0, 0.004, image.shape)
    return (cv2.GaussianBlur(image, (0, 0), 1.0) + noise).clip(0, 1).astype(np.float32)


@pytest.mark.parametrize("cells", [None, (10, 6)])
@pytest.mark.parametrize("gap", [0.2, 0.25, 0.3, 0.6])
def test_a_module_close_to_another_one_is_found_too(gap, cells):
    """With gaps of 0.25, busbars of the second module are where the lines of the first one would continue."""
    located = locate_modules(drawn_modules([(10, 6, 2), (10, 6, 8 + gap)]), cells)
    assert [(one.rows, one.columns) for one in located.modules] == [(10, 6), (10, 6)]
    left = sorted(one.corners[0, 0] / PITCH for one in located.modules)
    assert np.abs(np.array(left) - (2, 8 + gap)).max() < 0.1
    assert not located.left_out


def seen_as(placement, quality):
    edges = np.full((2, placement.rows, placement.columns), 2)
    return Fit(placement, edges, np.zeros_like(edges), (np.ones(2), np.ones(2)), assumed=quality)


def find_among(monkeypatch, *fits):
    """Search modules where each bright part gives one of the fits."""
    found = iter(fits)
    monkeypatch.setattr(search, "find_outlines", lambda light: [fit.placement.corners for fit in fits])
    monkeypatch.setattr(search, "_locate", lambda *arguments: next(found))
    return search.find_modules(np.zeros((480, 1000), np.float32), None)


def test_an_unsure_common_grid_is_preferred_to_a_rare_one_at_a_part_of_its_place(monkeypatch):
    common, rare = seen_as(grid(6, 10), 0.7), seen_as(grid(12, 9), 0.79)
    half = np.diag([1, 0.5, 1])
    rare = replace(rare, placement=replace(rare.placement, homography=rare.placement.homography @ half))
    assert rare.weight > common.weight
    assert find_among(monkeypatch, rare, common) == ([common], [])


@pytest.mark.parametrize(
    ("left", "quality", "named"),
    [(300, 0.7, False), (340, 0.7, True), (340, 0.4, False), (550, 0.7, False)],
    ids=["mostly the same cells", "mostly others", "mostly others, hardly seen", "all others"],
)
def test_a_likely_grid_that_overlaps_a_module_is_named(monkeypatch, left, quality, named):
    size = (1000, 480)
    module, other = seen_as(grid(6, 10, size=size), 1.0), seen_as(grid(6, 9, left=left, size=size), quality)
    modules, overlapping = find_among(monkeypatch, other, module)
    assert modules == ([module, other] if left == 550 else [module])
    assert overlapping == ([other] if named else [])
    monkeypatch.setattr(locate, "find_modules", lambda *arguments: (modules, overlapping))
    left_out = locate_modules(np.zeros((480, 1000), np.uint8)).left_out
    assert (
        any(re.fullmatch(r"6 x 9 cells at .*, which overlap others .*", seen) for seen in left_out) == named
    )


@pytest.mark.parametrize(("gap", "joined"), [(12, True), (30, False)])
def test_halves_of_a_half_cut_module_are_joined_if_they_nearly_touch(monkeypatch, gap, joined):
    image = np.zeros((480, 640), np.float32)
    lefts = (100, 300 + gap)
    for row, column, left in product(range(6), range(10), lefts):
        y, x = 100 + row * PITCH, left + column * PITCH // 2
        image[y + 2 : y + PITCH - 2, x + 2 : x + PITCH // 2 - 2] = 0.8
    halves = [np.array([(x, 100), (x + 200, 100), (x + 200, 340), (x, 340)], float) for x in lefts]
    monkeypatch.setattr(search, "find_outlines", lambda light: halves)
    modules, _ = search.find_modules(cv2.GaussianBlur(image, (0, 0), 1.0), None)
    found = [(fit.placement.rows, fit.placement.columns) for fit in modules]
    assert len(found) == 2 - joined
    if joined:
        assert found == [(6, 20)]
        corners = modules[0].placement.corners
        assert np.abs(corners - [(101.5, 101.5), (510, 101.5), (510, 337.5), (101.5, 337.5)]).max() < 1.5


def test_lines_outside_of_a_module_explain_none_of_its_lines():
    """A dark line between cells and frame is much darker than busbars, and the first busbar may be placed there."""
    lines = np.zeros(500)
    lines[72 + 72 : 432 : 72] = 0.1
    lines[72 + 12 : 432 : 24] += 0.05
    lines[60:68] = lines[436:444] = 1.0
    axis = ViewAxis(np.zeros((500, 864), np.float32), lines, np.zeros(500), 72, 360)
    for cells in range(2, 12):
        for busbars in range(1, 360 // (8 * cells) + 1):
            explained = axis.shifts(cells).explained(lines, busbars).max()
            assert explained < 0.5, (cells, busbars)


@pytest.mark.parametrize("grid", [(12, 6), (9, 4)])
def test_no_strings_are_added_between_two_modules(grid):
    second = 2 + grid[1] + 2.3
    located = locate_modules(drawn_modules([(*grid, 2), (*grid, second)]))
    assert [(one.rows, one.columns) for one in located.modules] == [grid, grid]
    assert not located.doubts


@pytest.mark.parametrize(
    "bar",
    [(8.4, 1, 8.8, 12, 0.12), (8.4, 0, 20, 16, 0.12), (6.5, 4, 7.5, 6, 1.0)],
    ids=["a faint bar", "the edge of a table", "a lamp"],
)
def test_no_strings_are_added_before_something_bright(bar):
    located = locate_modules(drawn_modules([(9, 4, 2)], bar=bar, size=(600, 560)))
    assert [(one.rows, one.columns) for one in located.modules] == [(9, 4)]
    assert not located.doubts


def test_common_cells_are_refused_where_something_is_seen_in_the_place_of_a_frame():
    """Strings without light may be there: a frame would be as close to them."""
    located = locate_modules(drawn_modules([(9, 4, 2)], bar=(8.1, 1, 8.3, 12, 0.12), size=(600, 560)))
    assert not located.modules
    assert "strings without light may be next to these" in located.left_out[0]


@pytest.mark.parametrize(("other", "completed"), [((6, 9), True), ((4, 9), False)])
def test_modules_of_one_photograph_are_of_one_kind(other, completed):
    lit = np.ones((6, 9), bool)
    lit[4:] = False
    image = drawn(lit, background=0.0, size=(640, 800))
    image[348:354, 60:500] = 0.05
    pair = [grid(4, 9, upright=False, size=(640, 800)), grid(*other, top=500, upright=False, size=(640, 800))]
    assert (complete_grids(image, pair)[0] is not None) == completed
    assert (complete_grids(image, pair, sure=False)[0] is not None) == completed
    assert complete_grids(image, pair[:1], sure=False)[0] is not None


def test_grids_are_not_completed_into_each_other():
    image = drawn_modules([(10, 4, 2), (10, 4, 8.3)])
    pair = [grid(10, 4, left=2 * PITCH, top=2 * PITCH, size=(800, 640), upright=True)]
    pair.append(
        replace(pair[0], homography=pair[0].homography @ np.array([(1, 0, 6.3), (0, 1, 0), (0, 0, 1)]))
    )
    assert all(complete_grid(image, one) is not None for one in pair)
    assert complete_grids(image, pair) == [None, None]


def test_strings_that_were_added_are_said():
    lit = np.ones((6, 10), bool)
    lit[:2] = False
    located = locate_modules(drawn(lit))
    assert [(one.rows, one.columns) for one in located.modules] == [(6, 10)]
    assert "only 4 x 10 of them have light" in located.doubts[0]


def test_a_cell_keeps_its_place_where_the_middle_gap_changes():
    """The number of the cell of an edge was computed from a gap that the fit had changed since."""
    half = grid(20, 6, middle_gap=(0.0, 0.4))
    edges = measure_edges(drawn(np.ones((12, 6), bool)), half, 40, 0.1)
    changed = replace(half, middle_gap=(0.0, -0.3))
    assert judge_edges(changed, MeasuredEdges.of(half, *edges)).seen.shape == (2, 20, 6)
