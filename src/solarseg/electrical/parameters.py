"""From the data sheet of a module to the parameters of its cells."""

import math
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from functools import lru_cache

from solarseg.errors import ArgumentError
from solarseg.extras import require

__all__ = ["TYPICAL_SIDE", "CellParameters", "ModuleParameters", "cell_parameters"]

EXTRA = "inspect"

# A typical cell: medians of the 9,300 modules of 60 cells of 156 mm in the list of the California Energy Commission of
# 2019 that pvlib ships (crystalline silicon, short-circuit current 7 to 10.5 A).
TYPICAL_SIDE = 156.0  # mm
_TYPICAL = {"i_sc": 8.75, "v_oc": 0.627, "i_mp": 8.20, "v_mp": 0.508}

# What no data sheet says. The slope that a data sheet has at its short circuit is no shunt: taken as one, it would let
# a cell in reverse bias carry the current of its neighbours, and losses would all but vanish.
_SHUNT_RESISTANCE = 50.0  # ohm, of the typical cell; 12 kohm cm2
_LEAST_SERIES_RESISTANCE = 0.0005  # ohm, of the typical cell
_BREAKDOWN_VOLTAGE = -15.0  # V
_BREAKDOWN_FACTOR = 1e-4  # with this shunt resistance, avalanche begins at about -13 V
_BREAKDOWN_EXPONENT = 3.0

_CURRENT_COEFFICIENT = 0.0005  # 1/K, relative; has little effect at 25 degrees
_VOLTAGE_COEFFICIENTS = (-0.02, 0.0)  # 1/K, relative: the range in which one is searched for
_POWER_TOLERANCE = 0.03  # between the power and i_mp x v_mp of a data sheet


@dataclass(frozen=True)
class ModuleParameters:
    """The data sheet of a module, at standard test conditions (STC: 1000 W/m2, 25 degrees Celsius, AM 1.5).

    Give the power, or the four values of current and voltage, or all five. By default the cells are typical cells of
    156 mm.

    Attributes:
        power: nameplate power, W.
        i_sc: short-circuit current, A.
        v_oc: open-circuit voltage, V.
        i_mp: current at the maximum power point, A.
        v_mp: voltage at the maximum power point, V.

    Raises:
        ArgumentError: a value is not above 0 and finite, some but not all of the four are given, or they contradict
            each other.

    Examples:
        >>> ModuleParameters(power=250)
        ModuleParameters(power=250, i_sc=None, v_oc=None, i_mp=None, v_mp=None)
        >>> ModuleParameters(i_sc=9.0, i_mp=9.5, v_oc=38.0, v_mp=31.0)
        Traceback (most recent call last):
        solarseg.errors.ArgumentError: `i_mp=9.5`: must be below `i_sc=9`
    """

    power: float | None = None
    i_sc: float | None = None
    v_oc: float | None = None
    i_mp: float | None = None
    v_mp: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not 0 < value < math.inf:
                raise ArgumentError(f"`{name}={value:g}`: must be above 0 and finite")
        given = {name: getattr(self, name) for name in _TYPICAL if getattr(self, name) is not None}
        missing = [f"`{name}`" for name in _TYPICAL if name not in given]
        if given and missing:
            raise ArgumentError(f"{', '.join(missing)}: missing; give all of {', '.join(_TYPICAL)}, or none")
        if not given:
            return
        for lower, upper in (("i_mp", "i_sc"), ("v_mp", "v_oc")):
            if given[lower] >= given[upper]:
                raise ArgumentError(f"`{lower}={given[lower]:g}`: must be below `{upper}={given[upper]:g}`")
        product = given["i_mp"] * given["v_mp"]
        if self.power is not None and abs(self.power / product - 1) > _POWER_TOLERANCE:
            raise ArgumentError(
                f"`power={self.power:g}`: is not `i_mp` x `v_mp` = {product:.4g} W; correct one of them"
            )


@dataclass(frozen=True)
class CellParameters:
    """The single-diode model of a cell with its reverse breakdown (Bishop 1988), as pvlib names the parameters.

    Attributes:
        photocurrent: A, of a cell without inactive area.
        saturation_current: A.
        resistance_series: ohm.
        resistance_shunt: ohm.
        nNsVth: thermal voltage times ideality factor, V.
        breakdown_factor: share of the shunt current that is subject to avalanche.
        breakdown_voltage: V.
        breakdown_exp: exponent of the avalanche.
    """

    photocurrent: float
    saturation_current: float
    resistance_series: float
    resistance_shunt: float
    nNsVth: float  # noqa: N815
    breakdown_factor: float = _BREAKDOWN_FACTOR
    breakdown_voltage: float = _BREAKDOWN_VOLTAGE
    breakdown_exp: float = _BREAKDOWN_EXPONENT


def cell_parameters(
    parameters: ModuleParameters, cells_in_series: int, in_parallel: int, cell_mm: float
) -> CellParameters:
    """Fit the single-diode model of a cell to the data sheet.

    Args:
        parameters: the data sheet.
        cells_in_series: number of cells that the voltage adds up over.
        in_parallel: number of strings that the current adds up over; 2 for half-cut cells.
        cell_mm: longer side of a cell, mm; sets the current where the data sheet says nothing.

    Raises:
        ArgumentError: no cell has these values.
        MissingExtraError: pvlib is not installed.
    """
    if parameters.i_sc is None:
        area = (cell_mm / TYPICAL_SIDE) ** 2 / in_parallel
        point = {name: value * (area if name.startswith("i") else 1) for name, value in _TYPICAL.items()}
    else:
        i_sc, v_oc, i_mp, v_mp = astuple(parameters)[1:]
        point = {
            "i_sc": i_sc / in_parallel,
            "v_oc": v_oc / cells_in_series,
            "i_mp": i_mp / in_parallel,
            "v_mp": v_mp / cells_in_series,
        }
    power = point["i_mp"] * point["v_mp"]
    if parameters.power is not None:
        power = parameters.power / (cells_in_series * in_parallel)
    return _fit(**point, power=power)


@lru_cache(maxsize=16)
def _fit(i_sc: float, v_oc: float, i_mp: float, v_mp: float, power: float) -> CellParameters:
    """Fit with pvlib, then scale the area of the cell so that its maximum power is exactly the given one.

    The shunt resistance is given and the temperature coefficient of the voltage is free: at 25 degrees only what the
    coefficient says about the ideality factor counts. A larger ideality factor gives a larger shunt resistance and a
    smaller series resistance; where the latter would be too small, it decides.
    """
    fit = require("pvlib.ivtools.sdm", EXTRA).fit_desoto_batzelis
    maximum_of = require("pvlib.singlediode", EXTRA).bishop88_mpp
    size = i_sc / _TYPICAL["i_sc"]

    def fitted(coefficient: float) -> dict[str, float]:
        return fit(v_mp, i_mp, v_oc, i_sc, _CURRENT_COEFFICIENT * i_sc, coefficient * v_oc)

    def shunt(coefficient: float) -> float:
        return 1 / fitted(coefficient)["R_sh_ref"] - size / _SHUNT_RESISTANCE

    def series(coefficient: float) -> float:
        return fitted(coefficient)["R_s"] - _LEAST_SERIES_RESISTANCE / size

    coefficient = _root(shunt)
    if series(coefficient) < 0:
        coefficient = _root(series)
    best = fitted(coefficient)
    if best["R_s"] <= 0:
        raise ArgumentError(
            f"`parameters`: no cell has i_sc {i_sc:.4g} A, v_oc {v_oc:.4g} V, i_mp {i_mp:.4g} A and "
            f"v_mp {v_mp:.4g} V; check the data sheet and the number of cells in series"
        )
    cell = CellParameters(
        photocurrent=i_sc,
        saturation_current=float(best["I_o_ref"]),
        resistance_series=float(best["R_s"]),
        resistance_shunt=_SHUNT_RESISTANCE / size,
        nNsVth=float(best["a_ref"]),
    )
    scale = power / float(maximum_of(**vars(cell))[2])
    return replace(
        cell,
        photocurrent=cell.photocurrent * scale,
        saturation_current=cell.saturation_current * scale,
        resistance_series=cell.resistance_series / scale,
        resistance_shunt=cell.resistance_shunt / scale,
    )


def _root(function: Callable[[float], float]) -> float:
    """Return the temperature coefficient where a function is 0, or the end of the range that is nearer to it."""
    ends = _VOLTAGE_COEFFICIENTS
    values = [function(end) for end in ends]
    if values[0] * values[1] > 0:
        return min(zip(map(abs, values), ends, strict=True))[1]
    return float(require("scipy.optimize", EXTRA).brentq(function, *ends))
