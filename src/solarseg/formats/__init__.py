"""Formats of other tools: one package each, ``read.py`` and where it is also written ``write.py``.

`convert` turns any format that is read into a dataset folder, `export` turns a dataset folder into any format that is
written.
"""

from collections.abc import Mapping
from pathlib import Path

from solarseg.errors import ArgumentError, DatasetError
from solarseg.formats.annotations import refuse_damaged_json
from solarseg.formats.sidecar import apply_sidecar_files
from solarseg.formats.source import Reader, ReadOptions, Source
from solarseg.formats.unread import describe_unread
from solarseg.registry import lookup

__all__ = ["READERS", "WRITERS", "ReadOptions", "Source", "open_source"]

# Each entry is a `solarseg.formats.source.Reader`.
READERS: Mapping[str, str] = {
    "coco": "solarseg.formats.coco.read:READER",
    "colour-masks": "solarseg.formats.colour_masks.read:READER",
    "folders": "solarseg.formats.folders.read:READER",
    "geotiff": "solarseg.formats.geotiff.read:READER",
    "glosofarid": "solarseg.formats.glosofarid.read:READER",
    "labelme": "solarseg.formats.labelme.read:READER",
    "supervisely": "solarseg.formats.supervisely.read:READER",
    "voc": "solarseg.formats.voc.read:READER",
    "yolo": "solarseg.formats.yolo.read:READER",
}

# Each entry is a `solarseg.formats.labels.Writer`.
WRITERS: Mapping[str, str] = {
    "coco": "solarseg.formats.coco.write:write",
    "labelme": "solarseg.formats.labelme.write:write",
    "supervisely": "solarseg.formats.supervisely.write:write",
    "voc": "solarseg.formats.voc.write:write",
    "yolo": "solarseg.formats.yolo.write:write",
}


def open_source(
    path: Path | str, format_name: str | None = None, options: ReadOptions | None = None
) -> Source:
    """Open data in any format that is read, with what ``dataset.yaml`` and ``groups.csv`` next to it say.

    Args:
        path: file or folder.
        format_name: one of `READERS`; by default the one that the data looks like.
        options: options of the reader.

    Raises:
        ArgumentError: no such path or format, or an option that the format does not take.
        DatasetError: the data looks like no format, like several, or is not what it should be.
    """
    path, options = Path(path), options or ReadOptions()
    if not path.exists():
        raise ArgumentError(f"{path}: no such file or folder; check the path")
    name = format_name or _detect(path)
    reader: Reader = lookup("format_name", READERS, name)
    for option in options.changed():
        if option not in reader.options:
            raise ArgumentError(
                f"`{option}`: has no effect on the format {name}; leave it out, or give another `format_name`"
            )
    return apply_sidecar_files(reader.open(path, options))


def _detect(path: Path) -> str:
    found = [name for name in READERS if lookup("format_name", READERS, name).detect(path)]
    if len(found) == 1:
        return found[0]
    if not found:
        refuse_damaged_json(path)
        unread = describe_unread(path)
        if unread is not None:
            raise DatasetError(f"{path}: {unread}")
    what = f"looks like {' and '.join(found)}" if found else "looks like no known format"
    raise DatasetError(f"{path}: {what}; give `format_name`: {', '.join(READERS)}")
