"""Datasets from Python: convert, check, measure, split and export them, and download public ones.

The same functions as the commands of ``solarseg data``::

    import solarseg

    solarseg.data.convert("labelled-in-cvat", "my-cells")
    solarseg.data.check("my-cells")
    solarseg.data.split("my-cells", stratify=True)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from solarseg.curation.check import check
    from solarseg.curation.split_dataset import split_dataset as split
    from solarseg.curation.stats import stats
    from solarseg.download.catalogue import CATALOGUE as PUBLIC_DATASETS
    from solarseg.download.download import download
    from solarseg.formats.convert import convert
    from solarseg.formats.export import export_dataset as export

__all__ = ["PUBLIC_DATASETS", "check", "convert", "download", "export", "split", "stats"]

_HOMES = {
    "PUBLIC_DATASETS": ("solarseg.download.catalogue", "CATALOGUE"),
    "check": ("solarseg.curation.check", "check"),
    "convert": ("solarseg.formats.convert", "convert"),
    "download": ("solarseg.download.download", "download"),
    "export": ("solarseg.formats.export", "export_dataset"),
    "split": ("solarseg.curation.split_dataset", "split_dataset"),
    "stats": ("solarseg.curation.stats", "stats"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'solarseg.data' has no attribute '{name}'")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
