"""Saying which extra is missing before anything else fails."""

from importlib.util import find_spec

from solarseg.errors import MissingExtraError

__all__ = ["require_train"]


def require_train() -> None:
    """Raise `MissingExtraError` unless what training needs is installed."""
    for package in ("torch", "segmentation_models_pytorch", "lightning", "kornia", "onnx", "onnxscript"):
        if find_spec(package) is None:
            raise MissingExtraError("train", package)
