"""OpenVINO, the fastest on processors of Intel and AMD."""

import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError, ModelFileError, reason_of
from solarseg.extras import require
from solarseg.inference.backends import Compute
from solarseg.inference.model_file import ModelInfo

__all__ = ["import_openvino", "open_model"]

_SHAPES = 4  # compiled shapes that are kept; a folder of images has one shape, and its last batch another


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry, which reports each import over the network.

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

    Float32 weights are computed in float32 even where the processor is faster in bfloat16. Only for an export in half
    precision, OpenVINO chooses.
    """
    if device != "cpu":
        raise ArgumentError(
            f"`device={device!r}`: openvino computes on the CPU only; use `backend='onnxruntime'` or `backend='torch'`"
        )
    openvino = import_openvino()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    if info.precision != "float16":
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    core = openvino.Core()

    # Kernels for a known shape are up to 1.6 times as fast as those for any shape.
    @lru_cache(maxsize=_SHAPES)
    def compile_for(shape: tuple[int, ...]) -> Any:
        try:
            model = core.read_model(path)
            model.reshape(list(shape))
            return core.compile_model(model, "CPU", settings)
        except RuntimeError as error:
            raise ModelFileError(
                f"{path}: cannot be opened with openvino ({reason_of(error)}); use `backend='onnxruntime'`"
            ) from error

    side = info.image_size
    compile_for((1, side, side, info.bands))  # so that errors are raised now

    def compute(images: NDArray[Any]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = compile_for(images.shape)(images)[0]
        return result

    return compute
