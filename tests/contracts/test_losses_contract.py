"""Properties of every loss."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from solarseg.losses import LOSSES, build_loss

IGNORE = 255

each_loss = pytest.mark.parametrize("name", [*LOSSES, "jaccard+0.5*focal"])
each_count = pytest.mark.parametrize("num_classes", [2, 3])


def draw(seed: int, num_classes: int, size: tuple[int, int, int] = (2, 4, 5)) -> tuple[Tensor, Tensor]:
    """Return logits (N, C, H, W) and a target (N, H, W), without ignored pixels."""
    generator = torch.Generator().manual_seed(seed)
    batch, height, width = size
    channels = 1 if num_classes == 2 else num_classes
    logits = 2 * torch.randn(batch, channels, height, width, generator=generator)
    return logits, torch.randint(num_classes, size, generator=generator)


def value_and_gradient(loss: nn.Module, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    logits = logits.detach().requires_grad_()
    value = loss(logits, target)
    return value.detach(), torch.autograd.grad(value, logits)[0]


@each_loss
@each_count
def test_a_few_steps_decrease_the_loss(name: str, num_classes: int) -> None:
    # The target is a function of the image, so one convolution can learn it.
    torch.manual_seed(0)
    images = torch.randn(4, 3, 8, 8)
    target = (images[:, 0] > 0).long() if num_classes == 2 else images.argmax(dim=1)
    network = nn.Conv2d(3, 1 if num_classes == 2 else num_classes, kernel_size=1)
    loss = build_loss(name, num_classes)
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    values = []
    for _ in range(20):
        value = loss(network(images), target)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.8 * values[0]


@each_loss
@each_count
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_is_a_float32_scalar_with_finite_gradient(name: str, num_classes: int, dtype: torch.dtype) -> None:
    logits, target = draw(0, num_classes)
    logits = (100 * logits).to(dtype)  # far into saturation
    value, gradient = value_and_gradient(build_loss(name, num_classes), logits, target)
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert gradient.dtype == dtype
    assert gradient.isfinite().all()


@each_loss
@each_count
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.0]])
def test_gradient_agrees_with_finite_differences(
    name: str, num_classes: int, weights: list[float] | None
) -> None:
    logits, target = draw(1, num_classes)
    target[0, 0] = IGNORE
    loss = build_loss(name, num_classes, IGNORE, weights and weights[:num_classes])
    assert loss(logits.double(), target).dtype == torch.float64
    assert torch.autograd.gradcheck(loss, (logits.double().requires_grad_(), target))


@each_loss
@each_count
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), kept=st.integers(0, 5), junk=st.sampled_from([0.0, 1e4, float("nan")]))
def test_ignoring_pixels_equals_cropping_them(
    name: str, num_classes: int, seed: int, kept: int, junk: float
) -> None:
    logits, target = draw(seed, num_classes)
    loss = build_loss(name, num_classes, IGNORE)
    expected, expected_gradient = value_and_gradient(loss, logits[..., :kept], target[..., :kept])
    logits[..., kept:] = junk
    target[..., kept:] = IGNORE
    value, gradient = value_and_gradient(loss, logits, target)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient[..., :kept], expected_gradient)
    assert (gradient[..., kept:] == 0).all()


@each_loss
@each_count
def test_no_valid_pixel_gives_zero_and_zero_gradients(name: str, num_classes: int) -> None:
    logits, target = draw(0, num_classes)
    loss = build_loss(name, num_classes, IGNORE)
    value, gradient = value_and_gradient(loss, logits, torch.full_like(target, IGNORE))
    assert value == 0
    assert (gradient == 0).all()


@each_loss
@each_count
def test_the_loss_of_a_perfect_prediction_is_0(name: str, num_classes: int) -> None:
    _, target = draw(0, num_classes)
    one_hot = nn.functional.one_hot(target, num_classes).movedim(-1, 1).float()
    logits = 40 * (one_hot[:, 1:] - 0.5) if num_classes == 2 else 20 * one_hot
    assert build_loss(name, num_classes)(logits, target).item() == pytest.approx(0, abs=1e-6)


@each_loss
@each_count
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.permutations(range(4)))
def test_the_order_of_the_batch_does_not_matter(
    name: str, num_classes: int, seed: int, order: list[int]
) -> None:
    logits, target = draw(seed, num_classes, (4, 3, 3))
    loss = build_loss(name, num_classes)
    torch.testing.assert_close(loss(logits[order], target[order]), loss(logits, target))


@each_loss
@each_count
@pytest.mark.parametrize("ignore_index", [IGNORE, 256, None])
def test_uint8_targets_equal_int64(name: str, num_classes: int, ignore_index: int | None) -> None:
    logits, target = draw(0, num_classes)
    if ignore_index == IGNORE:
        target[:, 0] = IGNORE
    loss = build_loss(name, num_classes, ignore_index)
    assert loss(logits, target.to(torch.uint8)) == loss(logits, target)


@each_loss
@each_count
def test_autocast_changes_nothing(name: str, num_classes: int) -> None:
    logits, target = draw(0, num_classes)
    logits = logits.bfloat16()
    loss = build_loss(name, num_classes)
    expected = loss(logits.float(), target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(logits, target)
    assert value.dtype == torch.float32
    assert value == expected


@each_loss
@each_count
def test_only_ratios_of_class_weights_matter(name: str, num_classes: int) -> None:
    logits, target = draw(0, num_classes)
    values = [
        build_loss(name, num_classes, class_weights=weights)(logits, target)
        for weights in (
            None,
            [3.0] * num_classes,
            [1.0, 2.0, 4.0][:num_classes],
            [0.5, 1.0, 2.0][:num_classes],
        )
    ]
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(values[2], values[3])
    # With two classes, region losses use one class only, and its weight cancels out.
    changed = num_classes > 2 or name in {"cross_entropy", "focal", "jaccard+0.5*focal"}
    assert (values[0] != values[2]) == changed


@each_loss
@each_count
def test_never_waits_for_values(name: str, num_classes: int) -> None:
    # Meta tensors have no values: an operation that makes a GPU report a value fails here.
    logits, target = (tensor.to("meta") for tensor in draw(0, num_classes))
    value, gradient = value_and_gradient(build_loss(name, num_classes, IGNORE).to("meta"), logits, target)
    assert value.shape == ()
    assert gradient.shape == logits.shape


@each_loss
@each_count
def test_is_not_part_of_a_checkpoint(name: str, num_classes: int) -> None:
    assert not build_loss(name, num_classes).state_dict()
