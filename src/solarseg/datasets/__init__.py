"""Datasets: one file for each format read, all yielding `Sample`."""

from solarseg.datasets.folder import FolderDataset, open_dataset
from solarseg.datasets.sample import Sample

__all__ = ["FolderDataset", "Sample", "open_dataset"]
