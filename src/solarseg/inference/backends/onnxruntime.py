"""ONNX Runtime, which the core install contains."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from solarseg.errors import ArgumentError, ModelFileError, reason_of
from solarseg.inference.backends import Compute
from solarseg.inference.model_file import ModelInfo

__all__ = ["open_model"]

# Threads that spin while they wait are a little faster alone, but keep the cores from the threads that decode, encode
# or blend. With many cores that matters less than the time to wake each thread.
_FEW_CORES = 4
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def open_model(path: Path, info: ModelInfo, device: str, threads: int) -> Compute:
    """Open a model file; see `solarseg.inference.backends.open_backend`."""
    provider = _PROVIDERS[device]
    if provider not in onnxruntime.get_available_providers():
        raise ArgumentError(
            f"`device={device!r}`: this onnxruntime computes on the CPU only; replace it: pip uninstall onnxruntime, "
            "then pip install onnxruntime-gpu"
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    if threads <= _FEW_CORES:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # onnxruntime's exceptions share no public base class
        raise ModelFileError(
            f"{path}: cannot be opened as a model ({reason_of(error)}); export it again"
        ) from error
    if provider not in session.get_providers():  # it falls back to the CPU without a warning
        raise ArgumentError(
            f"`device={device!r}`: onnxruntime finds no GPU that it can use; check nvidia-smi, or use `device='cpu'`"
        )

    def compute(images: NDArray[Any]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = session.run(["probabilities"], {"images": images})[0]
        return result

    return compute
