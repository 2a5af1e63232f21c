"""Encoders by name: those of segmentation-models-pytorch and timm, and one file for each encoder of our own."""

import logging
from pathlib import Path
from typing import Any

import torch
from segmentation_models_pytorch import encoders as library
from torch import nn

from solarseg.errors import ArgumentError
from solarseg.networks.encoders.names import ENCODERS, check_name, encoder_names, is_timm
from solarseg.networks.encoders.published import (
    brief_reason,
    check_weights,
    downloading,
    find_packaged,
    is_random,
    published_weights,
)
from solarseg.networks.encoders.states import State, load_weights, read_weights
from solarseg.networks.encoders.statistics import input_statistics
from solarseg.registry import lookup

logger = logging.getLogger(__name__)

__all__ = ["ENCODERS", "build_encoder", "describe_first_layer", "encoder_names", "input_statistics"]


def build_encoder(name: str, bands: int = 3, weights: str | Path | None = None) -> nn.Module:
    """Build an encoder with five stages and the interface of the library's encoders (``out_channels`` and others).

    Args:
        name: one of `encoder_names`, or ``tu-NAME`` for a model of timm.
        bands: number of bands of the images. A pretrained first layer is adapted if it is not 3; see
            `describe_first_layer`.
        weights: ``None`` or ``"none"`` for random weights; ``"imagenet"``, or another name under which the library has
            weights of this encoder, which are downloaded on first use, unless a package that is installed contains
            them (`solarseg[lite]`); or a ``.safetensors``, ``.pth`` or ``.pt`` file
            with the state dict of the encoder, of a U-Net with this encoder, or of the classifier (of torchvision or
            timm) that the encoder is part of, for images with three bands.

    Returns:
        A module from images ``(N, bands, H, W)`` to six feature maps, the first at full size, the others at
        strides 2, 4, 8, 16 and 32.

    Raises:
        ArgumentError: the encoder or the weights are unknown, or the encoder has no such feature maps.
        ModelFileError: the weights cannot be downloaded, or do not match the encoder.

    Examples:
        >>> build_encoder("resnet18", bands=13).out_channels
        [13, 64, 64, 128, 256, 512]
    """
    check_name(name)
    check_weights(name, weights)
    if is_random(weights):
        return _from_scratch(name, bands)
    if weights not in published_weights(name):
        return _with(name, bands, read_weights(Path(str(weights))), str(weights))
    if name in ENCODERS:
        return _with(name, bands, *_read_published(name, str(weights)))
    return _download(name, bands, str(weights))


def describe_first_layer(bands: int, pretrained: bool) -> str:
    """Describe how the pretrained filters of the first layer were adapted to the bands; empty if they were not.

    Examples:
        >>> describe_first_layer(1, pretrained=True)
        'pretrained RGB filters of the first layer summed into one'
        >>> describe_first_layer(13, pretrained=True)
        'pretrained RGB filters of the first layer repeated in turn and scaled by 3/13'
    """
    if not pretrained or bands == 3:
        return ""
    how = "summed into one" if bands == 1 else f"repeated in turn and scaled by 3/{bands}"
    return f"pretrained RGB filters of the first layer {how}"


def _from_scratch(name: str, bands: int) -> nn.Module:
    if name not in ENCODERS:
        return _from_library(name, bands)
    encoder: Any = lookup("encoder", ENCODERS, name)()
    encoder.set_in_channels(bands, pretrained=False)
    return encoder


def _from_library(name: str, bands: int) -> nn.Module:
    try:
        encoder: nn.Module = library.get_encoder(name, in_channels=bands)
    except Exception as error:
        if not is_timm(name):
            raise
        # Models without a feature pyramid fail in different ways.
        raise ArgumentError(
            f"encoder '{name}': has no feature maps at strides 4, 8, 16 and 32, which a U-Net needs "
            f"({brief_reason(error)}); choose another"
        ) from error
    return encoder


def _with(name: str, bands: int, state: State, source: str) -> nn.Module:
    encoder = _from_scratch(name, bands)
    load_weights(name, encoder, bands, state, source)
    return encoder


def _read_published(name: str, weights: str) -> tuple[State, str]:
    """Return the published weights of an encoder of our own, from a package if it is installed, and their source."""
    file = find_packaged(name)
    if file is not None:
        logger.info("weights '%s' of %s: %s", weights, name, file)
        return read_weights(file), str(file)
    url = published_weights(name)[weights]
    with downloading(name, weights):
        return torch.hub.load_state_dict_from_url(
            url, map_location="cpu", progress=False, check_hash=True, weights_only=True
        ), url


def _download(name: str, bands: int, weights: str) -> nn.Module:
    """Let the library download weights."""
    if is_timm(name):
        _from_library(name, bands)  # so that an unsuitable encoder is not reported as a failed download
    with downloading(name, weights):
        encoder: nn.Module = library.get_encoder(name, in_channels=bands, weights=is_timm(name) or weights)
    return encoder
