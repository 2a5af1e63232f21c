"""What every encoder promises, for those the product is named for and those we add."""

import pytest
import torch

from solarseg.losses import build_loss
from solarseg.networks.encoders import ENCODERS, build_encoder
from solarseg.networks.unet import build_unet

NAMED = sorted({"resnet34", "vgg16", "vgg16_bn", *ENCODERS})


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("bands", [1, 3, 13])
def test_feature_maps_are_at_exact_strides(name, bands):
    encoder = build_encoder(name, bands).eval()
    with torch.no_grad():
        features = encoder(torch.zeros(1, bands, 96, 64))
    strides = (1, 2, 4, 8, 16, 32)
    assert [tuple(feature.shape[2:]) for feature in features] == [(96 // s, 64 // s) for s in strides]
    assert [feature.shape[1] for feature in features] == list(encoder.out_channels)


@pytest.mark.parametrize("name", NAMED)
def test_gradients_reach_every_weight(name):
    network = build_unet(name, num_classes=3)
    network(torch.randn(2, 3, 64, 64)).square().mean().backward()
    assert [key for key, weight in network.named_parameters() if weight.grad is None] == []


@pytest.mark.parametrize("name", NAMED)
def test_bfloat16_and_channels_last_stay_finite(name):
    network = build_unet(name, num_classes=2).to(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = network(torch.randn(2, 3, 64, 64).contiguous(memory_format=torch.channels_last))
    assert torch.isfinite(logits).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMED)
def test_it_trains_from_scratch_with_the_jaccard_loss(name):
    torch.manual_seed(0)
    masks = torch.zeros(4, 64, 64, dtype=torch.uint8)
    for i in range(4):
        masks[i, 8 * i : 8 * i + 24, 10:40] = 1
    images = (masks[:, None] * 2.0 - 1).repeat(1, 3, 1, 1) + 0.3 * torch.randn(4, 3, 64, 64)
    network, loss = build_unet(name, num_classes=2).train(), build_loss("jaccard", 2)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        value = loss(network(images), masks)
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(value.item())
    assert losses[-1] < 0.6 * losses[0]
