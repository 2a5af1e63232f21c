"""What computes the network of a model file: one file each, all behind one function.

A backend is a function ``open_model(path, info, device, threads)`` that returns a function from ``images
(N, H, W, C)`` of the model's depth to ``probabilities (N, H, W, K) float32``.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError
from solarseg.inference.model_file import ModelInfo
from solarseg.registry import lookup

__all__ = ["BACKENDS", "DEVICES", "Compute", "open_backend"]

Compute = Callable[[NDArray[Any]], NDArray[np.float32]]

BACKENDS: Mapping[str, str] = {
    "onnxruntime": "solarseg.inference.backends.onnxruntime:open_model",
    "openvino": "solarseg.inference.backends.openvino:open_model",
    "torch": "solarseg.networks.backend:open_model",
}
DEVICES = ("cpu", "cuda")


def open_backend(name: str, path: Path, info: ModelInfo, device: str, threads: int) -> Compute:
    """Open a model file with a backend.

    Args:
        name: of the backend, a key of `BACKENDS`.
        path: the model file.
        info: what the file says about itself.
        device: ``"cpu"`` or ``"cuda"``.
        threads: to compute with on the CPU.

    Raises:
        ArgumentError: there is no such backend or device, or the backend does not reach the device.
        ModelFileError: the backend cannot open the file.
        MissingExtraError: the backend is not installed.
    """
    if device not in DEVICES:
        raise ArgumentError(f"--device {device}: must be one of {', '.join(DEVICES)}")
    compute: Compute = lookup("backend", BACKENDS, name)(path, info, device, threads)
    return compute
