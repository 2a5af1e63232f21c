"""Backends, which compute the network of a model file: one module each, behind one function.

A backend is a function ``open_model(path, info, device, threads)`` that returns a function from ``images
(N, H, W, C)`` of the model's depth to ``probabilities (N, H, W, K) float32``.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError, ModelFileError, SolarsegError, reason_of
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
_ROUNDING = 1e-3  # that a probability may lie outside 0 and 1


def open_backend(name: str, path: Path, info: ModelInfo, device: str, threads: int) -> Compute:
    """Open a model file with a backend.

    The file must have passed `solarseg.inference.model_file.check_graph`, or have been written by the caller.

    Args:
        name: of the backend, a key of `BACKENDS`.
        path: the model file.
        info: its metadata.
        device: ``"cpu"`` or ``"cuda"``.
        threads: to compute with on the CPU.

    Returns:
        A function from images to probabilities. It raises `ModelFileError` if the backend fails, or if the result
        is no probability of each class for each pixel.

    Raises:
        ArgumentError: there is no such backend or device, or the backend does not support the device.
        ModelFileError: the backend cannot open the file.
        MissingExtraError: the backend is not installed.
    """
    if device not in DEVICES:
        raise ArgumentError(f"`device={device!r}`: must be one of {', '.join(DEVICES)}")
    compute: Compute = lookup("backend", BACKENDS, name)(path, info, device, threads)

    def checked(images: NDArray[Any]) -> NDArray[np.float32]:
        try:
            result = compute(images)
        except (SolarsegError, MemoryError):
            raise
        except Exception as error:  # each library raises its own
            raise ModelFileError(f"{path}: {name} cannot compute it ({reason_of(error)})") from error
        _check_result(result, (*images.shape[:3], len(info.class_names)), path)
        return result

    return checked


def _check_result(result: NDArray[Any], shape: tuple[int, ...], path: Path) -> None:
    if result.shape != shape or result.dtype != np.float32:
        raise ModelFileError(
            f"{path}: gives {result.dtype} of the shape {result.shape} where float32 of {shape} is expected; export "
            "the model again"
        )
    least, most = float(result.min()), float(result.max())  # NaN where a number is NaN
    if not -_ROUNDING <= least <= most <= 1 + _ROUNDING:
        raise ModelFileError(
            f"{path}: gives probabilities from {least:g} to {most:g}, allowed are 0 to 1; train the model again"
        )
