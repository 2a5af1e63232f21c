"""Pascal VOC: ``JPEGImages/``, ``SegmentationClass/``, ``SegmentationObject/`` and ``labelmap.txt``."""

import io
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.errors import OutputError
from solarseg.files import write_bytes, write_text
from solarseg.formats.labels import Labelled, check_names
from solarseg.formats.regions import copy_image, regions
from solarseg.formats.voc.read import LABEL_MAP, VOID, VOID_LABELS, Colour, voc_colours

__all__ = ["write"]

logger = logging.getLogger(__name__)

_MAX_OBJECTS = 254


def write(items: Iterable[Labelled], classes: ClassMap, folder: Path, tolerance: float) -> None:
    """Write Pascal VOC, see `Writer`: exact whatever the tolerance, since it contains no polygons.

    Masks are palette images of class ids, 255 where pixels are to be ignored. Connected components are numbered in
    ``SegmentationObject``; where there are more than the 254 that it can hold, the image has none there.

    Raises:
        OutputError: a class has a name that ``labelmap.txt`` cannot hold, or something could not be written.
    """
    check_names(classes)
    colours = _distinct(classes.colours)
    text = _label_map(classes, colours)
    names: list[str] = []
    for item in items:
        copy_image(item, folder / "JPEGImages", item.name)
        _write_palette(folder / "SegmentationClass" / f"{item.name}.png", item.mask, colours)
        objects = _number(item.mask)
        if objects is None:
            logger.warning(
                "%s: more than %d regions; SegmentationObject is left out", item.name, _MAX_OBJECTS
            )
        else:
            _write_palette(
                folder / "SegmentationObject" / f"{item.name}.png", objects, voc_colours(IGNORE_INDEX)
            )
        names.append(item.name)
    write_text(folder / "ImageSets" / "Segmentation" / "default.txt", "".join(f"{name}\n" for name in names))
    write_text(folder / LABEL_MAP, text)


def _distinct(colours: Sequence[Colour]) -> list[Colour]:
    """The classes' colours, or VOC's if they do not distinguish classes, background and void."""
    used = [*colours, VOID]
    clear = len(set(used)) == len(used) and (0, 0, 0) not in used[1:]
    return list(colours) if clear else voc_colours(len(colours))


def _label_map(classes: ClassMap, colours: Sequence[Colour]) -> str:
    for name in classes.names:
        taken = name.lower() in VOID_LABELS  # they say that pixels are left out
        if taken or ":" in name or name.startswith("#") or name != " ".join(name.split()):
            raise OutputError(
                f"class '{name}': {LABEL_MAP} has no way to write this name; rename it in dataset.yaml"
            )
    labels = [*zip(classes.names, colours, strict=True), *([("ignored", VOID)] if classes.ignore else [])]
    lines = [f"{name}:{','.join(map(str, colour))}::" for name, colour in labels]
    return "\n".join(["# label:color_rgb:parts:actions", *lines]) + "\n"


def _number(mask: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Number the connected components from 1 on, class by class; None where there are too many."""
    objects = np.where(mask == IGNORE_INDEX, mask, 0)
    labelled = np.where(mask == IGNORE_INDEX, 0, mask)
    for number, region in enumerate(regions(labelled), 1):
        if number > _MAX_OBJECTS:
            return None
        height, width = region.pixels.shape
        objects[region.y : region.y + height, region.x : region.x + width][region.pixels] = number
    return objects


def _write_palette(path: Path, numbers: NDArray[np.uint8], colours: Sequence[Colour]) -> None:
    palette = [*colours, *[(0, 0, 0)] * (IGNORE_INDEX - len(colours)), VOID]
    picture = Image.fromarray(numbers)
    picture.putpalette([level for colour in palette for level in colour])
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    write_bytes(path, encoded.getbuffer())
