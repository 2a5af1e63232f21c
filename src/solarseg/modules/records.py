"""The records of an inspection."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from solarseg.electrical import PowerEstimate, Wiring
from solarseg.measurement.records import CellMeasurement, CrackMode
from solarseg.modules.placement import ModulePlacement

__all__ = [
    "MIN_SEVERITY",
    "WEAK",
    "CellChange",
    "ChangeKind",
    "ChangeStatus",
    "Finding",
    "InspectedCell",
    "InspectedModule",
    "RegionChange",
    "cell_name",
]

Finding = Literal["dark", "dim", "bright"]
WEAK: tuple[Finding, ...] = ("dark", "dim")  # findings that count as defects
ChangeKind = Literal["new", "grown", "gone", "darker", "brighter", "only now", "only before"]
ChangeStatus = Literal["new", "grown", "darker", "gone", "brighter", "same"]
# In nearly sound modules the network finds short marks in four of five cells, with less severity in nearly all of them;
# docs/decisions/inspection.md has the numbers.
MIN_SEVERITY = 0.01
_SEVERAL = 2  # defective cells in a substring


def cell_name(row: int, column: int) -> str:
    """Return the name of a cell; rows and columns count from 1, from the top left of the photograph.

    Examples:
        >>> cell_name(3, 7)
        'r03c07'
    """
    return f"r{row:02}c{column:02}"


@dataclass(frozen=True)
class RegionChange:
    """A part of a cell that changed, or a defect that was found in only one of two inspections.

    It is measured in the true shape of the cell, as defects are.

    Attributes:
        kind: of a defect, "new", "grown" (it touches a defect of its class that was there) or "gone", or, where the
            light did not change, "only now" or "only before"; "darker" or "brighter" where the light changed and the
            model found no defect.
        class_name: class of the defect; empty for "darker" and "brighter".
        left: first column, pixels of the cell now.
        top: first row.
        width: number of columns.
        height: number of rows.
        area: pixels.
        length: pixels; of a crack or a finger interruption, the length of its centre lines, of others the longest
            extent.
    """

    kind: ChangeKind
    class_name: str
    left: int
    top: int
    width: int
    height: int
    area: int
    length: float

    @property
    def sign(self) -> int:
        """1 for a defect that was added, -1 for one that is gone, 0 for others."""
        return {"new": 1, "grown": 1, "gone": -1}.get(self.kind, 0)


@dataclass(frozen=True)
class CellChange:
    """What changed in a cell since an earlier inspection.

    Attributes:
        inactive_share: change of the inactive share that the light confirms: what is new less what is gone.
        crack_length: change of the total length of cracks that the light confirms, in units of the longer side of
            the cell.
        light: change of the relative light.
        darkened_share: share of the cell that is darker than before relative to the rest of the cell, 0 to 1.
        status: the first that is true: "new" for defects where none were, or a cell that became dark or dim; "grown";
            "darker" for parts in which the model finds no defect; "gone"; "brighter"; "same" within the noise.
        brightened_share: share of the cell that is brighter than before relative to the rest of the cell, 0 to 1.
        regions: the parts that changed, and defects that were found in only one of the inspections.
    """

    inactive_share: float
    crack_length: float
    light: float
    darkened_share: float
    status: ChangeStatus
    brightened_share: float = 0.0
    regions: tuple[RegionChange, ...] = field(default=(), repr=False)

    def length(self, class_name: str, *kinds: ChangeKind) -> float:
        """Return the total length, pixels, of the regions of a class and of any of the kinds."""
        return sum(
            (each.length for each in self.regions if each.class_name == class_name and each.kind in kinds),
            0.0,
        )

    def area(self, class_name: str, *kinds: ChangeKind) -> int:
        """Return the total area, pixels, of the regions of a class and of any of the kinds."""
        return sum(each.area for each in self.regions if each.class_name == class_name and each.kind in kinds)


@dataclass(frozen=True)
class InspectedCell:
    """A cell of a module.

    Attributes:
        row: counted from 1, from the top of the photograph.
        column: counted from 1, from the left of the photograph.
        corners: x and y of its corners in the photograph, pixels, clockwise from the upper left.
        light: median light relative to the other cells of the module; 1 is typical, 0 is dark.
        finding: "dark", "dim" or "bright" if ``light`` is far from 1.
        measurement: its defects. Half-cut cells are measured in their true shape, not in the square that the network
            takes.
        inactive_low: low bound of the inactive share, from the uncertainty of the mask.
        inactive_high: high bound of the inactive share.
        change: since the earlier inspection, if there is one and it has this cell.
        min_severity: severity of a cell that counts as defective.
    """

    row: int
    column: int
    corners: tuple[tuple[float, float], ...] = field(repr=False)
    light: float
    finding: Finding | None
    measurement: CellMeasurement
    inactive_low: float
    inactive_high: float
    change: CellChange | None = None
    min_severity: float = MIN_SEVERITY

    @property
    def name(self) -> str:
        """Its name, such as ``r03c07`` for the seventh cell of the third row."""
        return cell_name(self.row, self.column)

    @property
    def severity(self) -> float:
        """Severity of its defects, see `solarseg.measurement.severity`; of a dark cell at least the light it lacks.

        In a cell that is dark as a whole, the network sees little of its defects.
        """
        found = self.measurement.severity
        return max(found, 1 - self.light) if self.finding == "dark" else found

    @property
    def defective(self) -> bool:
        """Whether its severity is ``min_severity`` or more, or it is dark or dim.

        This is the one rule for tables, reports and the index. With a minimum of 0, any severity above 0 counts.
        """
        severe = self.severity > 0 and self.severity >= self.min_severity
        return severe or self.weak

    @property
    def weak(self) -> bool:
        """Whether it is dark or dim as a whole."""
        return self.finding in WEAK


@dataclass(frozen=True, repr=False)
class InspectedModule:
    """A module of a photograph.

    Attributes:
        name: of the module; that of the photograph, followed by a number if there are several in it.
        image: the photograph.
        placement: where its cells are in the photograph.
        cells: row by row.
        power: the electrical estimate, or None if pvlib is not installed.
        notes: what was assumed or is uncertain, in sentences for the report.
        earlier: the earlier photograph that it was compared with, if it was.
    """

    name: str
    image: str
    placement: ModulePlacement
    cells: tuple[InspectedCell, ...]
    power: PowerEstimate | None = None
    notes: tuple[str, ...] = ()
    earlier: str | None = None

    def __repr__(self) -> str:
        bad = len(self.defective_cells)
        return (
            f"<InspectedModule {self.name}: {self.placement.rows} x {self.placement.columns} cells, "
            f"{bad} with defects, severity {self.severity:.3g}>"
        )

    @property
    def photograph(self) -> str:
        """Name of the photograph's file without its folder, as reports show it."""
        return Path(self.image).name

    @property
    def wiring(self) -> Wiring:
        """How its cells are connected in the electrical estimate, or would be."""
        return self.power.wiring if self.power is not None else self.placement.wiring

    @cached_property
    def severity(self) -> float:
        """Mean severity of its cells."""
        return sum(cell.severity for cell in self.cells) / len(self.cells)

    @cached_property
    def inactive_share(self) -> float:
        """Share of the area of all cells that is inactive, 0 to 1."""
        area = sum(cell.measurement.cell_area for cell in self.cells)
        return sum(cell.measurement.inactive_area for cell in self.cells) / max(area, 1)

    @cached_property
    def defective_cells(self) -> tuple[InspectedCell, ...]:
        """Cells that count as defective; see `InspectedCell.defective`."""
        return tuple(cell for cell in self.cells if cell.defective)

    @cached_property
    def substrings_with_several_defective_cells(self) -> Mapping[int, tuple[InspectedCell, ...]]:
        """Number of a substring with two or more defective cells -> these cells.

        The weakest cell limits the current of a substring; see `wiring` for what is in it.
        """
        wiring = self.wiring
        found: dict[int, list[InspectedCell]] = {}
        for cell in self.defective_cells:
            string = wiring.strings[cell.row - 1][cell.column - 1]
            found.setdefault(wiring.diodes[string - 1], []).append(cell)
        return {diode: tuple(cells) for diode, cells in sorted(found.items()) if len(cells) >= _SEVERAL}

    @cached_property
    def cracked_cells(self) -> Mapping[CrackMode, int]:
        """Number of defective cells by the worst mode of their cracks."""
        modes = (cell.measurement.worst_crack_mode for cell in self.defective_cells)
        return Counter(mode for mode in modes if mode is not None)

    def with_finding(self, *findings: Finding) -> tuple[InspectedCell, ...]:
        """Return the cells with any of the findings."""
        return tuple(cell for cell in self.cells if cell.finding in findings)

    def worst_cells(self, count: int = 6) -> tuple[InspectedCell, ...]:
        """Return the defective cells, the worst first, at most ``count``."""
        return tuple(sorted(self.defective_cells, key=lambda cell: (-cell.severity, cell.light))[:count])
