"""The images of a run that an export is calibrated on, and those that it is compared on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX
from solarseg.datasets import FolderDataset, open_dataset
from solarseg.datasets.digests import read_digests
from solarseg.datasets.splits import SPLITS, read_split
from solarseg.errors import DatasetError
from solarseg.files import digest
from solarseg.inference.model_file import ModelInfo
from solarseg.runs import RunFolder
from solarseg.training.config import read_config
from solarseg.training.datamodule import TrainingData

__all__ = ["ExportImages", "ExportSample", "Samples", "find_export_images"]

ExportSample = tuple[NDArray[Any], NDArray[np.uint8]]

_CALIBRATION = 128  # images, at most


@dataclass(frozen=True)
class Samples:
    """Preprocessed images ``(S, S, C)`` with masks ``(S, S) uint8``, read again in each iteration."""

    data: TrainingData

    def __iter__(self) -> Iterator[ExportSample]:
        for number in range(len(self.data)):
            image, mask = self.data[number]
            yield image.permute(1, 2, 0).numpy(), mask.numpy()

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True)
class ExportImages:
    """The images of an export.

    Attributes:
        gate: held out; an export that loses too much on them is refused.
        gate_split: their split: ``"test"``, or ``"val"`` if the run has no test split.
        calibration: of the train split, or of another dataset.
        choice: at most as many as ``calibration``; decide which layers stay float32; never those of ``gate``.
        calibrated_on: name of the dataset of ``calibration``.
        ignore_index: class id of pixels that do not count.
    """

    gate: Samples
    gate_split: str
    calibration: Samples
    choice: Samples
    calibrated_on: str
    ignore_index: int | None


def find_export_images(
    run: RunFolder, info: ModelInfo, dataset: Path | str | None, calibrate: Path | str | None
) -> ExportImages:
    """Find the images of a run's dataset that an export needs.

    Args:
        run: the run.
        info: metadata of its model file.
        dataset: the dataset folder of the run, if it was moved.
        calibrate: another dataset to calibrate on.

    Raises:
        RunError: the run has no settings.
        DataError: the dataset is missing, has changed, or has no images for one of the purposes.
    """
    data = _open_own(run, info, dataset)
    split = read_split(run.split)
    train, val, test = ([name for name in data.names if split.get(name) == part] for part in SPLITS)
    if not val and not test:
        raise DatasetError(
            f"{run.split}: no image is in the test or val split, and an export is compared on held-out images only; "
            "train with a `test` share such as 0.15"
        )
    if calibrate is None:
        source, drawn = data, train
    else:
        source = open_dataset(calibrate)
        drawn = _others(source, data, [*val, *test])

    def read(folder: FolderDataset, names: list[str]) -> Samples:
        return Samples(TrainingData(folder, names, info.preprocessing, keep=False))

    return ExportImages(
        gate=read(data, test or val),
        gate_split="test" if test else "val",
        calibration=read(source, _draw(drawn)),
        choice=read(data, _draw(val if val and test else train)),
        calibrated_on=source.root.resolve().name,
        ignore_index=IGNORE_INDEX,
    )


def _open_own(run: RunFolder, info: ModelInfo, dataset: Path | str | None) -> FolderDataset:
    """Open the dataset that a run was trained on, and check that it has not changed."""
    _, facts = read_config(run.config)
    root = Path(dataset or str(facts.get("dataset", "")))
    if not root.is_dir():
        raise DatasetError(
            f"{root}: the dataset that {run.path} was trained on is missing; give its folder as `dataset`"
        )
    data = open_dataset(root, expected=info.classes)
    found = read_digests(data).whole
    if found != info.dataset_fingerprint:
        raise DatasetError(
            f"{root}: is not the dataset that {run.path} was trained on, or has changed since (fingerprint {found}, "
            f"expected {info.dataset_fingerprint}); restore its files, or give the right folder as `dataset`"
        )
    return data


def _others(source: FolderDataset, own: FolderDataset, held_out: list[str]) -> list[str]:
    """Name the images of another dataset that are no copies of an image that the run holds out."""
    digests = {digest(own.image_path(name)) for name in held_out}
    others = [name for name in source.names if digest(source.image_path(name)) not in digests]
    if not others:
        raise DatasetError(
            f"{source.root}: the run holds out all its images; give another dataset as `calibrate`, or leave it out"
        )
    return others


def _draw(names: list[str]) -> list[str]:
    """Draw at most `_CALIBRATION` names, always the same ones."""
    order = np.random.default_rng(0).permutation(len(names))[:_CALIBRATION]
    return [names[number] for number in sorted(order.tolist())]
