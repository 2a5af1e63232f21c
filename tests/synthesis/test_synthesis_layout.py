import numpy as np
import pytest

from solarseg.synthesis.canvas import SUBPIXELS
from solarseg.synthesis.layout import Layout, Module


def layouts(count, size=128, **kind):
    for seed in range(count):
        rng = np.random.default_rng(seed)
        yield Layout.draw(rng, Module.draw(rng, **kind), size)


def test_places_and_pixels_are_each_others_inverse():
    for layout in layouts(10):
        u, v = layout.uv
        rows, columns = (np.array([5, 64, 120]), np.array([100, 64, 3]))
        places = np.stack([u[rows, columns], v[rows, columns]], axis=-1)
        back = (layout.place(places) + 0.5) / SUBPIXELS - 0.5
        assert np.allclose(back, np.stack([columns, rows], axis=-1), atol=1e-3)


def test_a_cell_is_a_little_smaller_than_its_image_and_has_its_corners_cut():
    for layout in layouts(20, cell="mono"):
        share = (1 - 2 * layout.module.margin) ** 2 - 2 * layout.module.corner**2
        assert layout.cell.mean() == pytest.approx(min(share, 1), abs=0.05)


def test_bands_and_busbars_fill_the_cell():
    for layout in layouts(20):
        heights = [bottom - top for top, bottom in [*layout.bands, *layout.busbar_places]]
        assert sum(heights) == pytest.approx(1)
        assert min(heights) > 0


def test_busbars_run_from_top_to_bottom_where_they_are_upright():
    for layout in layouts(40):
        if not layout.module.back_contacts:
            metal = layout.busbars >= 0.5
            along_rows, along_columns = metal.mean(axis=1).max(), metal.mean(axis=0).max()
            assert (along_columns > along_rows) == layout.module.upright


def test_cells_with_back_contacts_have_pads_at_two_edges():
    found = [one for one in layouts(200, size=64, cell="mono") if one.module.back_contacts]
    assert found
    for layout in found:
        assert layout.busbar_places == []
        inner = (np.abs(layout.uv[0] - 0.5) < 0.4) & (layout.cell > 0)
        assert layout.busbars.any()
        assert not layout.busbars[inner].any()


@pytest.mark.parametrize("cell", ["mono", "poly"])
def test_a_module_is_of_the_kind_asked_for(cell):
    assert {Module.draw(np.random.default_rng(seed), cell).cell for seed in range(20)} == {cell}


def test_modules_are_of_either_kind_where_none_is_asked_for():
    assert {Module.draw(np.random.default_rng(seed)).cell for seed in range(20)} == {"mono", "poly"}
