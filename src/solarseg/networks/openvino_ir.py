"""The format of OpenVINO (IR), for programs that read no ONNX: an XML file of the graph and a file of weights."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.inference.backends import Compute
from solarseg.inference.backends.openvino import import_openvino
from solarseg.inference.model_file import METADATA_KEY, read_info

__all__ = ["open_ir", "write_ir"]

_NAME = "model.xml"


def write_ir(source: Path, folder: Path) -> None:
    """Write a model file as ``model.xml`` and ``model.bin``, for images of its size and batches of any size.

    The XML contains the metadata under ``rt_info``.

    Args:
        source: a model file of any precision.
        folder: an existing folder.

    Raises:
        MissingExtraError: openvino is not installed.
    """
    openvino = import_openvino()
    info = read_info(source)
    model = openvino.Core().read_model(source)
    # With open height and width, OpenVINO computes parts of an int8 file in float32, and other parts wrongly.
    model.reshape([-1, info.image_size, info.image_size, info.bands])
    model.set_rt_info(info.model_dump_json(), METADATA_KEY)
    openvino.save_model(model, folder / _NAME, compress_to_fp16=False)  # keep the precision of the file


def open_ir(folder: Path, threads: int) -> Compute:
    """Open what `write_ir` wrote; layers that are not 8-bit are computed in float32."""
    openvino = import_openvino()
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(folder / _NAME, "CPU", settings)

    def compute(images: NDArray[Any]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = model(images)[0]
        return result

    return compute
