"""U-Net compared with that of the library; its size and operations by hand."""

import warnings

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from solarseg.errors import ArgumentError
from solarseg.networks.encoders import encoder_names
from solarseg.networks.unet import build_unet, count_gmacs, count_parameters


@pytest.mark.parametrize(
    ("name", "num_classes", "outputs"), [("resnet34", 2, 1), ("resnet34", 4, 4), ("vgg11_bn", 2, 1)]
)
def test_the_unet_equals_that_of_the_library(name: str, num_classes: int, outputs: int) -> None:
    torch.manual_seed(0)
    theirs = smp.Unet(name, encoder_weights=None, classes=outputs).eval()
    torch.manual_seed(0)
    ours = build_unet(name, num_classes).eval()
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    assert all(torch.equal(value, state[key]) for key, value in ours.state_dict().items())  # same seed
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))


def test_weights_of_a_unet_of_the_library_load() -> None:
    theirs = smp.Unet("resnet34", encoder_weights=None, in_channels=5).eval()
    ours = build_unet("resnet34", num_classes=2, bands=5).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(1, 5, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))


def test_sizes_not_divisible_by_32_are_stretched_to_fit_as_in_the_library() -> None:
    with torch.no_grad():
        assert build_unet("resnet18", 2).eval()(torch.zeros(1, 3, 50, 70)).shape == (1, 1, 50, 70)


# One of each family; the row of timm models has skip connections from stride 4, as transformers have.
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "resnet18", "vgg11_bn", "efficientnet-b4", "mobilenet_v2", "densenet121", "mit_b0", "se_resnet50",
        "dpn68", "mobileone_s0", "xception", "inceptionv4", "timm-efficientnet-b0", "timm-skresnet18",
        "tu-resnet18", "tu-convnext_atto", "tu-vgg11", "tu-mobilenetv3_small_050", "tu-pvt_v2_b0",
        "tu-mobilenetv3_small_050.lamb_in1k",
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:`timm-` encoders are deprecated")
def test_families_of_encoders(name: str) -> None:
    with torch.no_grad():
        assert build_unet(name, num_classes=4, bands=2).eval()(torch.zeros(1, 2, 64, 64)).shape == (
            1,
            4,
            64,
            64,
        )


@pytest.mark.slow
def test_feature_maps_of_every_encoder_of_the_library_are_aligned_with_13_bands() -> None:
    # Meta tensors have no values, so this takes seconds. Only MiT cannot be built on the meta device.
    for name in encoder_names():
        if name.startswith("mit_"):
            continue
        with torch.device("meta"), warnings.catch_warnings(action="ignore"), torch.no_grad():
            encoder = build_unet(name, num_classes=2, bands=13).eval().encoder
            features = encoder(torch.zeros(1, 13, 96, 64))
        sizes = [tuple(feature.shape[2:]) for feature in features]
        assert sizes == [(96 // stride, 64 // stride) for stride in (1, 2, 4, 8, 16, 32)], name
        assert [feature.shape[1] for feature in features] == list(encoder.out_channels), name


@pytest.mark.parametrize("name", ["tu-vit_tiny_patch16_224", "tu-nest_tiny"])
def test_encoders_without_a_pyramid_are_refused(name: str) -> None:
    with pytest.raises(
        ArgumentError, match=rf"encoder '{name}': has no feature maps at strides .*; choose another"
    ):
        build_unet(name, num_classes=2)


def test_encoders_for_one_size_say_so() -> None:
    network = build_unet("tu-coatnet_pico_rw_224", num_classes=2).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 224, 224)).shape == (1, 1, 224, 224)
    with pytest.raises(
        ArgumentError, match=r"image size \(64, 96\): this encoder only takes images of \(224, 224\)"
    ):
        network(torch.zeros(1, 3, 64, 96))


def test_other_errors_are_not_changed() -> None:
    with pytest.raises(RuntimeError, match="channels"):
        build_unet("resnet18", num_classes=2)(torch.zeros(1, 4, 64, 64))


def test_gmacs_and_parameters_by_hand() -> None:
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1, stride=2)
    )
    assert count_parameters(layers) == (8 * 3 * 9 + 8) + 2 * 8 + (4 * 8 + 4)
    assert count_gmacs(layers, 64, 3) == (8 * 3 * 9 * 64 * 64 + 4 * 8 * 32 * 32) / 1e9


def test_counting_does_not_change_the_network() -> None:
    network = build_unet("resnet18", num_classes=2)
    network.encoder.eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert count_gmacs(network, 128, 3) == pytest.approx(count_gmacs(network, 64, 3) * 4)
    assert network.training
    assert not network.encoder.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_parameters_of_the_unet_are_as_published() -> None:
    # 21.8 million of ResNet34 (He et al. 2016), minus 0.5 million of its classifier, plus 3.2 million of the decoder.
    assert count_parameters(build_unet("resnet34", num_classes=2)) == 24_436_369
