"""Inspect photographs one after another, and make the files about all modules from what was written of each."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg._version import __version__
from solarseg.errors import DataError, ExistsError, ImageError
from solarseg.files import digest, remove_empty_folder
from solarseg.inference.model import Model
from solarseg.inspection.layout import InspectionPaths
from solarseg.inspection.module import inspect_module
from solarseg.inspection.module_folder import check_module_folder, write_module
from solarseg.inspection.names import ModuleNames
from solarseg.inspection.photograph import read_photograph
from solarseg.inspection.record import ModuleOrigin
from solarseg.inspection.records import Inspection
from solarseg.inspection.summary import write_summary
from solarseg.reports import FailedPhotograph, ReportStyle

__all__ = ["InspectionJob", "run"]


@dataclass(frozen=True)
class InspectionJob:
    """What is to be done with each photograph.

    Attributes:
        model: finds the defects.
        paths: where results are written.
        style: the company's part of the reports.
        cells: number of rows and columns of cells; None if they are to be found.
        corners: ``(4, 2)`` of the module; None if modules are to be found.
        cell_mm: longer side of the cells, mm.
        overwrite: replace what an earlier call wrote.
        pdf: write PDF files.
    """

    model: Model
    paths: InspectionPaths
    style: ReportStyle
    cells: tuple[int, int] | None = None
    corners: NDArray[np.float64] | None = None
    cell_mm: float | None = None
    overwrite: bool = False
    pdf: bool = True

    def options(self) -> dict[str, Any]:
        """Return what modules depend on besides their photograph, as values of JSON."""
        style = self.style.model_dump_json(exclude={"logo"}) + self.style.logo_uri
        options = {
            "version": __version__,
            "model": self.model.info.fingerprint,
            **asdict(self.model.options),
            "cells": self.cells,
            "corners": None if self.corners is None else self.corners.tolist(),
            "cell_mm": self.cell_mm,
            "style": hashlib.blake2b(style.encode(), digest_size=8).hexdigest(),
            "pdf": self.pdf,
        }
        values: dict[str, Any] = json.loads(json.dumps(options))
        return values

    def image_name(self, file: Path) -> str:
        """Return the name of a photograph in tables and records.

        It is the path relative to the folder of the inspection, so that it does not depend on the current directory and
        stays right if both are moved.
        """
        path = file.parent.resolve() / file.name
        try:
            return Path(os.path.relpath(path, self.paths.root.resolve())).as_posix()
        except ValueError:  # another drive
            return path.as_posix()


def run(
    job: InspectionJob, named: Mapping[Path, str], failed: Mapping[str, str], progress: bool
) -> Inspection:
    """Inspect all photographs.

    Args:
        job: what is to be done.
        named: name of each photograph.
        failed: photographs that were left out, with the reason.
        progress: show progress on the terminal.

    Raises:
        OutputError: a file could not be written.
    """
    failures, modules = dict(failed), []
    names = ModuleNames(named.values(), job.paths)
    for file in _track(named, progress):
        try:
            modules += _inspect_photograph(job, file, names, named[file])
        except (DataError, ExistsError) as error:
            failures[str(file)] = str(error).removeprefix(f"{file}: ")
    if not modules:
        remove_empty_folder(job.paths.root)
        return Inspection(job.paths.root, (), 0, 0, failures)
    reasons = [FailedPhotograph(file, reason) for file, reason in failures.items()]
    cells, defective = write_summary(job.paths, modules, reasons, job.model.classes, job.style)
    return Inspection(job.paths.root, tuple(modules), cells, defective, failures)


def _inspect_photograph(job: InspectionJob, file: Path, names: ModuleNames, name: str) -> list[str]:
    """Write the folders of the modules of a photograph, and return their names."""
    content = _digest(file)
    photograph = read_photograph(file, job.cells, job.corners)
    found = names.of(name, len(photograph.modules))
    for module in found:
        check_module_folder(job.paths.module(module), job.overwrite)
    image, options = job.image_name(file), job.options()
    for number, (placement, module) in enumerate(zip(photograph.modules, found, strict=True), 1):
        result = inspect_module(
            photograph, placement, module, image, job.model, job.cell_mm, job.style.min_severity
        )
        origin = ModuleOrigin(image, content, number, len(found), options)
        folder = job.paths.module(module).root
        write_module(folder, result, origin, job.model.classes, job.model.path.stem, job.style, job.pdf)
    return found


def _digest(file: Path) -> str:
    try:
        return digest(file)
    except OSError as error:
        raise ImageError(f"{file}: cannot be read ({error.strerror or error})") from error


def _track(files: Iterable[Path], progress: bool) -> Iterable[Path]:
    if not progress:
        return files
    from rich.progress import track  # takes a while to import

    return track(list(files), "inspecting")
