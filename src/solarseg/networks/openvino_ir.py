"""OpenVINO's own format (IR), for programs that take nothing else: an XML file of the graph and a file of weights."""

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
    """Write a model file as ``model.xml`` and ``model.bin``, for images of its size, as many at once as one likes.

    Its metadata stands in the XML under ``rt_info``.

    Args:
        source: a model file of solarseg, of any precision.
        folder: exists.

    Raises:
        MissingExtraError: openvino is not installed.
    """
    openvino = import_openvino()
    info = read_info(source)
    model = openvino.Core().read_model(source)
    # With height and width left open, OpenVINO computes parts of an int8 file in float, and other parts wrongly.
    model.reshape([-1, info.image_size, info.image_size, info.bands])
    model.set_rt_info(info.model_dump_json(), METADATA_KEY)
    openvino.save_model(model, folder / _NAME, compress_to_fp16=False)  # the precision is the file's own


def open_ir(folder: Path, threads: int) -> Compute:
    """Compute with what `write_ir` wrote, in float32 where its layers are not of eight bits."""
    openvino = import_openvino()
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(folder / _NAME, "CPU", settings)

    def compute(images: NDArray[Any]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = model(images)[0]
        return result

    return compute
