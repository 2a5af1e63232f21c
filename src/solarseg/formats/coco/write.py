"""COCO: ``annotations/instances_default.json`` and ``images/``, as CVAT writes it and reads it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from solarseg.classes import ClassMap
from solarseg.extras import require
from solarseg.files import write_json
from solarseg.formats.labels import Labelled, check_names
from solarseg.formats.polygons import area, bridge, outlines
from solarseg.formats.regions import Region, copy_image, regions, without_ignored

__all__ = ["write"]


def write(items: Iterable[Labelled], classes: ClassMap, folder: Path, tolerance: float) -> None:
    """Write COCO, see `Writer`: an annotation for each connected component.

    With a tolerance of 0 it contains run lengths, which CVAT reads as masks; else polygons, which Label Studio needs
    and people can edit. Holes, which COCO's polygons cannot have, are joined to the outline by bridges without width.

    Raises:
        MissingExtraError: pycocotools or rasterio is not installed.
        OutputError: a class is called like the background, or something could not be written.
    """
    check_names(classes)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for item in without_ignored(items, "COCO"):
        file_name = copy_image(item, folder / "images", item.name)
        height, width = item.mask.shape
        image_id = len(images) + 1
        images.append({"id": image_id, "file_name": file_name, "width": width, "height": height})
        for region in regions(item.mask):
            shape = _polygons(region, tolerance) if tolerance else _runs(region, height, width)
            annotations.append({"id": len(annotations) + 1, "image_id": image_id} | shape)
    categories = [{"id": i, "name": name, "supercategory": ""} for i, name in enumerate(classes.names) if i]
    content = {"info": {}, "licenses": [], "images": images, "annotations": annotations}
    write_json(folder / "annotations" / "instances_default.json", content | {"categories": categories})


def _annotation(region: Region, segmentation: Any, pixels: float) -> dict[str, Any]:
    height, width = region.pixels.shape
    return {
        "category_id": region.class_id,
        "segmentation": segmentation,
        "area": pixels,
        "bbox": [region.x, region.y, width, height],
        "iscrowd": 0,
        "score": 1.0,  # Label Studio's importer cannot do without
    }


def _runs(region: Region, height: int, width: int) -> dict[str, Any]:
    columns, rows = np.nonzero(region.pixels.T)
    places = (columns + region.x) * height + rows + region.y  # down the columns
    ends = np.flatnonzero(np.diff(places, append=places[-1] + 2) > 1)
    starts = np.concatenate([[0], ends[:-1] + 1])
    bounds = np.stack([places[starts], places[ends] + 1], axis=1).ravel()
    counts = np.diff(bounds, prepend=0, append=height * width).tolist()
    masks = require("pycocotools.mask", "data")
    packed = masks.frPyObjects({"counts": counts, "size": [height, width]}, height, width)
    text = packed["counts"].decode("ascii")
    return _annotation(region, {"counts": text, "size": [height, width]}, len(places))


def _polygons(region: Region, tolerance: float) -> dict[str, Any]:
    rings = [bridge(polygon) for polygon in outlines(region.pixels, tolerance)]
    moved = [ring + np.array([region.x, region.y]) for ring in rings]
    return _annotation(region, [ring.ravel().tolist() for ring in moved], sum(map(area, rings)))
