"""Inspect photographs one after another, and write the results of each module before the next one."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import DataError, ExistsError
from solarseg.files import remove_empty_folder
from solarseg.inference.model import Model
from solarseg.inspection.annotations import Annotations, open_annotations
from solarseg.inspection.layout import InspectionPaths
from solarseg.inspection.module import ModuleResult, inspect_module
from solarseg.inspection.module_folder import check_module_folder, write_module
from solarseg.inspection.names import ModuleNames
from solarseg.inspection.photograph import read_photograph
from solarseg.inspection.records import Inspection
from solarseg.inspection.streams import TableRows, open_table
from solarseg.inspection.tables import CELL_COLUMNS, MODULE_COLUMNS, CellOf, spell
from solarseg.reports import (
    FailedPhotograph,
    ModuleSummary,
    ReportFile,
    ReportStyle,
    summarise_module,
    write_index,
)

__all__ = ["InspectionJob", "run"]

_FILES = (
    ReportFile("modules.csv", "A row for each module."),
    ReportFile("cells.csv", "A row for each cell."),
    ReportFile("regions.geojson", "Each defect in pixels of its photograph."),
    ReportFile("annotations-coco.json", "The same, for labelling tools that read COCO."),
)


@dataclass(frozen=True)
class InspectionJob:
    """What is to be done with each photograph.

    Attributes:
        model: finds the defects.
        paths: where results are written.
        style: the company's part of the reports.
        cells: number of rows and columns of cells; None if they are to be found.
        corners: ``(4, 2)`` of the module; None if modules are to be found.
        cell_mm: longer side of the cells, mm.
        overwrite: replace what an earlier call wrote.
        pdf: write PDF files.
    """

    model: Model
    paths: InspectionPaths
    style: ReportStyle
    cells: tuple[int, int] | None = None
    corners: NDArray[np.float64] | None = None
    cell_mm: float | None = None
    overwrite: bool = False
    pdf: bool = True


@dataclass(frozen=True)
class _Files:
    """The open files about all modules."""

    modules: TableRows
    cells: TableRows
    annotations: Annotations

    def add(self, result: ModuleResult) -> None:
        self.modules.add(spell(MODULE_COLUMNS, result.module))
        for cell in result.module.cells:
            self.cells.add(spell(CELL_COLUMNS, CellOf(result.module, cell)))
        self.annotations.add(result)


@dataclass
class _Found:
    """What is known of all modules so far; no images are kept."""

    summaries: list[ModuleSummary]
    failed: dict[str, str]

    def to_inspection(self, folder: Path) -> Inspection:
        return Inspection(
            folder,
            tuple(each.name for each in self.summaries),
            sum(each.cells for each in self.summaries),
            sum(each.defective for each in self.summaries),
            self.failed,
        )


class _NothingDoneError(Exception):
    """No module was inspected: the open files are removed."""


def run(
    job: InspectionJob, named: Mapping[Path, str], failed: Mapping[str, str], progress: bool
) -> Inspection:
    """Inspect all photographs.

    Args:
        job: what is to be done.
        named: name of each photograph.
        failed: photographs that were left out, with the reason.
        progress: show progress on the terminal.

    Raises:
        OutputError: a file could not be written.
    """
    found = _Found([], dict(failed))
    names = ModuleNames(named.values(), job.paths)
    with suppress(_NothingDoneError), _open(job) as files:
        for file in _track(named, progress):
            _inspect_photograph(job, file, names, named[file], files, found)
        if not found.summaries:
            raise _NothingDoneError
    if found.summaries:
        reasons = [FailedPhotograph(file, reason) for file, reason in found.failed.items()]
        write_index(job.paths.root, found.summaries, reasons, job.style, _FILES)
    else:
        remove_empty_folder(job.paths.root)
    return found.to_inspection(job.paths.root)


@contextmanager
def _open(job: InspectionJob) -> Iterator[_Files]:
    """Open the files about all modules, which appear when the block ends without an exception."""
    paths = job.paths
    with (
        open_table(paths.modules, [column.name for column in MODULE_COLUMNS]) as modules,
        open_table(paths.cells, [column.name for column in CELL_COLUMNS]) as cells,
        open_annotations(paths, job.model.classes) as annotations,
    ):
        yield _Files(modules, cells, annotations)


def _inspect_photograph(
    job: InspectionJob, file: Path, names: ModuleNames, name: str, files: _Files, found: _Found
) -> None:
    try:
        photograph = read_photograph(file, job.cells, job.corners)
    except DataError as error:
        found.failed[str(file)] = str(error).removeprefix(f"{file}: ")
        return
    for placement, module in zip(photograph.modules, names.of(name, len(photograph.modules)), strict=True):
        paths = job.paths.module(module)
        try:
            check_module_folder(paths, job.overwrite)
        except ExistsError as error:
            found.failed[str(file)] = str(error)
            continue
        result = inspect_module(photograph, placement, module, job.model, job.cell_mm)
        write_module(paths.root, result, job.model.classes, job.model.path.stem, job.style, job.pdf)
        files.add(result)
        found.summaries.append(summarise_module(result.module, result.rectified))


def _track(files: Iterable[Path], progress: bool) -> Iterable[Path]:
    if not progress:
        return files
    from rich.progress import track  # takes a while to import

    return track(list(files), "inspecting")
