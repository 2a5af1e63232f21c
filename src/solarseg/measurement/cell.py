"""Measure a cell from its mask."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.errors import ArgumentError
from solarseg.measurement.bridges import join_across_busbars
from solarseg.measurement.class_names import BUSBAR, CELL, CRACK, DEFECTS, FINGER_INTERRUPTION, INACTIVE_AREA
from solarseg.measurement.cracks import BrightnessRatios, crack_mode
from solarseg.measurement.records import CellMeasurement, RegionMeasurement
from solarseg.measurement.regions import Component, find_components, smallest_rectangle
from solarseg.measurement.skeleton import Skeleton

__all__ = ["check_cell_size", "is_measurable", "measure_cell", "severity"]

_REFERENCE_SIDE = 256  # pixels: distances are given for a cell of this side and scaled up for larger cells
_MAX_GAP = 3  # pixels at the reference side, from the end of a crack to the busbar that hides the rest
_MIN_PART = 0.1  # of the cell: smaller components apart from it are false detections
_MIN_STRAIGHT = (
    1 / 16
)  # of the cell's side: length of a straight run of busbar pixels that gives its direction


def is_measurable(classes: ClassMap) -> bool:
    """Return whether `measure_cell` can measure a class: crack, inactive_area or finger_interruption."""
    return any(name in classes.names for name in DEFECTS)


def severity(inactive_share: float, crack_length: float, interruption_length: float) -> float:
    """Combine the defects of a cell into one number.

    Inactive silicon gives no current, so its share has a weight of 1. A crack has a weight of 0.1 for its length, since
    it may isolate silicon later. A finger interruption has a weight of 0.01, since the current takes other paths.

    Args:
        inactive_share: share of the cell's area that is inactive, 0 to 1.
        crack_length: total length of all cracks, in units of the longer side of the cell.
        interruption_length: total length of all finger interruptions, in units of the longer side of the cell.

    Returns:
        ``inactive_share + 0.1 * crack_length + 0.01 * interruption_length``, 0 or more.

    Examples:
        >>> round(severity(0.02, 0.5, 1.0), 3)
        0.08
    """
    return inactive_share + 0.1 * crack_length + 0.01 * interruption_length


def check_cell_size(cell_mm: float | None) -> None:
    """Raise `ArgumentError` if the size of cells is not above 0 and finite."""
    if cell_mm is not None and not 0 < cell_mm < math.inf:
        raise ArgumentError(f"`cell_mm={cell_mm}`: must be above 0 and finite; common sizes are 156 and 182")


def measure_cell(
    mask: NDArray[np.uint8],
    classes: ClassMap,
    image: NDArray[np.generic] | None = None,
    cell_mm: float | None = None,
) -> CellMeasurement:
    """Measure the defects of a cell.

    If a class other than the first is called ``cell``, the cell is everything except background. Components that are
    apart from the rest and smaller than a tenth of it are left out. Otherwise the cell is the whole image.

    Args:
        mask: ``(H, W) uint8`` class ids; 255 = ignored, not part of the cell.
        classes: class names; ``crack``, ``inactive_area`` and ``finger_interruption`` are measured.
        image: ``(H, W)`` or ``(H, W, C)`` EL intensity, required for crack modes.
        cell_mm: longer side of the cell, mm, required for lengths in mm.

    Raises:
        ArgumentError: ``cell_mm`` is not above 0, the mask is empty, or image and mask differ in size.

    Examples:
        >>> mask = np.ones((100, 100), np.uint8)
        >>> mask[:, 40:50] = 2
        >>> measured = measure_cell(mask, ClassMap(("background", "cell", "inactive_area")))
        >>> measured.inactive_share, measured.severity
        (0.1, 0.1)
    """
    check_cell_size(cell_mm)
    if mask.ndim != 2 or not mask.size:
        raise ArgumentError(f"`mask`: has shape {mask.shape}; give class ids (H, W) with at least one pixel")
    known = mask != IGNORE_INDEX
    inside = _without_small_parts(known & (mask > 0)) if CELL in classes.names[1:] else known
    mask = np.where(inside | (mask == 0), mask, np.uint8(IGNORE_INDEX))
    area, side = int(inside.sum()), _longer_side(inside)
    scale = None if cell_mm is None else cell_mm / side
    step = max(1.0, side / _REFERENCE_SIDE)
    ratios = None if image is None else _brightness_ratios(mask, classes, image, step)
    cell = _Cell(area, scale, _finger_axis(mask, classes, side), ratios)
    regions = {name: _measure_regions(mask, classes, name, cell) for name in DEFECTS}
    cracks, interruptions = regions[CRACK], regions[FINGER_INTERRUPTION]
    inactive_area = sum(region.area for region in regions[INACTIVE_AREA])
    inactive_share = inactive_area / max(area, 1)
    joined_lengths = _joined_crack_lengths(mask, classes, step, cracks)
    crack_length = sum(joined_lengths, 0.0)
    interruption_length = sum((region.length for region in interruptions), 0.0)
    return CellMeasurement(
        severity=severity(inactive_share, crack_length / side, interruption_length / side),
        cell_area=area,
        cell_side=side,
        inactive_area=inactive_area,
        inactive_share=inactive_share,
        crack_length=crack_length,
        crack_length_mm=None if scale is None else crack_length * scale,
        cracks=len(joined_lengths),
        crack_branches=sum(crack.branches or 0 for crack in cracks),
        crack_width=sum(crack.area for crack in cracks) / max(sum(crack.length for crack in cracks), 1.0),
        worst_crack_mode=max((crack.crack_mode for crack in cracks if crack.crack_mode), default=None),
        finger_interruptions=len(interruptions),
        interruption_length=interruption_length,
        interruption_length_mm=None if scale is None else interruption_length * scale,
        regions=tuple(chain.from_iterable(regions.values())),
    )


@dataclass(frozen=True)
class _Cell:
    """What the measurement of a region needs to know of its cell.

    Attributes:
        area: pixels.
        scale: mm per pixel, if known.
        finger_axis: axis of the mask along which fingers run, if known.
        ratios: brightness behind cracks, if there is an image.
    """

    area: int
    scale: float | None
    finger_axis: int | None
    ratios: BrightnessRatios | None


def _without_small_parts(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Remove components smaller than a tenth of the largest one."""
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8))
    areas = boxes[:, cv2.CC_STAT_AREA]
    kept = areas >= _MIN_PART * areas[1:].max(initial=0)
    kept[0] = False
    return np.asarray(kept[labels])


def _longer_side(inside: NDArray[np.bool_]) -> float:
    """Return the longer side, pixels, of the smallest rectangle at any angle around the cell."""
    return max(smallest_rectangle(inside) if inside.any() else (float(max(inside.shape)),))


def _joined_crack_lengths(
    mask: NDArray[np.uint8], classes: ClassMap, step: float, cracks: Sequence[RegionMeasurement]
) -> list[float]:
    """Return the length of each crack, pixels, including the parts that busbars hide.

    Args:
        mask: ``(H, W) uint8`` class ids.
        classes: of the class ids.
        step: pixels of the mask per pixel of a cell with a side of 256, at least 1.
        cracks: the parts that are seen, whose lengths are known.
    """
    # Two cracks apart from each other cannot both reach all sides of the same box.
    known = {(one.left, one.top, one.width, one.height, one.area): one.length for one in cracks}
    ids = {name: class_id for class_id, name in enumerate(classes.names)}
    crack, busbar = (mask == ids.get(name, -1) for name in (CRACK, BUSBAR))
    joined = join_across_busbars(crack, busbar, max_gap=round(_MAX_GAP * step))
    lengths = []
    for one in find_components(joined):
        height, width = one.pixels.shape
        length = known.get((one.left, one.top, width, height, one.area))
        lengths.append(Skeleton.from_region(one.pixels).length if length is None else length)
    return lengths


def _finger_axis(mask: NDArray[np.uint8], classes: ClassMap, side: float) -> int | None:
    """Return the axis of the mask along which fingers run: 0 for columns, 1 for rows, ``None`` without busbars."""
    if BUSBAR not in classes.names:
        return None
    busbar = (mask == classes.names.index(BUSBAR)).astype(np.uint8)
    straight = max(2, round(side * _MIN_STRAIGHT))
    along_rows, along_columns = (
        int(cv2.morphologyEx(busbar, cv2.MORPH_OPEN, np.ones(shape, np.uint8)).sum())
        for shape in ((1, straight), (straight, 1))
    )
    if along_rows > 2 * along_columns:
        return 0
    return 1 if along_columns > 2 * along_rows else None


def _measure_regions(
    mask: NDArray[np.uint8], classes: ClassMap, name: str, cell: _Cell
) -> list[RegionMeasurement]:
    if name not in classes.names:
        return []
    pixels = mask == classes.names.index(name)
    return [_measure_region(component, name, cell) for component in find_components(pixels)]


def _brightness_ratios(
    mask: NDArray[np.uint8], classes: ClassMap, image: NDArray[np.generic], step: float
) -> BrightnessRatios | None:
    """Return the brightness behind cracks, None without cracks."""
    if image.shape[:2] != mask.shape:
        raise ArgumentError(
            f"`image`: has {image.shape[1]} x {image.shape[0]} pixels, its mask {mask.shape[1]} x {mask.shape[0]}; "
            "give the image that the mask was made from"
        )
    ids = {name: class_id for class_id, name in enumerate(classes.names)}
    if not (mask == ids.get(CRACK, -1)).any():
        return None
    bands = image.astype(np.float32).reshape(*mask.shape, -1)
    grey = bands[..., 0] if bands.shape[2] == 1 else bands.mean(axis=-1)
    sound, inactive = mask == ids.get(CELL, 0), mask == ids.get(INACTIVE_AREA, -1)
    return BrightnessRatios(grey, sound, inactive, step)


def _measure_region(component: Component, name: str, cell: _Cell) -> RegionMeasurement:
    area = component.area
    skeleton = Skeleton.from_region(component.pixels, component.lines) if name == CRACK else None
    ratio = cell.ratios.behind(component) if cell.ratios is not None and name == CRACK else None
    if name == FINGER_INTERRUPTION and cell.finger_axis is not None:
        length = float(component.pixels.shape[cell.finger_axis])
    else:
        length = component.extent if skeleton is None else skeleton.length
    (centre_x, centre_y), (height, width) = component.centre, component.pixels.shape
    return RegionMeasurement(
        class_name=name,
        area=area,
        share=area / max(cell.area, 1),
        left=component.left,
        top=component.top,
        width=width,
        height=height,
        centre_x=centre_x,
        centre_y=centre_y,
        orientation=component.orientation,
        length=length,
        mean_width=area / length,
        branches=None if skeleton is None else skeleton.branches,
        crack_mode=None if ratio is None else crack_mode(ratio),
        brightness_ratio=ratio,
        length_mm=None if cell.scale is None else length * cell.scale,
    )
