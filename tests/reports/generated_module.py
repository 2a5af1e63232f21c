"""A generated module, measured cell by cell: the records and the pictures of a report."""

from dataclasses import replace
from functools import cache

import cv2
import numpy as np

from solarseg import estimate_power, generate_photograph, measure_cell
from solarseg.modules.placement import ModulePlacement
from solarseg.modules.records import CellChange, InspectedCell, InspectedModule
from solarseg.reports import Line, ModuleView, Plot, ReportFile
from solarseg.synthesis import CELL_CLASSES

SEED, SIZE, ROWS, COLUMNS = 2, 1600, 6, 10
CRACK, INACTIVE, FINGER = (
    CELL_CLASSES.names.index(name) for name in ("crack", "inactive_area", "finger_interruption")
)
DIM, DARK, BRIGHT = 0.7, 0.3, 1.35
FILES = (
    ReportFile("rectified.png", "The module seen from the front."),
    ReportFile("cells/r01c01.png", "Each cell, named by row and column."),
)


@cache
def photograph(size=SIZE):
    made = generate_photograph(np.random.default_rng(SEED), size, ROWS, COLUMNS, straight=True)
    grey = made.image.mean(axis=-1) / (257 if made.image.dtype == np.uint16 else 1)
    return np.clip(grey, 0, 255).astype(np.uint8), made.mask, made.modules[0]


def boxes_of(module):
    low = np.floor(module.cell_corners.min(axis=2)).astype(int)
    high = np.ceil(module.cell_corners.max(axis=2)).astype(int) + 1
    return np.concatenate([low, high], axis=-1)


def inspect(image, mask, placed, earlier=None, cell_mm=156):
    """Measure all cells, and compare them with an earlier inspection."""
    boxes = boxes_of(placed)
    light = np.array([[np.median(image[t:b, x:r]) for x, t, r, b in row] for row in boxes])
    light /= np.median(light)
    cells = tuple(
        _inspect_cell(image, mask, placed, boxes, light, place, earlier, cell_mm)
        for place in np.ndindex(ROWS, COLUMNS)
    )
    shares, low, high = (
        np.reshape([pick(cell) for cell in cells], (ROWS, COLUMNS))
        for pick in (
            lambda cell: cell.measurement.inactive_share,
            lambda cell: cell.inactive_low,
            lambda cell: cell.inactive_high,
        )
    )
    grid = np.array([(0, 0), (COLUMNS, 0), (COLUMNS, ROWS), (0, ROWS)], np.float32)
    height, width = image.shape
    placement = ModulePlacement(
        ROWS,
        COLUMNS,
        cv2.getPerspectiveTransform(grid, placed.corners.astype(np.float32)).astype(float),
        0.0,
        (width, height),
    )
    return InspectedModule(
        "module-1", "module-1.jpg", placement, cells, estimate_power(shares, low, high), ("Made for a test.",)
    )


def _inspect_cell(image, mask, placed, boxes, light, place, earlier, cell_mm):
    left, top, right, bottom = boxes[place]
    part = mask[top:bottom, left:right]
    measured = measure_cell(part, CELL_CLASSES, image[top:bottom, left:right], cell_mm)
    inactive = (part == INACTIVE).astype(np.uint8)
    low, high = (
        method(inactive, np.ones((3, 3), np.uint8)).sum() / measured.cell_area
        for method in (cv2.erode, cv2.dilate)
    )
    value = light[place]
    finding = "dark" if value < DARK else "dim" if value < DIM else "bright" if value > BRIGHT else None
    cell = InspectedCell(
        place[0] + 1,
        place[1] + 1,
        tuple(map(tuple, placed.cell_corners[place].tolist())),
        float(value),
        finding,
        measured,
        float(low),
        float(min(high, 1)),
    )
    return cell if earlier is None else replace(cell, change=_change(cell, earlier))


def _change(cell, earlier):
    before = next(each for each in earlier.cells if each.name == cell.name)
    inactive = cell.measurement.inactive_share - before.measurement.inactive_share
    cracks = (cell.measurement.crack_length - before.measurement.crack_length) / cell.measurement.cell_side
    grown = cell.severity > before.severity + 1e-6
    status = ("grown" if before.defective else "new") if grown else "same"
    return CellChange(inactive, cracks, cell.light - before.light, max(inactive, 0.0), status)


def sound_before(image, mask, placed, columns):
    """Return the photograph and mask without the defects of some columns of cells."""
    boxes = boxes_of(placed)
    defects = np.isin(mask, (CRACK, INACTIVE, FINGER))
    kept = np.zeros_like(defects)
    for row in boxes[:, columns]:
        for left, top, right, bottom in row:
            kept[top:bottom, left:right] = True
    removed = cv2.dilate((defects & kept).astype(np.uint8), np.ones((5, 5), np.uint8))
    return cv2.inpaint(image, removed, 3, cv2.INPAINT_TELEA), np.where(defects & kept, 1, mask).astype(
        np.uint8
    )


@cache
def inspected(size=SIZE, compared=True):
    """Return a module and its view; with the defects of columns 1 to 5 new since an earlier inspection."""
    image, mask, placed = photograph(size)
    view = ModuleView(
        image, mask, CELL_CLASSES, boxes_of(placed), date="2026-03-14", model="el-cell", files=FILES
    )
    if not compared:
        return inspect(image, mask, placed), view
    states = [sound_before(image, mask, placed, slice(0, columns)) for columns in (COLUMNS, 5)]
    steps = [inspect(*state, placed) for state in states]
    earlier_image, _ = states[1]
    module = inspect(image, mask, placed, earlier=steps[1])
    shares = [100 * each.inactive_share for each in (*steps, module)]
    plot = Plot(
        "Inactive area under load",
        "Pressure (Pa)",
        "Inactive area (%)",
        [
            Line("module-1", (0, 1200, 2400), shares),
            Line("half of it", (0, 2400), (shares[0] / 2, shares[2] / 2)),
        ],
    )
    ratio = np.clip(128.0 * (image + 1.0) / (earlier_image + 1.0), 0, 255).astype(np.uint8)
    return module, replace(view, earlier=earlier_image, ratio=ratio, earlier_name="before.jpg", plots=(plot,))
