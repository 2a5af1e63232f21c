"""A cell measured from its mask."""

import math
from dataclasses import dataclass
from itertools import chain

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.errors import ArgumentError
from solarseg.measurement.bridges import bridged
from solarseg.measurement.cracks import BrightnessRatios, crack_mode
from solarseg.measurement.records import CellMeasurement, RegionMeasurement
from solarseg.measurement.regions import Component, components, orientation, smallest_rectangle
from solarseg.measurement.skeleton import Skeleton

__all__ = ["check_cell_size", "is_measurable", "measure_cell", "severity"]

CRACK, INACTIVE_AREA, FINGER_INTERRUPTION = "crack", "inactive_area", "finger_interruption"
_DEFECTS = (CRACK, INACTIVE_AREA, FINGER_INTERRUPTION)
_CELL, _BUSBAR = "cell", "busbar"
_PIXELS = 256  # a side of the cell, of which distances are pixels; in smaller images they are as many
_NEAR = 3  # such pixels from a crack to the busbar that hides where it goes on
_PART = 0.1  # of the cell: what is apart from it and smaller is a stray find
_STRAIGHT = (
    1 / 16
)  # of the cell's side: run along rows or columns from which on a busbar tells which way fingers run


def is_measurable(classes: ClassMap) -> bool:
    """Whether any class is one that `measure_cell` knows: crack, inactive_area or finger_interruption."""
    return any(name in classes.names for name in _DEFECTS)


def severity(inactive_share: float, crack_length: float, interruption_length: float) -> float:
    """Say in one number how bad a cell is.

    Silicon that gives no light gives no current, so its share counts as it is. A crack counts by its length, since it
    may cut off silicon later, and an interrupted finger least, for the current finds other ways.

    Args:
        inactive_share: of the cell's area, 0 to 1.
        crack_length: of all cracks, longer sides of the cell.
        interruption_length: of all finger interruptions, likewise.

    Returns:
        ``inactive_share + 0.1 * crack_length + 0.01 * interruption_length``, 0 or more.

    Examples:
        >>> round(severity(0.02, 0.5, 1.0), 3)
        0.08
    """
    return inactive_share + 0.1 * crack_length + 0.01 * interruption_length


def check_cell_size(cell_mm: float | None) -> None:
    """Refuse cells of no size.

    Raises:
        ArgumentError: ``cell_mm`` is not above 0, or without end.
    """
    if cell_mm is not None and not 0 < cell_mm < math.inf:
        raise ArgumentError(f"--cell-mm {cell_mm}: must be above 0 and finite; 156 and 182 are usual")


def measure_cell(
    mask: NDArray[np.uint8],
    classes: ClassMap,
    image: NDArray[np.generic] | None = None,
    cell_mm: float | None = None,
) -> CellMeasurement:
    """Measure a cell.

    Args:
        mask: ``(H, W) uint8`` class ids; 255 = ignored, which is no part of the cell.
        classes: whose names say which are ``crack``, ``inactive_area`` and ``finger_interruption``. The cell is
            everything but background where a class other than the first is called ``cell``, less what is apart from
            it and smaller than a tenth of it, which is not measured; else it is the whole image.
        image: ``(H, W)`` or ``(H, W, C)`` EL intensity, for crack modes.
        cell_mm: longer side of the cell, mm, for lengths in mm.

    Raises:
        ArgumentError: ``cell_mm`` is not above 0, the mask has no pixel, or image and mask differ in size.

    Examples:
        >>> mask = np.ones((100, 100), np.uint8)
        >>> mask[:, 40:50] = 2
        >>> measured = measure_cell(mask, ClassMap(("background", "cell", "inactive_area")))
        >>> measured.inactive_share, measured.severity
        (0.1, 0.1)
    """
    check_cell_size(cell_mm)
    if mask.ndim != 2 or not mask.size:
        raise ArgumentError(f"mask: shape {mask.shape}; give class ids (H, W) of one pixel at least")
    known = mask != IGNORE_INDEX
    inside = _without_stray(known & (mask > 0)) if _CELL in classes.names[1:] else known
    mask = np.where(inside | (mask == 0), mask, np.uint8(IGNORE_INDEX))
    area, side = int(inside.sum()), _side(inside)
    scale = None if cell_mm is None else cell_mm / side
    step = max(1.0, side / _PIXELS)
    ratios = None if image is None else _ratios(mask, classes, image, step)
    cell = _Cell(area, scale, _across_busbars(mask, classes, side), ratios)
    found = {name: _regions(mask, classes, name, cell) for name in _DEFECTS}
    cracks, interruptions = found[CRACK], found[FINGER_INTERRUPTION]
    inactive_area = sum(region.area for region in found[INACTIVE_AREA])
    inactive_share = inactive_area / max(area, 1)
    lengths = _whole_cracks(mask, classes, step)
    crack_length = sum(lengths, 0.0)
    interruption_length = sum((region.length for region in interruptions), 0.0)
    return CellMeasurement(
        severity=severity(inactive_share, crack_length / side, interruption_length / side),
        cell_area=area,
        cell_side=side,
        inactive_area=inactive_area,
        inactive_share=inactive_share,
        crack_length=crack_length,
        crack_length_mm=None if scale is None else crack_length * scale,
        cracks=len(lengths),
        crack_branches=sum(one.branches or 0 for one in cracks),
        crack_width=sum(one.area for one in cracks) / max(sum(one.length for one in cracks), 1.0),
        worst_crack_mode=max((one.crack_mode for one in cracks if one.crack_mode), default=None),
        finger_interruptions=len(interruptions),
        interruption_length=interruption_length,
        interruption_length_mm=None if scale is None else interruption_length * scale,
        regions=tuple(chain.from_iterable(found.values())),
    )


@dataclass(frozen=True)
class _Cell:
    """What its regions are measured by: pixels, mm a pixel, the axis of its fingers, brightness behind cracks."""

    area: int
    scale: float | None
    fingers: int | None
    ratios: BrightnessRatios | None


def _without_stray(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What is no smaller than a part of the largest component."""
    _, numbers, boxes, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8))
    areas = boxes[:, cv2.CC_STAT_AREA]
    kept = areas >= _PART * areas[1:].max(initial=0)
    kept[0] = False
    return np.asarray(kept[numbers])


def _side(inside: NDArray[np.bool_]) -> float:
    """Longer side of the cell, pixels: of the smallest rectangle around it, at any angle."""
    return max(smallest_rectangle(inside) if inside.any() else (float(max(inside.shape)),))


def _whole_cracks(mask: NDArray[np.uint8], classes: ClassMap, step: float) -> list[float]:
    """Length of each crack, pixels, with what busbars hide of it."""
    numbers = {name: class_id for class_id, name in enumerate(classes.names)}
    crack, busbar = (mask == numbers.get(name, -1) for name in (CRACK, _BUSBAR))
    whole = bridged(crack, busbar, near=round(_NEAR * step))
    return [Skeleton.of(one.pixels).length for one in components(whole)]


def _across_busbars(mask: NDArray[np.uint8], classes: ClassMap, side: float) -> int | None:
    """The axis of the mask along which fingers run: 0 for columns, 1 for rows; None where no busbar tells."""
    if _BUSBAR not in classes.names:
        return None
    busbar = (mask == classes.names.index(_BUSBAR)).astype(np.uint8)
    straight = max(2, round(side * _STRAIGHT))
    along_rows, along_columns = (
        int(cv2.morphologyEx(busbar, cv2.MORPH_OPEN, np.ones(shape, np.uint8)).sum())
        for shape in ((1, straight), (straight, 1))
    )
    if along_rows > 2 * along_columns:
        return 0
    return 1 if along_columns > 2 * along_rows else None


def _regions(mask: NDArray[np.uint8], classes: ClassMap, name: str, cell: _Cell) -> list[RegionMeasurement]:
    if name not in classes.names:
        return []
    return [_region(one, name, cell) for one in components(mask == classes.names.index(name))]


def _ratios(
    mask: NDArray[np.uint8], classes: ClassMap, image: NDArray[np.generic], step: float
) -> BrightnessRatios:
    if image.shape[:2] != mask.shape:
        raise ArgumentError(
            f"image: {image.shape[1]} x {image.shape[0]} pixels, its mask {mask.shape[1]} x {mask.shape[0]}; "
            "give the mask's own image"
        )
    grey = image.astype(np.float32).reshape(*mask.shape, -1).mean(axis=-1)
    numbers = {name: class_id for class_id, name in enumerate(classes.names)}
    sound, inactive = mask == numbers.get(_CELL, 0), mask == numbers.get(INACTIVE_AREA, -1)
    return BrightnessRatios(grey, sound, inactive, step)


def _region(one: Component, name: str, cell: _Cell) -> RegionMeasurement:
    area = one.area
    skeleton = Skeleton.of(one.pixels) if name == CRACK else None
    ratio = cell.ratios.of(one) if cell.ratios is not None and name == CRACK else None
    if name == FINGER_INTERRUPTION and cell.fingers is not None:
        length = float(one.pixels.shape[cell.fingers])
    else:
        length = one.extent if skeleton is None else skeleton.length
    (centre_x, centre_y), (height, width) = one.centre, one.pixels.shape
    return RegionMeasurement(
        class_name=name,
        area=area,
        share=area / max(cell.area, 1),
        left=one.left,
        top=one.top,
        width=width,
        height=height,
        centre_x=centre_x,
        centre_y=centre_y,
        orientation=orientation(one.pixels),
        length=length,
        mean_width=area / length,
        branches=None if skeleton is None else skeleton.branches,
        crack_mode=None if ratio is None else crack_mode(ratio),
        brightness_ratio=ratio,
        length_mm=None if cell.scale is None else length * cell.scale,
    )
