import numpy as np
import pytest

from solarseg.inspection.power import estimate
from solarseg.measurement import measure_cell
from solarseg.modules import InspectedCell, ModulePlacement
from solarseg.synthesis import CELL_CLASSES

PLACED = ModulePlacement(1, 2, np.diag([50.0, 50, 1]), 0.0, (100, 50))


def cell(column, inactive, finding):
    """A cell with a share of inactive rows."""
    mask = np.full((100, 100), CELL_CLASSES.names.index("cell"), np.uint8)
    mask[: round(100 * inactive)] = CELL_CLASSES.names.index("inactive_area")
    return InspectedCell(1, column, (), 0.1, finding, measure_cell(mask, CELL_CLASSES), inactive, inactive)


@pytest.mark.parametrize("finding", ["dark", "dim"])
def test_what_is_marked_in_dark_and_dim_cells_counts_and_the_note_says_so(finding):
    sound, notes = estimate([cell(1, 0.0, None), cell(2, 0.0, finding)], PLACED, None)
    assert sound.loss == pytest.approx(0, abs=1e-9)
    assert notes == (
        "Of the cell that is dark or dim as a whole, the electrical estimate contains only what is marked as inactive.",
    )
    marked, _ = estimate([cell(1, 0.0, None), cell(2, 0.8, finding)], PLACED, None)
    assert marked.loss > 10
    _, none = estimate([cell(1, 0.0, None), cell(2, 0.8, None)], PLACED, None)
    assert none == ()


@pytest.mark.parametrize(("height", "parallel"), [(50.0, 1), (100.0, 2)])
def test_the_shape_of_the_cells_in_the_photograph_decides_how_they_are_wired(height, parallel):
    placed = ModulePlacement(1, 2, np.diag([50.0, height, 1]), 0.0, (100, 100))
    power, _ = estimate([cell(1, 0.0, None), cell(2, 0.0, None)], placed, None)
    assert power.wiring == placed.wiring
    assert power.wiring.strings_in_parallel == parallel
