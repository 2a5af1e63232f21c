"""From a trained network to the model file."""

import copy
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxscript.ir
import torch
from numpy.typing import NDArray
from onnxscript.rewriter import rewrite
from torch.onnx.errors import OnnxExporterError

from solarseg.errors import ModelFileError
from solarseg.files import atomic_path
from solarseg.inference.model import load_model
from solarseg.inference.model_file import METADATA_KEY, ModelInfo, graph_digest, read_info
from solarseg.networks.network import Network, SelfContained

__all__ = ["check_export", "sign", "update_info", "write_graph", "write_model_file"]

logger = logging.getLogger(__name__)

TOLERANCE = 1e-4  # of probabilities
OPSET = 18  # read by every ONNX Runtime since 1.14


def write_model_file(network: Network, info: ModelInfo, path: Path, inputs: NDArray[Any]) -> None:
    """Write a network and what is known of it as a self-describing ONNX file.

    Batch, height and width are left open, the latter in multiples of 32; the size trained at stands in the
    metadata.

    Args:
        network: on any device, in any mode; it is left as it was.
        info: the metadata.
        path: of the ``.onnx`` file; replaced whole or not at all.
        inputs: ``(N, image_size, image_size, bands)`` preprocessed images of the model's depth, on which the
            file must give what the network gives.

    Raises:
        ModelFileError: it does not.
        OutputError: the file could not be written.
    """
    with atomic_path(path) as temporary:
        write_graph(network, info, temporary)
        sign(temporary, info)
        check_export(network, temporary, inputs)


def write_graph(network: Network, info: ModelInfo, path: Path) -> None:
    """Write a network as ONNX of float32, without metadata; see `write_model_file`."""
    whole = SelfContained(
        copy.deepcopy(network).cpu().to(memory_format=torch.contiguous_format),
        info.preprocessing,
        info.temperature,
    )
    side = info.image_size
    example = torch.zeros(2, side, side, info.bands, dtype=getattr(torch, info.depth))
    _export(whole.eval(), example, path)
    onnx.save(_fold(onnx.load(path)), path)


def _fold(model: onnx.ModelProto) -> onnx.ModelProto:
    """Merge normalisations into convolutions also where the size of what stands between them is asked for."""
    following = {
        node.input[0]: node.output[0]
        for node in model.graph.node
        if node.op_type in {"BatchNormalization", "Relu", "Clip"}
    }
    for node in model.graph.node:
        while node.op_type == "Shape" and node.input[0] in following:
            node.input[0] = following[node.input[0]]
    moved = onnxscript.ir.from_proto(model)
    moved.graph.sort()
    return onnxscript.ir.to_proto(rewrite(moved))


def sign(path: Path, info: ModelInfo) -> None:
    """Write into an ONNX file what is known of it, with a fingerprint of what stands in it."""
    model = onnx.load(path)
    _forget_source(model)
    onnx.save(model, path)  # as this library spells it, from now on
    _set_metadata(model, info.model_copy(update={"fingerprint": graph_digest(path)}))
    onnx.save(model, path)


def _forget_source(model: onnx.ModelProto) -> None:
    """Take away in which lines of which files torch found each node: they name folders of whoever exports."""
    model.ClearField("doc_string")
    graphs: list[Any] = [model.graph, *model.functions]
    while graphs:
        graph = graphs.pop()
        lists = (
            getattr(graph, name, ()) for name in ("node", "value_info", "input", "output", "initializer")
        )
        # Inputs and outputs of functions are names, and say no more.
        for part in (graph, *(one for some in lists for one in some if not isinstance(one, str))):
            part.ClearField("metadata_props")
            part.ClearField("doc_string")
        for attribute in (one for node in graph.node for one in node.attribute):
            graphs += [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]


def check_export(network: Network, path: Path, inputs: NDArray[Any]) -> None:
    """Raise `ModelFileError` unless a model file gives what the network gives.

    Where rounding is strong, as in a network whose batch statistics have not settled yet, float32 is not the
    measure: a file that is as near to the network in float64 as the network in float32 is gives the same.

    Args:
        network: what was exported, on any device; it is left as it was.
        path: the model file.
        inputs: ``(N, image_size, image_size, bands)`` preprocessed images, of the model's depth.
    """
    model = load_model(path)
    found = model.probabilities(inputs)
    whole = SelfContained(copy.deepcopy(network).cpu(), model.preprocessing, model.info.temperature).eval()
    expected = _probabilities(whole, inputs)
    apart = _largest(found - expected)
    if apart < TOLERANCE:
        return
    exact = _probabilities(whole.double(), inputs)
    if not _largest(found - exact) <= 4 * _largest(expected - exact):
        raise ModelFileError(
            f"model file: gives probabilities that differ by {apart:.2g} from the network's, {TOLERANCE:g} is "
            "allowed; do not use it, and report the encoder and the versions of torch and onnxruntime"
        )


def _probabilities(whole: SelfContained, inputs: NDArray[Any]) -> NDArray[Any]:
    with torch.no_grad():
        return whole(torch.from_numpy(inputs)).numpy()


def _largest(differences: NDArray[Any]) -> float:
    return float(np.abs(differences).max())


def _export(module: torch.nn.Module, example: torch.Tensor, path: Path) -> None:
    batch, rows, columns = (torch.export.Dim(name, min=1) for name in ("batch", "rows", "columns"))
    any_size = {0: batch, 1: 32 * rows, 2: 32 * columns}
    try:
        _to_onnx(module, example, path, any_size)
    except OnnxExporterError:
        # Encoders with position embeddings (most transformers) know one size only.
        logger.info("this encoder is exported for images of %d pixels only", example.shape[1])
        _to_onnx(module, example, path, {0: batch})


def _to_onnx(module: torch.nn.Module, example: torch.Tensor, path: Path, shapes: dict[int, Any]) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own deprecations, which users cannot act upon
        torch.onnx.export(
            module,
            (example,),
            path,
            dynamo=True,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["probabilities"],
            dynamic_shapes={"images": shapes},
            external_data=False,
            verbose=False,
        )


def update_info(path: Path, **changes: Any) -> None:
    """Change what a model file says about itself.

    Args:
        path: the model file.
        changes: attributes of `solarseg.inference.model_file.ModelInfo`.

    Raises:
        ModelFileError: the file is none of solarseg's.
        OutputError: the file could not be written.
    """
    info = read_info(path).model_copy(update=changes)
    model = onnx.load(path)
    _set_metadata(model, info)
    with atomic_path(path) as temporary:
        onnx.save(model, temporary)


def _set_metadata(model: onnx.ModelProto, info: ModelInfo) -> None:
    onnx.helper.set_model_props(model, {METADATA_KEY: info.model_dump_json()})
