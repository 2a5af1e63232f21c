"""How an export is compared with its network."""

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from solarseg.evaluation.gate import LIMIT, ExportComparison, compare_networks

NAMES = ("background", "cell", "crack")


def made_up(seed, count=5, size=16):
    """Samples, and two functions whose probabilities differ a little."""
    rng = np.random.default_rng(seed)
    samples = [
        (np.full((size, size, 1), number, np.uint8), rng.integers(0, 3, (size, size), dtype=np.uint8))
        for number in range(count)
    ]
    first = rng.dirichlet(np.ones(3), (count, size, size)).astype(np.float32)
    second = 0.9 * first + 0.1 * rng.dirichlet(np.ones(3), (count, size, size)).astype(np.float32)

    def reading(table):
        return lambda images: table[images[:, 0, 0, 0]]

    return samples, first, second, reading


def test_figures_equal_numpys_and_scikit_learns():
    samples, first, second, reading = made_up(0)
    found = compare_networks(reading(first), reading(second), samples, NAMES)
    assert found.images == 5
    assert found.largest_difference == pytest.approx(np.abs(first - second).max())
    assert found.mean_difference == pytest.approx(np.abs(first - second).mean(), rel=1e-5)
    assert found.changed == pytest.approx(np.mean(first.argmax(-1) != second.argmax(-1)))
    truth = np.stack([mask for _, mask in samples]).ravel()
    for table, ious in ((first, found.network), (second, found.export)):
        assert ious == pytest.approx(jaccard_score(truth, table.argmax(-1).ravel(), average=None))
    assert found.lost == pytest.approx(100 * (np.array(found.network) - found.export), abs=1e-5)


def test_ignored_pixels_count_in_no_iou():
    samples, first, second, reading = made_up(1)
    for _, mask in samples:
        mask[:8] = 255
    found = compare_networks(reading(first), reading(second), samples, NAMES, ignore_index=255)
    truth = np.stack([mask[8:] for _, mask in samples]).ravel()
    assert found.network == pytest.approx(jaccard_score(truth, first[:, 8:].argmax(-1).ravel(), average=None))


@pytest.mark.parametrize(("lost", "passes"), [(LIMIT, True), (LIMIT + 0.01, False), (-3.0, True)])
def test_one_class_that_loses_more_is_enough(lost, passes):
    network = (0.9, 0.8, 0.5)
    found = ExportComparison(NAMES, 9, 0.1, 0.01, 0.001, network, (0.95, 0.8, 0.5 - lost / 100))
    assert found.passes is passes
    if lost > 0:
        assert found.worst == "crack"


def test_a_class_that_is_nowhere_loses_nothing_and_is_stored_as_none():
    found = ExportComparison(("a", "b"), 1, 0.0, 0.0, 0.0, (1.0, float("nan")), (1.0, 0.0))
    assert found.lost == (0.0, 0.0)
    assert found.passes
    assert found.record()["network_iou"] == {"a": 1.0, "b": None}
