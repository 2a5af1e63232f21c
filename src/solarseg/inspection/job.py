"""What is to be done with photographs of modules."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg._version import __version__
from solarseg.classes import ClassMap
from solarseg.inference.model import Model, load_model
from solarseg.inference.model_file import find_model_file, read_info
from solarseg.inference.options import PredictOptions
from solarseg.inspection.layout import InspectionPaths
from solarseg.inspection.series import SeriesEntry
from solarseg.reports import ReportStyle

__all__ = ["InspectionJob", "ModelChoice", "choose_model"]


@dataclass(frozen=True)
class ModelChoice:
    """A model that is opened later, in each process that needs it.

    Attributes:
        path: the model file.
        fingerprint: digest of its network.
        classes: the classes of the masks.
        backend: what computes it.
        device: ``"cpu"`` or ``"cuda"``.
        options: how images are predicted.
    """

    path: Path
    fingerprint: str
    classes: ClassMap
    backend: str = "auto"
    device: str = "cpu"
    options: PredictOptions = field(default_factory=PredictOptions)

    def open(self, threads: int | None = None) -> Model:
        """Open the model with as many threads; by default one for each core."""
        return load_model(
            self.path, threads=threads, backend=self.backend, device=self.device, options=self.options
        )


def choose_model(model: Model | Path | str) -> ModelChoice:
    """Find a model, and read what its file says.

    Raises:
        ModelFileError: there is no model, or its file cannot be read.
    """
    if isinstance(model, Model):
        info = model.info
        return ModelChoice(
            model.path, info.fingerprint, info.classes, model.backend, model.device, model.options
        )
    path = find_model_file(model)
    info = read_info(path)
    return ModelChoice(path, info.fingerprint, info.classes)


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
        overwrite: replace what a previous call wrote.
        pdf: write PDF files.
        compare: folder of an earlier inspection, or None.
        earlier_digest: of what that inspection found.
        series: photograph -> its module and value, for photographs of the same modules, in their order.
        quantity: what the values are, with its unit.
    """

    model: ModelChoice
    paths: InspectionPaths
    style: ReportStyle
    cells: tuple[int, int] | None = None
    corners: NDArray[np.float64] | None = None
    cell_mm: float | None = None
    overwrite: bool = False
    pdf: bool = True
    compare: Path | None = None
    earlier_digest: str = ""
    series: Mapping[Path, SeriesEntry] = field(default_factory=dict)
    quantity: str = ""

    def firsts(self) -> dict[Path, Path]:
        """Return the first photograph of the series of each other photograph in it."""
        first: dict[str, Path] = {}
        found = {file: first.setdefault(entry.module, file) for file, entry in self.series.items()}
        return {file: other for file, other in found.items() if file != other}

    def options(self, first: str = "") -> dict[str, Any]:
        """Return what the modules of a photograph depend on besides its content, as values of JSON.

        Args:
            first: digest of the first photograph of its series, if it is compared with one.
        """
        style = self.style.model_dump_json(exclude={"logo"}) + self.style.logo_uri
        options = {
            "version": __version__,
            "model": self.model.fingerprint,
            "classes": self.model.classes.names,
            **asdict(self.model.options),
            "cells": self.cells,
            "corners": None if self.corners is None else self.corners.tolist(),
            "cell_mm": self.cell_mm,
            "style": hashlib.blake2b(style.encode(), digest_size=8).hexdigest(),
            "pdf": self.pdf,
            "earlier": first or self.earlier_digest,
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
