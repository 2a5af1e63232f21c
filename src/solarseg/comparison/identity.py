"""Recognise the cells of a module: whether two photographs show the same module, in the same orientation."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.comparison.cells import CellImages, sound_pixels
from solarseg.comparison.registration import log_light, register_cell

__all__ = ["CellSimilarity", "Recognition", "compare_identity", "recognise_cells"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Recognition = Literal["same", "turned", "unknown"]

# Correlations. Of the same cells it is 0.36 and more, of different modules of one make and camera at most 0.13;
# docs/results/loading.md has the numbers.
_ALIKE = 0.2
_MARGIN = 0.1
_MIN_CELLS = 6  # fewer cells have no typical cell
_FINE, _COARSE = 1.5, 6.0  # pixels: sizes of the details that identify cells
_MOST = 0.05  # of the logarithm: a new crack must not count more than the structure of the silicon
_SAMPLE = 16  # cells that are looked at; of a small module, half of the cells
_EDGE = 16  # pixels at a side of 256
_METAL = 4  # pixels around busbars, which are alike in all cells
_MIN_SHARE = 0.1  # of the pixels of a cell, to compare it


@dataclass(frozen=True)
class CellSimilarity:
    """How much the cells of a module look like those before: median correlations of their details, -1 to 1.

    Attributes:
        same: of the same cells.
        next_place: of cells next to each other.
        turned: of the same cells, if the module is turned by 180 degrees.
    """

    same: float
    next_place: float
    turned: float

    @property
    def recognition(self) -> Recognition:
        """What it means: "same", "turned", or "unknown"."""
        best, worse = max(self.same, self.turned), min(self.same, self.turned)
        if best < max(_ALIKE, worse + _MARGIN, self.next_place + _MARGIN):
            return "unknown"
        return "same" if best == self.same else "turned"


@dataclass(frozen=True, eq=False)
class _Details:
    """What differs from the typical cell in some cells.

    Attributes:
        values: ``(N, H, W) float32``, light less that of the typical cell.
        used: ``(N, H, W) bool``, silicon without damage; no pixel in cells that could not be registered.
    """

    values: Floats
    used: Bools


def recognise_cells(
    now: CellImages, before: CellImages, shape: tuple[int, int], classes: ClassMap
) -> Recognition:
    """Recognise the cells of a module by what differs from its typical cell, such as grains and marks of production.

    The same cell before must be similar, and more similar than the cell at the next place and than the cell of the
    module turned by 180 degrees.

    Args:
        now: pictures of the cells.
        before: pictures of the cells in the earlier inspection, of the same size.
        shape: rows and columns of cells.
        classes: of both masks.

    Returns:
        "same", "turned", or "unknown"; "same" for less than six cells, which have no typical cell.
    """
    if len(now.images) < _MIN_CELLS:
        return "same"
    return compare_identity(now, before, shape, classes).recognition


def compare_identity(
    now: CellImages, before: CellImages, shape: tuple[int, int], classes: ClassMap
) -> CellSimilarity:
    """Correlate what differs from the typical cell; see `recognise_cells`.

    All cells are first registered on one typical cell, and busbars do not count: where a lens moves the cells of a
    corner by a tenth of a pixel, they look alike in every module that the camera photographs.
    """
    places = _least_damaged(now, before, classes)
    typical = np.median(before.images[places], axis=0).astype(np.uint8)
    turned = CellImages(before.images[::-1, ::-1, ::-1], before.masks[::-1, ::-1, ::-1])
    order = np.roll(np.arange(len(now.images)).reshape(shape), 1, axis=int(shape[1] > 1)).ravel()
    details = _details(now, places, typical, classes)
    return CellSimilarity(
        *(
            _similarity(details, _details(cells, where, typical, classes))
            for cells, where in ((before, places), (before, order[places]), (turned, places))
        )
    )


def _least_damaged(now: CellImages, before: CellImages, classes: ClassMap) -> NDArray[np.int64]:
    """Return the places of the cells that look most as before."""
    damage = [
        np.count_nonzero(~sound_pixels(mask, earlier, classes))
        for mask, earlier in zip(now.masks, before.masks, strict=True)
    ]
    count = min(_SAMPLE, max(_MIN_CELLS, len(damage) // 2))
    return np.sort(np.argsort(damage, kind="stable")[:count])


def _details(
    cells: CellImages, places: NDArray[np.int64], typical: NDArray[np.uint8], classes: ClassMap
) -> _Details:
    values = np.zeros((len(places), *typical.shape), np.float32)
    used = np.zeros(values.shape, bool)
    for number, place in enumerate(places):
        image, mask = (np.ascontiguousarray(each[place]) for each in (cells.images, cells.masks))
        registration = register_cell(typical, image)
        if registration is not None:
            values[number] = registration.move(log_light(image, _FINE) - log_light(image, _COARSE))
            silicon = _silicon(mask, classes).astype(np.uint8)
            used[number] = registration.move(silicon, is_mask=True) > 0
    edge = round(_EDGE * typical.shape[0] / 256)
    inner = slice(edge, -edge), slice(edge, -edge)
    return _Details((values - np.median(values, axis=0))[:, *inner], used[:, *inner])


def _silicon(mask: NDArray[np.uint8], classes: ClassMap) -> Bools:
    metal = mask == 0
    if "busbar" in classes.names:
        metal |= mask == classes.names.index("busbar")
    near = cv2.dilate(metal.astype(np.uint8), np.ones((2 * _METAL + 1,) * 2, np.uint8)) > 0
    return np.asarray(sound_pixels(mask, mask, classes) & ~near)


def _similarity(one: _Details, other: _Details) -> float:
    """Return the median correlation of cells; -1 if less than half of them can be compared."""
    found = []
    for values, used, other_values, other_used in zip(
        one.values, one.used, other.values, other.used, strict=True
    ):
        both = used & other_used
        if both.mean() >= _MIN_SHARE:
            a, b = (np.clip(each[both], -_MOST, _MOST) for each in (values, other_values))
            found.append(float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum() + 1e-9)))
    return float(np.median(found)) if len(found) > len(one.values) / 2 else -1.0
