"""The statistics of images that pretrained weights expect."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import timm
from segmentation_models_pytorch import encoders as library

from solarseg.errors import ModelFileError
from solarseg.networks.encoders.names import ENCODERS, check_name, is_timm
from solarseg.networks.encoders.published import check_weights, downloading, is_random, published_weights
from solarseg.registry import lookup

__all__ = ["input_statistics"]

logger = logging.getLogger(__name__)

Statistics = tuple[tuple[float, ...], tuple[float, ...]]

_IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def input_statistics(name: str, weights: str | Path | None) -> Statistics | None:
    """Return the mean and standard deviation per band of images in [0, 1] that pretrained weights expect.

    A file with weights does not contain them. For encoders of the library they are read from ``config.json`` next to
    the file, which is published with the weights. Without it, a file is assumed to expect what the published weights of
    this encoder expect, if they all expect the same; else the statistics of ImageNet are used, with a warning.

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
    check_name(name)
    check_weights(name, weights)
    if is_random(weights):
        return None
    if name in ENCODERS:
        statistics: Statistics = lookup("encoder", ENCODERS, name).statistics
        return statistics
    if is_timm(name):
        config = timm.models.get_pretrained_cfg(name.removeprefix("tu-"))
        return tuple(config.mean), tuple(config.std)
    if weights in published_weights(name):
        with downloading(name, str(weights)):
            return _statistics(library.get_preprocessing_params(name, weights))
    return _statistics_of_file(name, Path(str(weights)))


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
    if _is_torchvision(name):
        return _IMAGENET  # as all encoders of torchvision
    known = _statistics_in_timm(name)
    if known is None:
        logger.warning("%s: no config.json next to it; using the mean and std of ImageNet", path)
    return known or _IMAGENET


def _is_torchvision(name: str) -> bool:
    bases = library.encoders[name]["encoder"].__mro__
    return any(base.__module__.startswith("torchvision.") for base in bases)


def _statistics_in_timm(name: str) -> Statistics | None:
    """Return what all weights expect that timm publishes for a model; None if they differ, or it has no such model."""
    wanted = _plain(name.removeprefix("timm-"))
    models = [
        model
        for model in timm.list_models()
        if wanted
        in (_plain(model), _plain(re.sub("^(tf|legacy)_", "", model)))  # for names with or without these
    ]
    settings = [
        timm.models.get_pretrained_cfg(weights)
        for model in models
        for weights in timm.list_pretrained(f"{model}.*")
    ]
    found = {(tuple(each.mean), tuple(each.std)) for each in settings}
    return found.pop() if len(found) == 1 else None


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name)


def _statistics(settings: dict[str, Any]) -> Statistics:
    """Read the settings of the library, where mean and std are in units of the input range."""
    if settings.get("input_space", "RGB") != "RGB":
        raise ValueError(f"input space {settings['input_space']}")
    full = float(settings.get("input_range", (0, 1))[1])
    mean, std = (tuple(float(value) / full for value in settings[key]) for key in ("mean", "std"))
    return mean, std
