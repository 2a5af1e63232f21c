"""Defects in pixels of the photographs, as GeoJSON and as COCO."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.formats.polygons import area as ring_area
from solarseg.formats.polygons import bridge
from solarseg.inspection.defect_outlines import DefectOutline
from solarseg.inspection.layout import InspectionPaths
from solarseg.inspection.record import ModuleRecord
from solarseg.inspection.streams import JsonItems, open_json
from solarseg.measurement.class_names import DEFECTS
from solarseg.modules import InspectedCell, InspectedModule

__all__ = ["Annotations", "open_annotations"]

_CELLS = {"dark": "dark_cell", "dim": "dim_cell"}
_DIGITS = 2  # of a coordinate: a hundredth of a pixel
_NOTE = (
    "x and y in pixels of the photograph, turned upright; (0, 0) is its upper left corner, and y points down"
)


class Annotations:
    """The open files of all defects; see `open_annotations`.

    Args:
        features: of GeoJSON.
        annotations: of COCO.
        classes: of the model.
    """

    def __init__(self, features: JsonItems, annotations: JsonItems, classes: ClassMap) -> None:
        self._features, self._annotations, self._classes = features, annotations, classes
        self.images: list[dict[str, Any]] = []
        names = [*(name for name in classes.names if name in DEFECTS), *_CELLS.values()]
        self.categories = [{"id": i, "name": name, "supercategory": ""} for i, name in enumerate(names, 1)]
        self._ids = {name: i for i, name in enumerate(names, 1)}

    def add(self, record: ModuleRecord) -> None:
        """Write the defects of a module."""
        module, image = record.module, self._image(record.module)
        outlines = defaultdict(list)
        for outline in record.outlines():
            outlines[outline.cell.name].append(outline)
        for cell in module.cells:
            if cell.finding in _CELLS:
                self._add_cell(module, cell, image)
            for defect in outlines[cell.name]:
                self._add_defect(module, defect, image)

    def _image(self, module: InspectedModule) -> int:
        """Return the id of the photograph; modules of one photograph follow each other."""
        if not self.images or self.images[-1]["file_name"] != module.image:
            width, height = module.placement.size
            number = len(self.images) + 1
            self.images.append({"id": number, "file_name": module.image, "width": width, "height": height})
        return len(self.images)

    def _add_cell(self, module: InspectedModule, cell: InspectedCell, image: int) -> None:
        corners = (
            np.array(cell.corners) + 0.5
        )  # from the centre of the first pixel to the corner of the photograph
        properties = _properties(module, cell, _CELLS[str(cell.finding)]) | {"light": round(cell.light, 4)}
        self._write([corners], corners, ring_area(corners), properties, image)

    def _add_defect(self, module: InspectedModule, defect: DefectOutline, image: int) -> None:
        region = defect.region
        properties = _properties(module, defect.cell, region.class_name) | {
            "share": round(region.share, 6),
            "length": round(defect.cell.measurement.in_sides(region.length), 4),
            "length_mm": None if region.length_mm is None else round(region.length_mm, 2),
            "crack_mode": region.crack_mode,
        }
        rings = list(defect.outline.rings)
        self._write(rings, bridge(defect.outline), defect.area, properties, image)

    def _write(
        self,
        rings: list[NDArray[np.float64]],
        ring: NDArray[np.float64],
        area: float,
        properties: dict[str, Any],
        image: int,
    ) -> None:
        closed = [_round(np.concatenate([each, each[:1]])) for each in rings]
        self._features.add(
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": closed},
                "properties": properties | {"area": round(area, 2)},
            }
        )
        (left, top), (right, bottom) = rings[0].min(axis=0), rings[0].max(axis=0)
        self._annotations.add(
            {
                "id": len(self._annotations) + 1,
                "image_id": image,
                "category_id": self._ids[properties["class"]],
                "segmentation": [np.round(ring, _DIGITS).ravel().tolist()],
                "area": round(area, 2),
                "bbox": _round(np.array([left, top, right - left, bottom - top])),
                "iscrowd": 0,
                "attributes": {key: properties[key] for key in ("module", "cell")},
            }
        )


@contextmanager
def open_annotations(paths: InspectionPaths, classes: ClassMap) -> Iterator[Annotations]:
    """Open both files, which appear when the block ends without an exception.

    Raises:
        OutputError: a file could not be written.
    """
    after: dict[str, Any] = {}
    about = {"description": f"Defects found by solarseg; {_NOTE}"}
    with (
        open_json(paths.regions, {"type": "FeatureCollection", **about}, "features", {}) as features,
        open_json(paths.annotations, {"info": about, "licenses": []}, "annotations", after) as annotations,
    ):
        opened = Annotations(features, annotations, classes)
        yield opened
        after |= {"images": opened.images, "categories": opened.categories}


def _properties(module: InspectedModule, cell: InspectedCell, name: str) -> dict[str, Any]:
    return {
        "class": name,
        "image": module.image,
        "module": module.name,
        "cell": cell.name,
        "row": cell.row,
        "column": cell.column,
    }


def _round(values: NDArray[np.float64]) -> Any:
    return np.round(values, _DIGITS).tolist()
