"""The records of an electrical estimate."""

from dataclasses import dataclass, field

from solarseg.arrays import FloatArray
from solarseg.electrical.wiring import Wiring

__all__ = ["IVCurve", "PowerEstimate", "Substring"]


@dataclass(frozen=True)
class IVCurve:
    """The I-V curve of a module at standard test conditions, with names as in pvlib.

    Attributes:
        i_sc: short-circuit current, A.
        v_oc: open-circuit voltage, V.
        i_mp: current at the maximum power point, A.
        v_mp: voltage at the maximum power point, V.
        p_mp: maximum power, W.
        voltage: ``(201,) float64`` from 0 to ``v_oc`` in equal steps, V.
        current: ``(201,) float64`` current at these voltages, A, decreasing from ``i_sc`` to 0.
    """

    i_sc: float
    v_oc: float
    i_mp: float
    v_mp: float
    p_mp: float
    voltage: FloatArray = field(repr=False, compare=False)
    current: FloatArray = field(repr=False, compare=False)


@dataclass(frozen=True)
class Substring:
    """The cells that a bypass diode protects: a string, or strings in parallel.

    Attributes:
        diode: number of its bypass diode, counted from 1.
        bypassed: whether the bypass diode conducts at the maximum power point.
        voltage: voltage at the maximum power point, V; that of the bypass diode, negative, if it conducts.
        limiting_cells: row and column, counted from 1 from the top left, of the cells with the largest inactive share
            of their string: they limit the current. Empty if all cells of a string are equal.
    """

    diode: int
    bypassed: bool
    voltage: float
    limiting_cells: tuple[tuple[int, int], ...]


@dataclass(frozen=True, repr=False)
class PowerEstimate:
    """The power of a module at standard test conditions, estimated from the inactive area of its cells.

    Attributes:
        sound_power: power without inactive area, W.
        power: power with the inactive area, W.
        power_low: power with all inactive shares at their high bound, W.
        power_high: power with all inactive shares at their low bound, W.
        loss: loss of power relative to ``sound_power``, percent.
        loss_low: loss with all inactive shares at their low bound, percent.
        loss_high: loss with all inactive shares at their high bound, percent.
        substrings: state of each substring at the maximum power point, in the order of the bypass diodes.
        cell_voltage: ``(rows, columns) float64`` voltage of each cell at the maximum power point, V; a cell below 0
            consumes power.
        curve: I-V curve with the inactive area.
        sound_curve: I-V curve without inactive area.
        wiring: how the cells are connected.
        model: what was computed, sentences for a report.
        assumptions: what was assumed because it was not given, sentences for a report.
        limits: what the estimate does not contain, sentences for a report.
    """

    sound_power: float
    power: float
    power_low: float
    power_high: float
    loss: float
    loss_low: float
    loss_high: float
    substrings: tuple[Substring, ...]
    cell_voltage: FloatArray = field(compare=False)
    curve: IVCurve
    sound_curve: IVCurve
    wiring: Wiring
    model: tuple[str, ...]
    assumptions: tuple[str, ...]
    limits: tuple[str, ...]

    def __repr__(self) -> str:
        numbers = ", ".join(map(str, self.bypassed))
        return (
            f"<PowerEstimate {self.power:.1f} of {self.sound_power:.1f} W; loss {self.loss:.1f} % "
            f"({self.loss_low:.1f} to {self.loss_high:.1f}); {f'bypassed: {numbers}' if numbers else 'none bypassed'}>"
        )

    @property
    def bypassed(self) -> tuple[int, ...]:
        """Numbers of the bypass diodes that conduct at the maximum power point, counted from 1."""
        return tuple(each.diode for each in self.substrings if each.bypassed)

    @property
    def limiting_cells(self) -> tuple[tuple[int, int], ...]:
        """Row and column of the limiting cells of all substrings, counted from 1 from the top left."""
        return tuple(cell for each in self.substrings for cell in each.limiting_cells)
