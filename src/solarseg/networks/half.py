"""Model files of half the size, with weights stored as float16."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["halve"]

_MIN_SIZE = 256  # minimum size of a tensor that is stored as float16


def halve(model: onnx.ModelProto) -> None:
    """Store the weights of a model as float16, and cast them to float32 where they are used.

    So every runtime computes in float32 with the same weights, unless it is set to half precision. Tensors
    with a number too large for float16 are not changed.

    Args:
        model: a float32 model, changed in place.
    """
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _MIN_SIZE:
            continue
        weights = numpy_helper.to_array(tensor)
        if np.abs(weights).max() > np.finfo(np.float16).max:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], f"{name}.cast", to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
