"""Samples of a dataset folder as batches for training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
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
from solarseg.errors import ArgumentError, DataError, DatasetError, ImageError
from solarseg.images import Picture, fill_missing
from solarseg.preprocessing import DEPTH_SCALE, Preprocessing, deepest
from solarseg.threads import count_cores, fan_out

__all__ = ["DataModule", "TrainingData", "find_preprocessing", "find_range", "pixel_counts"]

_CACHE_BYTES = 4 * 1024**3  # resized samples are kept in memory up to here, on each machine
_SCAN = 256  # images looked at, at least, to find bands, depth and statistics where there are as many


class TrainingData(Dataset[tuple[Tensor, Tensor]]):
    """Preprocessed samples, kept in memory where they fit.

    Yields ``image (C, S, S)`` of the preprocessing's depth and ``mask (S, S) uint8``.
    """

    def __init__(
        self, dataset: FolderDataset, names: list[str], preprocessing: Preprocessing, keep: bool = True
    ) -> None:
        self.names = names
        self._dataset = dataset
        self._preprocessing = preprocessing
        self._keep = keep
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if index in self._kept:
            return self._kept[index]
        loaded = self._load(self.names[index])
        if self._keep:
            self._kept[index] = loaded
        return loaded

    def _load(self, name: str) -> tuple[Tensor, Tensor]:
        sample = self._dataset[name]
        image = self._preprocessing.to_input(sample.image, str(self._dataset.image_path(name)), sample.valid)
        mask = self._preprocessing.mask_to_input(sample.mask)
        return torch.from_numpy(image.transpose(2, 0, 1).copy()), torch.from_numpy(mask)

    def read_all(self, shown: bool) -> None:
        """Read every sample once, so that a damaged file, the first if there are several, is named before training."""
        read = fan_out([lambda: range(len(self))], self._failure, count_cores())
        shown_read = track(read, "reading images", total=len(self), disable=not shown, transient=True)
        failures = [failure for failure in shown_read if failure is not None]
        if failures:
            raise min(failures)[1]

    def _failure(self, index: int) -> tuple[int, DataError] | None:
        try:
            self[index]
        except DataError as error:
            return index, error
        return None


def _look_at(dataset: FolderDataset, names: list[str]) -> Iterator[tuple[str, Picture]]:
    samples = (dataset[name] for name in names[:: max(1, len(names) // _SCAN)])
    return ((sample.name, Picture(sample.image, sample.valid)) for sample in samples)


def find_preprocessing(
    dataset: FolderDataset,
    names: list[str],
    image_size: int,
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None,
    asked: Sequence[str] | None = None,
) -> Preprocessing:
    """Find bands, depth and normalisation from the images trained on.

    Args:
        dataset: the dataset.
        names: of the training split; from 512 on some, evenly spaced, are looked at.
        image_size: side of the network's input.
        statistics: mean and deviation that pretrained weights expect, which are used for 8-bit images of
            as many bands; otherwise those of the images are, since sensors seldom fill a deeper file.
        asked: names or numbers, from 1, of the bands to take; None for all.

    Raises:
        ArgumentError: the images have no such band.
        ImageError: images differ in bands, grey and RGB apart; or some images hold whole numbers and some
            do not, which have no scale in common.
    """
    seen = [
        (name, picture.pixels.shape[-1], picture.pixels.dtype.name)
        for name, picture in _look_at(dataset, names)
    ]
    found = _bands({count: name for name, count, _ in seen}, dataset)
    picked = _pick(asked, dataset.description.bands or [], found) if asked else ()
    bands = len(picked) or found
    depth = deepest({depth for _, _, depth in seen})
    whole = [name for name, _, found in seen if found != "float32"]
    if depth == "float32" and whole:
        raise ImageError(
            f"{dataset.image_path(whole[0])}: holds whole numbers, other images of the dataset floats; "
            "save all in one type"
        )
    if statistics is not None and len(statistics[0]) == bands and depth == "uint8":
        return Preprocessing(image_size, bands, depth, *statistics, picked, found if picked else 0)
    none = ((0.0,) * bands, (1.0,) * bands)
    plain = Preprocessing(image_size, bands, depth, *none, picked, found if picked else 0)
    mean, std = _statistics(dataset, names, plain)
    return replace(plain, mean=mean, std=std)


def _pick(asked: Sequence[str], names: Sequence[str], count: int) -> tuple[int, ...]:
    """Numbers, from 0, of bands given by name or by number from 1."""
    picked = []
    for band in asked:
        number = names.index(band) if band in names else int(band) - 1 if band.isdecimal() else -1
        if not 0 <= number < count:
            known = f"{', '.join(names)}, or " if names else ""
            remedy = "" if names else "; to give names, add bands: to dataset.yaml"
            raise ArgumentError(
                f"`bands={band}`: no such band; the images have {known}1 to {count} by number{remedy}"
            )
        if number in picked:
            raise ArgumentError(f"`bands={','.join(asked)}`: takes band {band} twice; name each once")
        picked.append(number)
    return tuple(picked)


def _bands(found: dict[int, str], dataset: FolderDataset) -> int:
    """The bands of all images, given one image of each kind; grey images beside RGB are taken for RGB."""
    most = max(found)
    others = set(found) - {most} - ({1} if most == 3 else set())
    if others:
        one, other = (dataset.image_path(found[count]) for count in (most, min(others)))
        raise ImageError(
            f"{one}: image has {most} bands, {other} has {min(others)}; only grey and RGB may be mixed, "
            "save all with the same bands"
        )
    return most


def _statistics(
    dataset: FolderDataset, names: list[str], plain: Preprocessing
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    sums, squares, pixels = np.zeros(plain.bands), np.zeros(plain.bands), 0
    for name, picture in _look_at(dataset, names):
        scaled = _shown_pixels(picture, plain, str(dataset.image_path(name))) / DEPTH_SCALE[plain.depth]
        sums += scaled.sum(axis=0, dtype=np.float64)
        squares += np.square(scaled, dtype=np.float64).sum(axis=0)
        pixels += len(scaled)
    mean = sums / max(pixels, 1)
    variance = squares / max(pixels, 1) - mean**2
    std = np.where(variance > 1e-12, np.sqrt(np.maximum(variance, 0)), 1.0)  # a band may be constant
    return tuple(mean.tolist()), tuple(std.tolist())


def _shown_pixels(picture: Picture, preprocessing: Preprocessing, source: str) -> NDArray[Any]:
    """Pixels ``(N, bands)`` at the network's size, without those that show nothing."""
    pixels, valid = picture.pixels, picture.valid
    inputs = preprocessing.to_input(fill_missing(pixels, valid), source)
    if valid is None:
        return inputs.reshape(-1, preprocessing.bands)
    shown = preprocessing.mask_to_input(valid.astype(np.uint8)) > 0
    return inputs[shown]


def find_range(
    dataset: FolderDataset, names: list[str], preprocessing: Preprocessing
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Find the lowest and highest value of each band, for augmentation: 0 and 1 for 8-bit images.

    Args:
        dataset: the dataset.
        names: of the training split, as for `find_preprocessing`.
        preprocessing: what that found.
    """
    bands = preprocessing.bands
    if preprocessing.depth == "uint8":
        return (0.0,) * bands, (1.0,) * bands
    low, high = np.full(bands, np.inf), np.full(bands, -np.inf)
    for name, picture in _look_at(dataset, names):
        pixels = _shown_pixels(picture, preprocessing, str(dataset.image_path(name)))
        if len(pixels):
            low, high = np.minimum(low, pixels.min(axis=0)), np.maximum(high, pixels.max(axis=0))
    low, high = np.where(np.isfinite(low), low, 0), np.where(np.isfinite(high), high, 0)
    high = np.where(high > low, high, low + 1)  # a band may be constant
    scale = DEPTH_SCALE[preprocessing.depth]
    return tuple((low / scale).tolist()), tuple((high / scale).tolist())


def pixel_counts(data: TrainingData, num_classes: int) -> list[int]:
    """Count the pixels of each class id over all masks, ignored ones left out."""
    counts = np.zeros(IGNORE_INDEX + 1, dtype=np.int64)
    for index in range(len(data)):
        counts += np.bincount(data[index][1].numpy().ravel(), minlength=IGNORE_INDEX + 1)
    return [int(count) for count in counts[:num_classes]]


def _sample_bytes(preprocessing: Preprocessing) -> int:
    return preprocessing.image_size**2 * (preprocessing.bands * np.dtype(preprocessing.depth).itemsize + 1)


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
        devices: int = 1,
        num_nodes: int = 1,
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
        if preprocessing.image_size == 32 and min(batch_size, len(train)) == 1:
            raise ArgumentError(
                "`batch_size=1`: at image size 32 a single image leaves one pixel to normalise over; "
                "use batches of 2 or more, or a larger `image_size`"
            )
        if 0 < len(val) < devices * num_nodes:
            raise ArgumentError(
                f"`devices={devices}`, `num_nodes={num_nodes}`: more processes than the {len(val)} image(s) of the "
                "split 'val'; use fewer, or put more images into it"
            )
        keep = (len(train) + len(val)) * _sample_bytes(preprocessing) * devices <= _CACHE_BYTES
        self.train = TrainingData(dataset, train, preprocessing, keep)
        self.val = TrainingData(dataset, val, preprocessing, keep)

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
