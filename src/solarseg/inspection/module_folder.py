"""The folder of a module: report, pictures, cells and masks."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.errors import DataError, ExistsError
from solarseg.inspection.layout import ModulePaths
from solarseg.inspection.module import ModuleChanges, ModuleResult
from solarseg.inspection.record import ModuleOrigin, ModuleRecord, read_origin, trace_shapes, write_record
from solarseg.masks import encode_mask
from solarseg.modules import ModulePlacement
from solarseg.modules.records import cell_name
from solarseg.painting import paint_mask
from solarseg.reports import ModuleView, ReportFile, ReportStyle, draw_thumbnail, write_module_report
from solarseg.reports.svg_outlines import keep_painted

__all__ = ["check_module_folder", "write_module"]

_OVERLAY = 0.35  # opacity of the class colours
_PATHS = ModulePaths(Path())  # relative to the folder, as the report links them
_NAME = cell_name(1, 1)
# Differences to the row above, compressed at the highest speed: less time than trying all filters row by row, which a
# level of compression asks for, and files as small.
_PNG = (
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_FILTERED),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
)
_FILES = (
    ReportFile(_PATHS.rectified.as_posix(), "The module seen from the front, each cell 256 pixels wide."),
    ReportFile(_PATHS.overlay.as_posix(), "The same with its defects."),
    ReportFile(_PATHS.cell(_NAME).as_posix(), "Each cell as the model takes it, named by row and column."),
    ReportFile(_PATHS.mask(_NAME).as_posix(), "Class ids of each cell."),
    ReportFile(_PATHS.record.as_posix(), "All numbers, for programs."),
)
_CHANGES = (
    ReportFile(_PATHS.before.as_posix(), "The module before, each cell where it is now."),
    ReportFile(
        _PATHS.ratio.as_posix(), "The light relative to the earlier light: grey is unchanged, dark is darker."
    ),
)


def check_module_folder(paths: ModulePaths, image: str, overwrite: bool) -> None:
    """Check that the folder of a module can be written, so that nothing else is replaced.

    Args:
        paths: of the folder.
        image: name of the photograph: its modules may be replaced by what is found in it now.
        overwrite: modules of other photographs may be replaced too.

    Raises:
        ExistsError: the folder exists, and was not written by an inspection or may not be replaced.
    """
    if not paths.root.exists():
        return
    if not paths.exists:
        raise ExistsError(paths.root, "another `out`")
    if not overwrite and _image_of(paths) != image:
        raise ExistsError(paths.root, "another `out`", "`overwrite=True` to replace it")


def _image_of(paths: ModulePaths) -> str | None:
    """Return the name of the photograph of a module, or None if its record cannot be used."""
    try:
        return read_origin(paths.root).image
    except DataError:
        return None


def write_module(
    folder: Path,
    result: ModuleResult,
    origin: ModuleOrigin,
    classes: ClassMap,
    model: str,
    style: ReportStyle,
    pdf: bool,
) -> None:
    """Write all files of a module.

    Args:
        folder: an empty folder, which gets its name when it is complete.
        result: the module.
        origin: what it was made from.
        classes: of the class ids.
        model: name of the model, for the report.
        style: the company's part of the report.
        pdf: write ``report.pdf``.

    Raises:
        OSError: a picture could not be written.
        OutputError: another file could not be written.
    """
    # The report is work of Python, and encoding pictures is not: both at the same time use two cores.
    paths = ModulePaths(folder)
    with ThreadPoolExecutor(1) as pool:
        pictures = pool.submit(_write_pictures, paths, result, classes)
        view = _view(result, classes, model)
        write_module_report(paths.report, result.module, view, style, paths.pdf if pdf else None)
        shapes = trace_shapes(result.module, result.masks, classes)
        pictures.result()
    write_record(folder, ModuleRecord(origin, result.module, shapes, draw_thumbnail(result.rectified)))


def _write_pictures(paths: ModulePaths, result: ModuleResult, classes: ClassMap) -> None:
    _write_png(paths.rectified, result.rectified)
    _write_png(paths.overlay, _paint(result.rectified, result.mask, classes))
    changes = result.changes or ModuleChanges()
    for path, picture in ((paths.before, changes.before), (paths.ratio, changes.ratio)):
        if picture is not None:
            _write_png(path, picture)
    for directory in (paths.cell("").parent, paths.mask("").parent):
        directory.mkdir()
    for cell, image, ids in zip(result.module.cells, result.cells, result.masks, strict=True):
        _write_png(paths.cell(cell.name), image)
        paths.mask(cell.name).write_bytes(encode_mask(ids, classes))


def _view(result: ModuleResult, classes: ClassMap, model: str) -> ModuleView:
    changes, module = result.changes, result.module
    return ModuleView(
        result.rectified,
        result.mask,
        classes,
        _boxes(module.placement, result.masks.shape[1]),
        earlier=None if changes is None else changes.before,
        ratio=None if changes is None else changes.ratio,
        earlier_name="" if module.earlier is None else Path(module.earlier).name,
        model=model,
        plots=result.plots,
        files=_FILES if changes is None or changes.ratio is None else (*_FILES, *_CHANGES),
    )


def _boxes(placement: ModulePlacement, size: int) -> NDArray[np.int64]:
    """Return left, top, right and bottom of each cell, without the gaps, in the rectified module."""
    ends = (placement.columns, placement.rows)
    # A gap may be fitted as less than nothing.
    grid = np.clip(placement.cell_corners_in_grid(), 0, ends) * size
    low, high = np.rint(grid.min(axis=2)), np.rint(grid.max(axis=2))
    return np.concatenate([low, high], axis=-1).astype(np.int64)


def _paint(image: NDArray[np.uint8], mask: NDArray[np.uint8], classes: ClassMap) -> NDArray[np.uint8]:
    return paint_mask(np.repeat(image[..., None], 3, axis=2), keep_painted(mask, classes), classes, _OVERLAY)


def _write_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write a file of a folder that is not complete yet; the folder appears as a whole."""
    shown = image if image.ndim == 2 else image[..., ::-1]
    _, content = cv2.imencode(".png", shown, _PNG)
    path.write_bytes(content.tobytes())
