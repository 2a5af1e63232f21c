"""Write a trained network as a model file."""

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
from solarseg.inference.graph import OPSET
from solarseg.inference.model import load_model
from solarseg.inference.model_file import METADATA_KEY, ModelInfo, graph_digest, read_info
from solarseg.networks.network import Network, SelfContained

__all__ = ["check_export", "sign", "update_info", "write_graph", "write_model_file"]

logger = logging.getLogger(__name__)

TOLERANCE = 1e-4  # of probabilities


def write_model_file(network: Network, info: ModelInfo, path: Path, inputs: NDArray[Any]) -> None:
    """Write a network and its metadata as a model file.

    Batch, height and width of the input are open, the latter in multiples of 32; the metadata contain the size trained
    at.

    Args:
        network: on any device, in any mode; it is not changed.
        info: the metadata.
        path: of the ``.onnx`` file.
        inputs: ``(N, image_size, image_size, bands)`` preprocessed images of the model's depth, for which the file
            must give the probabilities of the network.

    Raises:
        ModelFileError: the file gives other probabilities.
        OutputError: the file could not be written.
    """
    with atomic_path(path) as temporary:
        write_graph(network, info, temporary)
        sign(temporary, info)
        check_export(network, temporary, inputs)


def write_graph(network: Network, info: ModelInfo, path: Path) -> None:
    """Write a network as a float32 ONNX file without metadata; see `write_model_file`."""
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
    """Merge normalisations into convolutions, including those whose output is measured by a Shape node."""
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
    """Write metadata into an ONNX file, with the fingerprint of its graph."""
    model = onnx.load(path)
    _strip_source_paths(model)
    onnx.save(model, path)  # the bytes of the graph stay as this library writes them
    _set_metadata(model, info.model_copy(update={"fingerprint": graph_digest(path)}))
    onnx.save(model, path)


def _strip_source_paths(model: onnx.ModelProto) -> None:
    """Strip source paths from nodes: torch writes folder names of the machine that exports."""
    model.ClearField("doc_string")
    graphs: list[Any] = [model.graph, *model.functions]
    while graphs:
        graph = graphs.pop()
        lists = (
            getattr(graph, name, ()) for name in ("node", "value_info", "input", "output", "initializer")
        )
        # Inputs and outputs of functions are names only.
        for part in (graph, *(one for some in lists for one in some if not isinstance(one, str))):
            part.ClearField("metadata_props")
            part.ClearField("doc_string")
        for attribute in (one for node in graph.node for one in node.attribute):
            graphs += [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]


def check_export(network: Network, path: Path, inputs: NDArray[Any]) -> None:
    """Check that a model file gives the probabilities of the network.

    Where rounding errors are large, as in a network whose batch statistics have not settled yet, the network in
    float64 is the reference: the file passes if it is about as close to it as the network in float32.

    Args:
        network: the exported network, on any device; it is not changed.
        path: the model file.
        inputs: ``(N, image_size, image_size, bands)`` preprocessed images of the model's depth.

    Raises:
        ModelFileError: the probabilities differ.
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
            f"model file: its probabilities differ by {apart:.2g} from those of the network, allowed are "
            f"{TOLERANCE:g}; do not use it, and report the encoder and the versions of torch and onnxruntime"
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
        # Encoders with position embeddings (most transformers) accept one size only.
        logger.info("this encoder is exported for images of %d pixels only", example.shape[1])
        _to_onnx(module, example, path, {0: batch})


def _to_onnx(module: torch.nn.Module, example: torch.Tensor, path: Path, shapes: dict[int, Any]) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # deprecations within the exporter
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
    """Change the metadata of a model file.

    Args:
        path: the model file.
        changes: attributes of `solarseg.inference.model_file.ModelInfo`.

    Raises:
        ModelFileError: solarseg did not write the file.
        OutputError: the file could not be written.
    """
    info = read_info(path).model_copy(update=changes)
    model = onnx.load(path)
    _set_metadata(model, info)
    with atomic_path(path) as temporary:
        onnx.save(model, temporary)


def _set_metadata(model: onnx.ModelProto, info: ModelInfo) -> None:
    onnx.helper.set_model_props(model, {METADATA_KEY: info.model_dump_json()})
