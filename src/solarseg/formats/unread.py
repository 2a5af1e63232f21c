"""Exports that are not read: what they look like, and what to do, for the error message."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from solarseg.datasets.left_out import LeftOut, describe_left_out
from solarseg.datasets.walk import is_image_name, note_unread, walk
from solarseg.formats.annotations import looks_like

__all__ = ["describe_unread"]

_ENOUGH_FILES = 2000
_ENOUGH_HEADS = 50
_ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ")
_ARCHIVE = re.compile(r"\.(zip|tar|tgz|gz|7z|rar|bz2|xz)", re.IGNORECASE)


@dataclass(frozen=True)
class _Unread:
    """A file of a format that is not read.

    Attributes:
        title: the format.
        suffix: of the file.
        patterns: found at the start of the file, all of them.
        remedy: what to do.
    """

    title: str
    suffix: str
    patterns: tuple[str, ...]
    remedy: str


_AS_MASKS = "export as COCO or as masks, with images"
_UNREAD = (
    _Unread(
        "CVAT for images XML",
        ".xml",
        (r"<annotations>", r"<(image|meta|version)\b"),
        "export the task as 'COCO 1.0' or 'Segmentation mask 1.1', with images",
    ),
    _Unread(
        "Pascal VOC XML, which has boxes and no regions",
        ".xml",
        (r"<annotation\b", r"<(object|size|filename)>"),
        "outline what is in the boxes, or export masks (SegmentationClass)",
    ),
    _Unread("COCO panoptic JSON", ".json", (r'"segments_info"',), "convert it to COCO instances"),
    _Unread("VGG Image Annotator JSON", ".json", (r'"shape_attributes"',), _AS_MASKS),
    _Unread(
        "Label Studio's own JSON", ".json", (r'"(from_name|annotations)"', r'"(result|to_name)"'), _AS_MASKS
    ),
    _Unread("Datumaro JSON", ".json", (r'"(dm_format_version|media_type)"',), _AS_MASKS),
    _Unread("Labelbox JSON", ".json", (r'"data_row"',), _AS_MASKS),
    _Unread("Labelbox JSON", ".ndjson", (r'"data_row"',), _AS_MASKS),
)


def describe_unread(path: Path) -> str | None:
    """Say what data looks like that is of no format that is read, and what to do; None if it looks like nothing.

    Args:
        path: file or folder.
    """
    if path.is_file() and _is_archive(path):
        return "is an archive; unpack it and give the folder"
    files = list(islice(walk(path), _ENOUGH_FILES)) if path.is_dir() else [path]
    for file, known in islice(_known(files), 1):
        return f"contains {known.title} ({file.name}), which is not read; {known.remedy}"
    left_out = LeftOut()
    unread = [file for file in files if note_unread(file, left_out) and not _ARCHIVE.fullmatch(file.suffix)]
    if unread:
        found = "; ".join(describe_left_out(left_out.items()))
        return f"has no masks or annotations that are read, but {found}; save these as PNG or TIFF"
    archives = [file for file in files if _ARCHIVE.fullmatch(file.suffix)]
    if archives:
        return f"contains archives, such as {archives[0].name}; unpack them"
    if any(map(is_image_name, files)):
        return (
            "contains images but no masks or annotations that are read; put masks of the same names into masks/ next "
            "to images/, or the tool's export next to the images"
        )
    return None


def _is_archive(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(8).startswith(_ARCHIVES)
    except OSError:
        return False


def _known(files: list[Path]) -> Iterator[tuple[Path, _Unread]]:
    suffixes = {known.suffix for known in _UNREAD}
    for file in islice((file for file in files if file.suffix.lower() in suffixes), _ENOUGH_HEADS):
        for known in _UNREAD:
            if file.suffix.lower() == known.suffix and looks_like(file, *known.patterns):
                yield file, known
