"""8-bit model files, whose weights and activations are integers.

An integer x stands for ``scale * (x - zero point)``: uint8 for activations, with one scale per tensor from the smallest
and largest value in calibration images, and int8 for weights, with one scale per output channel. Normalisation,
segmentation head and softmax stay float32.

Weights use 7 bits, from -64 to 64. Processors with AVX2 and without VNNI multiply by ``vpmaddubsw``, which adds two
products of an unsigned and a signed byte in 16 bits and saturates. 2 * 255 * 64 = 32,640 fits; 2 * 255 * 127 = 64,770
would become 32,767, and the result would depend on the processor.
"""

import logging
import re
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)

from solarseg.evaluation.gate import ExportComparison

__all__ = ["list_blocks", "quantise", "quantise_until_it_passes"]

logger = logging.getLogger(__name__)

# Convolutions and the layers between them: a float32 layer among them would cost two conversions.
_TYPES = ("Conv", "Relu", "Clip", "Add", "Concat", "Resize", "MaxPool", "AveragePool")
_HEAD = "segmentation_head"
# The block of the network that a weight belongs to: encoder.layer1.0, encoder.Mixed_5b, decoder.blocks.3
_BLOCK = re.compile(r"unet\.((?:encoder|decoder)\.(?:model\.)?(?:[\w.]*?\.\d+(?=\.)|\w+))")

Item = TypeVar("Item")
Images = Collection[NDArray[Any]]
Compare = Callable[[Path, int | None], ExportComparison]

_FEW = 8  # images on which blocks are compared with each other


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is not typed
    """Images one by one, as calibration takes them."""

    def __init__(self, images: Iterable[NDArray[Any]]) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        image = next(self._images, None)
        return None if image is None else {"images": image[None]}


def quantise(source: Path, target: Path, images: Images, blocks: Collection[str] | None = None) -> None:
    """Write an ONNX file with 8-bit layers.

    Args:
        source: a float32 file that `solarseg.networks.export.write_graph` wrote.
        target: the file to write, without metadata.
        images: ``(S, S, C)`` preprocessed images of the model's depth to calibrate with.
        blocks: blocks of the network to quantise, of `list_blocks`; by default all.
    """
    with _calibrated(source, images) as write:
        write(target, blocks)


@contextmanager
def _calibrated(
    source: Path, images: Images, progress: bool = False
) -> Iterator[Callable[[Path, Collection[str] | None], None]]:
    """Return a function that quantises blocks of a file; the ranges of its tensors are measured once."""
    with tempfile.TemporaryDirectory() as folder:
        prepared, ranges = Path(folder, "prepared.onnx"), Path(folder, "ranges.json")
        # Only shapes and types are inferred; the graph was simplified when it was exported.
        with _quiet():
            quant_pre_process(str(source), str(prepared), skip_optimization=True, skip_symbolic_shape=True)
        block_of = _quantisable(onnx.load(prepared))

        def write(target: Path, blocks: Collection[str] | None) -> None:
            wanted = [name for name, block in block_of.items() if blocks is None or block in blocks]
            reader = None if ranges.exists() else _Reader(_track(images, "calibrating", progress))
            with _quiet():
                quantize_static(
                    str(prepared),
                    str(target),
                    reader,
                    quant_format=QuantFormat.QDQ,
                    op_types_to_quantize=list(_TYPES),
                    nodes_to_quantize=wanted,
                    per_channel=True,
                    reduce_range=True,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                    calibrate_method=CalibrationMethod.MinMax,
                    calibration_cache_path=ranges,
                )
            model = onnx.load(target)
            _read_shapes_of_integers(model)
            onnx.save(model, target)

        yield write


def _read_shapes_of_integers(model: onnx.ModelProto) -> None:
    """Read shapes from the integer tensors; onnxruntime would convert a tensor to float32 only to read its shape."""
    quantised = {
        node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"
    }
    for node in model.graph.node:
        if node.op_type == "Shape":
            node.input[0] = quantised.get(node.input[0], node.input[0])


def list_blocks(source: Path) -> list[str]:
    """Name the blocks of the network that can be quantised, such as ``encoder.layer1.0``, in order."""
    return list(dict.fromkeys(_quantisable(onnx.shape_inference.infer_shapes(onnx.load(source))).values()))


def _quantisable(model: onnx.ModelProto) -> dict[str, str]:
    """Return the block of each node before the segmentation head that can be quantised."""
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
    block_of: dict[str, str] = {}  # of each tensor
    found: dict[str, str] = {}
    for node in model.graph.node:
        if any(_HEAD in name for name in node.input):
            break
        named = next(filter(None, map(_BLOCK.search, node.input)), None)
        block = named[1] if named else next((block_of[name] for name in node.input if name in block_of), "")
        block_of |= dict.fromkeys(node.output, block)
        # A Concat of integers joins sizes, not images.
        if block and node.op_type in _TYPES and types.get(node.output[0]) == onnx.TensorProto.FLOAT:
            found[node.name] = block
    return found


def quantise_until_it_passes(
    source: Path, target: Path, images: Images, compare: Compare, progress: bool = False
) -> list[str]:
    """Write an ONNX file with 8-bit layers, and with as many float32 blocks as it needs to pass the comparison.

    Blocks are ordered by how much the probabilities change on a few images when they alone are quantised. Of the
    numbers of blocks to keep in float32, from the top of that order, the least that passes is searched by halving.

    Args:
        source: a float32 ONNX file.
        target: the file to write.
        images: to calibrate with.
        compare: compares a file with the network, on so many images or on all; the images that accept or refuse the
            export are not among them.
        progress: show progress on the terminal.

    Returns:
        The blocks that stay float32.
    """
    with _calibrated(source, images, progress) as write:
        write(target, None)
        if compare(target, None).passes:
            return []
        blocks = list_blocks(source)
        logger.info("int8 loses too much: measuring %d blocks to find those to keep in float32", len(blocks))
        changes: dict[str, float] = {}
        for block in _track(blocks, "measuring blocks", progress):
            write(target, {block})
            changes[block] = compare(target, _FEW).mean_difference
        order = sorted(blocks, key=lambda block: -changes[block])

        def passes(count: int) -> bool:
            write(target, set(order[count:]))
            return compare(target, None).passes

        count = bisect_left(range(1, len(order)), True, key=passes) + 1
        write(target, set(order[count:]))
    logger.info("kept in float32: %s", ", ".join(order[:count]))
    return order[:count]


def _track(items: Collection[Item], what: str, progress: bool) -> Iterable[Item]:
    if not progress:
        return items
    from rich.progress import track  # takes a while to import

    return track(items, what)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the advice of onnxruntime on the root logger, which does not apply here."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
