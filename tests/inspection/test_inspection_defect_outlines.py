"""Outlines are those of the pixels, and pixels of a cell map to the photograph and back."""

import numpy as np
import pytest
from generated_photograph import COLUMNS, ROWS
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from solarseg.inspection.defect_outlines import trace
from solarseg.measurement.regions import find_components
from solarseg.modules import ModulePlacement, cells_to_pixels

TILTED = ModulePlacement(
    ROWS,
    COLUMNS,
    np.array([[150.0, 12, 80], [-9, 140, 60], [0.01, -0.005, 1]]),
    -0.05,
    (800, 600),
    (0.03, 0.02),
)


@settings(max_examples=50, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_outlines_fill_the_pixels_again(pixels):
    for component in find_components(pixels):
        rings = trace(component.pixels)
        scale, canvas = 12, Image.new("L", (component.pixels.shape[1] * 12, component.pixels.shape[0] * 12))
        for number, ring in enumerate(rings):
            draw = ImageDraw.Draw(canvas)
            draw.polygon([tuple(point * scale) for point in ring], fill=int(number == 0))
        centres = np.asarray(canvas)[scale // 2 :: scale, scale // 2 :: scale] > 0
        assert (centres == component.pixels).all()


@given(
    st.integers(1, ROWS),
    st.integers(1, COLUMNS),
    st.tuples(st.floats(0, 255), st.floats(0, 255)),
)
def test_a_pixel_of_a_cell_maps_to_the_photograph_and_back(row, column, point):
    there = cells_to_pixels(TILTED, row, column, np.array([point]), 256)
    back = (TILTED.to_grid(there) - [column - 1, row - 1]) * 256 - 0.5
    assert back[0] == pytest.approx(point, abs=0.05)
    assert TILTED.to_pixels(TILTED.to_grid(there))[0] == pytest.approx(there[0], abs=0.01)
