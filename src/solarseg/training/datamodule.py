"""Samples of a dataset folder as batches for training."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Subset

from solarseg.classes import IGNORE_INDEX
from solarseg.datasets import FolderDataset
from solarseg.errors import DatasetError
from solarseg.preprocessing import DEPTH_SCALE, Preprocessing, deepest

__all__ = ["DataModule", "TrainingData", "find_preprocessing", "pixel_counts"]

logger = logging.getLogger(__name__)

_CACHE_BYTES = 4 * 1024**3  # resized samples are kept in memory up to here
_SCAN = 256  # images looked at to find bands, depth and statistics


class TrainingData(Dataset[tuple[Tensor, Tensor]]):
    """Preprocessed samples, kept in memory where they fit.

    Yields ``image (C, S, S)`` of the preprocessing's depth and ``mask (S, S) uint8``.
    """

    def __init__(self, dataset: FolderDataset, names: list[str], preprocessing: Preprocessing) -> None:
        self.names = names
        self._dataset = dataset
        self._preprocessing = preprocessing
        sample = preprocessing.image_size**2 * (
            preprocessing.bands * np.dtype(preprocessing.depth).itemsize + 1
        )
        self._fits = sample * len(names) <= _CACHE_BYTES
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if index in self._kept:
            return self._kept[index]
        loaded = self._load(self.names[index])
        if self._fits:
            self._kept[index] = loaded
        return loaded

    def _load(self, name: str) -> tuple[Tensor, Tensor]:
        sample = self._dataset[name]
        image = self._preprocessing.to_input(sample.image, str(self._dataset.image_path(name)))
        mask = self._preprocessing.mask_to_input(sample.mask)
        return torch.from_numpy(image.transpose(2, 0, 1).copy()), torch.from_numpy(mask)

    def read_all(self, shown: bool) -> None:
        """Read every sample that fits into memory, so that a damaged file is named before training begins."""
        if self._fits:
            for index in track(range(len(self)), "reading images", disable=not shown, transient=True):
                self[index]


def _look_at(dataset: FolderDataset, names: list[str]) -> Iterator[NDArray[Any]]:
    step = max(1, len(names) // _SCAN)
    return (dataset[name].image for name in names[::step])


def find_preprocessing(
    dataset: FolderDataset,
    names: list[str],
    image_size: int,
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None,
) -> Preprocessing:
    """Find bands, depth and normalisation from the images trained on.

    Args:
        dataset: the dataset.
        names: of the training split; up to 256 of them, evenly spaced, are looked at.
        image_size: side of the network's input.
        statistics: mean and deviation that pretrained weights expect, which are used for images of as
            many bands; otherwise those of the images are.
    """
    seen = [(image.shape[-1], image.dtype.name) for image in _look_at(dataset, names)]
    bands = max(count for count, _ in seen)
    depth = deepest({name for _, name in seen})
    if statistics is not None and len(statistics[0]) == bands:
        return Preprocessing(image_size, bands, depth, *statistics)
    plain = Preprocessing(image_size, bands, depth, (0.0,) * bands, (1.0,) * bands)
    return Preprocessing(image_size, bands, depth, *_statistics(dataset, names, plain))


def _statistics(
    dataset: FolderDataset, names: list[str], plain: Preprocessing
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    sums, squares, pixels = np.zeros(plain.bands), np.zeros(plain.bands), 0
    for image in _look_at(dataset, names):
        scaled = plain.to_input(image).reshape(-1, plain.bands) / DEPTH_SCALE[plain.depth]
        sums += scaled.sum(axis=0, dtype=np.float64)
        squares += np.square(scaled, dtype=np.float64).sum(axis=0)
        pixels += len(scaled)
    mean = sums / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 1e-12))
    return tuple(mean.tolist()), tuple(std.tolist())


def pixel_counts(data: TrainingData, num_classes: int) -> list[int]:
    """Count the pixels of each class id over all masks, ignored ones left out."""
    counts = np.zeros(IGNORE_INDEX + 1, dtype=np.int64)
    for index in range(len(data)):
        counts += np.bincount(data[index][1].numpy().ravel(), minlength=IGNORE_INDEX + 1)
    return [int(count) for count in counts[:num_classes]]


class DataModule(L.LightningDataModule):
    """Batches of the train and val splits.

    Batches of an epoch depend on the seed and the epoch alone, so a resumed training sees the same.
    """

    def __init__(
        self,
        dataset: FolderDataset,
        split: Mapping[str, str],
        preprocessing: Preprocessing,
        *,
        batch_size: int,
        seed: int,
        workers: int,
    ) -> None:
        super().__init__()
        self._options: dict[str, Any] = {
            "batch_size": batch_size,
            "num_workers": workers,
            "persistent_workers": workers > 0,
            "pin_memory": torch.cuda.is_available(),
        }
        self._seed = seed
        train, val = ([name for name in dataset.names if split[name] == part] for part in ("train", "val"))
        if not train:
            raise DatasetError(f"{dataset.root}: no image to train on; put some into the split 'train'")
        self.train = TrainingData(dataset, train, preprocessing)
        self.val = TrainingData(dataset, val, preprocessing)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Batches of the train split, in an order drawn from seed and epoch, shared out among processes."""
        world, rank = self._place()
        sampler: DistributedSampler[tuple[Tensor, Tensor]] = DistributedSampler(
            self.train, world, rank, shuffle=True, seed=self._seed
        )
        # A last batch of one image has no deviation to normalise by in a 1x1 feature map.
        alone = len(sampler) % self._options["batch_size"] == 1 and len(sampler) > 1
        return DataLoader(self.train, sampler=sampler, drop_last=alone, **self._options)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]] | list[Any]:
        """Batches of the val split, each image in one process only."""
        world, rank = self._place()
        return (
            DataLoader(Subset(self.val, range(rank, len(self.val), world)), **self._options)
            if len(self.val)
            else []
        )

    def _place(self) -> tuple[int, int]:
        return (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
