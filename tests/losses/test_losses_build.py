"""Names of losses, sums of losses, and invalid arguments."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from solarseg.errors import ArgumentError
from solarseg.losses import LOSSES, build_loss
from solarseg.losses.focal import FocalLoss
from solarseg.losses.jaccard import JaccardLoss
from solarseg.losses.tversky import TverskyLoss

LOGITS = torch.tensor([4.0, 1.0, 1.0, 0.25]).log().view(1, 1, 2, 2)
TARGET = torch.tensor([[[1, 1], [1, 0]]])


@pytest.mark.parametrize("name", LOSSES)
def test_a_name_alone_gives_that_loss(name: str) -> None:
    loss = build_loss(f" {name} ", 3, ignore_index=255, class_weights=[1.0, 2.0, 3.0])
    assert type(loss).__name__.lower() == name.replace("_", "") + "loss"
    assert loss.class_weights.tolist() == [1.0, 2.0, 3.0]
    assert repr(loss).endswith("(num_classes=3, ignore_index=255)")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 100), st.sampled_from(sorted(LOSSES))), min_size=1, max_size=4))
def test_a_sum_of_losses_is_their_sum(terms: list[tuple[float, str]]) -> None:
    loss = build_loss(" + ".join(f"{factor} * {name}" for factor, name in terms), num_classes=2)
    expected = sum(factor * build_loss(name, 2)(LOGITS, TARGET).item() for factor, name in terms)
    assert loss(LOGITS, TARGET).item() == pytest.approx(expected)


def test_a_factor_is_optional() -> None:
    # Jaccard 1.4/3.2 (see test_losses_regions), Dice 0.28
    assert build_loss("jaccard+0.5*dice", 2)(LOGITS, TARGET).item() == pytest.approx(0.4375 + 0.14)
    assert isinstance(build_loss("1*jaccard", 2), JaccardLoss)


@pytest.mark.parametrize(
    "name",
    ["", "jaccard+", "+jaccard", "jaccard++dice", "*jaccard", "2*", "0*dice", "-1*dice", "nan*dice",
     "inf*dice", "half*dice", "jaccard*0.5*dice"],
)  # fmt: skip
def test_the_error_for_a_malformed_sum_shows_an_example(name: str) -> None:
    with pytest.raises(ArgumentError, match="jaccard"):
        build_loss(name, 2)


@pytest.mark.parametrize("name", ["iou", "jaccard+iou", "2 jaccard", "0.5*0.5", "Jaccard"])
def test_an_unknown_name_lists_the_choices(name: str) -> None:
    with pytest.raises(ArgumentError, match=", ".join(sorted(LOSSES))):
        build_loss(name, 2)


@pytest.mark.parametrize(
    "weights",
    [[], [1.0], [1.0, 1.0, 1.0], [-1.0, 1.0], [math.nan, 1.0], [math.inf, 1.0], [0.0, 0.0]],
)
def test_weights_must_fit_the_classes(weights: list[float]) -> None:
    with pytest.raises(ArgumentError, match=r"class_weights=.*: give 2 numbers"):
        build_loss("jaccard+focal", 2, class_weights=weights)


def test_weights_may_be_an_array() -> None:
    assert build_loss("focal", 2, class_weights=np.array([1, 2])).class_weights.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("num_classes", [-1, 0, 1])
def test_a_single_class_is_refused(num_classes: int) -> None:
    with pytest.raises(ArgumentError, match="num_classes"):
        build_loss("jaccard", num_classes)


@pytest.mark.parametrize(
    ("num_classes", "logits", "target"),
    [
        (2, (2, 2, 4, 4), (2, 4, 4)),
        (3, (2, 1, 4, 4), (2, 4, 4)),
        (3, (2, 3, 4, 4), (2, 1, 4, 4)),
        (3, (2, 3, 4, 4), (1, 4, 4)),
        (2, (2, 4, 4), (2, 4, 4)),
    ],
)
def test_shapes_that_would_broadcast_are_refused(
    num_classes: int, logits: tuple[int, ...], target: tuple[int, ...]
) -> None:
    with pytest.raises(ArgumentError, match=r"need \(N, ., H, W\)"):
        build_loss("jaccard", num_classes)(torch.zeros(logits), torch.zeros(target, dtype=torch.long))


@pytest.mark.parametrize("weights", [{"alpha": 0.0}, {"beta": -1.0}, {"alpha": math.nan}])
def test_tversky_weights_are_positive(weights: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match="both must be above 0"):
        TverskyLoss(2, **weights)


@pytest.mark.parametrize("gamma", [0.5, -1.0, math.nan])
def test_focal_gamma_is_one_or_more(gamma: float) -> None:
    with pytest.raises(ArgumentError, match="gamma"):
        FocalLoss(2, gamma=gamma)
