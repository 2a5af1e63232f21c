"""One pass over a dataset: each image is read once, and everything that other steps need to know is measured.

`check`, `stats` and `train` each make one survey and ask it for digests, sizes, values, classes and copies.

A survey is kept in memory, for one command. It is not stored: a survey that is wrong, because a file was replaced or
solarseg was upgraded, would be worse than a slow one.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from solarseg.classes import IGNORE_INDEX
from solarseg.datasets import FolderDataset, Sample
from solarseg.datasets.digests import DatasetDigests
from solarseg.duplicates.leakage import find_copies_in_dataset
from solarseg.duplicates.search import MAX_KEPT, Duplicates, ImageDescriptor, describe_image
from solarseg.errors import DataError
from solarseg.files import digest
from solarseg.images import fill_missing
from solarseg.threads import count_cores, fan_out

__all__ = ["SampleFacts", "Survey", "measure_sample", "region_areas", "survey_dataset"]

_BLOCK = 1 << 20  # pixels that are measured at once: their float64 take eight times the memory of 8-bit files


@dataclass(frozen=True, eq=False)
class SampleFacts:
    """What is measured of one sample. Values are in the units of the file, and of pixels that show something.

    Attributes:
        name: of the sample.
        size: ``(W, H)`` in pixels.
        depth: dtype of the image.
        shown: number of pixels that show something; the others are nodata or transparent.
        low: lowest value of each band ``(C,)``; NaN where no pixel shows something.
        high: highest value of each band ``(C,)``; NaN where no pixel shows something.
        sums: of each band ``(C,)``.
        squares: sum of the squares of each band ``(C,)``.
        pixels: of each class id ``(K,)``, without ignored pixels.
        ignored: number of pixels that the mask leaves out, or that show nothing.
        areas: class id -> pixels of each of its regions (8-connected components), without the background's; empty
            where regions were not asked for.
        metres_per_pixel: of a georeferenced image, where it is known.
    """

    name: str
    size: tuple[int, int]
    depth: str
    shown: int
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    pixels: NDArray[np.int64]
    ignored: int
    areas: dict[int, list[int]]
    metres_per_pixel: float | None = None


def measure_sample(sample: Sample, classes: int, *, regions: bool = False) -> SampleFacts:
    """Measure a sample.

    Args:
        sample: as read.
        classes: number of classes.
        regions: measure the regions of each class.

    Examples:
        >>> image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
        >>> facts = measure_sample(Sample(image, np.eye(2, 3, dtype=np.uint8), "a", "a"), 2)
        >>> facts.size, facts.sums.tolist(), facts.high.tolist(), facts.pixels.tolist()
        ((3, 2), [15.0], [5.0], [4, 2])
    """
    counts = _count_values(sample.mask, IGNORE_INDEX + 1)
    shown = sample.mask.size if sample.valid is None else int(np.count_nonzero(sample.valid))
    low, high, sums, squares = _measure_bands(sample.image, sample.valid)
    return SampleFacts(
        name=sample.name,
        size=(sample.mask.shape[1], sample.mask.shape[0]),
        depth=sample.image.dtype.name,
        shown=shown,
        low=low,
        high=high,
        sums=sums,
        squares=squares,
        pixels=counts[:classes],
        ignored=int(counts[IGNORE_INDEX]),
        areas=_region_areas(sample.mask, counts[:classes]) if regions else {},
    )


@dataclass(frozen=True, eq=False)
class Survey:
    """What one pass over a dataset found.

    Attributes:
        data: the dataset.
        samples: facts of the samples that can be read, in the order of the dataset.
        unreadable: sample -> why it cannot be read.
        digests: of the files of the samples that can be read.
    """

    data: FolderDataset
    samples: tuple[SampleFacts, ...]
    unreadable: Mapping[str, DataError]
    digests: DatasetDigests
    _descriptors: Mapping[str, ImageDescriptor]

    def without_descriptors(self) -> "Survey":
        """Return the survey without what the search for copies needs."""
        return replace(self, _descriptors={})

    def facts_of(self, names: Collection[str]) -> list[SampleFacts]:
        """Return the facts of some samples, in the order of the dataset."""
        wanted = set(names)
        return [one for one in self.samples if one.name in wanted]

    def raise_unreadable(self) -> None:
        """Raise the error of the first sample that cannot be read."""
        for error in self.unreadable.values():
            raise error

    def find_copies(self, *, progress: bool = False) -> Duplicates:
        """Find the copies and near copies among the images; see `solarseg.duplicates.leakage.find_copies_in_dataset`.

        The survey must have been made with ``copies=True``.
        """
        names = [one.name for one in self.samples]
        return find_copies_in_dataset(self.data, names, descriptors=self._descriptors, progress=progress)


@dataclass(frozen=True, eq=False)
class _Look:
    """What is kept of one sample."""

    facts: SampleFacts
    image_digest: str
    mask_digest: str
    descriptor: ImageDescriptor | None


def survey_dataset(
    data: FolderDataset,
    *,
    copies: bool = False,
    regions: bool = False,
    each: Callable[[Sample], None] | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Survey:
    """Read every sample of a dataset once and measure it.

    Args:
        data: the dataset.
        copies: keep what `Survey.find_copies` needs.
        regions: measure the regions of each class.
        each: called with every sample that can be read, in any thread and order, for more that is to be done with it.
        threads: number of threads; by default the number of cores.
        progress: show progress on the terminal.
    """
    number_of = {name: number for number, name in enumerate(data.names)}

    def look(name: str) -> tuple[str, _Look | DataError]:
        try:
            sample = data[name]
            if each is not None:
                each(sample)
            return name, _look(data, sample, copies=copies, regions=regions, keep=number_of[name] < MAX_KEPT)
        except DataError as error:
            return name, error

    found = fan_out([lambda: data.names], look, threads or count_cores())
    results = dict(track(found, "reading", total=len(data), disable=not progress, transient=True))
    looks = {name: one for name in data.names if isinstance(one := results[name], _Look)}
    return Survey(
        data=data,
        samples=tuple(one.facts for one in looks.values()),
        unreadable={name: one for name in data.names if isinstance(one := results[name], DataError)},
        digests=DatasetDigests(
            {name: one.image_digest for name, one in looks.items()},
            {name: one.mask_digest for name, one in looks.items()},
        ),
        _descriptors={name: one.descriptor for name, one in looks.items() if one.descriptor is not None},
    )


def _look(data: FolderDataset, sample: Sample, *, copies: bool, regions: bool, keep: bool) -> _Look:
    image, mask = data.image_path(sample.name), data.mask_path(sample.name)
    facts = measure_sample(sample, len(data.classes), regions=regions)
    facts = replace(facts, metres_per_pixel=sample.facts.metres_per_pixel if sample.facts else None)
    filled = fill_missing(sample.image, sample.valid)
    descriptor = describe_image(filled, keep=keep) if copies else None
    return _Look(facts, digest(image), digest(mask), descriptor)


def _measure_bands(
    image: NDArray[Any], valid: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest value, sum and sum of squares of each band."""
    pixels = image.reshape(-1, image.shape[-1])
    shown = None if valid is None else valid.reshape(-1)
    if shown is not None and not shown.any():
        nothing, zero = np.full(pixels.shape[1], np.nan), np.zeros(pixels.shape[1])
        return nothing, nothing, zero, zero
    if image.dtype == np.float32:
        return _measure_floats(pixels, shown)
    bands = [_measure_levels(pixels[:, band], shown) for band in range(pixels.shape[1])]
    low, high, sums, squares = np.array(bands, np.float64).T
    return low, high, sums, squares


def _measure_levels(levels: NDArray[Any], shown: NDArray[np.bool_] | None) -> tuple[int, int, int, int]:
    """The same of one band of whole numbers, exactly."""
    counts = _count_values(levels, np.iinfo(levels.dtype).max + 1, shown)
    present = np.flatnonzero(counts)
    weights = counts[present]
    return int(present[0]), int(present[-1]), int(weights @ present), int(weights @ present**2)


def _count_values(
    values: NDArray[Any], count: int, shown: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Count each value from 0 to ``count - 1``."""
    flat = values.reshape(-1)
    counts = np.zeros(count, np.int64)
    for start in range(0, len(flat), _BLOCK):
        block = flat[start : start + _BLOCK]
        counts += np.bincount(
            block if shown is None else block[shown[start : start + _BLOCK]], minlength=count
        )
    return counts


def _measure_floats(
    pixels: NDArray[np.float32], shown: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    count = pixels.shape[1]
    low, high, sums, squares = (
        np.full(count, np.inf),
        np.full(count, -np.inf),
        np.zeros(count),
        np.zeros(count),
    )
    step = max(1, _BLOCK // count)
    for start in range(0, len(pixels), step):
        block = pixels[start : start + step]
        if shown is not None:
            block = block[shown[start : start + step]]
        if not len(block):
            continue
        bands = np.ascontiguousarray(block.T, np.float64)
        low, high = np.minimum(low, bands.min(axis=1)), np.maximum(high, bands.max(axis=1))
        sums += bands.sum(axis=1)
        squares += np.einsum("ij,ij->i", bands, bands)
    return low, high, sums, squares


def _region_areas(mask: NDArray[np.uint8], pixels: NDArray[np.int64]) -> dict[int, list[int]]:
    present = [class_id for class_id in np.flatnonzero(pixels).tolist() if class_id]
    return {class_id: region_areas(mask == class_id) for class_id in present}


def region_areas(region: NDArray[np.bool_]) -> list[int]:
    """Give the pixels of each 8-connected component.

    Examples:
        >>> region_areas(np.array([[1, 0, 0, 1], [0, 1, 0, 1]], dtype=bool))
        [2, 2]
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
    return [int(area) for area in stats[1:, cv2.CC_STAT_AREA]]
