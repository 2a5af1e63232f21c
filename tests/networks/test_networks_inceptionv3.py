"""InceptionV3 compared with that of torchvision, and with that of timm in the library."""

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from segmentation_models_pytorch.encoders import get_encoder
from torch import Tensor, nn

from solarseg.networks.encoders.inceptionv3 import InceptionV3Encoder

STRIDES = (1, 2, 4, 8, 16, 32)


def shake(network: nn.Module) -> None:
    """Give normalisation layers random statistics, as in a trained network."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.2, 0.2)


@pytest.fixture(scope="module")
def published() -> nn.Module:
    """The network of torchvision with random weights."""
    torch.manual_seed(0)
    network = torchvision.models.inception_v3(weights=None, aux_logits=True, init_weights=False)
    shake(network)
    return network.eval()


def features_of(encoder: nn.Module, images: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return encoder.eval()(images)


def take_padding_out(encoder: nn.Module, published: nn.Module) -> int:
    """Set the padding of every layer to that in torchvision, and return how many were changed."""
    theirs, changed = dict(published.named_modules()), 0
    for name, module in encoder.named_modules():
        if isinstance(module, (nn.Conv2d, nn.MaxPool2d)):
            usual = (
                theirs[name].padding if name in theirs else 0
            )  # the pools of the reductions are function calls there
            changed += module.padding != usual
            module.padding = usual
    return changed


@pytest.mark.parametrize("size", [(299, 299), (171, 203)])
def test_without_the_added_padding_it_equals_torchvision(published: nn.Module, size: tuple[int, int]) -> None:
    encoder = InceptionV3Encoder()
    assert (
        take_padding_out(encoder, published) == 3 + 2 + 2 * 2 + 2
    )  # stem, its pools, reductions, their pools
    encoder.load_state_dict(encoder.rename_weights(published.state_dict()))
    theirs: list[Tensor] = []
    layers = ("Conv2d_2b_3x3", "Conv2d_4a_3x3", "Mixed_5d", "Mixed_6e", "Mixed_7c")
    hooks = [
        getattr(published, layer).register_forward_hook(lambda module, inputs, output: theirs.append(output))
        for layer in layers
    ]
    images = 2 * torch.rand(1, 3, *size) - 1
    with torch.no_grad():
        published(images)
    for hook in hooks:
        hook.remove()
    ours = features_of(encoder, images)[1:]
    assert all(feature.std() > 0.01 for feature in theirs)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [64, 96, 256, 288])
def test_feature_maps_are_aligned(size: int) -> None:
    encoder = InceptionV3Encoder()
    features = features_of(encoder, torch.zeros(1, 3, size, size))
    assert [tuple(feature.shape[2:]) for feature in features] == [(size // s, size // s) for s in STRIDES]
    assert [feature.shape[1] for feature in features] == encoder.out_channels == [3, 64, 192, 288, 768, 2048]


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5))
def test_feature_maps_are_aligned_at_any_multiple_of_32(rows: int, columns: int) -> None:
    with torch.device("meta"):
        features = InceptionV3Encoder().eval()(torch.zeros(1, 3, 32 * rows, 32 * columns))
    sizes = [tuple(feature.shape[2:]) for feature in features]
    assert sizes == [(32 * rows // stride, 32 * columns // stride) for stride in STRIDES]


def test_feature_maps_of_the_library_are_not() -> None:
    peer = get_encoder("tu-inception_v3", weights=None)
    features = features_of(peer, torch.zeros(1, 3, 256, 256))
    assert [feature.shape[-1] for feature in features] == [256, 125, 60, 29, 14, 6]
    assert sum(p.numel() for p in peer.parameters()) == sum(
        p.numel() for p in InceptionV3Encoder().parameters()
    )


def test_padding_is_centred() -> None:
    """Mirrored images give mirrored features, if the filters are symmetric.

    32 k + 1 pixels are halved to 16 k + 1 and so on, each with a middle pixel; padding on one side only,
    which gives the same sizes, would shift them.
    """
    torch.manual_seed(0)
    encoder = InceptionV3Encoder().double()
    shake(encoder)
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data + module.weight.data.flip(2, 3)
            module.weight.data = module.weight.data + module.weight.data.flip(3)
    images = torch.randn(1, 3, 97, 65, dtype=torch.float64)
    features, mirrored = features_of(encoder, images), features_of(encoder, images.flip(2, 3))
    assert [tuple(feature.shape[2:]) for feature in features[-2:]] == [(7, 5), (4, 3)]
    torch.testing.assert_close([feature.flip(2, 3) for feature in mirrored], features)


@pytest.mark.parametrize(("block", "channels"), [("Mixed_6a", 288), ("Mixed_7a", 768)])
def test_inside_padded_reductions_equal_torchvision(published: nn.Module, block: str, channels: int) -> None:
    encoder = InceptionV3Encoder().eval()
    encoder.load_state_dict(encoder.rename_weights(published.state_dict()))
    x = torch.rand(1, channels, 32, 32)
    with torch.no_grad():
        # With a padding of one pixel, the first window starts a pixel before the image: theirs is shifted there.
        ours, theirs = getattr(encoder, block)(x), getattr(published, block)(x[..., 1:, 1:])
    torch.testing.assert_close(ours[..., 3:13, 3:13], theirs[..., 2:12, 2:12], rtol=0, atol=1e-5)


def test_state_dict_equals_torchvision_without_the_classifiers(published: nn.Module) -> None:
    theirs = published.state_dict()
    ours = InceptionV3Encoder().state_dict()
    assert theirs.keys() - ours.keys() == {key for key in theirs if key.startswith(("fc.", "AuxLogits."))}
    assert all(value.shape == theirs[key].shape for key, value in ours.items())


def test_initial_signals_neither_vanish_nor_explode() -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        features = InceptionV3Encoder().train()(torch.randn(4, 3, 96, 96))
    assert all(0.1 < feature.std() < 3 for feature in features)


def test_dilation_is_refused() -> None:
    with pytest.raises(NotImplementedError):
        InceptionV3Encoder().make_dilated(16)
