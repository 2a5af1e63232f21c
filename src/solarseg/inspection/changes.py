"""Compare a module with an earlier inspection of it."""

import hashlib
from dataclasses import dataclass, replace
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
from solarseg.inspection.record import ModuleOrigin, read_origin, read_record
from solarseg.masks import read_mask_values
from solarseg.modules import InspectedModule

__all__ = [
    "FirstPhotograph",
    "check_earlier_inspection",
    "compare_module",
    "compare_with_first",
    "compare_with_folder",
    "read_result",
]

_NOTE = "Comparison "  # how all notes of this file begin
_TURNED = "the module is turned by 180 degrees; turn one of both photographs"
_UNKNOWN = (
    "uncertain: the cells cannot be distinguished from others of the earlier photograph; make sure that it shows the "
    "same module, and not turned."
)
_OTHER_MODEL = (
    "by two models: the earlier photograph was inspected with another one. What only one of them finds counts where "
    "the light changed; repeat that inspection with this model."
)
_WHICH = (
    "the photograph shows several modules, and this one is not recognised as the one that was there before; photograph "
    "each module on its own"
)
_UNCHANGED = 128  # grey level in the picture of the ratio


@dataclass(frozen=True)
class FirstPhotograph:
    """The first photograph of a series, with which the others are compared.

    Attributes:
        file: its path.
        modules: names of its modules, whose folders are written; empty if it could not be inspected.
        digest: of what it shows.
    """

    file: Path
    modules: tuple[str, ...]
    digest: str


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
    """Read a module with its pictures, without plots.

    Raises:
        DataError: a file is missing, or cannot be used.
    """
    module = read_record(paths.root)
    cells = np.stack([_read_grey(paths.cell(cell.name)) for cell in module.cells])
    masks = np.stack([read_mask_values(paths.mask(cell.name)).astype(np.uint8) for cell in module.cells])
    rectified = _read_grey(paths.rectified)
    if rectified.size != cells.size or cells.shape != masks.shape:
        raise DataError(f"{paths.root}: has pictures of different sizes; inspect the module again")
    changes = None
    if module.earlier is not None:
        changes = ModuleChanges(_read_grey(paths.before), _read_grey(paths.ratio))
    return ModuleResult(module, rectified, cells, masks, changes)


def compare_with_folder(
    result: ModuleResult, origin: ModuleOrigin, folder: Path, job: InspectionJob
) -> ModuleResult:
    """Compare a module with the module of the same name in the folder of an earlier inspection, if it has one.

    Args:
        result: the module.
        origin: what it was made from.
        folder: of the earlier inspection.
        job: that of the module.

    Returns:
        The module with its changes; with a note if it could not be compared.
    """
    paths = InspectionPaths(folder).module(result.module.name)
    if not paths.record.is_file():
        return _not_made(result, f"the earlier inspection has no module {result.module.name}")
    try:
        earlier, source = read_result(paths), read_origin(paths.root)
    except DataError as error:
        return _not_made(result, f"the earlier inspection cannot be used: {error}")
    classes = job.model.classes
    if source.options.get("classes") != list(classes.names):
        return _not_made(
            result,
            f"the earlier model has other classes than {few(classes.names)}; repeat that inspection with this model",
        )
    if source.modules != origin.modules:
        return _not_made(result, _other_number("the earlier photograph", source.modules, origin.modules))
    if source.options.get("model") != job.model.fingerprint:
        result = _with_note(result, _OTHER_MODEL)
    image = job.image_name(folder.resolve() / earlier.module.image)  # was relative to that folder
    earlier = replace(earlier, module=replace(earlier.module, image=image))
    return compare_module(result, earlier, classes, several=origin.modules > 1)


def compare_with_first(
    result: ModuleResult, origin: ModuleOrigin, first: FirstPhotograph, job: InspectionJob
) -> ModuleResult:
    """Compare a module with its state in the first photograph of a series; see `compare_with_folder`.

    Raises:
        DataError: the folder of that module was changed.
    """
    name = f"the first photograph of the series, {first.file.name},"
    if not first.modules:
        return _not_made(result, f"{name} could not be inspected")
    if len(first.modules) != origin.modules:
        return _not_made(result, _other_number(name, len(first.modules), origin.modules))
    earlier = read_result(job.paths.module(first.modules[origin.number - 1]))
    return compare_module(result, earlier, job.model.classes, several=origin.modules > 1)


def _other_number(name: str, before: int, now: int) -> str:
    counted = f"{before} module{'' if before == 1 else 's'}"
    return f"{name} shows {counted}, and this one {now}, so that it is unknown which is which"


def compare_module(
    result: ModuleResult, earlier: ModuleResult, classes: ClassMap, several: bool = False
) -> ModuleResult:
    """Compare a module with its earlier state.

    Args:
        result: the module.
        earlier: the same module before; ``image`` is relative to the folder of this inspection.
        classes: of both masks.
        several: the photograph shows several modules, so that this one must be recognised.

    Returns:
        The module with its changes; with a note if it could not be compared.
    """
    reason = _objection(result, earlier, classes)
    if reason is not None:
        return _not_made(result, reason)
    place = result.module.placement
    now, before = (CellImages(each.cells, each.masks) for each in (result, earlier))
    seen = recognise_cells(now, before, (place.rows, place.columns), classes)
    if seen == "turned":
        return _not_made(result, _TURNED)
    if seen == "unknown" and several:
        return _not_made(result, _WHICH)
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


def _not_made(result: ModuleResult, reason: str) -> ModuleResult:
    return _with_note(result, f"not made: {reason}.")


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
