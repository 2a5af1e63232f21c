"""The columns of ``modules.csv`` and ``cells.csv``; docs/reference/inspection.md lists them."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import ArrayLike

from solarseg.inspection.tables import TableColumn
from solarseg.modules import InspectedCell, InspectedModule
from solarseg.modules.brightness import BRIGHT_ABOVE, DARK_BELOW, DIM_BELOW

__all__ = ["CELL_COLUMNS", "MODULE_COLUMNS", "CellOf"]

Number = Callable[[InspectedModule], float | None]


@dataclass(frozen=True)
class CellOf:
    """A cell and the module it is in."""

    module: InspectedModule
    cell: InspectedCell


def _corners(points: ArrayLike) -> str:
    return ",".join(f"{value:.2f}" for value in np.asarray(points).ravel())


def _count(test: Callable[[InspectedCell], object]) -> Number:
    return lambda module: sum(bool(test(cell)) for cell in module.cells)


def _defective(attribute: str) -> Number:
    """Count the defective cells whose measurement has the attribute."""
    return _count(lambda cell: cell.defective and getattr(cell.measurement, attribute))


def _mode(mode: str) -> Number:
    return _count(lambda cell: cell.defective and cell.measurement.worst_crack_mode == mode)


def _light(finding: str) -> Number:
    return _count(lambda cell: cell.finding == finding)


def _mean(attribute: str) -> Number:
    return lambda module: float(np.mean([getattr(cell, attribute) for cell in module.cells]))


def _crack_length(cell: InspectedCell) -> float:
    return cell.measurement.in_sides(cell.measurement.crack_length)


def _crack_length_mm(module: InspectedModule) -> float | None:
    lengths = [cell.measurement.crack_length_mm for cell in module.cells]
    known = [length for length in lengths if length is not None]
    return sum(known) if len(known) == len(lengths) else None


def _bypassed(module: InspectedModule) -> str | None:
    return None if module.power is None else " ".join(map(str, module.power.bypassed))


def _worst(module: InspectedModule) -> str | None:
    return next((cell.name for cell in module.worst_cells(1)), None)


def _compared(value: Number) -> Number:
    return lambda module: None if module.earlier is None else value(module)


def _changed(status: str) -> Number:
    return _compared(_count(lambda cell: cell.change is not None and cell.change.status == status))


def _total_change(attribute: str) -> Number:
    get = attrgetter(attribute)
    return _compared(lambda module: sum(get(cell.change) for cell in module.cells if cell.change is not None))


def _mean_change(attribute: str) -> Number:
    get = attrgetter(attribute)
    return _compared(
        lambda module: (
            sum(get(cell.change) for cell in module.cells if cell.change is not None) / len(module.cells)
        )
    )


_PIXELS = "pixels of the photograph"
_SIDES = "sides of a cell"
_BUSBARS = {None: None, True: "vertical", False: "horizontal"}

MODULE_COLUMNS: tuple[TableColumn[InspectedModule], ...] = (
    TableColumn("module", str, "", "name, and folder, of the module", "name"),
    TableColumn(
        "image", str, "", "the photograph: its path relative to the folder of the inspection, with /", "image"
    ),
    TableColumn("rows", int, "", "rows of cells as seen in the photograph", "placement.rows"),
    TableColumn("columns", int, "", "columns of cells", "placement.columns"),
    TableColumn("confidence", float, "0 to 1", "how sure the place of the cells is", "placement.confidence"),
    TableColumn(
        "corners",
        str,
        _PIXELS,
        "x,y of the four corners of the area of cells, clockwise from the upper left, as `--corners` takes them; the "
        "centre of the first pixel is 0,0",
        lambda module: _corners(module.placement.corners),
    ),
    TableColumn(
        "busbars",
        str,
        "",
        "how busbars run in the photograph: vertical (the cells of a string are in columns) or horizontal (in rows)",
        lambda module: _BUSBARS[module.placement.upright],
    ),
    TableColumn("severity", float, "", "mean severity of its cells", "severity"),
    TableColumn("worst_cell", str, "", "the cell with the highest severity", _worst),
    TableColumn(
        "defective_cells",
        int,
        "",
        "cells with a severity of `min_severity` or more, or dark or dim",
        lambda module: len(module.defective_cells),
    ),
    TableColumn(
        "min_severity",
        float,
        "",
        "severity of a cell that counts as defective",
        lambda module: module.cells[0].min_severity,
    ),
    TableColumn(
        "substrings_with_several_defective_cells",
        str,
        "",
        "numbers of the substrings with two or more defective cells",
        lambda module: " ".join(map(str, module.substrings_with_several_defective_cells)),
    ),
    TableColumn("cracked_cells", int, "", "defective cells with cracks", _defective("cracks")),
    TableColumn("mode_a_cells", int, "", "those whose worst crack has mode A", _mode("A")),
    TableColumn("mode_b_cells", int, "", "those whose worst crack has mode B", _mode("B")),
    TableColumn("mode_c_cells", int, "", "those whose worst crack has mode C", _mode("C")),
    TableColumn("inactive_cells", int, "", "defective cells with inactive area", _defective("inactive_area")),
    TableColumn(
        "interrupted_cells",
        int,
        "",
        "defective cells with finger interruptions",
        _defective("finger_interruptions"),
    ),
    TableColumn("dark_cells", int, "", f"cells with a relative light below {DARK_BELOW}", _light("dark")),
    TableColumn(
        "dim_cells", int, "", f"cells with a relative light from {DARK_BELOW} to {DIM_BELOW}", _light("dim")
    ),
    TableColumn(
        "bright_cells", int, "", f"cells with a relative light above {BRIGHT_ABOVE}", _light("bright")
    ),
    TableColumn("inactive_share", float, "0 to 1", "share of the area of all cells", "inactive_share"),
    TableColumn("inactive_low", float, "0 to 1", "its low bound, mean of all cells", _mean("inactive_low")),
    TableColumn(
        "inactive_high", float, "0 to 1", "its high bound, mean of all cells", _mean("inactive_high")
    ),
    TableColumn(
        "crack_length",
        float,
        _SIDES,
        "total length of all cracks",
        lambda module: sum(_crack_length(cell) for cell in module.cells),
    ),
    TableColumn(
        "crack_length_mm", float, "mm", "the same; empty without the size of cells", _crack_length_mm
    ),
    TableColumn("sound_power", float, "W", "estimated power without inactive area", "power.sound_power"),
    TableColumn("power", float, "W", "estimated power at standard test conditions", "power.power"),
    TableColumn("loss", float, "percent", "estimated loss of power", "power.loss"),
    TableColumn("loss_low", float, "percent", "its low bound", "power.loss_low"),
    TableColumn("loss_high", float, "percent", "its high bound", "power.loss_high"),
    TableColumn("bypassed", str, "", "numbers of the substrings whose bypass diode conducts", _bypassed),
    TableColumn("compared_with", str, "", "the earlier photograph; empty if not compared", "earlier"),
    TableColumn("new_cells", int, "", "cells with new defects, or that became dark or dim", _changed("new")),
    TableColumn(
        "grown_cells", int, "", "cells whose defects have grown, without new ones", _changed("grown")
    ),
    TableColumn(
        "darker_cells",
        int,
        "",
        "cells with darker parts in which the model finds no defect, without new or grown defects",
        _changed("darker"),
    ),
    TableColumn(
        "gone_cells",
        int,
        "",
        "cells whose defects are gone, or that are no longer dark or dim, without any of the above",
        _changed("gone"),
    ),
    TableColumn(
        "brighter_cells",
        int,
        "",
        "cells with brighter parts in which the model found no defect, or that are brighter and still dark or dim, "
        "without any of the above",
        _changed("brighter"),
    ),
    TableColumn(
        "inactive_share_change",
        float,
        "0 to 1",
        "change of the inactive share that the light confirms, mean of all cells",
        _mean_change("inactive_share"),
    ),
    TableColumn(
        "crack_length_change",
        float,
        _SIDES,
        "change of the total length of all cracks that the light confirms",
        _total_change("crack_length"),
    ),
    TableColumn(
        "darkened_share",
        float,
        "0 to 1",
        "share that is darker than before, mean of all cells",
        _mean_change("darkened_share"),
    ),
    TableColumn("notes", str, "", "what was assumed or is uncertain", lambda module: " ".join(module.notes)),
)

CELL_COLUMNS: tuple[TableColumn[CellOf], ...] = (
    TableColumn("module", str, "", "name of the module", "module.name"),
    TableColumn("cell", str, "", "name of the cell: r03c07 is the seventh of the third row", "cell.name"),
    TableColumn("row", int, "", "counted from 1, from the top of the photograph", "cell.row"),
    TableColumn("column", int, "", "counted from 1, from the left of the photograph", "cell.column"),
    TableColumn(
        "corners",
        str,
        _PIXELS,
        "x,y of its four corners, clockwise from the upper left; the centre of the first pixel is 0,0",
        lambda one: _corners(one.cell.corners),
    ),
    TableColumn(
        "severity", float, "", "severity of its defects; of a dark cell at least 1 - `light`", "cell.severity"
    ),
    TableColumn(
        "defective",
        int,
        "0 or 1",
        "whether its severity is `min_severity` of the module or more, or it is dark or dim",
        lambda one: int(one.cell.defective),
    ),
    TableColumn("light", float, "typical cells", "median light; 1 is typical, 0 is dark", "cell.light"),
    TableColumn(
        "finding",
        str,
        "",
        f"dark (below {DARK_BELOW}), dim (below {DIM_BELOW}) or bright (above {BRIGHT_ABOVE})",
        "cell.finding",
    ),
    TableColumn(
        "inactive_share",
        float,
        "0 to 1",
        "share of its area that is inactive",
        "cell.measurement.inactive_share",
    ),
    TableColumn("inactive_low", float, "0 to 1", "low bound of that share", "cell.inactive_low"),
    TableColumn("inactive_high", float, "0 to 1", "high bound of that share", "cell.inactive_high"),
    TableColumn("cracks", int, "", "number of cracks", "cell.measurement.cracks"),
    TableColumn(
        "crack_length", float, _SIDES, "total length of its cracks", lambda one: _crack_length(one.cell)
    ),
    TableColumn(
        "crack_length_mm",
        float,
        "mm",
        "the same; empty without the size of cells",
        "cell.measurement.crack_length_mm",
    ),
    TableColumn(
        "crack_branches",
        int,
        "",
        "points where three or more lines of cracks meet",
        "cell.measurement.crack_branches",
    ),
    TableColumn(
        "worst_crack_mode",
        str,
        "",
        "worst mode of its cracks: A, B or C",
        "cell.measurement.worst_crack_mode",
    ),
    TableColumn(
        "finger_interruptions",
        int,
        "",
        "number of finger interruptions",
        "cell.measurement.finger_interruptions",
    ),
    TableColumn(
        "interruption_length",
        float,
        _SIDES,
        "total length of its finger interruptions",
        lambda one: one.cell.measurement.in_sides(one.cell.measurement.interruption_length),
    ),
    TableColumn(
        "interruption_length_mm",
        float,
        "mm",
        "the same; empty without the size of cells",
        "cell.measurement.interruption_length_mm",
    ),
    TableColumn(
        "change",
        str,
        "",
        "the first that is true: new, grown, darker, gone, brighter, or same as in the earlier inspection; empty if "
        "not compared",
        "cell.change.status",
    ),
    TableColumn(
        "inactive_share_change",
        float,
        "0 to 1",
        "change of its inactive share that the light confirms",
        "cell.change.inactive_share",
    ),
    TableColumn(
        "crack_length_change",
        float,
        _SIDES,
        "change of the length of its cracks that the light confirms",
        "cell.change.crack_length",
    ),
    TableColumn("light_change", float, "typical cells", "change of its light", "cell.change.light"),
    TableColumn(
        "darkened_share",
        float,
        "0 to 1",
        "share of its area that is darker than before, relative to the rest of it",
        "cell.change.darkened_share",
    ),
    TableColumn(
        "brightened_share",
        float,
        "0 to 1",
        "share of its area that is brighter than before, relative to the rest of it",
        "cell.change.brightened_share",
    ),
)
