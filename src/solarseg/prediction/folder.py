"""The folder that predictions are written to: what is made of each image, what is done, and what was asked for."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solarseg.classes import ClassMap
from solarseg.datasets.description import FILE_NAME, Description, write_description
from solarseg.errors import ExistsError, OutputError
from solarseg.files import remove_temporary, write_json, write_table
from solarseg.geotiff import is_georeferenced
from solarseg.prediction.layout import PredictionPaths
from solarseg.prediction.measurements import Measured, write_measurements

__all__ = ["ImageResult", "Job", "PredictionFolder", "summary_rows"]


@dataclass(frozen=True)
class ImageResult:
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
        probabilities: None where they are not wanted.
        georeferenced: whether the image is.
    """

    file: Path
    name: str
    mask: Path
    overlay: Path | None
    probabilities: Path | None
    georeferenced: bool

    @property
    def outputs(self) -> list[Path]:
        """What is to be made, the mask last."""
        return [path for path in (self.overlay, self.probabilities, self.mask) if path is not None]


@dataclass(frozen=True)
class PredictionFolder:
    """The folder that predictions are written to.

    Attributes:
        root: its path.
    """

    root: Path

    @property
    def paths(self) -> PredictionPaths:
        """The files in it."""
        return PredictionPaths(self.root)

    def job(self, file: Path, name: str, overlay: bool, probabilities: bool) -> Job:
        """Say what is to be made of an image."""
        georeferenced = is_georeferenced(file)
        return Job(
            file,
            name,
            self.paths.mask(name, georeferenced=georeferenced),
            self.paths.overlay(name) if overlay else None,
            self.paths.probability_file(name) if probabilities else None,
            georeferenced,
        )

    def can_resume(self, request: dict[str, Any]) -> bool:
        """Whether an earlier call asked for the same; raise `OutputError` if it asked for something else."""
        try:
            found = json.loads(self.paths.request.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        if found != request:
            differ = [name for name, value in request.items() if found.get(name) != value]
            raise OutputError(
                f"{self.root}: has predictions with another value of {', '.join(differ)}; give another `out`, or "
                "`overwrite=True` to replace them"
            )
        return True

    def done(self) -> dict[str, str]:
        """Say what earlier calls have done: name of the outputs -> digest of the image's file."""
        found = {}
        with suppress(OSError):
            for line in self.paths.done.read_text(encoding="utf-8").splitlines():
                with suppress(ValueError, TypeError):  # the last line of a call that was killed
                    name, digest = json.loads(line)
                    found[name] = digest
        return found

    def add_done(self, job: Job, digest: str) -> None:
        """Say that an image is done; its mask has been written."""
        line = json.dumps([job.name, digest]) + "\n"
        try:
            with self.paths.done.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise OutputError(
                f"{self.paths.done}: could not be written ({error.strerror or error}); free space or choose another "
                "folder"
            ) from error

    def refuse_existing(self, jobs: Iterable[Job]) -> None:
        """Raise `OutputError` where something else is there already."""
        tables = [*self.paths.tables, self.root / FILE_NAME]
        files = [*tables, *(path for job in jobs for path in job.outputs)]
        existing = [file for file in files if file.exists()]
        if existing:
            raise ExistsError(existing[0], "another `out`", "`overwrite=True` to replace it")

    def begin(self, request: dict[str, Any], *, resume: bool) -> None:
        """Say what the folder is made with."""
        if self.root.is_dir():
            remove_temporary(self.root)  # of a call that was killed
        if not resume:
            self.paths.done.unlink(missing_ok=True)
        write_json(self.paths.request, request)

    def end(self, results: Mapping[str, ImageResult], classes: ClassMap) -> None:
        """Write what is known of all images, or leave nothing where none could be done."""
        if results:
            _write_summary(self.paths.summary, results, classes)
            write_description(self.root, Description(), classes)
            cells = {name: one.measured for name, one in results.items() if one.measured is not None}
            if cells:
                write_measurements(self.root, cells)
            else:  # those of an earlier call that is overwritten
                self.paths.measurements.unlink(missing_ok=True)
                self.paths.measured_regions.unlink(missing_ok=True)
            return
        self.paths.request.unlink()
        self.paths.done.unlink(missing_ok=True)
        with suppress(OSError):  # the folder has something else in it
            self.root.rmdir()


def summary_rows(
    pixels: Mapping[str, tuple[int, ...]], areas: Mapping[str, tuple[float, ...]], classes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Give a row an image: pixels and share of each class, and m2 where an image is georeferenced.

    Args:
        pixels: output name -> pixels of each class.
        areas: output name -> m2 of each class, of georeferenced images.
        classes: their names.
    """
    rows = []
    for image, counts in pixels.items():
        row: dict[str, Any] = {"image": image}
        row |= {f"{name}_pixels": count for name, count in zip(classes, counts, strict=True)}
        row |= {
            f"{name}_share": count / max(1, sum(counts)) for name, count in zip(classes, counts, strict=True)
        }
        if areas:
            own = areas.get(image, (None,) * len(classes))
            row |= {f"{name}_m2": area for name, area in zip(classes, own, strict=True)}
        rows.append(row)
    return rows


def _write_summary(path: Path, results: Mapping[str, ImageResult], classes: ClassMap) -> None:
    rows = summary_rows(
        {name: one.pixels for name, one in results.items()},
        {name: one.areas for name, one in results.items() if one.areas is not None},
        classes.names,
    )
    write_table(path, tuple(rows[0]), ([_spell(key, value) for key, value in row.items()] for row in rows))


def _spell(column: str, value: Any) -> object:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}" if column.endswith("_m2") else f"{value:.6f}"
    return value
