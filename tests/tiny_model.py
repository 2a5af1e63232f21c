"""A model file of a kilobyte, in the form that solarseg writes: what is bright is foreground."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from solarseg.inference.model_file import METADATA_KEY, ModelInfo, graph_digest

INFO: dict[str, Any] = {
    "solarseg_version": "0.0.0", "class_names": ("background", "bright"), "class_colours": ((0, 0, 0), (238, 102, 119)),
    "image_size": 64, "bands": 3, "depth": "uint8", "mean": (0.5,) * 3, "std": (0.25,) * 3, "trained_size": (64, 64),
    "encoder": "none", "loss": "none", "parameters": 28, "gmacs": 0.0001, "epochs": 1, "dataset": "none",
    "dataset_fingerprint": "",
}  # fmt: skip


def tiny_graph(kernel: float = 20.0) -> onnx.ModelProto:
    """A blur and a threshold, for images of any size."""
    weights = np.full((1, 3, 3, 3), kernel / 27 / 255, np.float32)
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["bands"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["bands", "kernel", "bias"], ["logits"], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["logits"], ["found"]),
        helper.make_node("Sub", ["one", "found"], ["rest"]),
        helper.make_node("Concat", ["rest", "found"], ["both"], axis=1),
        helper.make_node("Transpose", ["both"], ["probabilities"], perm=[0, 2, 3, 1]),
    ]
    constants = {"kernel": weights, "bias": np.array([-10], np.float32), "one": np.ones(1, np.float32)}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", "32*rows", "32*columns", 3])],
        [
            helper.make_tensor_value_info(
                "probabilities", TensorProto.FLOAT, ["batch", "32*rows", "32*columns", 2]
            )
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def write_tiny(
    path: Path,
    change: Callable[[onnx.ModelProto], object] | None = None,
    edit: Callable[[dict[str, Any]], object] | None = None,
    **info: Any,
) -> Path:
    """Write the model file, with the fingerprint of what is in it.

    Args:
        path: of the file.
        change: changes the graph in place.
        edit: changes the metadata in place, as JSON has them.
        info: attributes of `ModelInfo` to change.
    """
    import json

    model = tiny_graph()
    if change is not None:
        change(model)
    onnx.save(model, path)
    described = ModelInfo(**{**INFO, **info, "fingerprint": graph_digest(path)})
    text = described.model_dump_json()
    if edit is not None:
        raw = json.loads(text)
        edit(raw)
        text = json.dumps(raw)
    helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, path)
    return path
