import os
import urllib.error

import pytest
import segmentation_models_pytorch as smp
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from solarseg.errors import ArgumentError, ModelFileError
from solarseg.networks.encoders import build_encoder, first_layer_note, input_statistics
from solarseg.networks.encoders.inceptionv3 import InceptionV3Encoder
from solarseg.networks.unet import build_unet, count_gmacs, count_parameters


@pytest.fixture(scope="module")
def published():
    """torchvision's network with made-up weights and running statistics, as its file would hold them."""
    torch.manual_seed(0)
    network = torchvision.models.inception_v3(weights=None, aux_logits=True, init_weights=False)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
    return network.eval()


@pytest.mark.parametrize("size", [299, 171])
def test_without_the_padding_features_equal_torchvisions(published, size):
    encoder = InceptionV3Encoder(padded=False).eval()
    state = {key: value for key, value in published.state_dict().items() if key in encoder.state_dict()}
    encoder.load_state_dict(state)
    last = {}
    published.Mixed_7c.register_forward_hook(lambda module, inputs, output: last.update(features=output))
    images = torch.rand(1, 3, size, size) * 2 - 1
    with torch.no_grad():
        published(images)
        features = encoder(images)[-1]
    assert last["features"].abs().max() > 1e-3
    assert torch.allclose(features, last["features"], atol=1e-5)


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5))
def test_inception_feature_maps_line_up_at_any_multiple_of_32(rows, columns):
    with torch.no_grad():
        features = InceptionV3Encoder().eval()(torch.zeros(1, 3, 32 * rows, 32 * columns))
    assert [tuple(feature.shape[2:]) for feature in features] == [
        (32 * rows // stride, 32 * columns // stride) for stride in (1, 2, 4, 8, 16, 32)
    ]


def test_the_librarys_inception_is_the_one_that_does_not():
    peer = smp.encoders.get_encoder("tu-inception_v3", weights=None).eval()
    with torch.no_grad():
        sizes = [feature.shape[-1] for feature in peer(torch.zeros(1, 3, 256, 256))]
    assert sizes[1:] == [125, 60, 29, 14, 6]


def test_an_output_pixel_looks_at_the_middle_of_its_input():
    """Padded on both sides alike, a stage is symmetric: a mirrored image gives mirrored features.

    That holds to the pixel for odd sizes of input and output only, so it is asked of single convolutions.
    """
    encoder = InceptionV3Encoder()
    for block in (encoder.Conv2d_1a_3x3, encoder.Conv2d_2a_3x3, encoder.Conv2d_4a_3x3):
        assert block.conv.padding == (1, 1)
        assert block.conv.kernel_size == (3, 3)
    assert encoder.maxpool1.padding == encoder.maxpool2.padding == 1


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_torchvisions_file_loads_unchanged(published, tmp_path, suffix):
    path = tmp_path / f"inception.{suffix}"
    state = published.state_dict()
    torch.save(state, path) if suffix == "pth" else save_file(state, path)
    encoder = build_encoder("inceptionv3", weights=str(path))
    assert all(torch.equal(value, state[key]) for key, value in encoder.state_dict().items())


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "densenet121", "mobilenet_v2"])
def test_torchvisions_files_of_the_librarys_encoders_load(tmp_path, name):
    if name in ("densenet121", "mobilenet_v2"):
        state = build_encoder(name).state_dict()  # the library's own layout
    else:
        state = getattr(torchvision.models, name)(weights=None).state_dict()
    torch.save(state, tmp_path / "w.pth")
    encoder = build_encoder(name, weights=str(tmp_path / "w.pth"))
    same = [torch.equal(value, state[key]) for key, value in encoder.state_dict().items() if key in state]
    assert len(same) > 10
    assert all(same)


@pytest.mark.parametrize(("bands", "note"), [(1, "summed"), (2, "3/2"), (4, "3/4"), (13, "3/13"), (3, "")])
@pytest.mark.parametrize("name", ["resnet18", "inceptionv3"])
def test_pretrained_first_layers_are_fitted_to_the_bands(tmp_path, name, bands, note):
    state = build_encoder(name).state_dict()
    first = next(iter(state))
    save_file(state, tmp_path / "w.safetensors")
    encoder = build_encoder(name, bands, weights=str(tmp_path / "w.safetensors"))
    rgb, fitted = state[first], encoder.state_dict()[first]
    if bands == 1:
        assert torch.equal(fitted, rgb.sum(1, keepdim=True))
    elif bands != 3:
        by_hand = torch.stack([rgb[:, band % 3] * 3 / bands for band in range(bands)], dim=1)
        assert torch.allclose(fitted, by_hand)
    with torch.no_grad():
        assert encoder.eval()(torch.zeros(1, bands, 64, 64))[-1].shape[-1] == 2
    assert note in first_layer_note(bands, pretrained=True)
    assert first_layer_note(bands, pretrained=False) == ""


def test_files_that_do_not_fit_are_named_with_the_first_difference(tmp_path):
    torch.save(build_encoder("resnet34").state_dict(), tmp_path / "w.pth")
    with pytest.raises(ModelFileError, match=r"w\.pth: has .* for '.*', the encoder needs"):
        build_encoder("vgg16", weights=str(tmp_path / "w.pth"))
    with pytest.raises(ModelFileError, match=r"w\.pth: has nothing for"):
        build_encoder("resnet50", weights=str(tmp_path / "w.pth"))


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("w.pth", b"", "cannot be read"),
        ("w.pth", b"not weights", "refused|cannot be read"),
        ("w.safetensors", b"not weights", "cannot be read"),
        ("w.h5", b"", r"\.safetensors, \.pth or \.pt"),
        (None, b"", "no such file"),
    ],
)
def test_files_that_are_no_weights_are_named(tmp_path, name, content, match):
    path = tmp_path / (name or "none.pth")
    if name:
        path.write_bytes(content)
    with pytest.raises(ModelFileError, match=match):
        build_encoder("resnet18", weights=str(path))


def test_pickled_code_is_never_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/owned",)

    torch.save({"conv1.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ModelFileError, match=r"evil\.pth"):
        build_encoder("resnet18", weights=str(tmp_path / "evil.pth"))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("resnet34", "huggingface.co/smp-hub/resnet34.imagenet/resolve/"),
        ("inceptionv3", "inception_v3_google-0cc3c7bd.pth"),
    ],
)
def test_offline_the_file_to_fetch_is_named(monkeypatch, tmp_path, name, address):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", offline)
    monkeypatch.setattr("segmentation_models_pytorch.encoders.hf_hub_download", offline)
    with pytest.raises(ModelFileError, match="--encoder-weights FILE") as error:
        build_encoder(name, weights="imagenet")
    assert address in str(error.value)


def test_the_published_weights_load_when_there_is_a_network(monkeypatch, published):
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", lambda *args, **kwargs: published.state_dict())
    encoder = build_encoder("inceptionv3", bands=1, weights="imagenet")
    expected = published.Conv2d_1a_3x3.conv.weight.sum(1, keepdim=True)
    assert torch.equal(encoder.Conv2d_1a_3x3.conv.weight, expected)


def test_unknown_names_suggest_near_ones():
    with pytest.raises(ArgumentError, match=r"unknown encoder 'resnet35'; did you mean .*resnet34"):
        build_encoder("resnet35")
    with pytest.raises(ArgumentError, match="tu-nothing"):
        build_encoder("tu-nothing")


def test_statistics_follow_the_weights():
    assert input_statistics("resnet34", None) is None
    assert input_statistics("resnet34", "imagenet")[0] == (0.485, 0.456, 0.406)
    assert input_statistics("inceptionv3", "file.pth")[1] == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("name", ["resnet34", "vgg16"])
def test_the_unet_is_the_librarys(name):
    torch.manual_seed(0)
    theirs = smp.Unet(name, encoder_weights=None, in_channels=3, classes=1).eval()
    ours = build_unet(name, num_classes=2).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "efficientnet-b4",
        "mobilenet_v2",
        "densenet121",
        "mit_b0",
        "se_resnet50",
        "dpn68",
        "mobileone_s0",
        "tu-resnet18",
    ],
)
def test_other_families_of_the_library(name):
    with torch.no_grad():
        logits = build_unet(name, num_classes=4, bands=3).eval()(torch.zeros(1, 3, 64, 64))
    assert logits.shape == (1, 4, 64, 64)


def test_encoders_without_the_five_stages_are_refused():
    with pytest.raises(ArgumentError, match="tu-vit_tiny_patch16_224"):
        build_unet("tu-vit_tiny_patch16_224", num_classes=2)


def test_costs_by_hand():
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 4, 1, stride=2))
    assert count_parameters(layers) == 8 * 3 * 9 + 8 + 4 * 8 + 4
    assert count_gmacs(layers, 64, 3) == pytest.approx((8 * 3 * 9 * 64 * 64 + 4 * 8 * 32 * 32) / 1e9)
    assert layers.training


def test_away_from_the_border_padding_changes_nothing(published):
    """The branches of the padded reduction blocks are torchvision's: inside, their features are equal."""
    state = {k: v for k, v in published.state_dict().items() if k in InceptionV3Encoder().state_dict()}
    for name, channels in (("Mixed_6a", 288), ("Mixed_7a", 768)):
        padded, plain = (InceptionV3Encoder(padded=flag).eval() for flag in (True, False))
        padded.load_state_dict(state)
        plain.load_state_dict(state)
        x = torch.rand(1, channels, 33, 33)
        with torch.no_grad():
            ours, theirs = getattr(padded, name)(x), getattr(plain, name)(x[..., 1:, 1:])
        # Padding by one moves the grid of a stride of two by one pixel, so theirs starts one pixel later.
        assert torch.allclose(ours[..., 4:12, 4:12], theirs[..., 3:11, 3:11], atol=1e-5)
