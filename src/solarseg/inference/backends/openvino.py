"""OpenVINO, the quickest on Intel's and AMD's processors."""

import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError, ModelFileError
from solarseg.extras import require
from solarseg.inference.backends import Compute
from solarseg.inference.model_file import ModelInfo

__all__ = ["import_openvino", "open_model"]

_SHAPES = 4  # compiled for at a time; a folder of images has one shape, and its last batch another


def import_openvino() -> Any:
    """Import OpenVINO, but not the part of it that sends home over the network that it was imported.

    Raises:
        MissingExtraError: it is not installed.
    """
    reporting = "openvino_telemetry"
    before = sys.modules.get(reporting)
    sys.modules.setdefault(reporting, None)  # type: ignore[arg-type]  # as if it were not installed
    try:
        return require("openvino", "openvino")
    finally:
        if before is None:
            sys.modules.pop(reporting, None)


def open_model(path: Path, info: ModelInfo, device: str, threads: int) -> Compute:
    """Open a model file; see `solarseg.inference.backends.open_backend`.

    Float32 weights are computed in float32 also where the processor would be quicker in bfloat16; only an export in
    half precision leaves that to OpenVINO.
    """
    if device != "cpu":
        raise ArgumentError(
            f"--device {device}: openvino computes on the CPU; use --backend onnxruntime or torch"
        )
    openvino = import_openvino()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    if info.precision != "float16":
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    core = openvino.Core()

    # Its kernels for a shape that is known are up to 1.6 times as quick as those for any shape.
    @lru_cache(maxsize=_SHAPES)
    def compile_for(shape: tuple[int, ...]) -> Any:
        try:
            model = core.read_model(path)
            model.reshape(list(shape))
            return core.compile_model(model, "CPU", settings)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:160]
            raise ModelFileError(
                f"{path}: cannot be opened with openvino ({reason}); use --backend onnxruntime"
            ) from error

    side = info.image_size
    compile_for((1, side, side, info.bands))  # so that what is wrong is said at once

    def compute(images: NDArray[Any]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = compile_for(images.shape)(images)[0]
        return result

    return compute
