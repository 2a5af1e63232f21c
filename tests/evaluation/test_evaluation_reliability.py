import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassCalibrationError

from solarseg.evaluation.reliability import (
    Reliability,
    count_bins,
    expected_calibration_error,
    without_temperature,
)
from solarseg.evaluation.reliability_figure import draw_reliability


def drawn(classes, seed, size=40):
    """Return logits and true classes, drawn with the probabilities of their softmax."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (size, size, classes))
    shares = softmax(logits)
    truth = (shares.cumsum(axis=-1) < rng.random((size, size, 1))).sum(axis=-1).clip(0, classes - 1)
    return logits, truth.astype(np.uint8)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


@settings(deadline=None, max_examples=20)
@given(classes=st.integers(2, 5), seed=st.integers(0, 99), scale=st.floats(0.3, 5))
def test_the_error_equals_that_of_torchmetrics(classes, seed, scale):
    logits, truth = drawn(classes, seed)
    probabilities = softmax(logits * scale)
    metric = MulticlassCalibrationError(classes, n_bins=15)
    expected = metric(torch.tensor(probabilities).flatten(0, 1), torch.tensor(truth).flatten().long())
    found = expected_calibration_error(count_bins(probabilities, truth))
    assert found == pytest.approx(
        float(expected), abs=2e-3
    )  # theirs puts what lies on an edge into the bin above


def test_ignored_pixels_do_not_count():
    logits, truth = drawn(3, 0)
    truth[:20] = 255
    whole = count_bins(softmax(logits), truth, 255)
    half = count_bins(softmax(logits)[20:], truth[20:])
    assert np.allclose(whole, half)
    assert whole[:, 0].sum() == 800


@given(temperature=st.floats(0.3, 5), seed=st.integers(0, 9))
def test_temperature_can_be_removed(temperature, seed):
    logits, _ = drawn(3, seed, size=8)
    found = without_temperature(softmax(logits / temperature), temperature)
    assert found == pytest.approx(softmax(logits), abs=2e-5)


def test_probabilities_of_0_stay_finite():
    found = without_temperature(np.array([[0.0, 1.0]], np.float32), 3.0)
    assert found.tolist() == [[0, 1]]


def too_sure(images=8):
    """A model with logits three times too large, and a temperature of 3."""
    pairs = [drawn(2, seed, size=80) for seed in range(images)]
    after = np.stack([count_bins(softmax(logits), truth) for logits, truth in pairs])
    before = np.stack([count_bins(softmax(3 * logits), truth) for logits, truth in pairs])
    return Reliability(after, before, 3.0, tuple(f"g{seed}" for seed in range(images)))


def test_errors_and_intervals():
    reliability = too_sure()
    assert reliability.error < 0.01
    assert reliability.error_before > 0.1
    after, before = reliability.intervals()
    assert after.low <= reliability.error <= after.high + 0.005 < before.low
    assert before.groups == 8
    stated = reliability.to_dict()
    assert stated["expected_calibration_error_before"]["value"] == pytest.approx(
        reliability.error_before, abs=1e-6
    )
    assert sum(stated["bins"]["after"]["pixels"]) == 8 * 80 * 80
    assert stated["bins"]["after"]["right"][0] is None  # of two classes one has a half at least


def test_the_figure_takes_any_title(tmp_path):
    draw_reliability(too_sure(), tmp_path / "reliability.png", "cells $ and $x_1$")
    assert (tmp_path / "reliability.png").stat().st_size > 10_000
