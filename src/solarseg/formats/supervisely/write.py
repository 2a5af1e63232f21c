"""Supervisely: ``meta.json``, and ``dataset/img`` with ``dataset/ann``, regions as bitmaps."""

import base64
import io
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from solarseg.classes import ClassMap
from solarseg.errors import OutputError
from solarseg.files import write_json
from solarseg.formats.labels import Labelled, check_names
from solarseg.formats.regions import Region, copy_image, regions, without_ignored
from solarseg.formats.supervisely.read import FLAT, NESTED

__all__ = ["write"]


def write(items: Iterable[Labelled], classes: ClassMap, folder: Path, tolerance: float) -> None:
    """Write a Supervisely project, see `Writer`: a bitmap for each connected component, exact whatever the tolerance.

    Folders in names become datasets, and folders within them datasets within datasets. As every image must be in a
    dataset, names without folder get the dataset ``dataset``; a first folder that is called so gets ``_`` at its end,
    and so does one that has some there already. Our own reader undoes all that. A folder called ``datasets``, which is
    the format's own, cannot be kept.

    Raises:
        OutputError: a class is called like the background or a folder ``datasets``, or something could not be written.
    """
    check_names(classes)
    for item in without_ignored(items, "Supervisely"):
        *folders, leaf = item.name.split("/")
        dataset = folder / _dataset(folders, item.name)
        named = copy_image(item, dataset / "img", leaf)
        height, width = item.mask.shape
        annotation = {
            "description": "",
            "tags": [],
            "size": {"height": height, "width": width},
            "objects": [_object(region, classes) for region in regions(item.mask)],
        }
        write_json(dataset / "ann" / f"{named}.json", annotation)
    write_json(folder / "meta.json", {"classes": _classes(classes), "tags": [], "projectType": "images"})


def _dataset(folders: Sequence[str], name: str) -> str:
    if not folders:
        return FLAT
    if NESTED in folders:
        raise OutputError(f"{name}: Supervisely has folders called '{NESTED}' for itself; rename that folder")
    first, *others = folders
    return f"/{NESTED}/".join([f"{first}_" if first.rstrip("_") == FLAT else first, *others])


def _classes(classes: ClassMap) -> list[dict[str, Any]]:
    return [
        {
            "title": name,
            "shape": "bitmap",
            "color": "#{:02X}{:02X}{:02X}".format(*colour),
            "geometry_config": {},
        }
        for name, colour in list(zip(classes.names, classes.colours, strict=True))[1:]
    ]


def _object(region: Region, classes: ClassMap) -> dict[str, Any]:
    return {
        "description": "",
        "geometryType": "bitmap",
        "tags": [],
        "classTitle": classes.names[region.class_id],
        "bitmap": {"data": _pack(region), "origin": [region.x, region.y]},
    }


def _pack(region: Region) -> str:
    """A palette PNG whose background is transparent, which is what Supervisely's SDK writes."""
    picture = Image.fromarray(region.pixels.astype("uint8"))
    picture.putpalette([0, 0, 0, 255, 255, 255])
    content = io.BytesIO()
    picture.save(content, format="PNG", transparency=0, bits=1)
    return base64.b64encode(zlib.compress(content.getvalue())).decode("ascii")
