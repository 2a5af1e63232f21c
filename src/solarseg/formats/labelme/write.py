"""LabelMe: a JSON file next to a copy of each image, and ``labels.txt``."""

import base64
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.errors import OutputError
from solarseg.files import write_json, write_text
from solarseg.formats.labelme.read import IGNORE, LABELS
from solarseg.formats.labels import Labelled, check_names
from solarseg.formats.pixel_lines import pixel_line
from solarseg.formats.polygons import Ring
from solarseg.formats.regions import Region, copy_image, regions

__all__ = ["write"]

_VERSION = "5.2.0"  # the first that knows masks


def write(items: Iterable[Labelled], classes: ClassMap, folder: Path, tolerance: float) -> None:
    """Write LabelMe, see `Writer`: a shape for each connected component.

    With a tolerance of 0 shapes are masks, which LabelMe reads from version 5.2 on and cannot edit; else polygons,
    holes joined to the outline by bridges without width. Drawn by LabelMe, which takes the line for a part of the
    region, only pixels change that have a pixel beyond the border within the tolerance and a half. Ignored pixels
    get LabelMe's own label for them, ``__ignore__``. ``labels.txt`` names the classes in their order, as LabelMe's
    ``--labels`` and its converters want it.

    Raises:
        OutputError: a class has a name that would be read as something else, or something could not be written.
    """
    check_names(classes)
    write_text(folder / LABELS, "".join(f"{name}\n" for name in _lines(classes)))
    labels = dict(enumerate(classes.names)) | {IGNORE_INDEX: IGNORE}
    for item in items:
        named = copy_image(item, folder, item.name)
        height, width = item.mask.shape
        content = {
            "version": _VERSION,
            "flags": {},
            "shapes": [_shape(region, labels[region.class_id], tolerance) for region in regions(item.mask)],
            "imagePath": Path(named).name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        write_json(folder / f"{item.name}.json", content)


def _lines(classes: ClassMap) -> list[str]:
    for name in classes.names[1:]:
        if name == IGNORE or [name.strip()] != name.splitlines():
            raise OutputError(
                f"class '{name}': {LABELS} has no way to write this name; rename it in dataset.yaml"
            )
    return [IGNORE, "_background_", *classes.names[1:]]


def _shape(region: Region, label: str, tolerance: float) -> dict[str, Any]:
    kind, mask, points = _polygon(region, tolerance) if tolerance else _mask(region)
    return {
        "label": label,
        "points": points.tolist(),
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "mask": mask,
    }


def _mask(region: Region) -> tuple[str, str, Ring]:
    content = io.BytesIO()
    Image.fromarray(region.pixels).save(content, format="PNG")
    first = np.array([region.x, region.y], dtype=np.float64)
    corners = np.stack([first, first + region.pixels.shape[::-1] - 1])
    return "mask", base64.b64encode(content.getvalue()).decode("ascii"), corners


def _polygon(region: Region, tolerance: float) -> tuple[str, None, Ring]:
    # LabelMe counts from the corner of the image and draws between the pixels that points lie in.
    centres = np.array([region.x + 0.5, region.y + 0.5])
    return "polygon", None, pixel_line(region.pixels, tolerance) + centres
