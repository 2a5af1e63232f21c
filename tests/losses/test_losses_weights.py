"""Class weights from pixel counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solarseg.errors import ArgumentError
from solarseg.losses import build_loss, class_weights_from_frequency

counts = st.lists(st.integers(0, 10**12), min_size=2, max_size=6).filter(any)


def test_by_hand() -> None:
    # Frequencies 0.5, 0.3, 0.2 with median 0.3: median / frequency is 0.6, 1, 1.5, whose mean is 3.1 / 3.
    expected = [weight * 3 / 3.1 for weight in (0.6, 1.0, 1.5)]
    assert class_weights_from_frequency([500, 300, 200]) == pytest.approx(expected)


@given(counts)
def test_every_class_has_the_same_total_weight_and_the_mean_is_1(pixel_counts: list[int]) -> None:
    weights = class_weights_from_frequency(pixel_counts)
    present = [(weight, count) for weight, count in zip(weights, pixel_counts, strict=True) if count]
    assert sum(weights) / len(present) == pytest.approx(1)
    assert [weight * count for weight, count in present] == pytest.approx(
        [present[0][0] * present[0][1]] * len(present)
    )
    assert all(weight == 0 for weight, count in zip(weights, pixel_counts, strict=True) if not count)


@given(counts)
def test_every_loss_takes_them(pixel_counts: list[int]) -> None:
    build_loss("cross_entropy+jaccard", len(pixel_counts), None, class_weights_from_frequency(pixel_counts))


def test_takes_an_array() -> None:
    assert class_weights_from_frequency(np.array([3, 1])) == pytest.approx([0.5, 1.5])


@pytest.mark.parametrize("pixel_counts", [[], [0, 0], [5, -1]])
def test_invalid_counts_are_refused(pixel_counts: list[int]) -> None:
    with pytest.raises(ArgumentError, match="pixel_counts"):
        class_weights_from_frequency(pixel_counts)
