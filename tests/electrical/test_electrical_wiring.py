"""Wiring and data sheets are checked where they enter; the default wiring is the usual one."""

import sys

import numpy as np
import pytest

from solarseg.electrical import ModuleParameters, Wiring, default_wiring, estimate_power
from solarseg.electrical.parameters import _fit
from solarseg.errors import ArgumentError, MissingExtraError


@pytest.mark.parametrize(
    ("shape", "diodes", "cells", "parallel"),
    [
        ((6, 10), 3, 20, 1),
        ((10, 6), 3, 20, 1),
        ((6, 12), 3, 24, 1),
        ((6, 20), 3, 20, 2),
        ((20, 6), 3, 20, 2),
        ((6, 24), 3, 24, 2),
        ((4, 9), 2, 18, 1),
        ((8, 12), 4, 24, 1),
        ((6, 6), 3, 12, 1),
        ((1, 1), 1, 1, 1),
    ],
)
def test_default_wiring_has_strings_of_two_adjacent_lines(shape, diodes, cells, parallel):
    wiring = default_wiring(*shape)
    assert wiring.shape == shape
    assert sorted(set(wiring.diodes)) == list(range(1, diodes + 1))
    assert wiring.strings_in_parallel == parallel
    strings, counts = np.unique(wiring.strings, return_counts=True)
    assert len(strings) == diodes * parallel
    assert set(counts) == {cells}
    assert wiring.cells_in_series == diodes * cells
    unusual = any("unusual" in each for each in wiring.assumptions)
    assert unusual == (sorted(shape) not in [[6, 10], [6, 12], [6, 20], [6, 24]])


WHOLE, WIDE, TALL = (1, 1), (2, 1), (1, 2)


@pytest.mark.parametrize(
    ("rows", "columns", "cell_shape", "diodes", "parallel", "length", "upright"),
    [
        (6, 10, WHOLE, 3, 1, 20, False),
        (6, 10, TALL, 3, 2, 10, False),
        (10, 6, WHOLE, 3, 1, 20, True),
        (10, 6, WIDE, 3, 2, 10, True),
        (6, 20, WHOLE, 3, 1, 40, False),
        (6, 20, TALL, 3, 2, 20, False),
        (6, 24, WHOLE, 3, 1, 48, False),
        (6, 24, TALL, 3, 2, 24, False),
        (12, 10, WHOLE, 5, 1, 24, True),
        (12, 10, WIDE, 5, 2, 12, True),
        (12, 10, TALL, 6, 2, 10, False),
        (12, 12, WHOLE, 6, 1, 24, True),
        (12, 12, WIDE, 6, 2, 12, True),
        (12, 12, TALL, 6, 2, 12, False),
    ],
)
def test_the_shape_of_the_cells_says_whether_they_are_half_cut(
    rows, columns, cell_shape, diodes, parallel, length, upright
):
    wiring = default_wiring(rows, columns, cell_shape)
    assert (wiring.shape, max(wiring.diodes), wiring.strings_in_parallel) == (
        (rows, columns),
        diodes,
        parallel,
    )
    strings = np.array(wiring.strings)
    assert set(np.unique(strings, return_counts=True)[1]) == {length}
    down, across = (np.ptp(axis) + 1 for axis in np.nonzero(strings == 1))
    assert (down, across) == ((length // 2, 2) if upright else (2, length // 2))
    usual = (min(rows, columns), max(rows, columns) // parallel) in [(6, 10), (6, 12)]
    assert any("unusual" in each for each in wiring.assumptions) != usual


@pytest.mark.parametrize(("length", "parallel"), [(12, 1), (14, 1), (16, 2), (24, 2)])
def test_long_lines_are_of_half_cut_cells_where_the_shape_of_cells_is_unknown(length, parallel):
    assert default_wiring(6, length).strings_in_parallel == parallel
    assert default_wiring(length, 6).strings_in_parallel == parallel


def test_an_odd_line_of_half_cut_cells_is_not_divided():
    assert default_wiring(6, 21, TALL).strings_in_parallel == 1


def test_strings_lie_along_the_longer_side_and_half_cut_cells_in_halves():
    assert np.array_equal(
        default_wiring(6, 10).strings, np.repeat([[1], [1], [2], [2], [3], [3]], 10, axis=1)
    )
    upright = np.array(default_wiring(20, 6).strings)
    assert upright[9].tolist() == [1, 1, 3, 3, 5, 5]
    assert upright[10].tolist() == [2, 2, 4, 4, 6, 6]


def test_an_odd_number_of_lines_leaves_a_line_alone_and_says_so():
    wiring = default_wiring(5, 9)
    assert np.unique(wiring.strings, return_counts=True)[1].tolist() == [18, 18, 9]
    assert any("single line" in each for each in wiring.assumptions)


@pytest.mark.parametrize(
    ("strings", "diodes", "message"),
    [
        ((), (), "`strings`: has rows of  cells"),
        (((1, 1), (1,)), (1,), "`strings`: has rows of 1, 2 cells"),
        (((1, 1.5),), (1,), "`strings`, `diodes`: must be rows of whole numbers"),
        ((1, 1), (1,), "`strings`, `diodes`: must be rows of whole numbers"),
        (((0, 1),), (1, 2), "`strings`: has the numbers 0, 1; number the strings from 1 without a gap"),
        (((1, 2),), (1,), "`diodes`: has 1 numbers for 2 strings"),
        (((1, 2),), (1, 3), "`diodes`: has the numbers 1, 3"),
        (((1, 2, 3),), (1, 1, 2), "`diodes`: have 2, 1 strings; all must have as many"),
        (((1, 2, 2),), (1, 1), "`diodes`: the strings in parallel at bypass diode 1 have 1, 2 cells"),
    ],
)
def test_contradictory_wiring_is_refused(strings, diodes, message):
    with pytest.raises(ArgumentError, match=message):
        Wiring(strings, diodes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"power": 0}, "`power=0`: must be above 0 and finite"),
        ({"v_oc": float("inf")}, "`v_oc=inf`"),
        ({"i_sc": float("nan")}, "`i_sc=nan`"),
        ({"i_sc": 9.0, "v_oc": 38.0}, "`i_mp`, `v_mp`: missing; give all of i_sc, v_oc, i_mp, v_mp, or none"),
        ({"i_sc": 9.0, "i_mp": 8.5, "v_oc": 31.0, "v_mp": 38.0}, "`v_mp=38`: must be below `v_oc=31`"),
        (
            {"power": 300, "i_sc": 9.0, "i_mp": 8.5, "v_oc": 38.0, "v_mp": 31.0},
            "`power=300`: is not `i_mp` x `v_mp` = 263.5 W",
        ),
    ],
)
def test_contradictory_data_sheets_are_refused(values, message):
    with pytest.raises(ArgumentError, match=message):
        ModuleParameters(**values)


def test_without_pvlib_the_error_gives_the_install_command(monkeypatch):
    _fit.cache_clear()
    for name in ("pvlib", "pvlib.ivtools.sdm", "pvlib.singlediode"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'solarseg\[inspect\]'"):
        estimate_power(np.zeros((6, 10)))
