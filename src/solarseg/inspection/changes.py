"""Compare a module with an earlier inspection of it."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap, few
from solarseg.comparison import CellImages, ComparedCell, compare_cells, recognise_cells
from solarseg.errors import ArgumentError, DataError
from solarseg.images import read_image
from solarseg.inspection.job import InspectionJob
from solarseg.inspection.layout import InspectionPaths, ModulePaths
from solarseg.inspection.module import ModuleChanges, ModuleResult
from solarseg.inspection.record import read_origin, read_record
from solarseg.masks import read_mask_values
from solarseg.modules import InspectedModule

__all__ = [
    "check_earlier_inspection",
    "compare_module",
    "compare_with_folder",
    "note_no_comparison",
    "read_result",
    "without_comparison",
]

_NOTE = "Comparison "  # how all notes of this file begin, so that they can be removed
_TURNED = "the module is turned by 180 degrees; turn one of both photographs"
_UNKNOWN = (
    "uncertain: the cells cannot be distinguished from others of the earlier photograph; make sure that it shows the "
    "same module, and not turned."
)
_OTHER_MODEL = (
    "by two models: the earlier photograph was inspected with another one. What only one of them finds counts where "
    "the light changed; repeat that inspection with this model."
)
_UNCHANGED = 128  # grey level in the picture of the ratio


def check_earlier_inspection(folder: Path, out: Path) -> str:
    """Check that a folder is one of an inspection, and return a digest of what was found then.

    Raises:
        ArgumentError: it is not, or it is the folder that is written to.
    """
    if folder.resolve() == out.resolve():
        raise ArgumentError(f"`compare={str(folder)!r}`: is the same folder as `out`; give another `out`")
    records = sorted(folder.glob("*/" + ModulePaths(Path()).record.name)) if folder.is_dir() else []
    if not records:
        raise ArgumentError(
            f"`compare={str(folder)!r}`: is not the folder of an inspection; give the `out` of an earlier one"
        )
    content = hashlib.blake2b(digest_size=8)
    for record in records:
        content.update(record.parent.name.encode())
        content.update(record.read_bytes())
    return content.hexdigest()


def read_result(paths: ModulePaths) -> ModuleResult:
    """Read a module with its pictures.

    Raises:
        DataError: a file is missing, or cannot be used.
    """
    module = read_record(paths.root)
    cells = np.stack([_read_grey(paths.cell(cell.name)) for cell in module.cells])
    masks = np.stack([read_mask_values(paths.mask(cell.name)).astype(np.uint8) for cell in module.cells])
    rectified = _read_grey(paths.rectified)
    if rectified.size != cells.size or cells.shape != masks.shape:
        raise DataError(f"{paths.root}: has pictures of different sizes; inspect the module again")
    return ModuleResult(module, rectified, cells, masks)


def without_comparison(result: ModuleResult) -> ModuleResult:
    """Return a module without its changes and the notes about them, as before it was compared."""
    module = result.module
    cells = tuple(replace(cell, change=None) for cell in module.cells)
    notes = tuple(note for note in module.notes if not note.startswith(_NOTE))
    return replace(result, module=replace(module, cells=cells, notes=notes, earlier=None), changes=None)


def note_no_comparison(result: ModuleResult, reason: str) -> ModuleResult:
    """Return a module with a note that says why it was not compared."""
    return _with_note(result, f"not made: {reason}.")


def compare_with_folder(result: ModuleResult, job: InspectionJob) -> ModuleResult:
    """Compare a module with the module of the same name in the earlier inspection of a job, if it has one.

    Returns:
        The module with its changes; with a note if it could not be compared.
    """
    if job.compare is None:
        return result
    paths = InspectionPaths(job.compare).module(result.module.name)
    if not paths.record.is_file():
        return note_no_comparison(result, f"the earlier inspection has no module {result.module.name}")
    try:
        earlier, options = read_result(paths), read_origin(paths.root).options
    except DataError as error:
        return note_no_comparison(result, f"the earlier inspection cannot be used: {error}")
    classes = job.model.classes
    if options.get("classes") != list(classes.names):
        return note_no_comparison(
            result,
            f"the earlier model has other classes than {few(classes.names)}; repeat that inspection with this model",
        )
    if options.get("model") != job.model.fingerprint:
        result = _with_note(result, _OTHER_MODEL)
    image = job.image_name(job.compare.resolve() / earlier.module.image)  # was relative to that folder
    earlier = replace(earlier, module=replace(earlier.module, image=image))
    return compare_module(result, earlier, classes)


def compare_module(result: ModuleResult, earlier: ModuleResult, classes: ClassMap) -> ModuleResult:
    """Compare a module with its earlier state.

    Args:
        result: the module.
        earlier: the same module before; ``image`` is relative to the folder of this inspection.
        classes: of both masks.

    Returns:
        The module with its changes; with a note if it could not be compared.
    """
    reason = _objection(result, earlier, classes)
    if reason is not None:
        return note_no_comparison(result, reason)
    place = result.module.placement
    now, before = (CellImages(each.cells, each.masks) for each in (result, earlier))
    seen = recognise_cells(now, before, (place.rows, place.columns), classes)
    if seen == "turned":
        return note_no_comparison(result, _TURNED)
    if seen == "unknown":
        result = _with_note(result, _UNKNOWN)
    module = result.module
    compared = compare_cells(now, before, module.cells, earlier.module.cells, classes, place)
    cells = tuple(
        replace(cell, change=None if found is None else found.change)
        for cell, found in zip(module.cells, compared, strict=True)
    )
    left_out = sum(found is None for found in compared)
    note = f"{_NOTE}incomplete: {left_out} of {len(cells)} cells do not look as before."
    pictures = ModuleChanges(
        _to_module(_before(compared, earlier), module), _to_module(_ratios(compared, result), module)
    )
    notes = (*module.notes, note) if left_out else module.notes
    changed = replace(module, cells=cells, notes=notes, earlier=earlier.module.image)
    return replace(result, module=changed, changes=pictures)


def _objection(result: ModuleResult, earlier: ModuleResult, classes: ClassMap) -> str | None:
    place, other = result.module.placement, earlier.module.placement
    if (place.rows, place.columns) != (other.rows, other.columns):
        turned = " and may be turned" if (place.rows, place.columns) == (other.columns, other.rows) else ""
        before, now = (f"{each.rows} x {each.columns}" for each in (other, place))
        return f"the earlier module has {before} cells{turned}, now {now} were found"
    if earlier.masks.max(initial=0) >= len(classes):
        return "the masks of the earlier inspection contain unknown class ids; repeat that inspection"
    return None


def _with_note(result: ModuleResult, note: str) -> ModuleResult:
    return replace(result, module=replace(result.module, notes=(*result.module.notes, _NOTE + note)))


def _before(compared: list[ComparedCell | None], earlier: ModuleResult) -> NDArray[np.uint8]:
    """Return the earlier cells as they are in the rectified module, where the cells are now."""
    size = earlier.cells.shape[1]
    place = earlier.module.placement
    blocks = earlier.rectified.reshape(place.rows, size, place.columns, size).swapaxes(1, 2)
    return np.stack(
        [
            block if found is None else found.registration.move(np.ascontiguousarray(block))
            for block, found in zip(blocks.reshape(-1, size, size), compared, strict=True)
        ]
    )


def _ratios(compared: list[ComparedCell | None], result: ModuleResult) -> NDArray[np.uint8]:
    empty = np.full(result.cells.shape[1:], _UNCHANGED, np.uint8)
    return np.stack([empty if found is None else found.ratio.picture() for found in compared])


def _to_module(cells: NDArray[np.uint8], module: InspectedModule) -> NDArray[np.uint8]:
    """Put cells, ``(N, H, W)``, together."""
    place, size = module.placement, cells.shape[1]
    blocks = cells.reshape(place.rows, place.columns, size, size).swapaxes(1, 2)
    return blocks.reshape(place.rows * size, place.columns * size)


def _read_grey(path: Path) -> NDArray[np.uint8]:
    image = read_image(path)
    if image.dtype != np.uint8 or image.shape[-1] != 1:
        raise DataError(f"{path}: is not a picture that an inspection writes; inspect the module again")
    return np.asarray(image[..., 0], np.uint8)
