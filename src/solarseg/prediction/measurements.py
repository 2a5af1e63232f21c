"""``measurements.csv``, a row an image, and ``measurements.json``, which has the regions too."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap, few
from solarseg.errors import ArgumentError, DataError, DatasetError, ExistsError, ImageError
from solarseg.files import check_folder, write_json, write_table
from solarseg.formats.labels import open_masks
from solarseg.images import read_image
from solarseg.measurement import CellMeasurement, check_cell_size, find_warnings, is_measurable, measure_cell
from solarseg.prediction.layout import PredictionPaths

__all__ = [
    "Measured",
    "Measurements",
    "measure",
    "measure_one",
    "measurement_rows",
    "write_measurements",
]

_COLUMNS = tuple(field.name for field in fields(CellMeasurement) if field.name != "regions")


@dataclass(frozen=True)
class Measured:
    """An image measured.

    Attributes:
        cell: what was measured.
        warnings: reasons why the measurements may be meaningless, see `find_warnings`.
    """

    cell: CellMeasurement
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Measurements:
    """What `measure` wrote.

    Attributes:
        folder: where.
        cells: name -> what was measured.
        failed: name -> why it could not be measured.
    """

    folder: Path
    cells: dict[str, Measured]
    failed: dict[str, str]

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        worst = max(self.cells, key=lambda name: self.cells[name].cell.severity)
        severity = self.cells[worst].cell.severity
        return f"<Measurements {self.folder}: {len(self.cells)} cells{failed}; worst {worst}, severity {severity:.3g}>"

    def rows(self) -> list[dict[str, Any]]:
        """Give a row a cell, as ``pandas.DataFrame`` takes them; see `CellMeasurement` and ``measurements.csv``."""
        return measurement_rows(self.cells)


def measure(
    masks: Path | str,
    out: Path | str,
    *,
    images: Path | str | None = None,
    cell_mm: float | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Measurements:
    """Measure masks from anywhere and write ``measurements.csv`` and ``measurements.json``.

    Args:
        masks: folder with ``masks/``, as `predict` writes it or a dataset, or a folder of masks; see `open_masks`.
        out: folder to write to.
        images: folder of the images, for crack modes; by default the ``images/`` of a dataset.
        cell_mm: longer side of the cells, mm, for lengths in mm.
        overwrite: replace existing files.
        progress: show progress on the terminal.

    Raises:
        ArgumentError: no class is one that is measured, or ``cell_mm`` is not above 0.
        DataError: the masks cannot be read, or none of them.
        ExistsError: the files exist.
        OutputError: the files could not be written.
    """
    from rich.progress import track  # takes a while to import

    check_cell_size(cell_mm)
    folder = Path(out)
    check_folder(folder)
    _refuse_existing(folder, overwrite)
    data = open_masks(Path(masks), Path(images) if images is not None else None)
    if not is_measurable(data.classes):
        raise ArgumentError(
            f"{masks}: classes are {few(data.classes.names)}; measured are crack, inactive_area and "
            "finger_interruption; give masks, and name their classes in dataset.yaml"
        )
    cells: dict[str, Measured] = {}
    failed: dict[str, str] = {}
    for name in track(data.names, "measuring", disable=not progress, transient=True):
        try:
            mask, file = data.read_mask(name), data.image_path(name)
            image = None if file == data.mask_path(name) else _image_of(file, mask)
            cells[name] = measure_one(mask, data.classes, image, cell_mm)
        except DataError as error:
            failed[name] = str(error)
    if not cells:
        raise DatasetError(f"{masks}: nothing can be read; {next(iter(failed.values()))}")
    write_measurements(folder, cells)
    return Measurements(folder, cells, failed)


def _image_of(file: Path, mask: NDArray[np.uint8]) -> NDArray[Any]:
    image = read_image(file)
    if image.shape[:2] != mask.shape:
        raise ImageError(
            f"{file}: {image.shape[1]} x {image.shape[0]} pixels, its mask {mask.shape[1]} x {mask.shape[0]}; "
            "give the images that the masks were made of"
        )
    return image


def _refuse_existing(folder: Path, overwrite: bool) -> None:
    paths = PredictionPaths(folder)
    for file in (paths.measurements, paths.measured_regions):
        if not overwrite and file.exists():
            raise ExistsError(file, "another `out`", "`overwrite=True` to replace it")


def measure_one(
    mask: NDArray[np.uint8],
    classes: ClassMap,
    image: NDArray[np.generic] | None = None,
    cell_mm: float | None = None,
) -> Measured:
    """Measure a mask and, if its image is given, find the warnings for it."""
    warnings = () if image is None else find_warnings(image, mask, classes)
    return Measured(measure_cell(mask, classes, image, cell_mm), warnings)


def measurement_rows(cells: Mapping[str, Measured]) -> list[dict[str, Any]]:
    """Give a row a cell: its name, the attributes of `CellMeasurement` but the regions, and the warnings."""
    return [
        {"image": name}
        | {column: getattr(one.cell, column) for column in _COLUMNS}
        | {"warnings": "; ".join(one.warnings)}
        for name, one in cells.items()
    ]


def write_measurements(folder: Path, cells: Mapping[str, Measured]) -> None:
    """Write both files.

    Raises:
        OutputError: they could not be written.
    """
    paths = PredictionPaths(folder)
    rows = ([_spell(value) for value in row.values()] for row in measurement_rows(cells))
    write_table(paths.measurements, ("image", *_COLUMNS, "warnings"), rows)
    write_json(
        paths.measured_regions,
        [
            {"image": name, **_rounded(asdict(one.cell)), "warnings": one.warnings}
            for name, one in cells.items()
        ],
    )


def _spell(value: object) -> object:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def _rounded(value: Any) -> Any:
    """Six digits are more than pixels allow, and can be read."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, (list, tuple)) else value
