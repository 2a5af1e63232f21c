"""Segment and measure the cells of a module."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ImageError
from solarseg.inference.model import Model
from solarseg.inference.pipeline import Predicted
from solarseg.inference.sources import ArraySource
from solarseg.measurement import CellMeasurement, measure_cell
from solarseg.measurement.class_names import INACTIVE_AREA
from solarseg.modules import ModulePlacement
from solarseg.modules.cells import to_true_shape

__all__ = ["MeasuredCell", "measure_cells"]

SURE, POSSIBLE = 0.75, 0.25  # probability of inactive area


@dataclass(frozen=True)
class MeasuredCell:
    """A cell with its mask.

    Attributes:
        mask: ``(H, W) uint8`` class ids.
        measurement: its defects, measured in the cell's true shape; see `to_true_shape`.
        inactive_low: low bound of the inactive share: pixels of the mask with a probability of 0.75 or more.
        inactive_high: high bound of the inactive share: pixels of the mask, and all others of the cell with a
            probability of 0.25 or more.
    """

    mask: NDArray[np.uint8]
    measurement: CellMeasurement
    inactive_low: float
    inactive_high: float


def measure_cells(
    model: Model, cells: NDArray[np.uint8], placement: ModulePlacement, cell_mm: float | None = None
) -> list[MeasuredCell]:
    """Segment and measure the cells of a module; threads measure while the network computes.

    The network takes half-cut cells as squares; they are measured in their true shape.

    Args:
        model: with the classes of cells.
        cells: ``(N, H, W) uint8``.
        placement: of the module.
        cell_mm: longer side of the cells, mm.
    """

    def read(number: int) -> ArraySource:
        return ArraySource(f"cell {number + 1}", cells[number][..., None])

    def use(number: int, found: "Predicted[ArraySource] | ImageError") -> MeasuredCell:
        if isinstance(found, ImageError):
            raise found
        return _measure(model, cells[number], found, placement, cell_mm)

    results: Iterator[MeasuredCell] = model.pipeline.predict_all(
        range(len(cells)), read, use, probabilities=True
    )
    return list(results)


def _measure(
    model: Model,
    image: NDArray[np.uint8],
    found: "Predicted[ArraySource]",
    placement: ModulePlacement,
    cell_mm: float | None,
) -> MeasuredCell:
    mask, image = to_true_shape(found.mask, placement), to_true_shape(image, placement)
    measurement = measure_cell(mask, model.classes, image, cell_mm)
    if INACTIVE_AREA not in model.classes.names or found.probabilities is None:
        return MeasuredCell(found.mask, measurement, measurement.inactive_share, measurement.inactive_share)
    number = model.classes.names.index(INACTIVE_AREA)
    low, high = _bounds(mask, to_true_shape(found.probabilities[..., number], placement), number, measurement)
    return MeasuredCell(found.mask, measurement, low, high)


def _bounds(
    mask: NDArray[np.uint8], probability: NDArray[np.float32], number: int, measurement: CellMeasurement
) -> tuple[float, float]:
    inactive = mask == number
    sure = int(np.count_nonzero(inactive & (probability >= SURE)))
    more = int(np.count_nonzero(~inactive & (mask > 0) & (probability >= POSSIBLE)))
    area = max(measurement.cell_area, 1)
    share = measurement.inactive_share
    return min(sure / area, share), min(share + more / area, 1.0)
