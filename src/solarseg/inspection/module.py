"""Inspect a module of a photograph."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from solarseg.inference.model import Model
from solarseg.inspection.cells import MeasuredCell, measure_cells
from solarseg.inspection.exposure import expose_cells, expose_module
from solarseg.inspection.photograph import Photograph
from solarseg.inspection.power import estimate
from solarseg.modules import InspectedCell, InspectedModule, ModulePlacement, rectify
from solarseg.modules.brightness import black_level, classify_light, relative_light
from solarseg.modules.cells import to_cells
from solarseg.modules.records import MIN_SEVERITY
from solarseg.reports import Plot

__all__ = ["CELL_SIZE", "ModuleChanges", "ModuleResult", "inspect_module"]

CELL_SIZE = 256  # pixels, as the input of the model that ships
# Below this confidence the report asks to look. Most wrong grids have less, but not all: a grid that leaves out a
# string without light at an edge agrees with all edges that are seen.
_SURE = 0.7


@dataclass(frozen=True, eq=False)
class ModuleChanges:
    """Pictures of what changed in a module.

    Attributes:
        before: ``(rows * 256, columns * 256) uint8``, the module from the front before, each cell where it is now.
        ratio: ``(rows * 256, columns * 256) uint8``, the light relative to the earlier light; 128 is unchanged.
    """

    before: NDArray[np.uint8] | None = field(default=None, repr=False)
    ratio: NDArray[np.uint8] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ModuleResult:
    """An inspected module with its pictures.

    Attributes:
        module: what was found.
        rectified: ``(rows * 256, columns * 256) uint8``, the module from the front.
        cells: ``(N, 256, 256) uint8``, each cell as the model takes it, row by row.
        masks: ``(N, 256, 256) uint8``, class ids of each cell.
        changes: pictures of what changed since an earlier inspection, if it was compared.
        plots: over the quantity of a series.
    """

    module: InspectedModule
    rectified: NDArray[np.uint8] = field(repr=False)
    cells: NDArray[np.uint8] = field(repr=False)
    masks: NDArray[np.uint8] = field(repr=False)
    changes: ModuleChanges | None = field(default=None, repr=False)
    plots: tuple[Plot, ...] = ()

    @property
    def mask(self) -> NDArray[np.uint8]:
        """Class ids of the rectified module."""
        place = self.module.placement
        blocks = self.masks.reshape(place.rows, place.columns, *self.masks.shape[1:])
        return blocks.swapaxes(1, 2).reshape(self.rectified.shape)


def inspect_module(
    photograph: Photograph,
    placement: ModulePlacement,
    name: str,
    image: str,
    model: Model,
    cell_mm: float | None = None,
    min_severity: float = MIN_SEVERITY,
) -> ModuleResult:
    """Rectify a module, segment and measure its cells, compare their light and estimate its power.

    Args:
        photograph: the photograph.
        placement: where the module is in it.
        name: of the module.
        image: name of the photograph in tables and records.
        model: finds the defects.
        cell_mm: longer side of the cells, mm.
        min_severity: severity of a cell that counts as defective.
    """
    rectified = np.asarray(rectify(photograph.light, placement, CELL_SIZE), np.float32)
    cells = np.asarray(to_cells(rectified, placement), np.float32)
    black = min(black_level(photograph.light), float(np.percentile(rectified[::4, ::4], 1)))
    exposed = expose_cells(cells, black).reshape(-1, CELL_SIZE, CELL_SIZE)
    measured = measure_cells(model, exposed, placement, cell_mm)
    records = _records(measured, relative_light(cells, placement, black), placement, min_severity)
    power, notes = estimate(records, placement, cell_mm)
    module = InspectedModule(
        name,
        image,
        placement,
        records,
        power,
        (*photograph.notes, *_notes(placement), *notes),
    )
    return ModuleResult(
        module, expose_module(rectified, black), exposed, np.stack([one.mask for one in measured])
    )


def _records(
    measured: Sequence[MeasuredCell],
    light: NDArray[np.float64],
    placement: ModulePlacement,
    min_severity: float,
) -> tuple[InspectedCell, ...]:
    return tuple(
        InspectedCell(
            row=row + 1,
            column=column + 1,
            corners=tuple((float(x), float(y)) for x, y in placement.cell_corners[row, column]),
            light=float(light[row, column]),
            finding=classify_light(float(light[row, column])),
            measurement=one.measurement,
            inactive_low=one.inactive_low,
            inactive_high=one.inactive_high,
            min_severity=min_severity,
        )
        for one, (row, column) in zip(measured, np.ndindex(light.shape), strict=True)
    )


def _notes(placement: ModulePlacement) -> tuple[str, ...]:
    if placement.confidence >= _SURE:
        return ()
    return (
        f"The place of the cells is uncertain (confidence {placement.confidence:.2f}); compare the cells with the "
        "photograph.",
    )
