"""Samples as the network takes them, made while a dataset is surveyed so that training need not read them again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from solarseg.classes import IGNORE_INDEX
from solarseg.datasets import Sample
from solarseg.datasets.bands import choose_bands
from solarseg.errors import ArgumentError
from solarseg.images import fill_missing
from solarseg.preprocessing import DEPTH_SCALE, Preprocessing, deepest

__all__ = [
    "MEMORY",
    "InputFacts",
    "InputStore",
    "Tensors",
    "find_range",
    "make_input",
    "pixel_counts",
    "plain_preprocessing",
]

MEMORY = 4 * 1024**3  # bytes of inputs that are kept, on each machine

Tensors = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class InputFacts:
    """What a training asks about an input before it begins.

    Attributes:
        low: lowest value of each band ``(C,)``, scaled to [0, 1] as in the network; NaN if no pixel shows something.
        high: highest value of each band ``(C,)``, in the same way.
        pixels: of each class id ``(256,)``, ignored pixels last.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    pixels: NDArray[np.int64]


class InputStore:
    """Inputs made of samples as they are read, before the preprocessing that all samples share is known.

    Each image is prepared with its own bands and depth. In most datasets these are the bands and the depth of all
    images, and no image has to be read again. Two kinds of images have to be: those of other bands or depth, and those
    with pixels that show nothing, which are filled with the mean of the training images.

    Args:
        image_size: side of the network's input.
        bands: names or numbers of the bands to take; None for all.
        names: of the bands of the images, if they have names.
        memory: bytes that all inputs together may take. Of the inputs beyond it, only the facts are kept.
    """

    def __init__(
        self,
        image_size: int,
        bands: Sequence[str] | None = None,
        names: Sequence[str] | None = None,
        memory: int = MEMORY,
    ) -> None:
        self._image_size, self._bands, self._names = image_size, bands, names
        self._free = memory
        self._lock = Lock()
        self._facts: dict[str, InputFacts] = {}
        self._made: dict[str, tuple[Preprocessing, Tensors]] = {}

    def add(self, sample: Sample) -> None:
        """Prepare a sample; may be called in threads."""
        preprocessing = self._own_preprocessing(sample)
        filled = replace(sample, image=fill_missing(sample.image, sample.valid), valid=None)
        tensors = make_input(filled, preprocessing, sample.name)
        facts = _measure(tensors, preprocessing, sample.valid)
        size = sum(tensor.nbytes for tensor in tensors)
        with self._lock:
            self._facts[sample.name] = facts
            if sample.valid is None and size <= self._free:
                self._free -= size
                self._made[sample.name] = preprocessing, tensors

    def facts_of(self, names: Iterable[str]) -> list[InputFacts]:
        """Return the facts about the inputs of some samples."""
        return [self._facts[name] for name in names]

    def take(self, names: Iterable[str], preprocessing: Preprocessing) -> dict[str, Tensors]:
        """Take out the inputs of some samples: those that are here and that this preprocessing would make."""
        found = {name: self._made.pop(name) for name in names if name in self._made}
        return {name: tensors for name, (made, tensors) in found.items() if _makes_equal(made, preprocessing)}

    def clear(self) -> None:
        """Forget the inputs that were not taken; the facts stay."""
        self._made.clear()

    def _own_preprocessing(self, sample: Sample) -> Preprocessing:
        count, depth = sample.image.shape[-1], sample.image.dtype.name
        try:
            return plain_preprocessing(self._image_size, count, depth, self._bands, self._names)
        except ArgumentError:  # the bands are picked from those of the other images
            return plain_preprocessing(self._image_size, count, depth)


def make_input(sample: Sample, preprocessing: Preprocessing, source: str) -> Tensors:
    """Prepare a sample for the network.

    Args:
        sample: as read.
        preprocessing: of the image.
        source: the image file, for the error message.

    Returns:
        ``image (C, S, S)`` of the preprocessing's depth and ``mask (S, S) uint8``.

    Raises:
        ImageError: the image does not have the bands or the depth of the preprocessing.
    """
    image = preprocessing.to_input(sample.image, source, sample.valid)
    mask = preprocessing.mask_to_input(sample.mask)
    return torch.from_numpy(image.transpose(2, 0, 1).copy()), torch.from_numpy(mask)


def plain_preprocessing(
    image_size: int,
    count: int,
    depth: str,
    bands: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> Preprocessing:
    """Return the preprocessing of images of one kind, without normalisation.

    Args:
        image_size: side of the network's input.
        count: bands of the images.
        depth: their dtype.
        bands: names or numbers of the bands to take; None for all.
        names: of the bands of the images, if they have names.

    Raises:
        ArgumentError: the images do not have such a band.
    """
    picked = tuple(choose_bands(bands, names, count)) if bands else ()
    taken = len(picked) or count
    none = ((0.0,) * taken, (1.0,) * taken)
    return Preprocessing(image_size, taken, deepest({depth}), *none, picked, count if picked else 0)


def find_range(
    facts: Iterable[InputFacts], preprocessing: Preprocessing
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Find the lowest and highest value of each band, for augmentation: 0 and 1 for 8-bit images.

    Args:
        facts: about the inputs of the train split.
        preprocessing: of its images.
    """
    if preprocessing.depth == "uint8":
        return (0.0,) * preprocessing.bands, (1.0,) * preprocessing.bands
    low, high = np.full(preprocessing.bands, np.inf), np.full(preprocessing.bands, -np.inf)
    for one in facts:  # fmin and fmax ignore NaN; the one band of a grey image counts for all
        low, high = np.fmin(low, one.low), np.fmax(high, one.high)
    low, high = np.where(np.isfinite(low), low, 0), np.where(np.isfinite(high), high, 0)
    high = np.where(high > low, high, low + 1 / DEPTH_SCALE[preprocessing.depth])  # a band may be constant
    return tuple(low.tolist()), tuple(high.tolist())


def pixel_counts(facts: Iterable[InputFacts], num_classes: int) -> list[int]:
    """Count the pixels of each class id over some inputs, without ignored pixels."""
    counts = np.zeros(IGNORE_INDEX + 1, np.int64)
    for one in facts:
        counts += one.pixels
    return [int(count) for count in counts[:num_classes]]


def _measure(tensors: Tensors, preprocessing: Preprocessing, valid: NDArray[np.bool_] | None) -> InputFacts:
    image, mask = (tensor.numpy() for tensor in tensors)
    pixels = image.reshape(len(image), -1)
    if valid is not None:
        pixels = pixels[:, preprocessing.mask_to_input(valid.astype(np.uint8)).ravel() > 0]
    low, high = (
        (pixels.min(axis=1), pixels.max(axis=1)) if pixels.size else (np.full(len(image), np.nan),) * 2
    )
    scale = DEPTH_SCALE[preprocessing.depth]
    return InputFacts(low / scale, high / scale, np.bincount(mask.ravel(), minlength=IGNORE_INDEX + 1))


def _makes_equal(made: Preprocessing, wanted: Preprocessing) -> bool:
    """Say whether two preprocessings make the same input of an image whose pixels all show something."""
    return made.bands == wanted.bands and replace(made, mean=wanted.mean, std=wanted.std) == wanted
