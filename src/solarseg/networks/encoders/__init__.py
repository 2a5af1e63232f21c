"""Encoders by name: those of segmentation-models-pytorch, and one file for each that we add."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from segmentation_models_pytorch.encoders import _utils as smp_utils
from torch import Tensor, nn

from solarseg.errors import ArgumentError, ModelFileError
from solarseg.registry import lookup

__all__ = ["ENCODERS", "build_encoder", "encoder_names", "first_layer_note", "input_statistics"]

ENCODERS = {"inceptionv3": "solarseg.networks.encoders.inceptionv3:InceptionV3Encoder"}

Statistics = tuple[tuple[float, ...], tuple[float, ...]]

_TIMM = "tu-"  # the library's prefix of timm's models
_HEADS = ("fc.", "classifier.", "AuxLogits.", "head.", "last_linear.")
_IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# These were published with inputs from -1 to 1.
_HALVES: Statistics = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_EXPECT_HALVES = ("inceptionv3", "inceptionv4", "inceptionresnetv2", "xception")


def encoder_names() -> list[str]:
    """Return the names of all encoders; models of timm can be named too, as ``tu-NAME``.

    >>> {"resnet34", "vgg16", "vgg16_bn", "inceptionv3", "efficientnet-b4"} <= set(encoder_names())
    True
    """
    return sorted({*smp.encoders.get_encoder_names(), *ENCODERS})


def build_encoder(name: str, bands: int = 3, weights: str | None = None) -> nn.Module:
    """Build an encoder of five stages.

    Args:
        name: one of `encoder_names`, or ``tu-`` and the name of a model of timm.
        bands: of the images. Pretrained first layers are fitted to other than three; see
            `first_layer_note`.
        weights: None for random weights; ``"imagenet"`` for the published ones, which are downloaded on
            first use; or a ``.safetensors``, ``.pth`` or ``.pt`` file of them.

    Raises:
        ArgumentError: there is no such encoder.
        ModelFileError: the weights cannot be downloaded, or the file does not fit.
    """
    _check_name(name)
    pretrained = weights is not None
    if weights == "imagenet":
        return _download(name, bands)
    encoder = (
        lookup("encoder", ENCODERS, name)()
        if name in ENCODERS
        else _library(name, 3 if pretrained else bands)
    )
    if weights is not None:
        _load(encoder, Path(weights))
    if pretrained or name in ENCODERS:
        _fit_bands(encoder, bands, pretrained)
    return encoder


def _check_name(name: str) -> None:
    if name in ENCODERS or name in smp.encoders.get_encoder_names():
        return
    if name.startswith((_TIMM, "timm-")):
        return
    near = get_close_matches(name, encoder_names(), n=5, cutoff=0.4)
    raise ArgumentError(
        f"unknown encoder '{name}'; did you mean {', '.join(near or ['resnet34'])}? "
        "All encoders of segmentation-models-pytorch, and timm's as tu-NAME, can be used"
    )


def _library(name: str, bands: int, weights: str | None = None) -> nn.Module:
    try:
        return smp.encoders.get_encoder(name, in_channels=bands, depth=5, weights=weights)
    except (RuntimeError, KeyError, ValueError) as error:  # timm knows no such model, or it has fewer stages
        reason = " ".join(str(error).split())[:200]
        raise ArgumentError(f"encoder '{name}' cannot be used: {reason}; choose another") from error


def _download(name: str, bands: int) -> nn.Module:
    try:
        if name not in ENCODERS:
            return _library(name, bands, "imagenet")
        encoder = lookup("encoder", ENCODERS, name)()
        state = torch.hub.load_state_dict_from_url(_published(name), map_location="cpu", weights_only=True)
    except ArgumentError:
        raise
    except Exception as error:  # the hub's clients raise what their network layers raise
        raise ModelFileError(
            f"weights of '{name}' could not be downloaded ({type(error).__name__}); fetch {_published(name)} "
            "where there is a network, and give it as --encoder-weights FILE"
        ) from error
    _copy(encoder, state, _published(name))
    _fit_bands(encoder, bands, pretrained=True)
    return encoder


def _published(name: str) -> str:
    """Where the published weights of an encoder are."""
    if name == "inceptionv3":
        from torchvision.models import Inception_V3_Weights

        return str(Inception_V3_Weights.IMAGENET1K_V1.url)
    if name.startswith((_TIMM, "timm-")):
        return f"model.safetensors of https://huggingface.co/timm/{name.split('-', 1)[1]}"
    settings = smp.encoders.encoders[name]["pretrained_settings"]["imagenet"]
    return f"https://huggingface.co/{settings['repo_id']}/resolve/{settings['revision']}/model.safetensors"


def _load(encoder: nn.Module, path: Path) -> None:
    if path.suffix not in (".safetensors", ".pth", ".pt"):
        raise ModelFileError(f"{path}: weights are read from .safetensors, .pth or .pt; give such a file")
    try:
        state = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such file; give 'imagenet', 'none' or a file of weights") from error
    except (OSError, RuntimeError, SafetensorError, EOFError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ModelFileError(f"{path}: cannot be read as weights ({reason}); fetch it again") from error
    except Exception as error:  # torch's refusal to unpickle anything but tensors
        raise ModelFileError(
            f"{path}: holds more than tensors, which is refused; save a state dict"
        ) from error
    _copy(encoder, state, str(path))


def _copy(encoder: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Load a state dict, refusing it with the first key that does not fit."""
    wanted = encoder.state_dict()
    found = {key.removeprefix("encoder."): value for key, value in dict(state).items()}
    found = {key: value for key, value in found.items() if not key.startswith(_HEADS)}
    if not found.keys() & wanted.keys():
        found = {f"model.{key}": value for key, value in found.items()}  # how the library holds timm's models
    needed = {key for key in wanted if not key.endswith("num_batches_tracked")}
    for key in sorted(needed | (found.keys() & wanted.keys())):
        shape = tuple(found[key].shape) if key in found else "nothing"
        if shape != tuple(wanted[key].shape):
            raise ModelFileError(
                f"{source}: has {shape} for '{key}', the encoder needs {tuple(wanted[key].shape)}; "
                "give weights of this encoder"
            )
    nn.Module.load_state_dict(encoder, {key: found.get(key, wanted[key]) for key in wanted})


def _fit_bands(encoder: Any, bands: int, pretrained: bool) -> None:
    if bands == 3:
        return
    smp_utils.patch_first_conv(encoder, bands, pretrained=pretrained)
    encoder._in_channels = bands
    if encoder._out_channels[0] == 3:
        encoder._out_channels = [bands, *encoder._out_channels[1:]]


def first_layer_note(bands: int, pretrained: bool) -> str:
    """Say how pretrained weights were fitted to a number of bands.

    >>> first_layer_note(1, pretrained=True)
    'filters of the first layer summed over RGB'
    """
    if not pretrained or bands == 3:
        return ""
    if bands == 1:
        return "filters of the first layer summed over RGB"
    return f"filters of the first layer repeated in the order R, G, B and scaled by 3/{bands}"


def input_statistics(name: str, weights: str | None) -> Statistics | None:
    """Return the mean and deviation that pretrained weights expect, of RGB images scaled to [0, 1].

    Returns:
        None for random weights, which go with the statistics of the images trained on.

    >>> input_statistics("inceptionv3", "imagenet")
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    """
    if weights is None:
        return None
    return _HALVES if name in _EXPECT_HALVES else _IMAGENET
