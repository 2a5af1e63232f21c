"""Recognise the cells of a module: whether two photographs show the same module, in the same orientation."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.comparison.cells import CellImages, sound_pixels
from solarseg.comparison.registration import log_light, register_cell

__all__ = ["Recognition", "recognise_cells"]

Recognition = Literal["same", "turned", "unknown"]

_MARGIN = 0.05  # of the correlation
_SURE = 0.4  # correlation: with the margin, more than a damaged module reaches that is not turned (0.44)
_TURNED = (
    0.2  # the same for a turned module: damaged modules that bend reach 0.18 although they are not turned
)
_MIN_CELLS = 6  # fewer cells have no typical cell
_FINE, _COARSE = 1.5, 6.0  # pixels: sizes of the details that identify cells
_MOST = 0.05  # of the logarithm: a new crack must not count more than the structure of the silicon
_SAMPLE = 12  # cells that are looked at
_EDGE = 16  # pixels at a side of 256


def recognise_cells(
    now: CellImages, before: CellImages, shape: tuple[int, int], classes: ClassMap
) -> Recognition:
    """Recognise the cells of a module by what differs from its typical cell, such as grains and marks of production.

    All cells of a module look alike, so that each can be registered on any other. The same cell before must be more
    similar than the cells at other places, and than the cells of the module turned by 180 degrees. Cells of a module
    that bends, or with much damage, differ too much from before, and different modules photographed by one camera
    have passed as the same: the answer is a warning, not a proof.

    Args:
        now: pictures of the cells.
        before: pictures of the cells in the earlier inspection, of the same size.
        shape: rows and columns of cells.
        classes: of both masks.

    Returns:
        "same", "turned", or "unknown"; "same" for less than six cells, which have no typical cell.
    """
    count = len(now.images)
    if count < _MIN_CELLS:
        return "same"
    damage = [
        np.count_nonzero(~sound_pixels(mask, earlier, classes))
        for mask, earlier in zip(now.masks, before.masks, strict=True)
    ]
    places = np.sort(np.argsort(damage, kind="stable")[:_SAMPLE])  # the least damaged look most as before
    turned = CellImages(before.images[::-1, ::-1, ::-1], before.masks[::-1, ::-1, ::-1])
    order = np.roll(np.arange(count).reshape(shape), 1, axis=int(shape[1] > 1)).ravel()
    moved = CellImages(before.images[order], before.masks[order])
    same, half_turn, other = (_similarity(now, each, places, classes) for each in (before, turned, moved))
    if half_turn > max(same, other, _SURE) + _TURNED:
        return "turned"
    return "same" if same > max(half_turn, other) + _MARGIN else "unknown"


def _similarity(now: CellImages, before: CellImages, places: NDArray[np.int64], classes: ClassMap) -> float:
    """Return the median correlation of cells at some places after registration."""
    typical, typical_before = (_typical(cells.images[places]) for cells in (now, before))
    edge = round(_EDGE * now.images.shape[1] / 256)
    inner = slice(edge, -edge), slice(edge, -edge)
    found = []
    for place in places:
        sound = sound_pixels(now.masks[place], before.masks[place], classes)
        registration = register_cell(now.images[place], before.images[place], sound)
        if registration is None:
            continue
        one = _details(now.images[place]) - typical
        other = registration.move(_details(before.images[place]) - typical_before)
        one, other = (np.clip(each, -_MOST, _MOST)[inner][sound[inner]] for each in (one, other))
        found.append(float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum() + 1e-9)))
    return float(np.median(found)) if len(found) > len(places) / 2 else -1.0


def _typical(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(np.median([_details(image) for image in images], axis=0), np.float32)


def _details(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return log_light(image, _FINE) - log_light(image, _COARSE)
