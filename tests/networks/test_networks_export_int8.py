"""Model files with 8-bit layers: what is quantised, and what stays in float."""

from collections import Counter
from contextlib import contextmanager

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from solarseg.evaluation.gate import ExportComparison, compare_networks
from solarseg.inference.model_file import ModelInfo
from solarseg.networks.export import write_graph
from solarseg.networks.network import build_network
from solarseg.networks.quantisation import _calibrated, list_blocks, quantise, quantise_until_it_passes
from solarseg.preprocessing import Preprocessing

pytestmark = pytest.mark.usefixtures("shared_graphs")

NAMES = ("background", "crack")
INT16 = np.iinfo(np.int16)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 60, (6, 64, 64, 3), dtype=np.uint8)
    noise[:, 16:40, 16:40] += 150
    return noise


def make_network(images, encoder="resnet18"):
    """Build a network with running statistics of the images."""
    torch.manual_seed(0)
    network = build_network(encoder, 2, Preprocessing(64, 3, "uint8", (0.3,) * 3, (0.25,) * 3))
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        for _ in range(30):
            network.train()(inputs)
    return network.eval()


def info_of(encoder="resnet18"):
    return ModelInfo(
        solarseg_version="0", class_names=NAMES, class_colours=((0, 0, 0), (1, 1, 1)), image_size=64, bands=3,
        depth="uint8", mean=(0.3,) * 3, std=(0.25,) * 3, encoder=encoder, loss="jaccard", parameters=1, gmacs=1,
        epochs=1, dataset="d", dataset_fingerprint="0",
    )  # fmt: skip


def open_file(path):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(["probabilities"], {"images": inputs})[0]


@pytest.fixture(scope="module")
def files(tmp_path_factory, images):
    """Paths of a float32 file and an int8 file."""
    folder = tmp_path_factory.mktemp("int8")
    write_graph(make_network(images), info_of(), folder / "float.onnx")
    quantise(folder / "float.onnx", folder / "int8.onnx", images)
    return folder / "float.onnx", folder / "int8.onnx"


def weights_of(path):
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    return {name: array for name, array in arrays.items() if array.dtype == np.int8 and array.ndim == 4}


def multiply_in_16_bits(activations, weights):
    """Multiply ``(N,) uint8`` and ``(O, N) int8`` as ``vpmaddubsw`` does: pairs saturate at 16 bits."""
    products = activations.astype(np.int32) * weights.astype(np.int32)
    pairs = products[:, 0::2] + products[:, 1::2]
    return pairs.clip(INT16.min, INT16.max).sum(axis=1)


@pytest.mark.slow
def test_weights_have_seven_bits_so_that_pairs_fit_into_sixteen(files):
    weights = weights_of(files[1])
    assert len(weights) == sum(node.op_type == "Conv" for node in onnx.load(files[0]).graph.node) - 1
    for values in weights.values():
        assert -64 <= values.min() <= values.max() <= 64
        assert np.abs(values.astype(int)).max() > 60  # the seven bits are used
    assert INT16.max >= 2 * 255 * 64
    assert INT16.min <= 2 * 255 * -64


def test_eight_bits_would_saturate_and_seven_do_not(files):
    brightest = 255
    saturated = 0
    for values in weights_of(files[1]).values():
        rows = values.reshape(len(values), -1)
        rows = rows[:, : rows.shape[1] // 2 * 2].astype(np.int32)
        # The largest sums: activations are at the maximum where weights are positive, or where they are negative.
        for row in (rows[0], -rows[0]):
            activations = np.where(row > 0, brightest, 0)
            exact = rows @ activations
            assert (multiply_in_16_bits(activations, rows) == exact).all()
            eight = np.rint(rows * 127 / 64).astype(np.int32)
            saturated += (multiply_in_16_bits(activations, eight) != eight @ activations).sum()
    assert saturated > 0


def test_one_scale_a_channel(files):
    model = onnx.load(files[1])
    scales = {node.input[0]: node.input[1] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    sizes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    for name, values in weights_of(files[1]).items():
        assert sizes[scales[name]] == [len(values)]


def as_onnxruntime_computes(path):
    """Count the types of nodes after optimisation by onnxruntime: layers that are not fused are computed in float."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path.with_name("optimized.onnx"))
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)


def check_whole(path, optimised):
    original = Counter(node.op_type for node in onnx.load(path).graph.node)
    assert optimised["QLinearConv"] == original["Conv"] - 1
    assert optimised["Conv"] + optimised["FusedConv"] == 1  # the head
    assert optimised["QLinearAdd"] == original["Add"]
    assert optimised["QuantizeLinear"] == optimised["DequantizeLinear"] == 1
    assert {"Relu", "Clip", "Add", "BatchNormalization"}.isdisjoint(optimised)


def test_all_layers_between_normalisation_and_head_are_8_bit(files):
    optimised = as_onnxruntime_computes(files[1])
    check_whole(files[0], optimised)
    assert optimised["QLinearConcat"] == 4  # skip connections


@pytest.mark.slow
def test_all_layers_are_8_bit_with_early_shapes_and_clipped_activations(tmp_path, images):
    write_graph(make_network(images, "mobilenet_v2"), info_of("mobilenet_v2"), tmp_path / "float.onnx")
    quantise(tmp_path / "float.onnx", tmp_path / "int8.onnx", images[:2])
    check_whole(tmp_path / "float.onnx", as_onnxruntime_computes(tmp_path / "int8.onnx"))


def test_openvino_computes_in_8_bit(files):
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    model = core.read_model(files[1])
    model.reshape([1, 64, 64, 3])
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    layers = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    found = [
        str(layer["runtimePrecision"].value) for layer in layers if layer["layerType"].value == "Convolution"
    ]
    assert sorted(found)[:1] == ["f32"]
    assert sorted(found)[1:] == ["u8"] * (len(found) - 1)


def test_head_normalisation_and_softmax_stay_in_float(files):
    graph = onnx.load(files[1]).graph
    (head,) = (node for node in graph.node if any("segmentation_head" in name for name in node.input))
    floats = {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}
    assert set(head.input[1:]) <= floats
    after = [node.op_type for node in graph.node[list(graph.node).index(head) :]]
    assert "QuantizeLinear" not in after
    first = next(
        node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] not in floats
    )
    before = {node.op_type for node in graph.node if node.output[0] == first.input[0]}
    assert before == {"Div"}  # by the deviation


def test_probabilities_are_close_for_any_size_and_batch(files, images):
    exact, found = open_file(files[0]), open_file(files[1])
    assert np.abs(exact(images) - found(images)).mean() < 0.03
    larger = np.concatenate([images[:3], images[3:]], axis=1)
    assert found(larger).shape == (3, 128, 64, 2)
    assert np.allclose(found(larger).sum(axis=-1), 1, atol=1e-5)


def test_blocks_are_the_parts_of_the_network(files):
    assert list_blocks(files[0]) == [
        "encoder.conv1",
        *(f"encoder.layer{stage}.{unit}" for stage in (1, 2, 3, 4) for unit in (0, 1)),
        *(f"decoder.blocks.{number}" for number in range(5)),
    ]


@pytest.mark.slow
def test_the_layer_that_loses_most_is_kept_in_float(tmp_path, images):
    """One channel is 100,000 times as strong, so that the others have no levels left; the next layer reverts it."""
    network = make_network(images)
    block = network.unet.decoder.blocks[2]
    with torch.no_grad():
        block.conv1[1].weight[0] *= 1e5
        block.conv1[1].bias[0] *= 1e5
        block.conv2[0].weight[:, 0] /= 1e5
    write_graph(network, info_of(), tmp_path / "float.onnx")
    exact = open_file(tmp_path / "float.onnx")
    # The prediction of the network is the truth: every changed pixel lowers the IoU.
    samples = [(image, exact(image[None])[0].argmax(axis=-1).astype(np.uint8)) for image in images[:2]]
    quantise(tmp_path / "float.onnx", tmp_path / "int8.onnx", images[:2])

    def compare(path, count=None):
        return compare_networks(exact, open_file(path), samples[:count], NAMES)

    spoiled = compare(tmp_path / "int8.onnx")
    kept = quantise_until_it_passes(
        tmp_path / "float.onnx",
        tmp_path / "int8.onnx",
        images[:2],
        lambda path, count: _eased(compare(path, count), 0.5 * max(spoiled.lost)),
    )
    assert kept == ["decoder.blocks.2"]
    names = weights_of(tmp_path / "int8.onnx")
    assert names
    assert not [name for name in names if "decoder.blocks.2." in name]
    assert compare(tmp_path / "int8.onnx").mean_difference < spoiled.mean_difference / 2


@pytest.mark.slow
def test_ranges_that_were_measured_once_give_the_same_files(tmp_path, files, images):
    with _calibrated(files[0], images) as write:
        write(tmp_path / "all.onnx", None)
        write(tmp_path / "some.onnx", {"decoder.blocks.2", "encoder.layer1.0"})
    quantise(files[0], tmp_path / "alone.onnx", images, {"decoder.blocks.2", "encoder.layer1.0"})
    assert (tmp_path / "all.onnx").read_bytes() == files[1].read_bytes()
    assert (tmp_path / "some.onnx").read_bytes() == (tmp_path / "alone.onnx").read_bytes()


@pytest.mark.parametrize("needed", range(1, 15))
def test_no_more_blocks_are_kept_in_float_than_needed(tmp_path, monkeypatch, needed):
    """Blocks that were not quantised are counted instead of computed; every other one changes more."""
    blocks = [f"block {number}" for number in range(14)]
    written = {}

    @contextmanager
    def calibrated(*_):
        yield lambda target, part: written.update({target: part})

    def compare(path, count):
        part = blocks if written[path] is None else written[path]
        change = blocks.index(next(iter(part), blocks[0]))
        lost = 0.0 if len(part) <= len(blocks) - needed else 0.9
        return ExportComparison(("a",), 1, 0.1, change * 0.01, 0.1, (0.9,), (0.9 - lost,))

    monkeypatch.setattr("solarseg.networks.quantisation._calibrated", calibrated)
    monkeypatch.setattr("solarseg.networks.quantisation.list_blocks", lambda source: blocks)
    kept = quantise_until_it_passes(tmp_path / "a", tmp_path / "b", [], compare)
    assert kept == blocks[::-1][:needed]  # those that change most
    assert written[tmp_path / "b"] == set(blocks) - set(kept)


def _eased(found, points):
    """Compare, and accept a larger loss of IoU: random weights lose more than trained ones."""
    from dataclasses import replace

    return replace(found, export=tuple(value + points / 100 for value in found.export))
