"""Half-cut cells are measured in their true shape, although the network takes them as squares."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from solarseg.inference.pipeline import Predicted
from solarseg.inspection.cells import measure_cells
from solarseg.inspection.defect_outlines import find_defects
from solarseg.modules import InspectedCell, ModulePlacement
from solarseg.modules.cells import to_true_shape
from solarseg.synthesis import CELL_CLASSES

CRACK, INTERRUPTION, INACTIVE = map(
    CELL_CLASSES.names.index, ("crack", "finger_interruption", "inactive_area")
)
LONG = 182.0  # mm
SIDE = 256


def placement(width, height, rows=3, columns=4):
    homography = np.array([[width, 0, 40], [0, height, 30], [0, 0, 1.0]])
    return ModulePlacement(rows, columns, homography, 0.0, (1200, 1200))


HALVES = {"wide": placement(200, 100), "tall": placement(100, 200)}


def measured(mask, module):
    """Measure a cell in which a network found a mask."""
    probabilities = np.zeros((*mask.shape, len(CELL_CLASSES)), np.float32)

    def predict_all(items, read, use, *, probabilities):
        yield from (use(item, Predicted(read(item), mask, found, False)) for item in items)

    found = probabilities
    model = SimpleNamespace(classes=CELL_CLASSES, pipeline=SimpleNamespace(predict_all=predict_all))
    return measure_cells(model, np.full((1, SIDE, SIDE), 128, np.uint8), module, LONG)[0].measurement


def sound():
    return np.full((SIDE, SIDE), CELL_CLASSES.names.index("cell"), np.uint8)


@pytest.mark.parametrize("kind", HALVES)
@pytest.mark.parametrize(
    ("start", "end"),
    [((64, 64), (192, 192)), ((32, 128), (224, 128)), ((128, 32), (128, 224)), ((40, 200), (200, 100))],
)
def test_a_crack_has_the_length_that_a_ruler_gives(kind, start, end):
    mask = sound()
    cv2.line(mask, start, end, CRACK, 3)
    width, height = (LONG, LONG / 2) if kind == "wide" else (LONG / 2, LONG)
    (across, down) = np.abs(np.subtract(end, start)) / SIDE
    expected = np.hypot(across * width, down * height)
    found = measured(mask, HALVES[kind])
    assert found.crack_length_mm == pytest.approx(
        expected, rel=0.045
    )  # the line is 3 pixels longer at its ends
    assert found.crack_length / found.cell_side == pytest.approx(expected / LONG, rel=0.045)


def test_a_diagonal_crack_in_numbers():
    """Half of the diagonal of a cell of 182 x 91 mm: sqrt(91**2 + 45.5**2) = 101.7 mm, and not 128.7 mm."""
    mask = sound()
    cv2.line(mask, (64, 64), (192, 192), CRACK, 3)
    assert measured(mask, HALVES["wide"]).crack_length_mm == pytest.approx(101.7, abs=3)
    assert measured(mask, placement(150, 150)).crack_length_mm == pytest.approx(128.7, abs=3)


def test_shares_do_not_depend_on_the_shape():
    mask = sound()
    mask[:64, :128] = INACTIVE
    shares = [measured(mask, module).inactive_share for module in (*HALVES.values(), placement(150, 150))]
    assert shares == [0.125] * 3


def test_an_interruption_is_measured_along_the_fingers():
    mask = sound()
    mask[100:104] = CELL_CLASSES.names.index("busbar")
    mask[120:184, 50:54] = INTERRUPTION
    assert measured(mask, HALVES["wide"]).interruption_length_mm == pytest.approx(
        LONG / 2 * 64 / SIDE, rel=0.01
    )


def test_outlines_stay_where_the_photograph_shows_the_defect():
    module, mask = HALVES["wide"], sound()
    mask[64:128, 64:192] = INACTIVE
    cell = InspectedCell(2, 3, (), 1.0, None, measured(mask, module), 0.0, 1.0)
    (defect,) = find_defects(cell, mask, module, CELL_CLASSES)
    outline = np.asarray(defect.outline.outer)
    # The cell begins at x = 40 + 2 * 200 and y = 30 + 100; half a pixel further from the corner of the photograph.
    assert outline.min(axis=0) == pytest.approx([440 + 50.5, 130 + 25.5], abs=0.2)
    assert outline.max(axis=0) == pytest.approx([440 + 150.5, 130 + 50.5], abs=0.2)
    assert defect.area == pytest.approx(100 * 25)


def test_the_shape_of_cells_is_that_of_parts_of_a_wafer():
    assert placement(150, 160).cell_shape == (1, 1)
    assert placement(150, 110).cell_shape == (1, 1)  # as seen from the side
    assert (HALVES["wide"].cell_shape, HALVES["tall"].cell_shape) == ((2, 1), (1, 2))
    assert placement(100, 300).cell_shape == (1, 3)
    turned = HALVES["wide"].homography.copy()
    turned[:2, :2] = [[0, -100], [200, 0]]  # a quarter turn
    turned[0, 2] = 1000
    assert ModulePlacement(3, 4, turned, 0.0, (1200, 1200)).cell_shape == (2, 1)


def test_the_true_shape_loses_no_pixel():
    cell = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert to_true_shape(cell, HALVES["wide"]).tolist() == [[0, 0, 1, 1, 2, 2], [3, 3, 4, 4, 5, 5]]
    assert to_true_shape(cell, HALVES["tall"]).tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5], [3, 4, 5]]
