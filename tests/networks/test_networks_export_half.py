"""Model files whose weights are stored as float16."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from solarseg.inference.model_file import ModelInfo
from solarseg.networks.export import write_graph
from solarseg.networks.half import halve
from solarseg.networks.network import build_network
from solarseg.preprocessing import Preprocessing

pytestmark = pytest.mark.usefixtures("shared_graphs")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    torch.manual_seed(0)
    preprocessing = Preprocessing(64, 3, "uint8", (0.3,) * 3, (0.25,) * 3)
    network = build_network("resnet18", 2, preprocessing).eval()
    info = ModelInfo(
        solarseg_version="0", class_names=("a", "b"), class_colours=((0, 0, 0), (1, 1, 1)), image_size=64, bands=3,
        depth="uint8", mean=preprocessing.mean, std=preprocessing.std, encoder="resnet18", loss="jaccard",
        parameters=1, gmacs=1, epochs=1, dataset="d", dataset_fingerprint="0",
    )  # fmt: skip
    path = tmp_path_factory.mktemp("half") / "float.onnx"
    write_graph(network, info, path)
    return path


def run(model, inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"images": inputs})[0]


@pytest.mark.slow
def test_half_the_size_and_exactly_the_rounded_weights(written):
    inputs = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    rounded, half = onnx.load(written), onnx.load(written)
    for tensor in rounded.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype == np.float32 and weights.size >= 256:
            tensor.CopyFrom(
                numpy_helper.from_array(weights.astype(np.float16).astype(np.float32), tensor.name)
            )
    halve(half)
    onnx.checker.check_model(half, full_check=True)
    found = run(half, inputs)
    assert (found == run(rounded, inputs)).all()
    assert 0 < np.abs(found - run(onnx.load(written), inputs)).max() < 0.01
    assert len(half.SerializeToString()) < 0.51 * len(rounded.SerializeToString())


def test_values_too_large_for_float16_are_not_changed(written):
    model = onnx.load(written)
    tensor = next(t for t in model.graph.initializer if t.name.endswith("layer1.0.conv1.weight"))
    weights = numpy_helper.to_array(tensor).copy()
    weights[0, 0, 0, 0] = 1e5
    tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
    halve(model)
    kinds = {t.name: t.data_type for t in model.graph.initializer if "layer1.0.conv" in t.name}
    assert kinds["network.unet.encoder.layer1.0.conv1.weight"] == onnx.TensorProto.FLOAT
    assert kinds["network.unet.encoder.layer1.0.conv2.weight.half"] == onnx.TensorProto.FLOAT16
