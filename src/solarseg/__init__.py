"""Find and measure defects in pictures of solar panels.

Public names load their package on first use, so that importing solarseg is fast
and brings in no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from solarseg._version import __version__
from solarseg.errors import MissingExtraError, SolarsegError

if TYPE_CHECKING:
    from solarseg import data
    from solarseg.classes import ClassMap
    from solarseg.datasets import FolderDataset, open_dataset
    from solarseg.electrical import ModuleParameters, PowerEstimate, Wiring, default_wiring, estimate_power
    from solarseg.evaluation.benchmark import benchmark
    from solarseg.evaluation.comparison import compare
    from solarseg.evaluation.evaluate import evaluate
    from solarseg.evaluation.report import Report
    from solarseg.inference.model import Model, load_model
    from solarseg.inference.options import PredictOptions
    from solarseg.inference.shipped import shipped_models
    from solarseg.inspection.inspect import inspect
    from solarseg.inspection.records import Inspection
    from solarseg.measurement import measure_cell
    from solarseg.modules import ModulePlacement, cut_cells, locate_module, locate_modules
    from solarseg.prediction.measurements import Measurements, measure
    from solarseg.prediction.predict import Predictions, predict
    from solarseg.prediction.rasters.predict import predict_raster
    from solarseg.synthesis import generate_cell, generate_photograph, write_cells
    from solarseg.training.config import Machine
    from solarseg.training.export import export_model
    from solarseg.training.fit import train

__all__ = [
    "ClassMap",
    "FolderDataset",
    "Inspection",
    "Machine",
    "Measurements",
    "Model",
    "ModuleParameters",
    "ModulePlacement",
    "PowerEstimate",
    "PredictOptions",
    "Predictions",
    "Report",
    "SolarsegError",
    "Wiring",
    "__version__",
    "benchmark",
    "compare",
    "cut_cells",
    "data",
    "default_wiring",
    "estimate_power",
    "evaluate",
    "export_model",
    "generate_cell",
    "generate_photograph",
    "inspect",
    "load_model",
    "locate_module",
    "locate_modules",
    "measure",
    "measure_cell",
    "open_dataset",
    "predict",
    "predict_raster",
    "shipped_models",
    "train",
    "write_cells",
]

_HOMES = {
    "ClassMap": "solarseg.classes",
    "FolderDataset": "solarseg.datasets",
    "Inspection": "solarseg.inspection.records",
    "Measurements": "solarseg.prediction.measurements",
    "Model": "solarseg.inference.model",
    "ModuleParameters": "solarseg.electrical",
    "ModulePlacement": "solarseg.modules",
    "cut_cells": "solarseg.modules",
    "locate_module": "solarseg.modules",
    "locate_modules": "solarseg.modules",
    "PowerEstimate": "solarseg.electrical",
    "PredictOptions": "solarseg.inference.options",
    "Predictions": "solarseg.prediction.predict",
    "Report": "solarseg.evaluation.report",
    "Wiring": "solarseg.electrical",
    "predict_raster": "solarseg.prediction.rasters.predict",
    "Machine": "solarseg.training.config",
    "benchmark": "solarseg.evaluation.benchmark",
    "compare": "solarseg.evaluation.comparison",
    "default_wiring": "solarseg.electrical",
    "estimate_power": "solarseg.electrical",
    "evaluate": "solarseg.evaluation.evaluate",
    "export_model": "solarseg.training.export",
    "generate_cell": "solarseg.synthesis",
    "generate_photograph": "solarseg.synthesis",
    "inspect": "solarseg.inspection.inspect",
    "load_model": "solarseg.inference.model",
    "measure": "solarseg.prediction.measurements",
    "measure_cell": "solarseg.measurement",
    "open_dataset": "solarseg.datasets",
    "predict": "solarseg.prediction.predict",
    "shipped_models": "solarseg.inference.shipped",
    "train": "solarseg.training.fit",
    "write_cells": "solarseg.synthesis",
}


def __getattr__(name: str) -> Any:
    if name == "data":
        return import_module("solarseg.data")
    if name not in _HOMES:
        raise AttributeError(f"module 'solarseg' has no attribute '{name}'")
    try:
        home = import_module(_HOMES[name])
    except ModuleNotFoundError as error:
        if not _HOMES[name].startswith("solarseg.training"):
            raise
        raise MissingExtraError("train", str(error.name)) from error
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted(__all__)
