"""Current-voltage curves: cells in series, strings in parallel, bypass diodes, substrings in series.

Inactive area changes the photocurrent of a cell only, so all cells of a module share one curve without light. A cell at
current i is at the point of this curve where the current is i minus its photocurrent. Interpolation on it is monotone:
less photocurrent never gives more voltage.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from solarseg.electrical.parameters import EXTRA, CellParameters
from solarseg.electrical.wiring import Wiring
from solarseg.extras import require

__all__ = ["BYPASS_VOLTAGE", "ModuleCurve", "Solver"]

BYPASS_VOLTAGE = (
    0.5  # V, forward voltage of a bypass diode, at any current (pvlib's example assumes the same)
)

_Floats = NDArray[np.float64]
_MARGIN = 1.05  # of the photocurrent: no string carries more in either direction
_FORWARD, _BACKWARD = 6000, 300  # currents of a string at which its voltage is computed
_VOLTAGES = 3000  # of strings in parallel at which their currents are added


@dataclass(frozen=True)
class ModuleCurve:
    """The solution for one module.

    Attributes:
        current: ``(N,)`` current of the module, A, increasing from 0.
        voltage: ``(N,)`` voltage of the module at these currents, V, decreasing.
        best: index of the maximum power point.
        substring_voltage: ``(D,)`` voltage of each substring there, V.
        cell_voltage: ``(rows, columns)`` voltage of each cell there, V.
    """

    current: _Floats
    voltage: _Floats
    best: int
    substring_voltage: _Floats
    cell_voltage: _Floats


class Solver:
    """Solve modules of one wiring and one kind of cell.

    Args:
        cell: the cell without inactive area.
        wiring: how the cells are connected.
    """

    def __init__(self, cell: CellParameters, wiring: Wiring) -> None:
        self.cell = cell
        self.diodes = np.array(wiring.diodes) - 1
        self.strings = np.array(wiring.strings) - 1
        self.dark_voltage, self.dark_current = _dark_curve(cell)
        limit = cell.photocurrent * _MARGIN + BYPASS_VOLTAGE / cell.resistance_shunt
        forward = np.linspace(0, limit, _FORWARD)
        self.parallel = wiring.strings_in_parallel
        backward = np.linspace(-limit, 0, _BACKWARD, endpoint=False) if self.parallel > 1 else forward[:0]
        self.string_current = np.concatenate([backward, forward])
        self.current = forward * self.parallel
        # Limits of the grids come from the sound cell, so that all modules are solved on the same grids.
        self.highest = float(self._cell_voltage(np.array(cell.photocurrent), self.string_current[:1])[0])

    def solve(self, inactive_share: _Floats) -> ModuleCurve:
        """Find the curve and the maximum power point of a module.

        Args:
            inactive_share: ``(rows, columns)`` share of each cell that gives no current, 0 to 1.
        """
        shares, kinds = np.unique(inactive_share, return_inverse=True)
        kinds = kinds.reshape(inactive_share.shape)
        counts = np.zeros((len(self.diodes), len(shares)))
        np.add.at(counts, (self.strings, kinds), 1)
        photocurrents = self.cell.photocurrent * (1 - shares)
        string_voltage = counts @ self._cell_voltage(photocurrents[:, None], self.string_current)
        substrings = self._substring_voltages(string_voltage)
        voltage = substrings.sum(axis=0)
        best = int(np.argmax(self.current * voltage))
        at_best = substrings[:, best]
        string_currents = np.array(
            [
                self._current_at(at_best[diode], curve, self.current[best])
                for diode, curve in zip(self.diodes, string_voltage, strict=True)
            ]
        )
        cells = self._cell_voltage(photocurrents[kinds], string_currents[self.strings])
        return ModuleCurve(self.current, voltage, best, at_best, cells)

    def _cell_voltage(self, photocurrent: _Floats, current: _Floats) -> _Floats:
        diode = np.interp(photocurrent - current, self.dark_current, self.dark_voltage)
        return diode - current * self.cell.resistance_series

    def _substring_voltages(self, string_voltage: _Floats) -> _Floats:
        """Return the voltage of each substring at the currents of the module, at least that of its bypass diode."""
        if self.parallel == 1:
            order = np.argsort(self.diodes)
            return np.maximum(string_voltage[order], -BYPASS_VOLTAGE)
        found = []
        for diode in range(self.diodes.max() + 1):
            mine = self.diodes == diode
            cells = np.count_nonzero(self.strings == np.argmax(mine))
            voltages = np.linspace(-BYPASS_VOLTAGE, cells * self.highest, _VOLTAGES)
            current = sum(
                np.interp(voltages, curve[::-1], self.string_current[::-1]) for curve in string_voltage[mine]
            )
            found.append(np.interp(self.current, current[::-1], voltages[::-1]))
        return np.array(found)

    def _current_at(self, voltage: float, curve: _Floats, module_current: float) -> float:
        """Return the current of a string at the voltage of its substring."""
        if self.parallel == 1 and voltage > -BYPASS_VOLTAGE:
            return module_current
        return float(np.interp(voltage, curve[::-1], self.string_current[::-1]))


def _dark_curve(cell: CellParameters) -> tuple[_Floats, _Floats]:
    """Return voltages and currents, both increasing, of the junction of a cell without light; pvlib computes them."""
    diode = require("pvlib.singlediode", EXTRA)
    highest = diode.estimate_voc(2.2 * cell.photocurrent, cell.saturation_current, cell.nNsVth)
    breakdown = cell.breakdown_voltage
    reverse = breakdown * (1 - np.geomspace(1e-6, 0.1, 600, endpoint=False))
    voltage = np.concatenate(
        [
            reverse,
            np.linspace(0.9 * breakdown, 0, 600, endpoint=False),
            np.linspace(0, highest, 1600),
        ]
    )
    current = -diode.bishop88(voltage, **vars(replace(cell, photocurrent=0.0, resistance_series=0.0)))[0]
    return voltage, current
