"""The files about all modules, made from the records of the modules, one after another."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from solarseg.classes import ClassMap
from solarseg.csv_files import CsvWriter
from solarseg.errors import OutputError
from solarseg.inspection.annotations import Annotations, open_annotations
from solarseg.inspection.columns import CELL_COLUMNS, MODULE_COLUMNS, CellOf
from solarseg.inspection.layout import InspectionPaths
from solarseg.inspection.record import ModuleRecord, read_full_record
from solarseg.inspection.streams import open_table
from solarseg.inspection.tables import spell
from solarseg.reports import (
    FailedPhotograph,
    ModuleSummary,
    ReportFile,
    ReportStyle,
    summarise_module,
    write_index,
)

__all__ = ["remove_summary", "write_summary"]

_PATHS = InspectionPaths(Path())  # relative to the folder, as the index links them
_FILES = (
    ReportFile(_PATHS.modules.as_posix(), "A row for each module."),
    ReportFile(_PATHS.cells.as_posix(), "A row for each cell."),
    ReportFile(_PATHS.regions.as_posix(), "Each defect in pixels of its photograph."),
    ReportFile(_PATHS.annotations.as_posix(), "The same, for labelling tools that read COCO."),
)


def write_summary(
    paths: InspectionPaths,
    modules: Iterable[str],
    failed: Sequence[FailedPhotograph],
    classes: ClassMap,
    style: ReportStyle,
) -> tuple[int, int]:
    """Write tables, regions and the index.

    Of each module, only a line of the index stays in memory.

    Args:
        paths: of the inspection.
        modules: names of the modules, whose folders are written.
        failed: photographs that could not be inspected.
        classes: of the model.
        style: the company's part of the index.

    Returns:
        Number of cells, and number of cells with a defect.

    Raises:
        DataError: the record of a module is missing or was changed.
        OutputError: a file could not be written.
    """
    summaries: list[ModuleSummary] = []
    with _open(paths, classes) as files:
        for name in modules:
            record = read_full_record(paths.module(name).root)
            files.add(record)
            report = _PATHS.module(name).report.as_posix()
            summaries.append(summarise_module(record.module, record.thumbnail, report))
    write_index(paths.index, summaries, failed, style, _FILES)
    return sum(each.cells for each in summaries), sum(each.defective for each in summaries)


def remove_summary(paths: InspectionPaths) -> None:
    """Remove tables, regions and the index, before a module is written or removed: they are never older than modules.

    Raises:
        OutputError: a file could not be removed.
    """
    for file in paths.files:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{file}: could not be removed ({error.strerror or error}); close the program that uses it"
            ) from error


class _Files:
    """The open files about all modules."""

    def __init__(self, modules: CsvWriter, cells: CsvWriter, annotations: Annotations) -> None:
        self._modules, self._cells, self._annotations = modules, cells, annotations

    def add(self, record: ModuleRecord) -> None:
        self._modules.add(spell(MODULE_COLUMNS, record.module))
        for cell in record.module.cells:
            self._cells.add(spell(CELL_COLUMNS, CellOf(record.module, cell)))
        self._annotations.add(record)


@contextmanager
def _open(paths: InspectionPaths, classes: ClassMap) -> Iterator[_Files]:
    """Open the files, which appear when the block ends without an exception."""
    with (
        open_table(paths.modules, [column.name for column in MODULE_COLUMNS]) as modules,
        open_table(paths.cells, [column.name for column in CELL_COLUMNS]) as cells,
        open_annotations(paths, classes) as annotations,
    ):
        yield _Files(modules, cells, annotations)
