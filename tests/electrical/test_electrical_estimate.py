"""The electrical estimate agrees with pvlib, with root finding, and with what must be true of any module."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pvlib import pvsystem
from scipy.optimize import brentq, minimize_scalar

from solarseg.electrical import ModuleParameters, Wiring, default_wiring, estimate_power
from solarseg.electrical.parameters import cell_parameters
from solarseg.errors import ArgumentError

SHEET = ModuleParameters(power=300, i_sc=9.8, v_oc=39.9, i_mp=9.2, v_mp=32.6)
SHEET_72 = ModuleParameters(i_sc=9.3, v_oc=46.2, i_mp=8.8, v_mp=37.6)


def module(rows=6, columns=10, **cells):
    """Inactive shares, 0 but for cells such as ``r2c4=0.5``."""
    shares = np.zeros((rows, columns))
    for name, share in cells.items():
        row, column = map(int, name[1:].split("c"))
        shares[row - 1, column - 1] = share
    return shares


class ByRoots:
    """The same circuit solved by root finding at given currents: no grid, no interpolation, no pvlib."""

    def __init__(self, cell):
        self.cell = cell

    def cell_current(self, junction, light):
        cell = self.cell
        shunt = junction / cell.resistance_shunt
        avalanche = (
            cell.breakdown_factor * shunt * (1 - junction / cell.breakdown_voltage) ** -cell.breakdown_exp
        )
        return light - cell.saturation_current * np.expm1(junction / cell.nNsVth) - shunt - avalanche

    def cell_voltage(self, current, share):
        light = self.cell.photocurrent * (1 - share)
        lowest = self.cell.breakdown_voltage * (1 - 1e-9)
        junction = brentq(lambda each: self.cell_current(each, light) - current, lowest, 1.0, xtol=1e-13)
        return junction - current * self.cell.resistance_series

    def string_voltage(self, current, shares):
        kinds, counts = np.unique(shares, return_counts=True)
        return sum(
            count * self.cell_voltage(current, kind) for kind, count in zip(kinds, counts, strict=True)
        )

    def string_current(self, voltage, shares):
        limit = 1.2 * self.cell.photocurrent
        return brentq(lambda each: self.string_voltage(each, shares) - voltage, -limit, limit, xtol=1e-12)

    def substring_voltage(self, current, strings):
        if len(strings) == 1:
            return max(self.string_voltage(current, strings[0]), -0.5)

        def excess(voltage):
            return sum(self.string_current(voltage, shares) for shares in strings) - current

        return -0.5 if excess(-0.5) < 0 else brentq(excess, -0.5, 0.63 * len(strings[0]), xtol=1e-9)

    def maximum_power(self, substrings, brackets):
        def negative_power(current):
            return -current * sum(self.substring_voltage(current, each) for each in substrings)

        found = [minimize_scalar(negative_power, bounds=each, method="bounded") for each in brackets]
        return max(-each.fun for each in found)


def substrings_of(shares, wiring):
    numbers, diodes = np.array(wiring.strings), np.array(wiring.diodes)
    return [
        [shares[numbers == string + 1] for string in np.flatnonzero(diodes == diode)]
        for diode in sorted(set(wiring.diodes))
    ]


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        *((shape, None) for shape in [(6, 10), (10, 6), (6, 12), (6, 20), (24, 6), (5, 9), (1, 1)]),
        *((shape, SHEET) for shape in [(6, 10), (6, 20)]),
        ((6, 12), SHEET_72),
        ((6, 24), ModuleParameters(power=400)),
    ],
    ids=str,
)
def test_a_sound_module_is_its_cells_times_the_curve_of_pvlib(shape, parameters):
    wiring = default_wiring(*shape)
    series, parallel = wiring.cells_in_series, wiring.strings_in_parallel
    cell = cell_parameters(parameters or ModuleParameters(), series, parallel, 156.0)
    expected = pvsystem.singlediode(
        cell.photocurrent, cell.saturation_current, cell.resistance_series, cell.resistance_shunt, cell.nNsVth
    )
    estimate = estimate_power(np.zeros(shape), parameters=parameters)
    curve = estimate.curve
    assert curve.i_sc == pytest.approx(parallel * expected["i_sc"], rel=2e-5)
    assert curve.v_oc == pytest.approx(series * expected["v_oc"], rel=1e-6)
    assert curve.p_mp == pytest.approx(series * parallel * expected["p_mp"], rel=5e-6)
    assert curve.i_mp == pytest.approx(parallel * expected["i_mp"], rel=2e-3)
    at = np.linspace(0, 0.98, 30) * expected["v_oc"]
    currents = pvsystem.i_from_v(
        at,
        cell.photocurrent,
        cell.saturation_current,
        cell.resistance_series,
        cell.resistance_shunt,
        cell.nNsVth,
    )
    np.testing.assert_allclose(
        np.interp(at * series, curve.voltage, curve.current),
        parallel * currents,
        atol=0.003 * expected["i_sc"],
    )
    assert estimate.loss == estimate.loss_low == estimate.loss_high == 0
    assert estimate.power == estimate.sound_power == estimate.power_low == estimate.power_high
    assert not estimate.bypassed
    assert not estimate.limiting_cells


def test_the_sound_module_has_the_values_of_its_data_sheet():
    curve = estimate_power(module(), parameters=SHEET).sound_curve
    assert curve.p_mp == pytest.approx(300, rel=1e-5)
    assert (curve.i_sc, curve.v_oc) == (pytest.approx(9.8, rel=2e-3), pytest.approx(39.9, rel=1e-3))
    assert (curve.i_mp, curve.v_mp) == (pytest.approx(9.2, rel=1e-2), pytest.approx(32.6, rel=1e-2))


def test_nearly_every_real_data_sheet_is_met():
    listed = pvsystem.retrieve_sam("CECMod").T
    listed = listed[listed.Technology.isin(["Mono-c-Si", "Multi-c-Si"]) & listed.N_s.isin([60, 72])]
    differences = []
    for _, sheet in listed.sample(60, random_state=1).iterrows():
        given = {
            name: float(
                sheet[f"{name.upper()}_ref".replace("SC", "sc").replace("OC", "oc").replace("MP", "mp")]
            )
            for name in ("i_sc", "v_oc", "i_mp", "v_mp")
        }
        cell = cell_parameters(ModuleParameters(**given), sheet.N_s, 1, 156.0)
        found = pvsystem.singlediode(
            cell.photocurrent,
            cell.saturation_current,
            cell.resistance_series,
            cell.resistance_shunt,
            cell.nNsVth,
        )
        assert found["p_mp"] * sheet.N_s == pytest.approx(given["i_mp"] * given["v_mp"], rel=1e-4)
        differences.append(
            [
                found[name] * (sheet.N_s if name.startswith("v") else 1) / value - 1
                for name, value in given.items()
            ]
        )
    assert (np.percentile(np.abs(differences), 95, axis=0) < [0.01, 0.002, 0.015, 0.015]).all()


@pytest.mark.parametrize(
    "cells",
    [
        {"r2c4": 0.5},
        {"r2c4": 0.03},
        {"r2c4": 0.12, "r6c1": 0.12},
        {"r1c1": 1.0, "r3c2": 0.2, "r4c9": 0.25, "r5c5": 0.9},
    ],
    ids=str,
)
@pytest.mark.parametrize(("columns", "parameters"), [(10, None), (12, SHEET_72)])
def test_the_maximum_power_is_that_of_a_solution_by_root_finding(cells, columns, parameters):
    shares, wiring = module(6, columns, **cells), default_wiring(6, columns)
    cell = cell_parameters(parameters or ModuleParameters(), 6 * columns, 1, 156.0)
    full = cell.photocurrent
    edges = [0.01, 0.15, 0.5, 0.75, 0.8, 0.88, 0.97, 1.0]
    brackets = [(low * full, high * full) for low, high in pairwise(edges)]
    expected = ByRoots(cell).maximum_power(substrings_of(shares, wiring), brackets)
    estimate = estimate_power(shares, parameters=parameters)
    assert estimate.power == pytest.approx(expected, rel=1e-5)
    assert estimate.power <= expected * (1 + 1e-6)


def test_the_maximum_power_of_half_cut_cells_is_that_of_a_solution_by_root_finding():
    shares, wiring = module(6, 20, r1c2=0.5, r2c15=0.3, r3c12=1.0), default_wiring(6, 20)
    cell = cell_parameters(ModuleParameters(), 60, 2, 156.0)
    full = 2 * cell.photocurrent
    brackets = [(low * full, high * full) for low, high in [(0.3, 0.55), (0.55, 0.8), (0.85, 0.98)]]
    expected = ByRoots(cell).maximum_power(substrings_of(shares, wiring), brackets)
    estimate = estimate_power(shares)
    assert estimate.power == pytest.approx(expected, rel=2e-5)


def test_a_dead_cell_costs_its_substring_and_the_voltage_of_the_diode():
    estimate = estimate_power(module(r3c5=1.0))
    assert estimate.bypassed == (2,)
    assert estimate.limiting_cells == ((3, 5),)
    assert [each.voltage for each in estimate.substrings] == pytest.approx(
        [estimate.sound_curve.v_mp / 3, -0.5, estimate.sound_curve.v_mp / 3], rel=0.01
    )
    by_hand = 100 * (1 / 3 + 0.5 / estimate.sound_curve.v_mp)
    assert estimate.loss == pytest.approx(by_hand, abs=0.02)
    assert estimate.cell_voltage[2, 4] < -10
    assert estimate.cell_voltage[[0, 1, 4, 5]].min() > 0.5


def test_voltages_of_cells_add_up_to_those_of_substrings_and_of_the_module():
    rng = np.random.default_rng(3)
    for shape in ((6, 10), (6, 24)):
        wiring = default_wiring(*shape)
        estimate = estimate_power(rng.uniform(0, 0.05, shape))
        numbers = np.array(wiring.strings)
        assert not estimate.bypassed
        for string, diode in enumerate(wiring.diodes, 1):
            total = estimate.cell_voltage[numbers == string].sum()
            assert total == pytest.approx(estimate.substrings[diode - 1].voltage, abs=1e-3)
        total = sum(each.voltage for each in estimate.substrings)
        assert total == pytest.approx(estimate.curve.v_mp, rel=1e-9)
        assert estimate.curve.p_mp == pytest.approx(estimate.curve.i_mp * estimate.curve.v_mp, rel=1e-12)


def test_a_single_cell_loses_nothing_at_first_and_in_the_end_its_substring():
    """As Koentges et al. (2011) simulated: hardly a loss up to 8 % of a cell, then a rise to a substring at 50 %."""
    losses = [estimate_power(module(r2c4=share)).loss for share in (0.08, 0.12, 0.31, 0.5)]
    assert losses[0] < 1
    assert losses[1] < 3
    assert losses[2] == pytest.approx((losses[1] + losses[3]) / 2, abs=2)
    assert losses[3] == pytest.approx(34, abs=1.5)


def test_equal_inactive_area_in_all_cells_costs_that_share_of_current():
    estimate = estimate_power(np.full((6, 10), 0.1))
    assert 10 < estimate.loss < 11  # the rest is voltage, by the logarithm of the current
    assert estimate.curve.i_sc == pytest.approx(0.9 * estimate.sound_curve.i_sc, rel=1e-4)
    assert not estimate.limiting_cells


def test_a_module_without_any_active_area_gives_no_power():
    estimate = estimate_power(np.ones((6, 10)))
    assert (estimate.power, estimate.loss, estimate.bypassed) == (0, 100, ())


def test_a_half_cut_cell_limits_half_of_the_current_of_its_substring():
    half, whole = estimate_power(module(6, 20, r1c1=0.3)), estimate_power(module(r1c1=0.3))
    assert half.sound_power == pytest.approx(whole.sound_power, rel=1e-5)
    assert (
        estimate_power(module(r1c1=0.15)).loss < half.loss < whole.loss
    )  # the same area is 0.15 of a whole cell
    assert half.limiting_cells == ((1, 1),)
    dead = estimate_power(module(6, 20, r1c1=1.0))
    assert dead.bypassed == (1,)
    assert dead.loss == pytest.approx(estimate_power(module(r1c1=1.0)).loss, abs=1e-3)


def test_the_side_of_cells_changes_the_power_and_not_the_loss():
    small, large = (estimate_power(module(r2c4=0.4), cell_mm=side) for side in (156, 182))
    assert large.power / small.power == pytest.approx((182 / 156) ** 2, rel=1e-6)
    assert large.loss == pytest.approx(small.loss, rel=1e-6)
    assert any("182 mm" in each for each in large.assumptions)


shares = arrays(np.float64, (4, 5), elements=st.floats(0, 1))


@given(shares, shares, st.booleans())
@settings(max_examples=150, deadline=None)
def test_more_inactive_area_never_gives_more_power(first, second, halves):
    less, more = np.minimum(first, second), np.maximum(first, second)
    strings = ((1, 1, 1, 2, 2),) * 2 + ((1, 1, 3, 3, 2),) + ((1, 3, 3, 2, 2),)
    wiring = default_wiring(4, 5)
    if halves:
        strings = ((1, 1, 2, 2, 2), (1, 1, 1, 2, 2), (3, 3, 3, 3, 3), (4, 4, 4, 4, 4))
        wiring = Wiring(strings, (1, 1, 2, 2))
    estimate = estimate_power(less, low=np.zeros((4, 5)), high=more, wiring=wiring)
    sound = estimate.sound_power * (1 + 1e-12)
    assert estimate.power_low <= estimate.power * (1 + 1e-12)
    assert estimate.power <= sound
    assert estimate.power_high == pytest.approx(estimate.sound_power, rel=1e-12)
    assert estimate.power_low >= 0
    assert -1e-9 <= estimate.loss_low <= estimate.loss + 1e-9 <= estimate.loss_high + 2e-9 <= 100 + 3e-9
    assert (np.diff(estimate.curve.current) <= 1e-9).all()


def test_bounds_order_power_and_loss():
    middle = module(r2c4=0.3, r5c9=0.2)
    estimate = estimate_power(middle, 0.8 * middle, 1.2 * middle)
    assert estimate.power_low < estimate.power < estimate.power_high < estimate.sound_power
    assert estimate.loss_low < estimate.loss < estimate.loss_high
    assert estimate.power_low == estimate_power(1.2 * middle).power
    assert estimate.power_high == estimate_power(0.8 * middle).power
    assert estimate.loss_high == pytest.approx(100 * (1 - estimate.power_low / estimate.sound_power))


def test_the_estimate_says_what_it_assumes():
    estimate = estimate_power(module())
    assert any("3 substrings in series" in each for each in estimate.assumptions)
    assert any("156 mm" in each for each in estimate.assumptions)
    given_all = estimate_power(
        module(), wiring=Wiring(np.ones((6, 10), int).tolist(), (1,)), parameters=SHEET
    )
    assert len(given_all.assumptions) == 1  # the reverse characteristic, which no data sheet has
    assert "IEC 60904-1" in estimate.limits[-1]
    assert "Bishop" in " ".join(estimate.model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inactive_share": np.zeros(60)}, r"`inactive_share`: has shape \(60,\); give \(rows, columns\)"),
        ({"inactive_share": np.zeros((0, 6))}, r"`inactive_share`: has shape \(0, 6\)"),
        ({"inactive_share": [["a"]]}, "`inactive_share`: is not an array of numbers"),
        (
            {"inactive_share": module(r2c3=1.5)},
            "`inactive_share`: is 1.5 in row 2, column 3; must be from 0 to 1",
        ),
        ({"inactive_share": module(r6c1=np.nan)}, "`inactive_share`: is nan in row 6, column 1"),
        ({"low": module(6, 12)}, r"`low`: has shape \(6, 12\); must be \(6, 10\)"),
        ({"high": module(r1c1=-0.1)}, "`high`: is -0.1 in row 1, column 1"),
        ({"low": module(r1c2=0.1)}, "`low`: is 0.1 in row 1, column 2, above `inactive_share` 0"),
        (
            {"inactive_share": module(r1c2=0.1), "high": module()},
            "`inactive_share`: is 0.1 in row 1, column 2, above `high` 0",
        ),
        ({"wiring": default_wiring(10, 6)}, "`wiring`: is for 10 x 6 cells, and `inactive_share` has 6 x 10"),
        ({"cell_mm": 0}, "`cell_mm=0`"),
        (
            {"parameters": ModuleParameters(i_sc=9, v_oc=20, i_mp=8.9, v_mp=19.9)},
            "`parameters`: no cell has i_sc 9 A, v_oc 0.3333 V",
        ),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_one_line(arguments, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        estimate_power(**{"inactive_share": module(), **arguments})
    assert "\n" not in str(caught.value)
