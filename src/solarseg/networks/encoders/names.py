"""The names of encoders: those of segmentation-models-pytorch and timm, and those of our own."""

from difflib import get_close_matches

import timm
from segmentation_models_pytorch import encoders as library

from solarseg.errors import ArgumentError

__all__ = ["ENCODERS", "PACKAGED", "check_name", "encoder_names", "is_timm"]

# Each is a class without arguments, with the interface of the library's encoders and
# - `weights_url` of its published weights, for torch.hub;
# - `packaged_weights`: a package that contains them as well, and their file in it, or None;
# - `statistics`: the mean and standard deviation that they expect;
# - `rename_weights`, from a state dict with the names of a published file to one with the names of the encoder.
_PLACE = "solarseg.networks.encoders"
ENCODERS = {
    "efficientnet-lite0": f"{_PLACE}.efficientnet_lite:EfficientNetLite0Encoder",
    "efficientnet-lite1": f"{_PLACE}.efficientnet_lite:EfficientNetLite1Encoder",
    "efficientnet-lite2": f"{_PLACE}.efficientnet_lite:EfficientNetLite2Encoder",
    "inceptionv3": f"{_PLACE}.inceptionv3:InceptionV3Encoder",
}
PACKAGED = "efficientnet-lite0"  # the smallest whose weights an extra installs


def encoder_names() -> list[str]:
    """Return the names of all encoders, except models of timm, which are named ``tu-NAME``.

    Examples:
        >>> {"resnet34", "vgg16", "vgg16_bn", "inceptionv3", "efficientnet-b4"} <= set(encoder_names())
        True
    """
    return sorted({*library.get_encoder_names(), *ENCODERS})


def check_name(name: str) -> None:
    """Raise `ArgumentError` for an unknown encoder."""
    if name in encoder_names() or (is_timm(name) and _is_timm_model(name.removeprefix("tu-"))):
        return
    known = [*encoder_names(), *(f"tu-{model}" for model in timm.list_models())]
    close = ", ".join(get_close_matches(name, known)) or "resnet34"
    raise ArgumentError(
        f"`encoder={name!r}`: no such encoder; similar names are: {close}; "
        "solarseg.networks.encoders.encoder_names() lists all, and tu-NAME is any model of timm"
    )


def is_timm(name: str) -> bool:
    """Return whether a name is that of a model of timm."""
    return name.startswith("tu-")


def _is_timm_model(model: str) -> bool:
    """Return whether timm has a model and, for ``model.tag``, weights with this tag."""
    return timm.is_model(model) and ("." not in model or timm.is_model_pretrained(model))
