"""Encoders by name: those of segmentation-models-pytorch and timm, and one file for each encoder of our own."""

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

from solarseg.errors import ArgumentError, ModelFileError, reason_of
from solarseg.registry import lookup

__all__ = ["ENCODERS", "build_encoder", "describe_first_layer", "encoder_names", "input_statistics"]

logger = logging.getLogger(__name__)

# Each is a class without arguments, with the interface of the library's encoders and two more attributes: `weights_url`
# of its published weights, for torch.hub, and `statistics`, the mean and standard deviation that they expect.
ENCODERS = {"inceptionv3": "solarseg.networks.encoders.inceptionv3:InceptionV3Encoder"}

State = dict[str, Tensor]
Statistics = tuple[tuple[float, ...], tuple[float, ...]]

_IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def encoder_names() -> list[str]:
    """Return the names of all encoders, except models of timm, which are named ``tu-NAME``.

    Examples:
        >>> {"resnet34", "vgg16", "vgg16_bn", "inceptionv3", "efficientnet-b4"} <= set(encoder_names())
        True
    """
    return sorted({*library.get_encoder_names(), *ENCODERS})


def build_encoder(name: str, bands: int = 3, weights: str | Path | None = None) -> nn.Module:
    """Build an encoder with five stages and the interface of the library's encoders (``out_channels`` and others).

    Args:
        name: one of `encoder_names`, or ``tu-NAME`` for a model of timm.
        bands: number of bands of the images. A pretrained first layer is adapted if it is not 3; see
            `describe_first_layer`.
        weights: ``None`` or ``"none"`` for random weights; ``"imagenet"``, or another name under which the library has
            weights of this encoder, which are downloaded on first use; or a ``.safetensors``, ``.pth`` or ``.pt`` file
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
    _check_name(name)
    _check_weights(name, weights)
    if _is_random(weights):
        return _from_scratch(name, bands)
    if weights in _published(name):
        return _download(name, bands, str(weights))
    return _from_state(name, bands, _read(Path(str(weights))), str(weights))


def input_statistics(name: str, weights: str | Path | None) -> Statistics | None:
    """Return the mean and standard deviation per band of images in [0, 1] that pretrained weights expect.

    A file with weights does not contain them. For encoders of the library they are read from ``config.json`` next to
    the file, which is published with the weights; without it, the statistics of ImageNet are used. Files for models of
    timm and for our encoders are assumed to expect the same as the published weights.

    Args:
        name: see `build_encoder`.
        weights: see `build_encoder`.

    Returns:
        ``(mean, std)``, three numbers each in the order R, G, B; ``None`` for random weights.

    Raises:
        ArgumentError: the encoder or the weights are unknown.
        ModelFileError: the configuration of the library cannot be downloaded, or ``config.json`` is invalid.

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


def _is_random(weights: str | Path | None) -> bool:
    return weights is None or weights == "none"


def _is_timm(name: str) -> bool:
    return name.startswith("tu-")


def _check_name(name: str) -> None:
    if name in encoder_names() or (_is_timm(name) and _is_timm_model(name.removeprefix("tu-"))):
        return
    known = [*encoder_names(), *(f"tu-{model}" for model in timm.list_models())]
    close = ", ".join(get_close_matches(name, known)) or "resnet34"
    raise ArgumentError(
        f"`encoder={name!r}`: no such encoder; similar names are: {close}; "
        "solarseg.networks.encoders.encoder_names() lists all, and tu-NAME is any model of timm"
    )


def _is_timm_model(model: str) -> bool:
    """Return whether timm has a model and, for ``model.tag``, weights with this tag."""
    return timm.is_model(model) and ("." not in model or timm.is_model_pretrained(model))


def _check_weights(name: str, weights: str | Path | None) -> None:
    if _is_random(weights) or weights in _published(name) or Path(str(weights)).is_file():
        return
    published = ", ".join(f"'{each}'" for each in _published(name)) or "none"
    raise ArgumentError(
        f"encoder weights '{weights}': no such file; give 'none', a file, or a name that is published for {name}: "
        f"{published}"
    )


def _published(name: str) -> dict[str, str]:
    """Return the published weights of an encoder, as name -> URL."""
    if name in ENCODERS:
        return {"imagenet": lookup("encoder", ENCODERS, name).weights_url}
    if _is_timm(name):
        config = timm.models.get_pretrained_cfg(name.removeprefix("tu-"))
        if config is None or not config.has_weights:
            return {}
        file = config.hf_hub_filename or "model.safetensors"
        return {"imagenet": _hub_url(config.hf_hub_id, "main", file) if config.hf_hub_id else config.url}
    settings = library.encoders[name]["pretrained_settings"]
    return {
        weights: _hub_url(source["repo_id"], source["revision"], "model.safetensors")
        for weights, source in settings.items()
    }


def _hub_url(repository: str, revision: str, file: str) -> str:
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
        # Models without a feature pyramid fail in different ways.
        raise ArgumentError(
            f"encoder '{name}': has no feature maps at strides 4, 8, 16 and 32, which a U-Net needs "
            f"({_reason(error)}); choose another"
        ) from error
    return encoder


def _download(name: str, bands: int, weights: str) -> nn.Module:
    if name in ENCODERS:
        url = _published(name)[weights]
        with _downloading(name, weights):
            state = torch.hub.load_state_dict_from_url(
                url, map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
        return _from_state(name, bands, state, url)
    if _is_timm(name):
        _from_library(name, bands)  # so that an unsuitable encoder is not reported as a failed download
    with _downloading(name, weights):
        encoder: nn.Module = library.get_encoder(name, in_channels=bands, weights=_is_timm(name) or weights)
    return encoder


@contextmanager
def _downloading(name: str, weights: str) -> Iterator[None]:
    logger.info("looking for weights '%s' of %s", weights, name)
    # Do not log each retry of the hub; a failure is reported below.
    hub = logging.getLogger("huggingface_hub")
    level = hub.level
    hub.setLevel(logging.CRITICAL)
    try:
        yield
    except Exception as error:  # hubs raise the errors of their network layers
        url = _published(name)[weights]
        config = "" if name in ENCODERS or _is_timm(name) else " and, to the same folder, its config.json"
        raise ModelFileError(
            f"weights '{weights}' of {name} cannot be downloaded ({_reason(error)}); on a machine with network "
            f"access, download {url}{config}, then pass the file as `encoder_weights`"
        ) from error
    finally:
        hub.setLevel(level)


def _read(path: Path) -> State:
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


def _from_state(name: str, bands: int, state: State, source: str) -> nn.Module:
    encoder = _from_scratch(name, bands)
    wanted = encoder.state_dict()
    state = _encoder_part(state)
    if _is_timm(name):
        state = _rename_timm_weights(wanted, state)
    state = {key: _adapt_bands(value, wanted.get(key), bands) for key, value in state.items()}
    try:
        # The method of the encoder removes the weights of the classifier and renames those of older versions.
        encoder.load_state_dict(state)
    except RuntimeError as error:
        raise ModelFileError(
            f"{source}: {_difference(wanted, state)}; give weights of '{name}' for images with three bands"
        ) from error
    return encoder


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


def _statistics_of_file(name: str, path: Path) -> Statistics:
    config = path.with_name("config.json")
    if config.is_file():
        try:
            return _statistics(json.loads(config.read_text(encoding="utf-8")))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ModelFileError(
                f"{config}: no mean and std for {path.name}; "
                'write {"mean": [R, G, B], "std": [R, G, B]} for images in [0, 1]'
            ) from error
    if not _is_torchvision(name):  # all encoders of torchvision expect those of ImageNet, and most others
        logger.warning("%s: no config.json next to it; using the mean and std of ImageNet", path)
    return _IMAGENET


def _is_torchvision(name: str) -> bool:
    bases = library.encoders[name]["encoder"].__mro__
    return any(base.__module__.startswith("torchvision.") for base in bases)


def _statistics(settings: dict[str, Any]) -> Statistics:
    """Read the settings of the library, where mean and std are in units of the input range."""
    if settings.get("input_space", "RGB") != "RGB":
        raise ValueError(f"input space {settings['input_space']}")
    full = float(settings.get("input_range", (0, 1))[1])
    mean, std = (tuple(float(value) / full for value in settings[key]) for key in ("mean", "std"))
    return mean, std


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
