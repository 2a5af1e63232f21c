"""Samples of a dataset folder as batches for training."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import lightning as L
import numpy as np
import torch
from rich.progress import track
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Subset

from solarseg.curation.survey import SampleFacts, Survey
from solarseg.datasets import FolderDataset
from solarseg.errors import ArgumentError, DatasetError, ImageError
from solarseg.preprocessing import DEPTH_SCALE, Preprocessing, deepest
from solarseg.threads import count_cores, fan_out
from solarseg.training.inputs import MEMORY, InputStore, Tensors, make_input, plain_preprocessing

__all__ = ["DataModule", "TrainingData", "check_images", "find_preprocessing"]


class TrainingData(Dataset[Tensors]):
    """Inputs of some samples, kept in memory if they fit.

    Gives ``image (C, S, S)`` of the preprocessing's depth and ``mask (S, S) uint8``.

    Args:
        dataset: the dataset.
        names: of the samples.
        preprocessing: of the images.
        keep: keep in memory what was read once.
        store: inputs that were made before; those of these samples are taken out if they are kept.
    """

    def __init__(
        self,
        dataset: FolderDataset,
        names: list[str],
        preprocessing: Preprocessing,
        keep: bool = True,
        store: InputStore | None = None,
    ) -> None:
        self.names = names
        self._dataset = dataset
        self._preprocessing = preprocessing
        self._keep = keep
        self._kept = store.take(names, preprocessing) if store is not None and keep else {}

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Tensors:
        name = self.names[index]
        return self._kept[name] if name in self._kept else self._make(name)

    def _make(self, name: str) -> Tensors:
        source = str(self._dataset.image_path(name))
        made = make_input(self._dataset[name], self._preprocessing, source)
        if self._keep:
            self._kept[name] = made
        return made

    def fill_memory(self, shown: bool) -> None:
        """Make the inputs that will be kept and are missing, in threads.

        Args:
            shown: show progress on the terminal.
        """
        missing = [name for name in self.names if name not in self._kept] if self._keep else []
        made = fan_out([lambda: missing], self._make, count_cores())
        for _ in track(
            made, "reading images", total=len(missing), disable=not (shown and missing), transient=True
        ):
            pass


def find_preprocessing(
    survey: Survey,
    names: Sequence[str],
    image_size: int,
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None,
    asked: Sequence[str] | None = None,
) -> Preprocessing:
    """Find bands, depth and normalisation from the images trained on.

    Args:
        survey: of the dataset.
        names: of the train split.
        image_size: side of the network's input.
        statistics: mean and deviation that pretrained weights expect. They are used for 8-bit images of as many bands;
            other images are normalised by their own, because sensors rarely use the whole range of a deeper file.
        asked: names or numbers, from 1, of the bands to take; None for all.

    Raises:
        ArgumentError: the images have no such band.
        DatasetError: no pixel of these images shows something.
        ImageError: images differ in bands, other than grey and RGB; or some images have whole numbers and some floats,
            which have no scale in common.
    """
    data, seen = survey.data, survey.facts_of(names)
    count = _count_bands({len(one.sums): one.name for one in seen}, data)
    depth = deepest({one.depth for one in seen})
    whole = [one.name for one in seen if one.depth != "float32"]
    if depth == "float32" and whole:
        raise ImageError(
            f"{data.image_path(whole[0])}: has whole numbers, other images of the dataset have floats; "
            "save all in one type"
        )
    plain = plain_preprocessing(image_size, count, depth, asked, data.description.bands)
    if statistics is not None and len(statistics[0]) == plain.bands and depth == "uint8":
        return replace(plain, mean=statistics[0], std=statistics[1])
    mean, std = _normalisation(seen, plain, data)
    return replace(plain, mean=mean, std=std)


def _count_bands(found: Mapping[int, str], data: FolderDataset) -> int:
    """The bands of all images, given one image for each number; grey images among RGB ones are taken for RGB."""
    most = max(found)
    others = set(found) - {most} - ({1} if most == 3 else set())
    if others:
        one, other = (data.image_path(found[count]) for count in (most, min(others)))
        raise ImageError(
            f"{one}: image has {most} bands, {other} has {min(others)}; only grey and RGB may be mixed, "
            "save all with the same bands"
        )
    return most


def _normalisation(
    seen: Sequence[SampleFacts], plain: Preprocessing, data: FolderDataset
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each band over the pixels that show something, scaled to [0, 1].

    Every image counts the same, whatever its size, because all are resized to one size.
    """
    sums, squares, shown = np.zeros(plain.bands), np.zeros(plain.bands), 0.0
    for one in seen:
        pixels, scale = one.size[0] * one.size[1], DEPTH_SCALE[one.depth]
        sums += plain.pick(one.sums) / scale / pixels  # the one band of a grey image counts for all
        squares += plain.pick(one.squares) / scale**2 / pixels
        shown += one.shown / pixels
    if not shown:
        raise DatasetError(
            f"{data.root}: all pixels of the train split are nodata; correct the nodata value of its images"
        )
    mean = sums / shown
    variance = squares / shown - mean**2
    std = np.where(variance > 1e-12, np.sqrt(np.maximum(variance, 0)), 1.0)  # a band may be constant
    return tuple(mean.tolist()), tuple(std.tolist())


def check_images(survey: Survey, preprocessing: Preprocessing) -> None:
    """Raise the error of the first image that the network cannot take, without reading the image again.

    Only bands, depth and the range of the values decide this, so two pixels with the lowest and the highest values
    represent each image.

    Raises:
        ImageError: the image does not have the bands or the depth of the preprocessing.
    """
    for one in survey.samples:
        extremes = np.nan_to_num(np.stack([one.low, one.high]))[None].astype(one.depth)
        preprocessing.match(extremes, str(survey.data.image_path(one.name)))


def _sample_bytes(preprocessing: Preprocessing) -> int:
    return preprocessing.image_size**2 * (preprocessing.bands * np.dtype(preprocessing.depth).itemsize + 1)


class DataModule(L.LightningDataModule):
    """Batches of the train and val splits.

    Batches of an epoch depend only on the seed and the epoch, so that a resumed training sees the same.
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
        store: InputStore | None = None,
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
        keep = (len(train) + len(val)) * _sample_bytes(preprocessing) * devices <= MEMORY
        self.train = TrainingData(dataset, train, preprocessing, keep, store)
        self.val = TrainingData(dataset, val, preprocessing, keep, store)

    def train_dataloader(self) -> DataLoader[Tensors]:
        """Batches of the train split, in an order drawn from seed and epoch, shared out among processes."""
        world, rank = self._place()
        sampler: DistributedSampler[Tensors] = DistributedSampler(
            self.train, world, rank, shuffle=True, seed=self._seed
        )
        # A last batch of one image has no deviation to normalise by in a 1x1 feature map.
        alone = len(sampler) % self._options["batch_size"] == 1 and len(sampler) > 1
        return DataLoader(self.train, sampler=sampler, drop_last=alone, **self._options)

    def val_dataloader(self) -> DataLoader[Tensors] | list[Any]:
        """Batches of the val split, each image in one process only."""
        world, rank = self._place()
        return (
            DataLoader(Subset(self.val, range(rank, len(self.val), world)), **self._options)
            if len(self.val)
            else []
        )

    def _place(self) -> tuple[int, int]:
        return (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
