import cv2
import numpy as np
import pytest

from solarseg.measurement import measure_cell
from solarseg.measurement.bridges import join_across_busbars
from solarseg.synthesis import CELL_CLASSES

CRACK, BUSBAR = 3, 2


def count_parts(region):
    return cv2.connectedComponents(region.astype(np.uint8))[0] - 1


def ends(metal, gap, offset=0):
    """Return two vertical crack ends, ``gap`` pixels from a busbar, the lower one shifted right by ``offset``."""
    crack, busbar = np.zeros((2, 80, 100), bool)
    busbar[30 : 30 + metal] = True
    crack[: 30 - gap, 20:22] = True
    crack[30 + metal + gap :, 20 + offset : 22 + offset] = True
    return crack, busbar


@pytest.mark.parametrize("metal", [1, 2, 3, 5, 10])
@pytest.mark.parametrize(("gap", "joined"), [(0, True), (1, True), (2, True), (6, False)])
def test_ends_near_a_busbar_are_joined_and_others_are_not(metal, gap, joined):
    crack, busbar = ends(metal, gap)
    found = join_across_busbars(crack, busbar)
    assert count_parts(found) == (1 if joined else 2)
    assert (found & crack == crack).all()
    assert found[:, 20].all() == joined


@pytest.mark.parametrize("metal", [3, 5, 10])
def test_ends_too_far_apart_sideways_are_two_cracks(metal):
    assert count_parts(join_across_busbars(*ends(metal, 0, offset=metal))) == 1
    assert count_parts(join_across_busbars(*ends(metal, 0, offset=2 * metal + 4))) == 2


def test_ends_on_one_side_of_a_busbar_are_two_cracks():
    crack, busbar = np.zeros((2, 80, 80), bool)
    busbar[30:34] = True
    crack[:30, 20:22] = crack[:30, 24:26] = True
    assert count_parts(join_across_busbars(crack, busbar)) == 2


def test_nothing_is_joined_where_there_is_nothing_to_join():
    none, some = np.zeros((20, 20), bool), np.ones((20, 20), bool)
    for crack, busbar in ((none, none), (none, some), (some, none)):
        assert np.array_equal(join_across_busbars(crack, busbar), crack)


@pytest.mark.parametrize(
    ("size", "metal", "wires"),
    [(64, 1, 9), (80, 1, 12), (100, 2, 12), (256, 3, 12), (300, 5, 3), (1000, 12, 5)],
)
@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("slope", [0, 0.3, 0.6, 0.95])
def test_a_crack_across_many_wires_is_one_crack_of_the_same_length(size, metal, wires, width, slope):
    mask = np.ones((size, size), np.uint8)
    middle, half = size // 2, round(0.42 * size)
    sideways = round(slope * half)
    cv2.line(mask, (middle - sideways, middle - half), (middle + sideways, middle + half), CRACK, width)
    plain = measure_cell(mask, CELL_CLASSES)
    for wire in range(wires):
        top = round((wire + 0.5) * size / wires)
        mask[top : top + metal] = BUSBAR
    hidden = measure_cell(mask, CELL_CLASSES)
    assert (plain.cracks, hidden.cracks) == (1, 1)
    assert hidden.crack_length == pytest.approx(plain.crack_length, rel=0.06)


def test_cracks_along_both_sides_of_a_long_busbar_need_little_memory():
    """Each end has thousands of pixels; all pairs of them would take gigabytes."""
    mask = np.ones((3000, 3000), np.uint8)
    mask[1500:1550] = BUSBAR
    mask[1496:1500] = mask[1550:1554] = CRACK
    assert measure_cell(mask, CELL_CLASSES).cracks == 2
