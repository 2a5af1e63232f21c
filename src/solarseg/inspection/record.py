"""The record of a module on disk, ``module.json``: all that is known of a module besides its pictures.

Tables, regions and the index are made from these records, and an interrupted inspection is resumed with them.
"""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, PlainSerializer, TypeAdapter, ValidationError, with_config

from solarseg.classes import ClassMap
from solarseg.errors import DataError, OutputError, reason_of
from solarseg.files import write_bytes
from solarseg.formats.polygons import Polygon
from solarseg.inspection.defect_outlines import DefectOutline, find_defects
from solarseg.inspection.layout import ModulePaths
from solarseg.modules import InspectedModule

__all__ = [
    "DefectShape",
    "ModuleOrigin",
    "ModuleRecord",
    "read_full_record",
    "read_origin",
    "read_record",
    "trace_shapes",
    "write_record",
]

_MAX_BYTES = 64 * 2**20  # a module of 60 cells has 0.2 MB
_DIGITS = 2  # of a coordinate of an outline: a hundredth of a pixel

# No number is converted to another type, and none is NaN or infinite.
_FORM = ConfigDict(
    extra="forbid", strict=True, allow_inf_nan=False, ser_json_inf_nan="constants", val_json_bytes="base64"
)

Rings = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class ModuleOrigin:
    """What a module was made from: an inspection is resumed if this is equal.

    Attributes:
        image: the photograph: its path relative to the folder of the inspection, with ``/``.
        digest: digest of the photograph's file.
        number: number of the module in its photograph, counted from 1.
        modules: number of modules in the photograph.
        options: model, options, version of solarseg, and what the module was compared with.
        plots: digest of the plots over a series in its report, which other photographs change; empty without plots.
    """

    image: str
    digest: str
    number: int
    modules: int
    options: dict[str, Any] = field(hash=False)
    plots: str = ""


@dataclass(frozen=True)
class DefectShape:
    """The outline of a defect.

    Attributes:
        cell: index of its cell in the module, from 0.
        region: index of its measurement in the cell, from 0.
        rings: its outline, then its holes, each x, y, x, y and so on, pixels of the photograph; (0, 0) is the corner
            of the photograph.
        area: pixels of the photograph.
    """

    cell: int
    region: int
    rings: Rings
    area: float


@with_config({**_FORM, "extra": "ignore"})
@dataclass(frozen=True)
class _RecordHead:
    """What is read of ``module.json`` before the rest of it."""

    version: Literal[2]
    origin: ModuleOrigin


@with_config(_FORM)
@dataclass(frozen=True)
class ModuleRecord:
    """What ``module.json`` contains.

    Attributes:
        origin: what it was made from.
        module: what was found.
        shapes: outlines of the defects.
        thumbnail: a small JPEG of the module.
        version: of the layout of the file; another layout gets the next one.
    """

    origin: ModuleOrigin
    module: InspectedModule
    shapes: tuple[DefectShape, ...] = field(repr=False)
    thumbnail: Annotated[bytes, PlainSerializer(lambda jpeg: b64encode(jpeg).decode())] = field(repr=False)
    version: Literal[2] = 2

    def outlines(self) -> Iterator[DefectOutline]:
        """Yield the defects with their outlines, cell by cell."""
        for shape in self.shapes:
            cell = self.module.cells[shape.cell]
            outer, *holes = (np.reshape(ring, (-1, 2)) for ring in shape.rings)
            yield DefectOutline(
                cell, cell.measurement.regions[shape.region], Polygon(outer, tuple(holes)), shape.area
            )


def trace_shapes(
    module: InspectedModule, masks: NDArray[np.uint8], classes: ClassMap
) -> tuple[DefectShape, ...]:
    """Trace the defects of a module.

    Args:
        module: what was found.
        masks: ``(N, H, W) uint8``, class ids of each cell, row by row.
        classes: of the class ids.
    """
    return tuple(
        DefectShape(
            number, cell.measurement.regions.index(defect.region), _rings(defect.outline), defect.area
        )
        for number, (cell, mask) in enumerate(zip(module.cells, masks, strict=True))
        for defect in find_defects(cell, mask, module.placement, classes)
    )


def _rings(outline: Polygon) -> Rings:
    return tuple(tuple(np.round(ring, _DIGITS).ravel().tolist()) for ring in outline.rings)


def write_record(folder: Path, record: ModuleRecord) -> None:
    """Write ``module.json`` into the folder of a module: a complete file or none.

    Raises:
        OutputError: it could not be written.
    """
    path, form = ModulePaths(folder).record, _form(ModuleRecord)
    content = form.dump_json(record, warnings="error")
    if len(content) > _MAX_BYTES:
        raise OutputError(f"{path}: would have {len(content):,} bytes, allowed are {_MAX_BYTES:,}")
    form.validate_json(content)  # a number that is not finite would make it unreadable
    write_bytes(path, content + b"\n")


def read_record(folder: Path | str) -> InspectedModule:
    """Read what was found of a module from the folder that `inspect` wrote for it.

    Args:
        folder: the folder of the module.

    Returns:
        The module, equal to the one that was written.

    Raises:
        DataError: there is no record, or it is not what `inspect` writes.
    """
    return read_full_record(Path(folder)).module


def read_full_record(folder: Path) -> ModuleRecord:
    """Read all of ``module.json``; see `read_record`."""
    path = ModulePaths(folder).record
    _read(path, _RecordHead)  # a record of another version is refused for that
    record: ModuleRecord = _read(path, ModuleRecord)
    try:
        _check(record)
    except ValueError as error:
        raise _unusable(path, reason_of(error)) from error
    return record


def read_origin(folder: Path) -> ModuleOrigin:
    """Read only what a module was made from; see `read_record`."""
    head: _RecordHead = _read(ModulePaths(folder).record, _RecordHead)
    return head.origin


@cache
def _form(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _read(path: Path, kind: type) -> Any:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _unusable(path, f"has more than {_MAX_BYTES:,} bytes")
        return _form(kind).validate_json(path.read_bytes())
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    except ValidationError as error:
        raise _unusable(path, reason_of(error)) from error


def _unusable(path: Path, reason: str) -> DataError:
    return DataError(f"{path}: cannot be used as the record of a module ({reason}); inspect the module again")


def _check(record: ModuleRecord) -> None:
    """Raise `ValueError` unless the parts of a record belong together."""
    module, place = record.module, record.module.placement
    count = len(module.cells)
    grid = [divmod(number, max(place.columns, 1)) for number in range(count)]
    found = [(cell.row - 1, cell.column - 1) for cell in module.cells]
    if not count or place.rows * place.columns != count or found != grid:
        raise ValueError(f"the record has not {place.rows} x {place.columns} cells, row by row")
    if place.homography.shape != (3, 3) or any(len(cell.corners) != 4 for cell in module.cells):
        raise ValueError("the record has a homography that is not 3 x 3, or a cell without 4 corners")
    if module.power is not None and module.power.cell_voltage.shape != (place.rows, place.columns):
        raise ValueError("the record has not a voltage for each cell")
    for shape in record.shapes:
        regions = module.cells[shape.cell].measurement.regions if 0 <= shape.cell < count else ()
        if not 0 <= shape.region < len(regions) or not shape.rings:
            raise ValueError("the record has an outline without points, or of no region")
        if not all(ring and len(ring) % 2 == 0 for ring in shape.rings):
            raise ValueError("the record has an outline that is not pairs of x and y")
