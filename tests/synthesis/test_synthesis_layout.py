import numpy as np
import pytest

from solarseg.synthesis.canvas import SUBPIXELS
from solarseg.synthesis.layout import Layout, Module


def layouts(count, size=128, **kind):
    for seed in range(count):
        rng = np.random.default_rng(seed)
        yield Layout.draw(rng, Module.draw(rng, **kind), size)


def rotation(layout):
    """Return the rotation of a cell, degrees from the nearest side of the image."""
    start, end = layout.to_subpixels([(0, 0.5), (1, 0.5)])
    return (np.degrees(np.arctan2(*(end - start))) + 45) % 90 - 45


def test_positions_and_pixels_convert_to_each_other():
    for layout in layouts(10):
        u, v = layout.uv
        rows, columns = (np.array([5, 64, 120]), np.array([100, 64, 3]))
        places = np.stack([u[rows, columns], v[rows, columns]], axis=-1)
        back = (layout.to_subpixels(places) + 0.5) / SUBPIXELS - 0.5
        assert np.allclose(back, np.stack([columns, rows], axis=-1), atol=1e-3)


def test_the_area_of_a_cell_is_that_without_margin_and_corners():
    straight = [one for one in layouts(40, cell="mono") if abs(rotation(one)) < 3]
    assert len(straight) > 20
    for layout in straight:
        # Half a wafer has two of the four corners, which are twice as long.
        share = (1 - 2 * layout.module.margin) ** 2 - 2 * layout.module.corner**2
        assert layout.cell_coverage.mean() == pytest.approx(min(share, 1), abs=0.05)


def test_a_few_cells_are_rotated_by_more_than_3_degrees():
    turns = np.abs([rotation(layout) for layout in layouts(300, size=32)])
    assert turns.max() < 14
    assert 0.02 < (turns > 3).mean() < 0.15


def test_busbars_are_evenly_spaced_and_strips_are_between_them():
    for layout in layouts(20):
        count = 0 if layout.module.back_contacts else layout.module.busbars
        middles = [(top + bottom) / 2 for top, bottom in layout.busbar_intervals]
        assert middles == pytest.approx([(i + 0.5) / count for i in range(count)])
        assert len(layout.strips) == count + 1
        starts, ends = zip(*layout.strips, strict=True)
        assert starts == (0.0, *(bottom for _, bottom in layout.busbar_intervals))
        assert ends == (*(top for top, _ in layout.busbar_intervals), 1.0)


def test_half_cut_cells_have_many_busbars():
    halves = [one.module for one in layouts(300, size=32) if one.module.half]
    assert 25 < len(halves) < 65  # of 300, 0.15
    assert all(one.busbars >= 4 or one.back_contacts for one in halves)


def test_a_half_cut_cell_has_two_corners_at_either_end_and_half_the_fingers():
    ends = set()
    halves = [one for one in layouts(300, size=128, cell="mono") if one.module.half]
    found = [one for one in halves if one.module.margin > 0.01 and abs(rotation(one)) < 3]
    assert len(found) > 5
    for layout in found:
        assert 30 <= layout.module.fingers <= 55
        metal = layout.to_subpixels([(0.02, 0.02), (0.98, 0.02), (0.02, 0.98), (0.98, 0.98)]) / SUBPIXELS
        inside = [layout.cell_coverage[round(y), round(x)] > 0.5 for x, y in metal]
        assert inside == [True, False, True, False]
        ends.add((metal[0] - metal[1]).sum() > 0)
    assert ends == {True, False}


def test_busbars_run_from_top_to_bottom_where_they_are_upright():
    for layout in layouts(40):
        if not layout.module.back_contacts:
            metal = layout.busbar_coverage >= 0.5
            along_rows, along_columns = metal.mean(axis=1).max(), metal.mean(axis=0).max()
            assert (along_columns > along_rows) == layout.module.upright


def test_cells_with_back_contacts_have_pads_at_two_edges():
    found = [one for one in layouts(200, size=64, cell="mono") if one.module.back_contacts]
    assert found
    for layout in found:
        assert layout.busbar_intervals == []
        inner = (np.abs(layout.uv[0] - 0.5) < 0.4) & (layout.cell_coverage > 0)
        assert layout.busbar_coverage.any()
        assert not layout.busbar_coverage[inner].any()


@pytest.mark.parametrize("cell", ["mono", "poly"])
def test_a_module_has_the_requested_kind_of_cells(cell):
    assert {Module.draw(np.random.default_rng(seed), cell).cell for seed in range(20)} == {cell}


def test_modules_are_of_either_kind_by_default():
    assert {Module.draw(np.random.default_rng(seed)).cell for seed in range(20)} == {"mono", "poly"}
