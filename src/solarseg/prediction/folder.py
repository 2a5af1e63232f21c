"""The folder that predictions are written to: what is made of each image, what is there already, what was asked for."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solarseg.classes import ClassMap
from solarseg.datasets.description import FILE_NAME, Description, write_description
from solarseg.errors import OutputError
from solarseg.files import remove_temporary, write_json, write_table
from solarseg.prediction.measurements import JSON_NAME, TABLE_NAME, Measured, write_measurements
from solarseg.prediction.rasters.file import is_raster

__all__ = ["MARK", "Folder", "Found", "Job"]

MARK = "prediction.json"  # what a folder of predictions was made with, so that a second start goes on
SUMMARY = "summary.csv"


@dataclass(frozen=True)
class Found:
    """What was found in an image.

    Attributes:
        pixels: of each class, in class-id order.
        areas: of each class, m2, where the image is georeferenced.
        measured: the cell, where the classes are those of cells.
    """

    pixels: tuple[int, ...]
    areas: tuple[float, ...] | None = None
    measured: Measured | None = None


@dataclass(frozen=True)
class Job:
    """An image and the files that are to be made of it.

    Attributes:
        file: the image.
        name: of its outputs, without suffix.
        mask: written last.
        overlay: None where it is not wanted.
        probabilities: likewise.
        is_raster: whether it is georeferenced.
    """

    file: Path
    name: str
    mask: Path
    overlay: Path | None
    probabilities: Path | None
    is_raster: bool

    @property
    def outputs(self) -> list[Path]:
        """What is to be made, the mask last."""
        return [path for path in (self.overlay, self.probabilities, self.mask) if path is not None]

    @property
    def is_done(self) -> bool:
        """Whether all was written, the mask last, after the image was."""
        if not all(path.exists() for path in self.outputs):
            return False
        return self.mask.stat().st_mtime_ns >= self.file.stat().st_mtime_ns


@dataclass(frozen=True)
class Folder:
    """The folder that predictions are written to.

    Attributes:
        root: its path.
    """

    root: Path

    def job(self, file: Path, name: str, overlay: bool, probabilities: bool) -> Job:
        """Say what is to be made of an image."""
        georeferenced = is_raster(file)
        return Job(
            file,
            name,
            self.root / "masks" / f"{name}{'.tif' if georeferenced else '.png'}",
            self.root / "overlays" / f"{name}.jpg" if overlay else None,
            self.root / "probabilities" / f"{name}.tif" if probabilities else None,
            georeferenced,
        )

    def holds(self, mark: dict[str, Any]) -> bool:
        """Whether an earlier call was the same; raise `OutputError` if it was another."""
        file = self.root / MARK
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        if found != mark:
            raise OutputError(
                f"{file}: predictions of other images, by another model or with other options stand here; give "
                "another --out, or --overwrite to replace them"
            )
        return True

    def refuse_existing(self, jobs: Iterable[Job]) -> None:
        """Raise `OutputError` where something else stands already."""
        names = (SUMMARY, FILE_NAME, TABLE_NAME, JSON_NAME)
        files = [*(self.root / name for name in names), *(path for job in jobs for path in job.outputs)]
        existing = [file for file in files if file.exists()]
        if existing:
            raise OutputError(
                f"{existing[0]}: exists already; give another --out, or --overwrite to replace it"
            )

    def begin(self, mark: dict[str, Any]) -> None:
        """Say what the folder is made with."""
        if self.root.is_dir():
            remove_temporary(self.root)  # of a call that was killed
        write_json(self.root / MARK, mark)

    def end(self, found: Mapping[str, Found], classes: ClassMap) -> None:
        """Write what is known of all images, or leave nothing where none could be done."""
        if found:
            _write_summary(self.root / SUMMARY, found, classes)
            write_description(self.root, Description(), classes)
            cells = {name: one.measured for name, one in found.items() if one.measured is not None}
            if cells:
                write_measurements(self.root, cells)
            else:  # those of an earlier call that is overwritten
                for name in (TABLE_NAME, JSON_NAME):
                    (self.root / name).unlink(missing_ok=True)
            return
        (self.root / MARK).unlink()
        with suppress(OSError):  # it holds something else
            self.root.rmdir()


def _write_summary(path: Path, found: Mapping[str, Found], classes: ClassMap) -> None:
    """Write pixels and share of each class, and m2 too where an image is georeferenced."""
    kinds = ["pixels", "share", *["m2"] * any(one.areas is not None for one in found.values())]
    columns = [f"{name}_{kind}" for kind in kinds for name in classes.names]
    rows = ((name, *_row(one))[: len(columns) + 1] for name, one in found.items())
    write_table(path, ("image", *columns), rows)


def _row(found: Found) -> tuple[object, ...]:
    shares = (f"{count / max(1, sum(found.pixels)):.6f}" for count in found.pixels)
    areas = ("",) * len(found.pixels) if found.areas is None else (f"{area:.3f}" for area in found.areas)
    return (*found.pixels, *shares, *areas)
