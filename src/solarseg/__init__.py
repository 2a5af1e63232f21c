"""Find and measure defects in pictures of solar panels.

The public names load the package that does the job on first use, so that importing solarseg is quick
and brings in no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from solarseg._version import __version__
from solarseg.errors import MissingExtraError, SolarsegError

if TYPE_CHECKING:
    from solarseg.datasets import open_dataset
    from solarseg.evaluation.comparison import compare
    from solarseg.evaluation.evaluate import evaluate
    from solarseg.inference.model import load_model
    from solarseg.inference.shipped import shipped_models
    from solarseg.measurement import measure_cell
    from solarseg.prediction.measurements import measure
    from solarseg.prediction.predict import predict
    from solarseg.synthesis import generate_cell, write_cells
    from solarseg.training.config import Machine
    from solarseg.training.export import export
    from solarseg.training.fit import train

__all__ = [
    "Machine",
    "SolarsegError",
    "__version__",
    "compare",
    "evaluate",
    "export",
    "generate_cell",
    "load_model",
    "measure",
    "measure_cell",
    "open_dataset",
    "predict",
    "shipped_models",
    "train",
    "write_cells",
]

_HOMES = {
    "Machine": "solarseg.training.config",
    "compare": "solarseg.evaluation.comparison",
    "evaluate": "solarseg.evaluation.evaluate",
    "export": "solarseg.training.export",
    "generate_cell": "solarseg.synthesis",
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
