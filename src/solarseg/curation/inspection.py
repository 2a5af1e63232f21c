"""What is found in samples by reading each once."""

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from solarseg.classes import IGNORE_INDEX
from solarseg.datasets import FolderDataset, Sample
from solarseg.errors import DataError
from solarseg.threads import count_cores, fan_out

__all__ = ["Inspection", "inspect", "inspect_all", "region_areas"]

_STRIP = 256  # rows that are measured at once


@dataclass(frozen=True)
class Inspection:
    """The measures of one sample.

    Attributes:
        name: of the sample.
        size: ``(W, H)`` in pixels.
        depth: dtype of the image.
        low: least value of each band ``(C,)``, in the units of the file, as all that follows.
        high: greatest value of each band ``(C,)``.
        sums: of each band ``(C,)``.
        squares: sum of the squares of each band ``(C,)``.
        pixels: of each class id ``(K,)``, ignored ones left out.
        ignored: pixels that the mask leaves out.
        areas: class id -> pixels of each of its regions (8-connected components), the background's left out.
    """

    name: str
    size: tuple[int, int]
    depth: str
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    pixels: NDArray[np.int64]
    ignored: int
    areas: dict[int, list[int]]


def inspect(data: FolderDataset, name: str) -> Inspection:
    """Read a sample and measure it.

    Raises:
        DataError: a file is damaged, the sizes differ, or the mask holds an unknown value.
    """
    return _measure(data[name], len(data.classes))


def inspect_all(
    data: FolderDataset, *, workers: int | None = None, progress: bool = False
) -> tuple[list[Inspection], dict[str, DataError]]:
    """Inspect every sample of a dataset.

    Args:
        data: the dataset.
        workers: threads; by default as many as there are processors.
        progress: show progress on the terminal.

    Returns:
        The samples that can be read, in the order of the dataset, and sample -> why for the others.
    """
    found = fan_out([lambda: data.names], partial(_try, data), workers or count_cores())
    results = dict(track(found, "reading", total=len(data), disable=not progress, transient=True))
    ordered = {name: results[name] for name in data.names}
    return (
        [result for result in ordered.values() if isinstance(result, Inspection)],
        {name: result for name, result in ordered.items() if isinstance(result, DataError)},
    )


def _try(data: FolderDataset, name: str) -> tuple[str, Inspection | DataError]:
    try:
        return name, inspect(data, name)
    except DataError as error:
        return name, error


def _measure(sample: Sample, classes: int) -> Inspection:
    counts = np.zeros(IGNORE_INDEX + 1, np.int64)
    sums, squares = np.zeros((2, sample.image.shape[-1]))
    for top in range(0, len(sample.mask), _STRIP):  # both take eight times the memory of 8-bit files
        counts += np.bincount(sample.mask[top : top + _STRIP].ravel(), minlength=IGNORE_INDEX + 1)
        # Exact for whole numbers, and with more digits than needed for others.
        exact = sample.image[top : top + _STRIP].reshape(-1, len(sums)).astype(np.float64)
        sums += exact.sum(axis=0)
        squares += np.einsum("ij,ij->j", exact, exact)
    return Inspection(
        name=sample.name,
        size=(sample.mask.shape[1], sample.mask.shape[0]),
        depth=sample.image.dtype.name,
        low=sample.image.min(axis=(0, 1)).astype(np.float64),
        high=sample.image.max(axis=(0, 1)).astype(np.float64),
        sums=sums,
        squares=squares,
        pixels=counts[:classes],
        ignored=int(counts[IGNORE_INDEX]),
        areas={
            class_id: region_areas(sample.mask == class_id)
            for class_id in np.flatnonzero(counts[:classes]).tolist()
            if class_id
        },
    )


def region_areas(region: NDArray[np.bool_]) -> list[int]:
    """Give the pixels of each 8-connected component.

    Examples:
        >>> region_areas(np.array([[1, 0, 0, 1], [0, 1, 0, 1]], dtype=bool))
        [2, 2]
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
    return [int(area) for area in stats[1:, cv2.CC_STAT_AREA]]
