"""Properties of the documented encoders and of our own."""

import pytest
import torch
from torch import Tensor, nn

from solarseg.losses import build_loss
from solarseg.networks.encoders import ENCODERS, build_encoder
from solarseg.networks.unet import build_unet

STRIDES = (1, 2, 4, 8, 16, 32)

each_encoder = pytest.mark.parametrize("name", ["resnet34", "vgg16", "vgg16_bn", *ENCODERS])


def squares(bands: int = 3) -> tuple[Tensor, Tensor]:
    """Return noisy images (4, bands, 64, 64) of bright squares, and their masks (4, 64, 64)."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(4, 64, 64, dtype=torch.uint8)
    for i in range(4):
        masks[i, 8 * i : 8 * i + 24, 10:40] = 1
    noise = 0.3 * torch.randn(4, bands, 64, 64, generator=generator)
    return 2.0 * masks[:, None] - 1 + noise, masks


@each_encoder
@pytest.mark.parametrize("bands", [1, 3, 13])
def test_feature_maps_are_exactly_at_their_strides(name: str, bands: int) -> None:
    with torch.device("meta"), torch.no_grad():  # shapes only
        encoder = build_encoder(name, bands).eval()
        features = encoder(torch.zeros(2, bands, 32 * 3, 32 * 5))
    sizes = [tuple(feature.shape[2:]) for feature in features]
    assert sizes == [(96 // stride, 160 // stride) for stride in STRIDES]
    assert [feature.shape[1] for feature in features] == list(encoder.out_channels)
    assert encoder.output_stride == 32


@each_encoder
@pytest.mark.parametrize(("num_classes", "outputs"), [(2, 1), (5, 5)])
def test_one_logit_for_two_classes_and_one_each_for_more(name: str, num_classes: int, outputs: int) -> None:
    with torch.device("meta"), torch.no_grad():
        logits = build_unet(name, num_classes).eval()(torch.zeros(2, 3, 96, 32))
    assert logits.shape == (2, outputs, 96, 32)


@each_encoder
def test_from_scratch_signals_neither_vanish_nor_explode(name: str) -> None:
    # Matters to VGG without normalisation alone. Its library draws by fan out (He et al. 2015): the deviation
    # falls from 0.3 behind the first convolution to 0.1 behind the thirteenth.
    torch.manual_seed(0)
    with torch.no_grad():
        features = build_encoder(name).train()(squares()[0])
    assert all(0.02 < feature.std() < 5 for feature in features)


@each_encoder
def test_gradients_reach_every_weight(name: str) -> None:
    torch.manual_seed(0)
    network = build_unet(name, num_classes=3).train()
    network(squares()[0]).square().mean().backward()
    assert [key for key, weight in network.named_parameters() if weight.grad is None] == []
    filters = {key: weight for key, weight in network.named_parameters() if weight.ndim == 4}
    assert [key for key, weight in filters.items() if not weight.grad.norm() > 0] == []  # type: ignore[union-attr]


@pytest.mark.slow
@each_encoder
def test_trains_from_scratch_with_the_jaccard_loss(name: str) -> None:
    torch.manual_seed(0)
    images, masks = squares()
    network, loss = build_unet(name, num_classes=2).train(), build_loss("jaccard", 2)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        value = loss(network(images), masks)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.85 * losses[0]


@each_encoder
def test_channels_last_and_bfloat16_stay_finite(name: str) -> None:
    torch.manual_seed(0)
    network: nn.Module = build_unet(name, num_classes=2, bands=4).to(memory_format=torch.channels_last)
    images = squares(bands=4)[0].contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        training, evaluating = network.train()(images), network.eval()(images)
    assert training.dtype == torch.bfloat16
    assert training.isfinite().all()
    assert evaluating.isfinite().all()
