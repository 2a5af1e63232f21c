"""From photographs of modules to tables and reports."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solarseg.classes import few
from solarseg.datasets.image_files import name_objection, name_outputs
from solarseg.errors import ArgumentError, MissingExtraError, MissingLibraryError
from solarseg.files import check_folder
from solarseg.inference.model import Model
from solarseg.inspection.changes import check_earlier_inspection
from solarseg.inspection.job import InspectionJob, ModelChoice, choose_model
from solarseg.inspection.layout import InspectionPaths
from solarseg.inspection.photograph import as_corners
from solarseg.inspection.records import Inspection
from solarseg.inspection.run import InspectionRun
from solarseg.inspection.series import read_series
from solarseg.inspection.sources import find_photographs
from solarseg.measurement import check_cell_size, is_measurable
from solarseg.modules.combs import MAX_CELLS
from solarseg.reports import ReportStyle, check_pdf, read_report_style

__all__ = ["inspect"]

logger = logging.getLogger(__name__)


def inspect(
    images: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    cells: tuple[int, int] | None = None,
    model: Model | Path | str = "el-cell",
    cell_mm: float | None = None,
    corners: ArrayLike | None = None,
    config: ReportStyle | Path | str | None = None,
    compare: Path | str | None = None,
    series: Path | str | None = None,
    overwrite: bool = False,
    pdf: bool = True,
    processes: int | None = None,
    progress: bool = False,
) -> Inspection:
    """Inspect photographs of whole EL modules: find the cells, their defects and their light, and write reports.

    Each photograph may show several modules. Those that are completely in it are found, rectified and divided into
    cells. ``out`` then contains ``index.html``, a folder with a report for each module, the tables ``modules.csv`` and
    ``cells.csv``, and all defects in pixels of the photographs, ``regions.geojson`` and ``annotations-coco.json``.

    An interrupted call is resumed when it is made again. Photographs that were added or replaced since are then
    inspected too, and all of them if the model or an option is another one.

    Args:
        images: files, folders (searched with all folders in them) or glob patterns. Pictures that an inspection wrote
            are left out.
        out: folder to write to.
        cells: number of rows and columns of cells as seen in the photographs; by default they are found.
        model: model file, run folder, name of a model that ships, or what `load_model` returned; its classes must be
            those of cells.
        cell_mm: longer side of the cells, mm, for lengths in mm and the power in W.
        corners: ``(4, 2)`` x and y of the outer corners of the area of cells, pixels, clockwise from the upper left;
            for photographs in which the module is not found. Used for all photographs. Requires ``cells``.
        config: the company's part of the reports, or a YAML file with it.
        compare: ``out`` of an earlier inspection; modules of the same name are compared with it.
        series: CSV file with the columns ``image``, ``module`` and a quantity with its unit, such as
            ``pressure (Pa)``: all photographs of a module are compared with its first, and plotted over the quantity.
        overwrite: inspect all photographs again, and replace index and tables, also those of other photographs; the
            folders of their modules stay unless a module has the same name.
        pdf: also write ``report.pdf``. Without the extra ``inspect``, a warning says so and none is written.
        processes: number of processes that inspect photographs; by default one for each core. A single photograph is
            inspected in this process. Each needs about 0.5 GB, and more for photographs of more than 10 megapixels.
        progress: show progress on the terminal.

    Returns:
        Names of the modules, and the photographs that could not be inspected with the reason; these do not keep the
        others from being done, and are tried again by the next call. What a previous call found in them is removed
        if their file was replaced since. If none could be inspected, nothing is written.

    Raises:
        ArgumentError: no images were found, or an argument cannot be used.
        DataError: ``config`` cannot be used.
        ModelFileError: the model cannot be used.
        OutputError: ``out`` has modules of other photographs, or files that no inspection wrote, or a file could not
            be written.
    """
    check_cell_size(cell_mm)
    if processes is not None and processes < 1:
        raise ArgumentError(f"`processes={processes}`: must be 1 or more")
    if compare is not None and series is not None:
        raise ArgumentError("`compare`: not allowed with `series`, which compares with the first photograph")
    earlier = "" if compare is None else check_earlier_inspection(Path(compare), Path(out))
    job = InspectionJob(
        _choose_model(model),
        InspectionPaths(Path(out)),
        config if isinstance(config, ReportStyle) else _read_style(config),
        _check_cells(cells),
        _check_corners(corners, cells),
        cell_mm,
        overwrite,
        pdf and _can_write_pdf(),
        None if compare is None else Path(compare),
        earlier,
    )
    sources = [images] if isinstance(images, (str, Path)) else list(images)
    named, failed = _name(find_photographs(sources), job)
    if series is not None:
        table = read_series(Path(series))
        job = replace(job, series=table.match([*named, *map(Path, failed)]), quantity=table.quantity)
    check_folder(job.paths.root)
    opened = model if isinstance(model, Model) else None
    run = InspectionRun(job, named, failed, model=opened, processes=processes, progress=progress)
    return run.finish()


def _choose_model(model: Model | Path | str) -> ModelChoice:
    chosen = choose_model(model)
    if not is_measurable(chosen.classes):
        raise ArgumentError(
            f"`model`: finds {few(chosen.classes.names)}; give one that finds crack, inactive_area or "
            "finger_interruption, such as el-cell"
        )
    return chosen


def _read_style(config: Path | str | None) -> ReportStyle:
    return ReportStyle() if config is None else read_report_style(Path(config))


def _check_cells(cells: Any) -> tuple[int, int] | None:
    if cells is None:
        return None
    try:
        rows, columns = map(index, cells)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"`cells={cells!r}`: must be the number of rows and of columns, such as (6, 10)"
        ) from None
    if not (1 <= rows <= MAX_CELLS and 1 <= columns <= MAX_CELLS):
        raise ArgumentError(f"`cells={rows}x{columns}`: must be 1 to {MAX_CELLS} rows and columns")
    return rows, columns


def _check_corners(corners: Any, cells: tuple[int, int] | None) -> NDArray[np.float64] | None:
    if corners is not None and cells is None:
        raise ArgumentError("`corners`: requires `cells`, the number of rows and columns")
    return as_corners(corners)


def _can_write_pdf() -> bool:
    try:
        check_pdf()
    except (MissingExtraError, MissingLibraryError) as error:
        logger.warning("no report.pdf is written: %s", error)
        return False
    return True


def _name(
    photographs: Sequence[tuple[Path, Path]], job: InspectionJob
) -> tuple[dict[Path, str], dict[str, str]]:
    """Return the name of each photograph, and those that cannot be named with the reason."""
    named = name_outputs(photographs)
    failed = {}
    for file, name in named.items():
        # Both may have folders that are not in the path as it was given.
        objections = (name_objection(path) for path in (file, Path(job.image_name(file)), Path(name)))
        if (reason := next(filter(None, objections), None)) is not None:
            failed[str(file)] = reason
    return {file: name for file, name in named.items() if str(file) not in failed}, failed
