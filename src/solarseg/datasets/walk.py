"""Walks through folders: the only place where the files in a folder and all folders in it are listed.

Linked folders are followed wherever they lead, since photos and datasets often are on a shared disk. A link to a
folder that contains it is not followed, and neither is a link within `MAX_LINKS` linked folders, so that every walk
ends. Hidden files and folders, whose names begin with a dot, are not entered.
"""

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from solarseg.datasets.left_out import LeftOut
from solarseg.images import IMAGE_SUFFIXES

__all__ = ["MAX_LINKS", "is_image_name", "note_unread", "note_unused", "walk", "walk_folders", "walk_images"]

MAX_LINKS = 4  # linked folders within one another

# Pictures and arrays in formats that are not read; other files next to images are notes and tables of all kinds.
_UNREAD = re.compile(
    r"\.(apng|arw|avif|cr[23]|dcm|dib|dng|ecw|exr|fits?|gz|hdf5|h5|hdr|hei[cf]|img|j2k|jfif|jp2|jpe|jp[fx]|jxl|mat|nef|"
    r"nii|np[yz]|orf|p[bgnp]m|pdf|psd|raf|raw|rw2|sid|svg|tga|vrt|xcf)",
    re.IGNORECASE,
)


def walk(folder: Path, left_out: LeftOut | None = None) -> Iterator[Path]:
    """Go through the files in a folder and all folders in it, sorted by name within each folder.

    Args:
        folder: where to begin.
        left_out: receives hidden images, links that are not followed, and folders that cannot be read.
    """
    return (path for path, is_folder in _visit(folder, left_out or LeftOut()) if not is_folder)


def walk_folders(folder: Path) -> Iterator[Path]:
    """Go through the folders in a folder and in all folders in it; see `walk`."""
    return (path for path, is_folder in _visit(folder, LeftOut()) if is_folder)


def walk_images(folder: Path, left_out: LeftOut | None = None) -> Iterator[Path]:
    """Go through the image files in a folder and all folders in it; see `walk`.

    Args:
        folder: where to begin.
        left_out: also receives pictures in formats that are not read.
    """
    for file in walk(folder, left_out):
        if is_image_name(file):
            yield file
        elif left_out is not None:
            note_unread(file, left_out)


def note_unread(file: Path, left_out: LeftOut) -> bool:
    """Add a picture in a format that is not read to what is left out; return whether the file is one."""
    if not _UNREAD.fullmatch(file.suffix):
        return False
    left_out.add(f"picture in a format that is not read ({file.suffix.lower()})", file)
    return True


def note_unused(folder: Path, used: Collection[Path], why: str, left_out: LeftOut) -> None:
    """Add the image files in a folder and all folders in it that are not used, and pictures that are not read.

    Args:
        folder: where to begin; nothing is added if it is a file.
        used: the files that are used.
        why: what the others are.
        left_out: receives them.
    """
    for image in walk_images(folder, left_out) if folder.is_dir() else ():
        if image not in used:
            left_out.add(why, image)


def is_image_name(file: Path) -> bool:
    """Return whether a file has the suffix of an image that is read, and is not hidden."""
    return file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")


def _visit(top: Path, left_out: LeftOut) -> Iterator[tuple[Path, bool]]:
    """Go through files and folders, with whether each is a folder."""
    # No recursion: folders may be nested deeper than Python's stack.
    stack = [(_entries(top, left_out), [_identify(top)], 0)]
    while stack:
        entries, above, links = stack[-1]
        entry = next(entries, None)
        if entry is None:
            stack.pop()
            continue
        path, kind = Path(entry.path), _kind(entry)
        if entry.name.startswith("."):
            _note_hidden(path, kind, left_out)
        elif kind == "folder":
            identity, links_here = _identify(path), links + entry.is_symlink()
            if identity in above:
                left_out.add("link to a folder that contains it", path)
            elif links_here > MAX_LINKS:
                left_out.add(f"link within {MAX_LINKS} linked folders", path)
            else:
                yield path, True
                stack.append((_entries(path, left_out), [*above, identity], links_here))
        elif kind == "file":
            yield path, False
        else:
            left_out.add(kind, path)


def _entries(folder: Path, left_out: LeftOut) -> Iterator["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return iter(sorted(entries, key=lambda entry: entry.name))
    except OSError as error:
        left_out.add(f"folder that cannot be read ({error.strerror or error})", folder)
        return iter(())


def _kind(entry: "os.DirEntry[str]") -> str:
    """Return ``"folder"``, ``"file"``, or what else it is."""
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
    except OSError as error:  # a link to itself
        return f"cannot be read ({error.strerror or error})"
    return "link to nothing" if entry.is_symlink() else "not a regular file"


def _identify(folder: Path) -> tuple[int, int] | Path:
    """Return what is the same however a folder is reached: its device and number."""
    try:
        found = folder.stat()
    except OSError:
        return folder
    return found.st_dev, found.st_ino


def _note_hidden(path: Path, kind: str, left_out: LeftOut) -> None:
    if kind == "file" and path.suffix.lower() in IMAGE_SUFFIXES:
        left_out.add("hidden file", path)
    elif kind == "folder" and any(
        Path(each.name).suffix.lower() in IMAGE_SUFFIXES for each in _entries(path, left_out)
    ):
        left_out.add("hidden folder with images", path)
