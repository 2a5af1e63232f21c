"""The exported model gives what the network gave."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

import solarseg
from solarseg.datasets import open_dataset
from solarseg.errors import ModelFileError
from solarseg.inference.model import load_model
from solarseg.inference.model_file import ModelInfo
from solarseg.networks.export import check_export, write_model_file
from solarseg.networks.network import SelfContained, build_network
from solarseg.preprocessing import Preprocessing


def export(path, encoder, classes, preprocessing):
    torch.manual_seed(0)
    network = build_network(encoder, classes, preprocessing).eval()
    with torch.no_grad():  # let the running statistics, too, be something worth exporting
        for _ in range(3):
            network.train()(torch.rand(4, preprocessing.bands, 64, 64))
    info = ModelInfo(
        solarseg_version="0", class_names=tuple(f"c{i}" for i in range(classes)),
        class_colours=tuple((i, i, i) for i in range(classes)), image_size=preprocessing.image_size,
        bands=preprocessing.bands, depth=preprocessing.depth, mean=preprocessing.mean, std=preprocessing.std,
        encoder=encoder, loss="jaccard", parameters=1, gmacs=1, epochs=1, dataset="d", dataset_fingerprint="0",
    )  # fmt: skip
    inputs = np.zeros(
        (1, preprocessing.image_size, preprocessing.image_size, preprocessing.bands), preprocessing.depth
    )
    write_model_file(network, info, path, inputs)
    return SelfContained(network.eval(), preprocessing), load_model(path)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A network and its file, not to be changed: exporting takes seconds."""
    path = tmp_path_factory.mktemp("exported") / "m.onnx"
    return export(path, "resnet18", 2, Preprocessing(64, 3, "uint8", (0.4,) * 3, (0.25,) * 3))


@pytest.mark.parametrize(
    ("encoder", "classes", "bands", "depth"),
    [
        ("resnet18", 4, 13, "uint16"),
        ("mobilenet_v2", 3, 1, "float32"),
        pytest.param("inceptionv3", 2, 3, "uint8", marks=pytest.mark.slow),
        pytest.param("vgg16", 2, 3, "uint8", marks=pytest.mark.slow),
    ],
)
def test_probabilities_equal_torchs(tmp_path, encoder, classes, bands, depth):
    preprocessing = Preprocessing(64, bands, depth, (0.4,) * bands, (0.25,) * bands)
    check_probabilities(*export(tmp_path / "m.onnx", encoder, classes, preprocessing))


@pytest.mark.slow
def test_probabilities_of_a_binary_network_equal_torchs(exported):
    check_probabilities(*exported)


def check_probabilities(network, model):
    bands, depth = model.preprocessing.bands, model.preprocessing.depth
    inputs = (
        np.random.default_rng(0).random((3, 64, 64, bands))
        * {"uint8": 255, "uint16": 65535, "float32": 1}[depth]
    )
    inputs = inputs.astype(depth)
    with torch.no_grad():
        expected = network(torch.from_numpy(inputs)).numpy()
    assert np.abs(model.probabilities(inputs) - expected).max() < 1e-4
    assert np.allclose(expected.sum(axis=-1), 1, atol=1e-5)


def test_a_model_file_contains_no_paths_of_the_exporter(exported):
    content = exported[1].path.read_bytes()
    for module in (torch, solarseg):
        assert str(Path(module.__file__).parents[1]).encode() not in content


@pytest.mark.parametrize("tolerance", [1e-4, 0])  # with none, float64 says what is right
def test_an_export_that_differs_is_refused(exported, monkeypatch, tolerance):
    monkeypatch.setattr("solarseg.networks.export.TOLERANCE", tolerance)
    network, path = copy.deepcopy(exported[0]), exported[1].path
    inputs = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    check_export(network.network, path, inputs)
    with torch.no_grad():
        network.network.unet.segmentation_head[0].bias += 0.01
    with pytest.raises(ModelFileError, match=r"model file: its probabilities differ by 0\.00"):
        check_export(network.network, path, inputs)


@pytest.mark.slow
def test_probabilities_equal_torchs_on_real_tiles(tmp_path, real_data):
    preprocessing = Preprocessing(256, 3, "uint8", (0.4,) * 3, (0.2,) * 3)
    network, model = export(tmp_path / "m.onnx", "resnet34", 2, preprocessing)
    data = open_dataset(real_data / "pv01-tiles")
    inputs = np.stack([preprocessing.to_input(data[name].image) for name in data.names[:4]])
    with torch.no_grad():
        expected = network(torch.from_numpy(inputs)).numpy()
    assert np.abs(model.probabilities(inputs) - expected).max() < 1e-4
