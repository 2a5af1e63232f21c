"""Outlines of the defects of a cell, in pixels of the photograph."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.formats.polygons import Polygon
from solarseg.measurement import RegionMeasurement
from solarseg.measurement.regions import find_components
from solarseg.modules import InspectedCell, ModulePlacement, cells_to_pixels
from solarseg.modules.cells import to_true_shape

__all__ = ["DefectOutline", "find_defects", "to_photograph", "trace"]

_FINER = 3  # the outline is traced at this scale, a sixth of a pixel inside of the border
_TOLERANCE = 0.25  # pixels of the cell: points closer to the line between others are left out


@dataclass(frozen=True)
class DefectOutline:
    """A defect of a cell.

    Attributes:
        cell: the cell.
        region: its measurement.
        outline: x and y of its outline and its holes, pixels of the photograph; (0, 0) is the corner of the photograph.
        area: pixels of the photograph.
    """

    cell: InspectedCell
    region: RegionMeasurement
    outline: Polygon
    area: float


def find_defects(
    cell: InspectedCell, mask: NDArray[np.uint8], placement: ModulePlacement, classes: ClassMap
) -> Iterator[DefectOutline]:
    """Yield the defects of a cell with their outlines."""
    mask = to_true_shape(mask, placement)  # as it was measured
    size = (mask.shape[1], mask.shape[0])
    scale = _pixels_of(cell, placement, size) / mask.size
    for name in dict.fromkeys(region.class_name for region in cell.measurement.regions):
        shapes = {
            (one.left, one.top, one.pixels.shape[1], one.pixels.shape[0], one.area): one.pixels
            for one in find_components(mask == classes.names.index(name))
        }
        for region in cell.measurement.regions:
            key = (region.left, region.top, region.width, region.height, region.area)
            if region.class_name == name and key in shapes:
                rings = trace(shapes[key])
                corner = np.array([region.left, region.top])
                moved = [to_photograph(ring + corner, cell, placement, size) for ring in rings]
                yield DefectOutline(cell, region, Polygon(moved[0], tuple(moved[1:])), region.area * scale)


def to_photograph(
    points: NDArray[np.float64], cell: InspectedCell, placement: ModulePlacement, size: tuple[int, int]
) -> NDArray[np.float64]:
    """Convert points of a cell to points of the photograph; both count from the corner of the image."""
    return cells_to_pixels(placement, cell.row, cell.column, points - 0.5, size) + 0.5


def trace(pixels: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return the outline of a region and its holes; coordinates count from the corner of the array.

    Args:
        pixels: ``(H, W) bool``, 8-connected.

    Examples:
        >>> trace(np.ones((2, 3), bool))[0].round(2).tolist()
        [[0.17, 0.17], [0.17, 1.83], [2.83, 1.83], [2.83, 0.17]]
    """
    fine = pixels.astype(np.uint8).repeat(_FINER, axis=0).repeat(_FINER, axis=1)
    contours, tree = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outer_first = sorted(zip(contours, tree[0], strict=True), key=lambda found: found[1][3] >= 0)
    simple = [cv2.approxPolyDP(contour, _TOLERANCE * _FINER, True)[:, 0] for contour, _ in outer_first]
    kept = [simple[0], *(ring for ring in simple[1:] if len(ring) > 2)]
    return [(ring + 0.5) / _FINER for ring in kept]


def _pixels_of(cell: InspectedCell, placement: ModulePlacement, size: tuple[int, int]) -> float:
    """Return the area that the image of a cell covers in the photograph, pixels."""
    whole = np.array([(0, 0), (size[0], 0), size, (0, size[1])], np.float64)
    return abs(float(cv2.contourArea(to_photograph(whole, cell, placement, size).astype(np.float32))))
