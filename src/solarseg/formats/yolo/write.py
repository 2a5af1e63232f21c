"""YOLO's polygons: ``data.yaml``, ``images/`` and a text file for each image in ``labels/``."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import yaml

from solarseg.classes import ClassMap
from solarseg.files import write_text
from solarseg.formats.labels import Labelled, check_names
from solarseg.formats.pixel_lines import pixel_line
from solarseg.formats.regions import Region, copy_image, regions, without_ignored
from solarseg.formats.yolo.read import label_file

__all__ = ["write"]

_SPLITS = ("train", "val", "test")


def write(items: Iterable[Labelled], classes: ClassMap, folder: Path, tolerance: float) -> None:
    """Write YOLO, see `Writer`: a polygon for each connected component, drawn by Ultralytics from pixel to pixel.

    Holes are joined to the outline by bridges without width. Read again with a tolerance of 0 no pixel differs; else
    only such as are within ``tolerance + 0.5`` of a pixel beyond their region's border, from centre to centre. Ignored
    pixels become background. Numbers of classes are one less than class ids, as YOLO knows no background.

    Raises:
        OutputError: a class is called like the background, or something could not be written.
    """
    check_names(classes)
    names: list[str] = []
    for item in without_ignored(items, "YOLO"):
        image = Path(copy_image(item, folder, f"images/{item.name}"))
        lines = [_line(region, item.mask.shape, tolerance) for region in regions(item.mask)]
        write_text(folder / label_file(image), "".join(lines))
        names.append(item.name)
    data = _splits(names) | {"names": dict(enumerate(classes.names[1:]))}
    write_text(folder / "data.yaml", yaml.safe_dump(data, sort_keys=False, allow_unicode=True))


def _line(region: Region, size: tuple[int, ...], tolerance: float) -> str:
    # The centre of a pixel: truncated after multiplying by the size, it is that pixel again.
    centres = pixel_line(region.pixels, tolerance) + np.array([region.x, region.y]) + 0.5
    turned = (np.diff(centres, axis=0) != 0).all(axis=1).any()
    if len(centres) == 4 and turned:  # may be taken for an oriented box: the outline ends where it starts
        centres = np.concatenate([centres, centres[:1]])
    shares = (centres / np.array(size[::-1])).ravel().tolist()
    return " ".join([str(region.class_id - 1), *(f"{share:.7g}" for share in shares)]) + "\n"


def _splits(names: Sequence[str]) -> dict[str, str]:
    """Where the images of each split are: in folders of its name, or all in one place, as Ultralytics wants some."""
    firsts = {name.partition("/")[0] if "/" in name else "" for name in names}
    if {"train", "val"} <= firsts <= set(_SPLITS):
        return {split: f"images/{split}" for split in _SPLITS if split in firsts}
    return {"train": "images", "val": "images"}
