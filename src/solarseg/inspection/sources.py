"""The photographs to inspect: pictures that an inspection wrote are left out."""

import logging
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from solarseg.datasets.image_files import find_images
from solarseg.errors import ArgumentError, DataError
from solarseg.inspection.layout import ModulePaths
from solarseg.inspection.record import read_origin

__all__ = ["find_photographs"]

logger = logging.getLogger(__name__)


def find_photographs(sources: Sequence[Path | str]) -> list[tuple[Path, Path]]:
    """Find photographs, without the pictures in the folders of modules; a warning says how many these are.

    Args:
        sources: files, folders or glob patterns.

    Returns:
        Each file once, with the folder its name is to be taken from.

    Raises:
        ArgumentError: a source is not there, contains no photographs, or is a picture that an inspection wrote.
    """
    if not sources:
        raise ArgumentError("`images`: is empty; give photographs of modules")
    is_module = cache(_is_module_folder)  # of this call: the next one may find other folders
    for source in map(Path, sources):
        if source.is_file() and _find_module(source, is_module) is not None:
            raise ArgumentError(
                f"{source}: is a picture that an inspection wrote; give the photograph of the module"
            )
    found = find_images(sources)
    modules = {file: folder for file, _ in found if (folder := _find_module(file, is_module)) is not None}
    if modules:
        left_out = _describe(list(modules.values()))
        if len(modules) == len(found):
            raise ArgumentError(f"{sources[0]}: contains no photographs; {left_out}; give other images")
        logger.warning(left_out)
    return [(file, base) for file, base in found if file not in modules]


def _describe(modules: Sequence[Path]) -> str:
    """Say how many pictures are left out, and where, from the folder of the module of each."""
    folders = sorted(set(modules))
    where = str(folders[0]) if len(folders) == 1 else f"{len(folders):,} folders, such as {folders[0]}"
    number = "1 picture" if len(modules) == 1 else f"{len(modules):,} pictures"
    return f"left out: {number} that an inspection wrote, in {where}"


def _find_module(file: Path, is_module: Callable[[Path], bool]) -> Path | None:
    """Return the folder of the module that a picture belongs to, as it was given if it was; None for other pictures."""
    return next(filter(is_module, (*file.parents, *file.resolve().parents)), None)


def _is_module_folder(folder: Path) -> bool:
    """Return whether an inspection wrote a folder, and not another program with a file of that name."""
    paths = ModulePaths(folder)
    if not paths.exists:
        return False
    try:
        read_origin(folder)
    except DataError:  # damaged, or of another version
        return paths.rectified.is_file() and paths.overlay.is_file()
    return True
