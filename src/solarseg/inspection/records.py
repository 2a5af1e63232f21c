"""What `inspect` returns."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from solarseg.inspection.columns import CELL_COLUMNS, MODULE_COLUMNS
from solarseg.inspection.layout import InspectionPaths
from solarseg.inspection.tables import read_table_rows

__all__ = ["Inspection"]


@dataclass(frozen=True, repr=False)
class Inspection:
    """What `inspect` wrote.

    Attributes:
        folder: where.
        modules: names of the modules, which are names of their folders, in the order of the photographs.
        cells: number of cells of all modules.
        defective: number of cells that count as defective; see `InspectedCell.defective`.
        failed: photograph -> why it could not be inspected, or why the plots in its report are not updated.
        skipped: number of photographs that a previous call had inspected.
    """

    folder: Path
    modules: tuple[str, ...]
    cells: int
    defective: int
    failed: dict[str, str] = field(default_factory=dict)
    skipped: int = 0

    def __repr__(self) -> str:
        failed = f"; {len(self.failed)} failed" if self.failed else ""
        return (
            f"<Inspection {self.folder}: {len(self.modules)} modules, {self.cells} cells, {self.defective} with "
            f"defects{failed}>"
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each module, as ``pandas.DataFrame`` takes them: the columns of ``modules.csv``.

        Raises:
            DataError: the file has been moved or changed.
        """
        if not self.modules:  # no tables were written; those of a previous call may be there
            return []
        return list(read_table_rows(InspectionPaths(self.folder).modules, MODULE_COLUMNS))

    def cell_rows(self) -> list[dict[str, Any]]:
        """Return a row for each cell: the columns of ``cells.csv``.

        Raises:
            DataError: the file has been moved or changed.
        """
        if not self.modules:
            return []
        return list(read_table_rows(InspectionPaths(self.folder).cells, CELL_COLUMNS))
