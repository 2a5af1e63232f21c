"""Cross-entropy and focal loss: values, and comparison with torch and segmentation-models-pytorch."""

import math

import pytest
import segmentation_models_pytorch.losses as smp
import torch
import torch.nn.functional as F
from torch import Tensor

from solarseg.losses import build_loss
from solarseg.losses.focal import FocalLoss

# Logit ln(p / (1 - p)): probabilities 0.8, 0.5, 0.5, 0.2; the true class has 0.8, 0.5, 0.5, 0.8
LOGITS = torch.tensor([4.0, 1.0, 1.0, 0.25]).log().view(1, 1, 2, 2)
TARGET = torch.tensor([[[1, 1], [1, 0]]])


def draw(channels: int, ignored: bool) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(max(channels, 2), (2, 6, 7), generator=generator)
    if ignored:
        target[1, 2:] = 255
    return 3 * torch.randn(2, channels, 6, 7, generator=generator), target


def test_cross_entropy_by_hand() -> None:
    easy, hard = math.log(1 / 0.8), math.log(1 / 0.5)
    value = build_loss("cross_entropy", 2)(LOGITS, TARGET)
    assert value.item() == pytest.approx((2 * easy + 2 * hard) / 4)
    # Foreground pixels (0.8, 0.5, 0.5) weigh 3, the background pixel (0.8) weighs 1.
    weighted = build_loss("cross_entropy", 2, class_weights=[1, 3])(LOGITS, TARGET)
    assert weighted.item() == pytest.approx((3 * easy + 3 * hard + 3 * hard + easy) / 10)


def test_focal_by_hand() -> None:
    easy, hard = 0.2**2 * math.log(1 / 0.8), 0.5**2 * math.log(1 / 0.5)
    value = build_loss("focal", 2)(LOGITS, TARGET)
    assert value.item() == pytest.approx((2 * easy + 2 * hard) / 4)
    weighted = build_loss("focal", 2, class_weights=[1, 3])(LOGITS, TARGET)
    assert weighted.item() == pytest.approx((3 * easy + 3 * hard + 3 * hard + easy) / 10)


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5]])
def test_cross_entropy_equals_torch(ignored: bool, weights: list[float] | None) -> None:
    logits, target = draw(3, ignored)
    tensor = None if weights is None else torch.tensor(weights)
    expected = F.cross_entropy(logits, target, tensor, ignore_index=255)
    torch.testing.assert_close(build_loss("cross_entropy", 3, 255, weights)(logits, target), expected)


def test_binary_cross_entropy_equals_torch() -> None:
    logits, target = draw(1, ignored=False)
    expected = F.binary_cross_entropy_with_logits(logits[:, 0], target.float())
    torch.testing.assert_close(build_loss("cross_entropy", 2)(logits, target), expected)


@pytest.mark.parametrize("ignored", [False, True])
def test_binary_focal_equals_the_library(ignored: bool) -> None:
    logits, target = draw(1, ignored)
    expected = smp.FocalLoss("binary", ignore_index=255)(logits, target)
    torch.testing.assert_close(build_loss("focal", 2, 255)(logits, target), expected)


def test_focal_of_several_classes_is_the_softmax_formula() -> None:
    logits, target = draw(3, ignored=False)
    p = logits.softmax(dim=1).gather(1, target[:, None])
    torch.testing.assert_close(FocalLoss(3, gamma=3.0)(logits, target), (-((1 - p) ** 3) * p.log()).mean())
    # Unlike the library's loss, softmax does not change when a constant is added to all logits.
    torch.testing.assert_close(FocalLoss(3)(logits + 5, target), FocalLoss(3)(logits, target))
    library = smp.FocalLoss("multiclass")
    assert not torch.isclose(library(logits + 5, target), library(logits, target))


@pytest.mark.parametrize("name", ["cross_entropy", "focal"])
def test_the_loss_of_a_batch_with_weights_of_0_is_0(name: str) -> None:
    logits = LOGITS.clone().requires_grad_()
    value = build_loss(name, 2, class_weights=[1, 0])(logits, torch.ones_like(TARGET))
    value.backward()
    assert value.item() == 0
    assert (logits.grad == 0).all()
