"""Our own dataset folder: images and masks of equal names, described, grouped and split."""

from solarseg.datasets.folder import FolderDataset, open_dataset
from solarseg.datasets.sample import Sample

__all__ = ["FolderDataset", "Sample", "open_dataset"]
