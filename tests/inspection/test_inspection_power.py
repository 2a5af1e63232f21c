import numpy as np
import pytest
from pvlib import pvsystem

from solarseg.electrical import ModuleParameters, estimate_power
from solarseg.electrical.parameters import cell_parameters
from solarseg.inspection.power import estimate
from solarseg.measurement import measure_cell
from solarseg.modules import InspectedCell, ModulePlacement
from solarseg.synthesis import CELL_CLASSES

PLACED = ModulePlacement(1, 2, np.diag([50.0, 50, 1]), 0.0, (100, 50))


def cell(column, inactive, finding, light=1.0, row=1):
    """A cell with a share of inactive rows."""
    mask = np.full((100, 100), CELL_CLASSES.names.index("cell"), np.uint8)
    mask[: round(100 * inactive)] = CELL_CLASSES.names.index("inactive_area")
    return InspectedCell(
        row, column, (), light, finding, measure_cell(mask, CELL_CLASSES), inactive, inactive
    )


@pytest.mark.parametrize(("finding", "light"), [("dark", 0.1), ("dim", 0.6)])
def test_what_is_marked_in_dark_and_dim_cells_counts_and_the_note_says_so(finding, light):
    sound, notes = estimate([cell(1, 0.0, None), cell(2, 0.0, finding, light)], PLACED, None)
    assert (sound.loss, sound.loss_low) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9))
    assert sound.loss_high == pytest.approx(estimate_power([[0, 1 - light]], wiring=PLACED.wiring).loss)
    assert sound.loss_high > 10
    assert notes == (
        "Of the cell that is dark or dim as a whole, the estimated loss contains only what is marked as inactive. "
        "Its upper bound assumes that it lacks as large a share of current as of light.",
    )
    marked, _ = estimate([cell(1, 0.0, None), cell(2, 0.95, finding, light)], PLACED, None)
    assert marked.loss == pytest.approx(marked.loss_high)
    assert marked.loss > 10
    bright, none = estimate([cell(1, 0.0, None), cell(2, 0.8, None, 0.8)], PLACED, None)
    assert none == ()
    assert bright.loss == pytest.approx(bright.loss_high)


def test_a_cell_without_light_is_a_bypassed_substring_at_most():
    """By hand with pvlib: 40 sound cells in series with a bypass diode that conducts at 0.5 V."""
    rows, columns = 6, 10
    placed = ModulePlacement(rows, columns, np.diag([50.0, 50, 1]), 0.0, (500, 300))
    cells = [
        cell(column + 1, 0.0, *(("dark", 0.0) if (row, column) == (3, 4) else (None, 1.0)), row=row + 1)
        for row, column in np.ndindex(rows, columns)
    ]
    power, _ = estimate(cells, placed, None)
    one = cell_parameters(ModuleParameters(), rows * columns, 1, 156.0)
    current = np.linspace(7, 9, 4001)
    voltage = pvsystem.v_from_i(
        current,
        one.photocurrent,
        one.saturation_current,
        one.resistance_series,
        one.resistance_shunt,
        one.nNsVth,
    )
    whole, bypassed = np.nanmax(current * 60 * voltage), np.nanmax(current * (40 * voltage - 0.5))
    assert power.loss == pytest.approx(0, abs=1e-9)
    assert power.power_low == pytest.approx(bypassed, rel=1e-4)
    assert power.loss_high == pytest.approx(100 * (1 - bypassed / whole), abs=0.01)
    assert 34 < power.loss_high < 36


@pytest.mark.parametrize("light", [0.1, 0.3, 0.5, 0.69])
def test_shunts_and_recombination_cost_less_than_the_bound(light):
    """With pvlib: 59 sound cells, and one with the light that either leaves at short-circuit current."""
    one = cell_parameters(ModuleParameters(), 60, 1, 156.0)
    current = np.linspace(5, 9, 4001)

    def voltage(saturation=1.0, conductance=0.0):
        shunt = 1 / (1 / one.resistance_shunt + conductance)
        return pvsystem.v_from_i(
            current,
            one.photocurrent,
            one.saturation_current * saturation,
            one.resistance_series,
            shunt,
            one.nNsVth,
        )

    def loss(weak):
        substring = np.maximum(19 * voltage() + weak, -0.5)
        sound = np.nanmax(current * 60 * voltage())
        return 100 * (1 - np.nanmax(current * (40 * voltage() + substring)) / sound)

    junction = one.nNsVth * np.log(light * one.photocurrent / one.saturation_current)
    shunted = loss(voltage(conductance=(1 - light) * one.photocurrent / junction))
    recombining = loss(voltage(saturation=1 / light))
    bound = estimate_power(np.diag([1 - light] + 9 * [0])[:6]).loss
    assert 0 < recombining < shunted < 1.7
    assert shunted < bound


def test_less_light_never_gives_a_lower_bound_of_the_loss():
    bounds = [
        estimate([cell(1, 0.0, None), cell(2, 0.0, "dim", light)], PLACED, None)[0].loss_high
        for light in (0.69, 0.5, 0.3, 0.0, -0.01)
    ]
    assert bounds == sorted(bounds)


@pytest.mark.parametrize(("height", "parallel"), [(50.0, 1), (100.0, 2)])
def test_the_shape_of_the_cells_in_the_photograph_decides_how_they_are_wired(height, parallel):
    placed = ModulePlacement(1, 2, np.diag([50.0, height, 1]), 0.0, (100, 100))
    power, _ = estimate([cell(1, 0.0, None), cell(2, 0.0, None)], placed, None)
    assert power.wiring == placed.wiring
    assert power.wiring.strings_in_parallel == parallel
