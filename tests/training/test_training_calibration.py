import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from solarseg.inference.model import load_model
from solarseg.networks.backend import load_network
from solarseg.networks.export import write_model_file
from solarseg.training.calibration import calibrate, fit_temperature


def drawn(classes, seed, sureness=1.0):
    """Logits, and classes drawn as often as they say, before the logits are made surer than that."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (3000, classes))
    shares = np.exp(log_softmax(logits, axis=1))
    truth = (shares.cumsum(axis=1) < rng.random((3000, 1))).sum(axis=1).clip(0, classes - 1)
    return torch.tensor(logits * sureness, dtype=torch.float32), torch.tensor(truth)


@settings(deadline=None, max_examples=15)
@given(classes=st.integers(2, 5), seed=st.integers(0, 99), sureness=st.floats(1.2, 8))
def test_the_temperature_is_that_of_a_second_optimiser(classes, seed, sureness):
    logits, truth = drawn(classes, seed, sureness)

    def unlikely(logarithm):
        shares = log_softmax(logits.double().numpy() / np.exp(logarithm), axis=1)
        return -shares[np.arange(len(truth)), truth].mean()

    expected = np.exp(minimize_scalar(unlikely, bounds=(-3, 4), method="bounded", options={"xatol": 1e-8}).x)
    assert fit_temperature(logits, truth) == pytest.approx(expected, rel=1e-3)
    assert fit_temperature(logits, truth) == pytest.approx(sureness, rel=0.12)


def test_a_network_that_could_be_surer_is_left_alone():
    assert fit_temperature(*drawn(3, 0, sureness=0.4)) == 1


def test_where_likelihood_has_no_maximum():
    sure = torch.tensor([[0.0, 4.0]])
    assert fit_temperature(sure, torch.tensor([1])) == 1
    assert fit_temperature(sure, torch.tensor([0])) == 20
    assert fit_temperature(sure[:0], torch.tensor([0])[:0]) == 1
    assert fit_temperature(torch.tensor([[0.0, torch.nan]]), torch.tensor([1])) == 1


class Steps(torch.nn.Module):
    """A network of one logit that is three times as sure as it should be."""

    def __init__(self):
        super().__init__()
        self.sureness = torch.nn.Parameter(torch.tensor(3.0))

    def forward(self, images):
        return self.sureness * images[:, :1]


def samples(count, ignored=()):
    rng = np.random.default_rng(0)
    for _ in range(count):
        logits = rng.normal(0, 2, (1, 64, 64)).astype(np.float32)
        mask = (rng.random((64, 64)) < 1 / (1 + np.exp(-logits[0]))).astype(np.uint8)
        for rows in ignored:
            mask[rows], logits[0, rows] = 255, 100
        yield torch.from_numpy(logits), torch.from_numpy(mask)


def test_a_network_that_is_too_sure_is_found_out():
    network = Steps()
    assert calibrate(network, list(samples(20)), "float32") == pytest.approx(3, rel=0.05)
    assert calibrate(network, list(samples(20, ignored=[slice(0, 30)])), "float32") == pytest.approx(
        3, rel=0.05
    )
    assert calibrate(network, [], "float32") == 1


@pytest.mark.slow
def test_the_model_file_has_it_inside(trained, tmp_path):
    """Plain probabilities of the network, softened by hand, are what a file of that temperature gives."""
    run, _ = trained
    info = load_model(run.path).info
    assert 1 <= info.temperature <= 20
    network = load_network(run.model, info)
    images = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    with torch.inference_mode():
        logits = network(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)[0, 0].numpy()
    for temperature in (1.0, 2.5):
        file = tmp_path / f"{temperature}.onnx"
        write_model_file(network, info.model_copy(update={"temperature": temperature}), file, images)
        found = load_model(file).probabilities(images)[0, ..., 1]
        assert found == pytest.approx(1 / (1 + np.exp(-logits / temperature)), abs=1e-4)
