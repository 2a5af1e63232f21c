"""From the inactive share of each cell to the power of the module."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solarseg.electrical.curves import BYPASS_VOLTAGE, ModuleCurve, Solver
from solarseg.electrical.parameters import (
    TYPICAL_SIDE,
    CellParameters,
    ModuleParameters,
    cell_parameters,
)
from solarseg.electrical.records import IVCurve, PowerEstimate, Substring
from solarseg.electrical.wiring import Wiring, default_wiring
from solarseg.errors import ArgumentError
from solarseg.measurement import check_cell_size

__all__ = ["estimate_power"]

_Floats = NDArray[np.float64]
_POINTS = 201  # of a curve in a record

MODEL = (
    "Power at standard test conditions (1000 W/m2, 25 degrees Celsius, AM 1.5), estimated from the inactive area of "
    "each cell in the EL image.",
    "The photocurrent of a cell is reduced in proportion to its inactive area.",
    "Each cell is a single-diode model with reverse breakdown (Bishop 1988), computed with pvlib.",
    "The curves of the cells are combined in series, strings that share a bypass diode in parallel, and substrings in "
    f"series. A bypass diode conducts at {BYPASS_VOLTAGE:g} V.",
)
LIMITS = (
    "Inactive area in an EL image is not exactly lost photocurrent: a part may still deliver current, and area that is "
    "dim but not inactive is not counted.",
    "Changes of series resistance and of recombination are not modelled: finger interruptions, corrosion, shunts and "
    "degradation cost power that this estimate does not contain.",
    "Other irradiance, shading, soiling and the temperature of cells are not modelled.",
    "The interval has all cells at the low bound of their lost current, and all at the high bound: the uncertainty of "
    "the inactive area, and what dark and dim cells may lack at most. It does not contain the error of the model.",
    "The estimate does not replace a measurement of the I-V curve (IEC 60904-1).",
)


def estimate_power(
    inactive_share: ArrayLike,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    *,
    wiring: Wiring | None = None,
    parameters: ModuleParameters | None = None,
    cell_mm: float | None = None,
) -> PowerEstimate:
    """Estimate the power that a module loses by the inactive area of its cells.

    Inactive area reduces the photocurrent of its cell. The weakest cell of a string limits the current of the string,
    until its bypass diode conducts. The cells are single-diode models with reverse breakdown (Bishop 1988), computed
    with pvlib. Requires the extra ``inspect``.

    Args:
        inactive_share: ``(rows, columns)`` share of the area of each cell that is inactive, 0 to 1, from the top left.
        low: ``(rows, columns)`` low bound of each share; by default the share.
        high: ``(rows, columns)`` high bound of each share; by default the share.
        wiring: how the cells are connected; by default as `default_wiring` assumes.
        parameters: data sheet of the module; by default its cells are typical cells.
        cell_mm: longer side of a cell, mm, 156 by default; sets the current where the data sheet does not. It changes
            the power and not the relative loss.

    Raises:
        ArgumentError: a shape or a value out of range, bounds in the wrong order, a wiring of another shape, or a data
            sheet that no cell has.
        MissingExtraError: pvlib is not installed.

    Examples:
        >>> inactive = np.zeros((6, 10))
        >>> inactive[1, 3] = 0.5
        >>> estimate = estimate_power(inactive, high=np.minimum(inactive * 1.2, 1))
        >>> estimate
        <PowerEstimate 162.5 of 249.9 W; loss 35.0 % (35.0 to 35.0); bypassed: 1>
        >>> estimate.limiting_cells
        ((2, 4),)
    """
    check_cell_size(cell_mm)
    share = _shares("inactive_share", inactive_share, None)
    least = share if low is None else _shares("low", low, share.shape)
    most = share if high is None else _shares("high", high, share.shape)
    _check_order("low", least, "inactive_share", share)
    _check_order("inactive_share", share, "high", most)
    wiring = wiring or default_wiring(*share.shape)
    if wiring.shape != share.shape:
        raise ArgumentError(
            f"`wiring`: is for {_size(wiring.shape)} cells, and `inactive_share` has {_size(share.shape)}; "
            "give a wiring of this size"
        )
    parameters = parameters or ModuleParameters()
    side = TYPICAL_SIDE if cell_mm is None else cell_mm
    cell = cell_parameters(parameters, wiring.cells_in_series, wiring.strings_in_parallel, side)
    solver = Solver(cell, wiring)
    solved = solver.solve(share)
    sound, this = _curve(solver.solve(np.zeros_like(share))), _curve(solved)
    bounds = [this.p_mp if bound is share else _curve(solver.solve(bound)).p_mp for bound in (least, most)]
    losses = [100 * (1 - power / sound.p_mp) for power in (this.p_mp, *bounds)]
    return PowerEstimate(
        sound_power=sound.p_mp,
        power=this.p_mp,
        power_low=bounds[1],
        power_high=bounds[0],
        loss=losses[0],
        loss_low=losses[1],
        loss_high=losses[2],
        substrings=_substrings(solved, share, wiring),
        cell_voltage=solved.cell_voltage,
        curve=this,
        sound_curve=sound,
        wiring=wiring,
        model=MODEL,
        assumptions=(*wiring.assumptions, *_assumptions(parameters, cell, side)),
        limits=LIMITS,
    )


def _shares(name: str, values: ArrayLike, shape: tuple[int, ...] | None) -> _Floats:
    try:
        shares = np.array(values, np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"`{name}`: is not an array of numbers (rows, columns)") from None
    if shape is not None and shares.shape != shape:
        raise ArgumentError(f"`{name}`: has shape {shares.shape}; must be {shape}, as `inactive_share`")
    if shares.ndim != 2 or not shares.size:
        raise ArgumentError(
            f"`{name}`: has shape {shares.shape}; give (rows, columns) with at least one cell"
        )
    wrong = np.argwhere(~((shares >= 0) & (shares <= 1)))
    if len(wrong):
        row, column = map(int, wrong[0])
        raise ArgumentError(
            f"`{name}`: is {shares[row, column]:g} in row {row + 1}, column {column + 1}; must be from 0 to 1"
        )
    return shares


def _check_order(lower: str, smaller: _Floats, upper: str, larger: _Floats) -> None:
    wrong = np.argwhere(smaller > larger)
    if len(wrong):
        row, column = map(int, wrong[0])
        raise ArgumentError(
            f"`{lower}`: is {smaller[row, column]:g} in row {row + 1}, column {column + 1}, above "
            f"`{upper}` {larger[row, column]:g}; must not be above it"
        )


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[0]} x {shape[1]}"


def _curve(solved: ModuleCurve) -> IVCurve:
    i_mp, v_mp = float(solved.current[solved.best]), float(solved.voltage[solved.best])
    v_oc = float(solved.voltage[0])
    voltage = np.linspace(0, v_oc, _POINTS)
    current = np.interp(voltage, solved.voltage[::-1], solved.current[::-1])
    return IVCurve(float(current[0]), v_oc, i_mp, v_mp, i_mp * v_mp, voltage, current)


def _substrings(solved: ModuleCurve, share: _Floats, wiring: Wiring) -> tuple[Substring, ...]:
    numbers = np.array(wiring.strings)
    limiting: dict[int, list[tuple[int, int]]] = {diode: [] for diode in sorted(set(wiring.diodes))}
    for string, diode in enumerate(wiring.diodes, 1):
        mine = numbers == string
        worst = share[mine].max()
        if worst > share[mine].min():
            limiting[diode] += [
                (int(row) + 1, int(col) + 1) for row, col in np.argwhere(mine & (share == worst))
            ]
    return tuple(
        Substring(diode, bool(voltage <= -BYPASS_VOLTAGE), float(voltage), tuple(limiting[diode]))
        for diode, voltage in enumerate(solved.substring_voltage, 1)
    )


def _assumptions(parameters: ModuleParameters, cell: CellParameters, side: float) -> tuple[str, ...]:
    typical = (
        "Cells assumed: typical crystalline silicon cells (medians of 9,300 modules of 60 cells that the California "
        "Energy Commission listed in 2019), "
    )
    scaled = (
        f"the nameplate power of {parameters.power:g} W" if parameters.power else f"a side of {side:g} mm"
    )
    cells = () if parameters.i_sc else (f"{typical}scaled to {scaled}.",)
    reverse = (
        f"Reverse characteristic assumed: shunt resistance {cell.resistance_shunt:.3g} ohm per cell, breakdown at "
        f"{cell.breakdown_voltage:g} V. It matters for cells with a large inactive area."
    )
    return (*cells, reverse)
