"""The weights of encoders in files, and their way into an encoder."""

import re
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor

from solarseg.errors import ModelFileError, reason_of
from solarseg.networks.encoders.names import ENCODERS, is_timm

__all__ = ["State", "load_weights", "read_weights"]

State = dict[str, Tensor]


def read_weights(path: Path) -> State:
    """Read a state dict from a ``.safetensors``, ``.pth`` or ``.pt`` file, without running code from it.

    Raises:
        ModelFileError: the file cannot be read, or contains something else.
    """
    if path.suffix not in (".safetensors", ".pth", ".pt"):
        raise ModelFileError(f"{path}: not a weights file; give a .safetensors, .pth or .pt file")
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises many types of errors for damaged files
        reason = reason_of(ValueError(type(error).__name__), path)
        raise ModelFileError(
            f"{path}: cannot be read as weights ({reason}); it is damaged, or contains more than "
            "tensors; download it again, or save only a state dict"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelFileError(
            f"{path}: does not contain a state dict (names of weights -> tensors); save only a state dict"
        )
    return state


def load_weights(name: str, encoder: Any, bands: int, state: State, source: str) -> None:
    """Load weights for RGB images into an encoder.

    Args:
        name: of the encoder.
        encoder: built for ``bands``.
        bands: number of bands of the images.
        state: state dict of the encoder, of a U-Net with it, or of a classifier that it is part of.
        source: of the weights, for the error message.

    Raises:
        ModelFileError: the weights do not fit.
    """
    wanted = encoder.state_dict()
    state = _encoder_part(state)
    if name in ENCODERS:
        state = encoder.rename_weights(state)
    elif is_timm(name):
        state = _rename_timm_weights(wanted, state)
    state = {key: _adapt_bands(value, wanted.get(key), bands) for key, value in state.items()}
    try:
        # The methods of the library's encoders remove the weights of the classifier and rename those of older versions.
        encoder.load_state_dict(state)
    except RuntimeError as error:
        raise ModelFileError(
            f"{source}: {_difference(wanted, state)}; give weights of '{name}' for images with three bands"
        ) from error


def _encoder_part(state: State) -> State:
    """Return the weights of the encoder, from those of a U-Net if the file contains one."""
    part = {key.removeprefix("encoder."): state[key] for key in state if key.startswith("encoder.")}
    return part or dict(state)


def _rename_timm_weights(wanted: State, state: State) -> State:
    """Rename weights of timm to their names in the library's encoder, without those of heads.

    timm wraps models that return feature maps, which turns ``stages.0.conv`` into ``model.stages_0.conv``.
    """

    def plain(key: str) -> str:
        return re.sub(r"^(model\.)+", "", key).replace(".", "_")

    by_plain_name = {plain(key): value for key, value in state.items()}
    return {key: by_plain_name[plain(key)] for key in wanted if plain(key) in by_plain_name}


def _adapt_bands(weight: Tensor, wanted: Tensor | None, bands: int) -> Tensor:
    """Adapt RGB filters to the number of bands, if they differ from the wanted ones only in that."""
    if wanted is None or weight.ndim != 4 or weight.shape[1] != 3 or wanted.shape == weight.shape:
        return weight
    adapted: Tensor = timm.models.adapt_input_conv(bands, weight)
    return adapted if adapted.shape == wanted.shape else weight


def _difference(wanted: State, state: State) -> str:
    """Describe the first weight that differs between a state and the wanted one."""
    for key, value in wanted.items():
        if key not in state and not key.endswith("num_batches_tracked"):  # absent from older files
            return f"has no '{key}', which has shape {tuple(value.shape)} in the encoder"
        if key in state and state[key].shape != value.shape:
            return f"'{key}' has shape {tuple(state[key].shape)}, in the encoder {tuple(value.shape)}"
    unknown = next(key for key in state if key not in wanted)
    return f"has '{unknown}' of shape {tuple(state[unknown].shape)}, which the encoder does not have"
