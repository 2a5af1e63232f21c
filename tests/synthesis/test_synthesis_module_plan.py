import numpy as np
import pytest

from solarseg.synthesis import module_brightness, module_light
from solarseg.synthesis.defects import BUSBAR, CELL
from solarseg.synthesis.layout import Layout
from solarseg.synthesis.module_brightness import draw_cell_brightness
from solarseg.synthesis.module_light import draw_module
from solarseg.synthesis.module_plan import GRIDS, ModulePlan
from solarseg.synthesis.parameters import Chance, Range

ALL_GRIDS = [tuple(map(int, name.split("x"))) for name in GRIDS.probabilities]
NEVER, ALWAYS = Chance(0.0, "for a test"), Chance(1.0, "for a test")


def plan(grid=(6, 10), landscape=True, cell=None, seed=0, unit=48):
    return ModulePlan.draw(np.random.default_rng(seed), unit, grid, landscape, cell)


@pytest.mark.parametrize("landscape", [True, False])
@pytest.mark.parametrize("grid", ALL_GRIDS)
def test_a_plan_has_the_grid_and_its_cells_are_apart(grid, landscape):
    one = plan(grid, landscape)
    strings, length = grid
    assert (one.rows, one.columns) == ((strings, length) if landscape else (length, strings))
    assert one.strings == strings
    for starts, size, total in (
        (one.left, one.cell_width, one.width),
        (one.top, one.cell_height, one.height),
    ):
        gaps = np.diff(starts) - size
        assert (gaps > 0).all()
        assert starts[0] > one.frame
        assert starts[0] == total - (starts[-1] + size)  # the margins are the same
        along = len(starts) == length
        middle = len(gaps) // 2
        if along and length >= 20:
            assert size == 24
            assert gaps[middle] > np.delete(gaps, middle).max()
            assert len(set(np.delete(gaps, middle))) == 1
        else:
            assert size == 48
            assert len(set(gaps)) == 1


def test_corners_are_those_of_the_windows():
    one = plan((4, 9), False)
    corners = one.cell_corners
    assert corners.shape == (9, 4, 4, 2)
    assert corners[2, 1].tolist() == [
        [one.left[1], one.top[2]],
        [one.left[1] + one.cell_width, one.top[2]],
        [one.left[1] + one.cell_width, one.top[2] + one.cell_height],
        [one.left[1], one.top[2] + one.cell_height],
    ]


def test_a_cell_that_fills_its_image_lacks_only_its_corners():
    for seed in range(8):
        module = plan((6, 20) if seed % 2 else (6, 10), cell="mono", seed=seed).module
        coverage = Layout.fill(module, 64).cell_coverage
        # Four triangles; a half-cut cell has two, which its square image stretches to twice their length.
        assert 1 - coverage.mean() == pytest.approx(2 * module.corner**2, abs=0.002)
        assert (coverage[32] == 1).all()
        assert (coverage[:, 32] == 1).all()


def only(monkeypatch, **kept):
    for name in ("LOW_CURRENT", "BLACK_CELLS", "DIM_CELLS", "BRIGHT_CELLS", "DEAD_STRINGS"):
        monkeypatch.setattr(module_brightness, name, kept.get(name, NEVER))


@pytest.mark.parametrize("landscape", [True, False])
@pytest.mark.parametrize("grid", ALL_GRIDS)
def test_the_strings_of_one_bypass_diode_are_off(monkeypatch, grid, landscape):
    only(monkeypatch, DEAD_STRINGS=ALWAYS)
    one, seen = plan(grid, landscape), set()
    for seed in range(30):
        brightness = draw_cell_brightness(np.random.default_rng(seed), one)
        assert brightness.shape == (one.rows, one.columns)
        off = brightness == 0
        strings = off if landscape else off.T
        dead = np.flatnonzero(strings.any(axis=1))
        assert (np.diff(dead) == 1).all()
        halves = np.split(strings[dead], 2, axis=1) if grid[1] >= 20 else [strings[dead]]
        assert all(half.all() or not half.any() for half in halves)
        seen.add(tuple(dead.tolist()))
    expected = {8: {(0, 1), (2, 3, 4, 5), (6, 7)}, 5: {(0, 1), (2, 3, 4)}}.get(
        grid[0], {(i, i + 1) for i in range(0, grid[0], 2)}
    )
    assert seen == expected


def test_sound_cells_match_and_cells_at_a_low_current_do_not(monkeypatch):
    rngs = [np.random.default_rng(seed) for seed in range(40)]
    only(monkeypatch)
    sound = np.stack([draw_cell_brightness(rng, plan()) for rng in rngs])
    only(monkeypatch, LOW_CURRENT=ALWAYS)
    low = np.stack([draw_cell_brightness(rng, plan()) for rng in rngs])
    np.testing.assert_allclose(np.median(sound, axis=(1, 2)), 1)
    np.testing.assert_allclose(np.median(low, axis=(1, 2)), 1)
    assert 0.005 < np.log(sound).std(axis=(1, 2)).min() < np.log(sound).std(axis=(1, 2)).max() < 0.08
    assert 0.1 < np.log(low).std(axis=(1, 2)).min() < np.log(low).std(axis=(1, 2)).max() < 0.6


@pytest.mark.parametrize(
    ("name", "low", "high"), [("BLACK_CELLS", 0, 0.12), ("DIM_CELLS", 0.2, 0.75), ("BRIGHT_CELLS", 1.1, 1.6)]
)
def test_a_few_cells_are_black_dim_or_bright(monkeypatch, name, low, high):
    only(monkeypatch, **{name: ALWAYS})
    monkeypatch.setattr(module_brightness, "MATCHING", Range(0, 1e-9, "share", "for a test"))
    brightness = draw_cell_brightness(np.random.default_rng(1), plan())
    other = brightness[np.abs(brightness - 1) > 1e-6]
    assert 1 <= len(other) <= 12
    assert ((other >= low) & (other <= high)).all()


@pytest.fixture(scope="module")
def drawn():
    """A module whose first row of cells is off, and whose second row is half as bright."""
    one = plan(cell="poly", unit=64)
    brightness = np.ones((6, 10))
    brightness[0], brightness[1] = 0, 0.5
    return one, brightness, draw_module(np.random.default_rng(2), one, brightness, defective=1.0)


def window(one, row, column):
    top, left = one.top[row], one.left[column]
    return slice(top, top + one.cell_height), slice(left, left + one.cell_width)


def test_a_module_is_lit_where_its_cells_are(drawn):
    one, brightness, module = drawn
    medians = np.empty((6, 10))
    for row, column in np.ndindex(6, 10):
        light, classes = (image[window(one, row, column)] for image in (module.light, module.mask))
        medians[row, column] = np.median(light[classes == CELL])
    np.testing.assert_allclose(medians, brightness, rtol=0.3, atol=1e-6)
    assert np.median(medians[1]) == pytest.approx(0.5 * np.median(medians[2:]), rel=0.1)


def test_the_mask_of_a_module_ends_with_its_cells(drawn):
    one, _, module = drawn
    inside = np.zeros(module.mask.shape, bool)
    for row, column in np.ndindex(6, 10):
        inside[window(one, row, column)] = True
        classes = module.mask[window(one, row, column)]
        assert (classes[0] > 0).mean() > 0.9
        assert (classes[:, -1] > 0).mean() > 0.9
    assert not module.mask[~inside].any()


def test_cells_that_are_off_have_no_defects_in_the_mask(drawn):
    one, _, module = drawn
    for row in range(6):
        classes = np.unique(np.concatenate([module.mask[window(one, row, i)].ravel() for i in range(10)]))
        assert (set(classes.tolist()) <= {0, CELL, BUSBAR}) == (row == 0)


def test_gaps_glow_less_where_cells_are_off(drawn):
    one, _, module = drawn
    columns = [int(left) - 1 for left in one.left[1:]]
    gaps = [module.light[window(one, row, 0)[0], columns].mean() for row in (0, 4)]
    assert 0 < gaps[0] < 0.5 * gaps[1] < 0.5
    assert gaps[1] < np.median(module.light[window(one, 4, 0)])


def test_ribbons_join_two_strings_each():
    one = plan((6, 10))
    for shift, expected in ((0, [(0, 1), (2, 3), (4, 5)]), (1, [(0, 0), (1, 2), (3, 4), (5, 5)])):
        assert list(module_light._joined_strings(one, shift)) == expected


def test_only_visible_cells_are_drawn():
    one = plan((4, 9))
    visible = np.zeros((4, 9), bool)
    visible[1, 3] = True
    module = draw_module(np.random.default_rng(0), one, np.ones((4, 9)), visible)
    kept = module.mask[window(one, 1, 3)].copy()
    assert kept.any()
    module.mask[window(one, 1, 3)] = 0
    assert not module.mask.any()
