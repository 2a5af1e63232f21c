"""Compare the cells of a module with their earlier state."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.comparison.ratio import LightRatio, divide_light
from solarseg.comparison.regions import ClassMasks, changed_regions, unknown_regions
from solarseg.comparison.registration import Registration, register_cell
from solarseg.measurement.class_names import BUSBAR, CRACK, DEFECTS, INACTIVE_AREA
from solarseg.modules.cells import to_true_shape
from solarseg.modules.placement import ModulePlacement
from solarseg.modules.records import CellChange, ChangeStatus, InspectedCell, RegionChange

__all__ = ["CellImages", "ComparedCell", "compare_cells", "sound_pixels"]

Bools = NDArray[np.bool_]
Mask = NDArray[np.uint8]
Pictured = tuple[NDArray[np.uint8], Mask, InspectedCell]

_EDGE = 4  # pixels: at the edge of a cell, the ratio is that of the gap
_METAL = 2  # pixels around a busbar, which looks darker in a sharper photograph
_DAMAGE = 2  # pixels around a defect
_LIGHT = 0.15  # of a typical cell; an estimate
_WORST_FIRST: tuple[ChangeStatus, ...] = ("new", "grown", "darker", "gone", "brighter")


@dataclass(frozen=True, eq=False)
class CellImages:
    """Images and masks of the cells of a module, row by row.

    Attributes:
        images: ``(N, H, W) uint8``.
        masks: ``(N, H, W) uint8``, class ids.
    """

    images: NDArray[np.uint8] = field(repr=False)
    masks: NDArray[np.uint8] = field(repr=False)


@dataclass(frozen=True, eq=False)
class ComparedCell:
    """A cell and its earlier state.

    Attributes:
        change: what changed.
        registration: how the cell lies on its earlier self.
        ratio: the light relative to the earlier light, of the square cell.
    """

    change: CellChange
    registration: Registration = field(repr=False)
    ratio: LightRatio = field(repr=False)


def compare_cells(
    now: CellImages,
    before: CellImages,
    cells: Sequence[InspectedCell],
    earlier: Sequence[InspectedCell],
    classes: ClassMap,
    placement: ModulePlacement,
) -> list[ComparedCell | None]:
    """Compare each cell with the cell at the same place before.

    Half-cut cells are registered as squares; what changed is measured in their true shape, as their defects are.

    Args:
        now: pictures of the cells, square, as `cut_cells` gives them.
        before: pictures of the same cells in the earlier inspection, of the same size.
        cells: what was found.
        earlier: what was found before.
        classes: of both masks.
        placement: of the module now.

    Returns:
        None for a cell that could not be registered.
    """
    pairs = zip(
        zip(now.images, now.masks, cells, strict=True),
        zip(before.images, before.masks, earlier, strict=True),
        strict=True,
    )
    return [_compare_cell(one, other, classes, placement) for one, other in pairs]


def _compare_cell(
    now: Pictured, before: Pictured, classes: ClassMap, placement: ModulePlacement
) -> ComparedCell | None:
    image, mask, cell = now
    image_before, mask_before, earlier = before
    registration = register_cell(image, image_before, sound_pixels(mask, mask_before, classes))
    if registration is None:
        return None
    moved = registration.move(mask_before, is_mask=True)
    ratio = divide_light(image, registration.move(image_before), _silicon(mask, moved, classes))
    masks = to_true_shape(mask, placement), to_true_shape(moved, placement)
    measured = _to_true_shape(ratio, placement)
    change = _to_change(cell, earlier, measured, _find_regions(masks, measured, classes))
    return ComparedCell(change, registration, ratio)


def _to_true_shape(ratio: LightRatio, placement: ModulePlacement) -> LightRatio:
    darker, brighter = (to_true_shape(each, placement) for each in (ratio.darker, ratio.brighter))
    return LightRatio(to_true_shape(ratio.logarithm, placement), darker, brighter, ratio.noise)


def _find_regions(masks: tuple[Mask, Mask], ratio: LightRatio, classes: ClassMap) -> tuple[RegionChange, ...]:
    """Find what changed between the masks of a cell, now and before."""
    regions: list[RegionChange] = []
    known = np.zeros(masks[0].shape, bool)
    for name in DEFECTS:
        now, before = (_pixels(each, classes, name) for each in masks)
        regions += changed_regions(ClassMasks(name, now, before), ratio)
        known |= now | before
    return (*regions, *unknown_regions(ratio, known))


def _pixels(mask: Mask, classes: ClassMap, name: str) -> Bools:
    return mask == classes.names.index(name) if name in classes.names else np.zeros(mask.shape, bool)


def sound_pixels(mask: Mask, mask_before: Mask, classes: ClassMap) -> Bools:
    """Return the pixels that are away from cracks and inactive areas, ``(H, W) bool``, before registration."""
    damage = np.zeros(mask.shape, np.uint8)
    for name in (CRACK, INACTIVE_AREA):
        damage |= (_pixels(mask, classes, name) | _pixels(mask_before, classes, name)).astype(np.uint8)
    return np.asarray(cv2.dilate(damage, np.ones((2 * _DAMAGE + 1,) * 2, np.uint8)) == 0)


def _silicon(mask: Mask, moved: Mask, classes: ClassMap) -> Bools:
    """Return the pixels that are silicon now and before, away from the edge of the cell and from busbars."""
    inside = (mask > 0) & (moved > 0)
    busbar = _pixels(mask, classes, BUSBAR) | _pixels(moved, classes, BUSBAR)
    inner = cv2.erode(inside.astype(np.uint8), np.ones((2 * _EDGE + 1,) * 2, np.uint8), borderValue=0)
    metal = cv2.dilate(busbar.astype(np.uint8), np.ones((2 * _METAL + 1,) * 2, np.uint8))
    return np.asarray((inner > 0) & (metal == 0))


def _to_change(
    cell: InspectedCell, earlier: InspectedCell, ratio: LightRatio, regions: tuple[RegionChange, ...]
) -> CellChange:
    area = max(cell.measurement.cell_area, 1)
    return CellChange(
        inactive_share=sum(each.sign * each.area for each in regions if each.class_name == INACTIVE_AREA)
        / area,
        crack_length=cell.measurement.in_sides(
            sum(each.sign * each.length for each in regions if each.class_name == CRACK)
        ),
        light=cell.light - earlier.light,
        darkened_share=float(np.count_nonzero(ratio.darker)) / area,
        status=_status(cell, earlier, regions),
        brightened_share=float(np.count_nonzero(ratio.brighter)) / area,
        regions=regions,
    )


def _status(cell: InspectedCell, earlier: InspectedCell, regions: Sequence[RegionChange]) -> ChangeStatus:
    kinds: set[str] = {each.kind for each in regions}
    step = cell.light - earlier.light
    if cell.weak and step < -_LIGHT:
        kinds.add("grown" if earlier.weak else "new")
    if earlier.weak and step > _LIGHT:
        kinds.add("brighter" if cell.weak else "gone")
    return next((status for status in _WORST_FIRST if status in kinds), "same")
