"""Datasets: one file for each format read, all yielding `Sample`."""

from collections.abc import Mapping
from pathlib import Path

from solarseg.datasets.annotations import refuse_damaged_json
from solarseg.datasets.beside import with_what_stands_beside
from solarseg.datasets.folder import FolderDataset, open_dataset
from solarseg.datasets.sample import Sample
from solarseg.datasets.source import Reader, ReadOptions, Source
from solarseg.errors import ArgumentError, DatasetError
from solarseg.registry import lookup

__all__ = ["READERS", "FolderDataset", "ReadOptions", "Sample", "open_dataset", "open_source"]

READERS: Mapping[str, str] = {
    "coco": "solarseg.datasets.coco:READER",
    "colour-masks": "solarseg.datasets.colour_masks:READER",
    "folders": "solarseg.datasets.folders:READER",
    "geotiff": "solarseg.datasets.geotiff:READER",
    "glosofarid": "solarseg.datasets.glosofarid:READER",
    "labelme": "solarseg.datasets.labelme:READER",
    "supervisely": "solarseg.datasets.supervisely:READER",
    "voc": "solarseg.datasets.voc:READER",
    "yolo": "solarseg.datasets.yolo:READER",
}


def open_source(
    path: Path | str, format_name: str | None = None, options: ReadOptions | None = None
) -> Source:
    """Open data in any format that is read, with what ``dataset.yaml`` and ``groups.csv`` beside it say.

    Args:
        path: file or folder.
        format_name: one of `READERS`; by default the one that the data looks like.
        options: what the reader is told.

    Raises:
        ArgumentError: no such path or format, or an option that the format does not take.
        DatasetError: the data looks like no format, like several, or is not what it should be.
    """
    path, options = Path(path), options or ReadOptions()
    if not path.exists():
        raise ArgumentError(f"{path}: no such file or folder; check the path")
    name = format_name or _detect(path)
    reader: Reader = lookup("format", READERS, name)
    for option in options.changed():
        if option not in reader.options:
            raise ArgumentError(
                f"--{option.replace('_', '-')}: the format {name} has no use for it; leave it out, or give another "
                "--format"
            )
    return with_what_stands_beside(reader.open(path, options))


def _detect(path: Path) -> str:
    found = [name for name in READERS if lookup("format", READERS, name).detect(path)]
    if len(found) == 1:
        return found[0]
    if not found:
        refuse_damaged_json(path)
    what = f"looks like {' and '.join(found)}" if found else "looks like no known format"
    raise DatasetError(f"{path}: {what}; say which it is with --format: {', '.join(READERS)}")
