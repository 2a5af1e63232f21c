"""Encoders by name: those of segmentation-models-pytorch and timm, and one file for each that we add."""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from segmentation_models_pytorch import encoders as library
from torch import Tensor, nn

from solarseg.errors import ArgumentError, ModelFileError
from solarseg.registry import lookup

__all__ = ["ENCODERS", "build_encoder", "encoder_names", "first_layer_note", "input_statistics"]

logger = logging.getLogger(__name__)

# Each is a class that is called without arguments and is used as the library's encoders are. Beyond those it
# has `address`, where torch.hub finds its published weights, and `statistics`, which these expect.
ENCODERS = {"inceptionv3": "solarseg.networks.encoders.inceptionv3:InceptionV3Encoder"}

State = dict[str, Tensor]
Statistics = tuple[tuple[float, ...], tuple[float, ...]]

_IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def encoder_names() -> list[str]:
    """Return the names of all encoders, but for timm's models, which are named ``tu-NAME``.

    Examples:
        >>> {"resnet34", "vgg16", "vgg16_bn", "inceptionv3", "efficientnet-b4"} <= set(encoder_names())
        True
    """
    return sorted({*library.get_encoder_names(), *ENCODERS})


def build_encoder(name: str, bands: int = 3, weights: str | Path | None = None) -> nn.Module:
    """Build an encoder of five stages, with the interface of the library's (``out_channels`` and others).

    Args:
        name: one of `encoder_names`, or ``tu-NAME`` for a model of timm.
        bands: of the images. Pretrained first layers are fitted to other than three; see `first_layer_note`.
        weights: None or ``"none"`` for random weights; ``"imagenet"``, or another name under which the
            library has weights of this encoder, to download them on first use; or a ``.safetensors``,
            ``.pth`` or ``.pt`` file with the state dict of the library's encoder, of a U-Net with it, or of
            the classifier (torchvision's, timm's) that the encoder is made of, for images of three bands.

    Returns:
        A module from images ``(N, bands, H, W)`` to six feature maps, the first at full size, the others at
        strides 2, 4, 8, 16 and 32.

    Raises:
        ArgumentError: there is no such encoder or no such weights, or the encoder gives no such feature maps.
        ModelFileError: the weights cannot be downloaded, or the file does not fit.

    Examples:
        >>> build_encoder("resnet18", bands=13).out_channels
        [13, 64, 64, 128, 256, 512]
    """
    _check_name(name)
    _check_weights(name, weights)
    if _is_random(weights):
        return _from_scratch(name, bands)
    if weights in _published(name):
        return _download(name, bands, str(weights))
    return _from_state(name, bands, _read(Path(str(weights))), str(weights))


def input_statistics(name: str, weights: str | Path | None) -> Statistics | None:
    """Return mean and standard deviation for each band that pretrained weights expect of images in [0, 1].

    A file of weights does not say. For the library's encoders a ``config.json`` beside it does, as published
    with each of them; without one, ImageNet's usual statistics are taken. Files for timm's models and for our
    encoders are taken to expect what the published weights do.

    Args:
        name: see `build_encoder`.
        weights: see `build_encoder`.

    Returns:
        ``(mean, std)``, three numbers each in the order R, G, B; None for random weights, which expect
        nothing.

    Raises:
        ArgumentError: there is no such encoder or no such weights.
        ModelFileError: the library's configuration cannot be downloaded, or a ``config.json`` not be used.

    Examples:
        >>> input_statistics("inceptionv3", "imagenet")
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    """
    _check_name(name)
    _check_weights(name, weights)
    if _is_random(weights):
        return None
    if name in ENCODERS:
        statistics: Statistics = lookup("encoder", ENCODERS, name).statistics
        return statistics
    if _is_timm(name):
        config = timm.models.get_pretrained_cfg(name.removeprefix("tu-"))
        return tuple(config.mean), tuple(config.std)
    if weights in _published(name):
        with _downloading(name, str(weights)):
            return _statistics(library.get_preprocessing_params(name, weights))
    return _statistics_of_file(name, Path(str(weights)))


def first_layer_note(bands: int, pretrained: bool) -> str:
    """Say how pretrained filters of the first layer were fitted to the bands; empty where they were not.

    Examples:
        >>> first_layer_note(1, pretrained=True)
        'pretrained RGB filters of the first layer summed into one'
        >>> first_layer_note(13, pretrained=True)
        'pretrained RGB filters of the first layer repeated in turn and scaled by 3/13'
    """
    if not pretrained or bands == 3:
        return ""
    how = "summed into one" if bands == 1 else f"repeated in turn and scaled by 3/{bands}"
    return f"pretrained RGB filters of the first layer {how}"


def _is_random(weights: str | Path | None) -> bool:
    return weights is None or weights == "none"


def _is_timm(name: str) -> bool:
    return name.startswith("tu-")


def _check_name(name: str) -> None:
    if name in encoder_names() or (_is_timm(name) and _timm_knows(name.removeprefix("tu-"))):
        return
    known = [*encoder_names(), *(f"tu-{model}" for model in timm.list_models())]
    near = ", ".join(get_close_matches(name, known)) or "resnet34"
    raise ArgumentError(
        f"unknown encoder '{name}'; near are: {near}; "
        "solarseg.networks.encoders.encoder_names() gives all, and tu-NAME is any model of timm"
    )


def _timm_knows(model: str) -> bool:
    """Whether timm has a model, and weights by that tag if it is named as ``model.tag``."""
    return timm.is_model(model) and ("." not in model or timm.is_model_pretrained(model))


def _check_weights(name: str, weights: str | Path | None) -> None:
    if _is_random(weights) or weights in _published(name) or Path(str(weights)).is_file():
        return
    published = ", ".join(f"'{each}'" for each in _published(name)) or "nothing"
    raise ArgumentError(
        f"encoder weights '{weights}': no such file; give 'none', a file, or what is published for {name}: "
        f"{published}"
    )


def _published(name: str) -> dict[str, str]:
    """Name the published weights of an encoder, and say where each is."""
    if name in ENCODERS:
        return {"imagenet": lookup("encoder", ENCODERS, name).address}
    if _is_timm(name):
        config = timm.models.get_pretrained_cfg(name.removeprefix("tu-"))
        if config is None or not config.has_weights:
            return {}
        file = config.hf_hub_filename or "model.safetensors"
        return {"imagenet": _hub_address(config.hf_hub_id, "main", file) if config.hf_hub_id else config.url}
    settings = library.encoders[name]["pretrained_settings"]
    return {
        weights: _hub_address(each["repo_id"], each["revision"], "model.safetensors")
        for weights, each in settings.items()
    }


def _hub_address(repository: str, revision: str, file: str) -> str:
    return f"https://huggingface.co/{repository}/resolve/{revision}/{file}"


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
        if not _is_timm(name):
            raise
        # Models without a pyramid fail each in a way of its own.
        raise ArgumentError(
            f"encoder '{name}': gives no feature maps at strides 4, 8, 16 and 32, which a U-Net needs "
            f"({_reason(error)}); choose another"
        ) from error
    return encoder


def _download(name: str, bands: int, weights: str) -> nn.Module:
    if name in ENCODERS:
        address = _published(name)[weights]
        with _downloading(name, weights):
            state = torch.hub.load_state_dict_from_url(
                address, map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
        return _from_state(name, bands, state, address)
    if _is_timm(name):
        _from_library(name, bands)  # so that an unsuitable encoder is not taken for a failed download
    with _downloading(name, weights):
        encoder: nn.Module = library.get_encoder(name, in_channels=bands, weights=_is_timm(name) or weights)
    return encoder


@contextmanager
def _downloading(name: str, weights: str) -> Iterator[None]:
    logger.info("looking for weights '%s' of %s", weights, name)
    # The hub tells of each of its retries; what came of them is said below.
    hub = logging.getLogger("huggingface_hub")
    level = hub.level
    hub.setLevel(logging.CRITICAL)
    try:
        yield
    except Exception as error:  # hubs raise what their network layers raise
        address = _published(name)[weights]
        config = "" if name in ENCODERS or _is_timm(name) else " and, into the same folder, its config.json"
        raise ModelFileError(
            f"weights '{weights}' of {name} cannot be downloaded ({_reason(error)}); where there is a network, "
            f"fetch {address}{config}, then pass --encoder-weights FILE"
        ) from error
    finally:
        hub.setLevel(level)


def _read(path: Path) -> State:
    if path.suffix not in (".safetensors", ".pth", ".pt"):
        raise ModelFileError(f"{path}: weights are read from .safetensors, .pth or .pt; give such a file")
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler fails on damaged files in too many ways to list
        raise ModelFileError(
            f"{path}: cannot be read as weights ({type(error).__name__}); it is damaged, or holds more than "
            "tensors, which is refused; fetch it again, or save a state dict alone"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelFileError(f"{path}: holds no state dict (names of weights -> tensors); save one alone")
    return state


def _from_state(name: str, bands: int, state: State, source: str) -> nn.Module:
    encoder = _from_scratch(name, bands)
    wanted = encoder.state_dict()
    state = _encoder_part(state)
    if _is_timm(name):
        state = _spelt_as(wanted, state)
    state = {key: _fit_bands(value, wanted.get(key), bands) for key, value in state.items()}
    try:
        # The encoder's own method takes the classifier out of the state, and mends older spellings in it.
        encoder.load_state_dict(state)
    except RuntimeError as error:
        raise ModelFileError(
            f"{source}: {_difference(wanted, state)}; give weights of '{name}' for images of three bands"
        ) from error
    return encoder


def _encoder_part(state: State) -> State:
    """Return the encoder's weights, of a whole U-Net's where that is what the file holds."""
    part = {key.removeprefix("encoder."): state[key] for key in state if key.startswith("encoder.")}
    return part or dict(state)


def _spelt_as(wanted: State, state: State) -> State:
    """Rename timm's weights to what they are called in the library's encoder, and leave its heads out.

    To take feature maps out, timm wraps its models, and ``stages.0.conv`` becomes ``model.stages_0.conv``.
    """

    def plain(key: str) -> str:
        return re.sub(r"^(model\.)+", "", key).replace(".", "_")

    found = {plain(key): value for key, value in state.items()}
    return {key: found[plain(key)] for key in wanted if plain(key) in found}


def _fit_bands(weight: Tensor, wanted: Tensor | None, bands: int) -> Tensor:
    """Fit RGB filters to the bands where they differ from the wanted ones in nothing else."""
    if wanted is None or weight.ndim != 4 or weight.shape[1] != 3 or wanted.shape == weight.shape:
        return weight
    fitted: Tensor = timm.models.adapt_input_conv(bands, weight)
    return fitted if fitted.shape == wanted.shape else weight


def _difference(wanted: State, state: State) -> str:
    """Describe the first weight in which a state differs from the one wanted."""
    for key, value in wanted.items():
        if key not in state and not key.endswith("num_batches_tracked"):  # absent from older files
            return f"holds no '{key}', which the encoder has in shape {tuple(value.shape)}"
        if key in state and state[key].shape != value.shape:
            return f"holds '{key}' in shape {tuple(state[key].shape)}, the encoder in {tuple(value.shape)}"
    unknown = next(key for key in state if key not in wanted)
    return f"holds '{unknown}' in shape {tuple(state[unknown].shape)}, which the encoder has not"


def _statistics_of_file(name: str, path: Path) -> Statistics:
    config = path.with_name("config.json")
    if config.is_file():
        try:
            return _statistics(json.loads(config.read_text(encoding="utf-8")))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ModelFileError(
                f"{config}: does not say which mean and std {path.name} expects; "
                'write {"mean": [R, G, B], "std": [R, G, B]} for images in [0, 1]'
            ) from error
    if not _is_torchvisions(name):  # all of torchvision's expect ImageNet's, all others but a few
        logger.warning("%s: no config.json beside it; taken to expect ImageNet's mean and std", path)
    return _IMAGENET


def _is_torchvisions(name: str) -> bool:
    bases = library.encoders[name]["encoder"].__mro__
    return any(base.__module__.startswith("torchvision.") for base in bases)


def _statistics(settings: dict[str, Any]) -> Statistics:
    """Read the library's settings, whose mean and std are in units of their input range."""
    if settings.get("input_space", "RGB") != "RGB":
        raise ValueError(f"input space {settings['input_space']}")
    full = float(settings.get("input_range", (0, 1))[1])
    mean, std = (tuple(float(value) / full for value in settings[key]) for key in ("mean", "std"))
    return mean, std


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
