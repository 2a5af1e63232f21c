"""Recognise the cells of a module: whether two photographs show the same module, in the same orientation."""

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.comparison.cells import CellImages, sound_pixels
from solarseg.comparison.registration import log_light, register_cell

__all__ = ["recognise_cells"]

_MARGIN = 0.05  # of the correlation: the smallest between two photographs of a module is 0.2
_MIN_CELLS = 6  # fewer cells have no typical cell
_FINE, _COARSE = 1.5, 6.0  # pixels: sizes of the details that identify cells
_MOST = 0.05  # of the logarithm: a new crack must not count more than the structure of the silicon
_SAMPLE = 12  # cells that are looked at
_EDGE = 16  # pixels at a side of 256


def recognise_cells(
    now: CellImages, before: CellImages, shape: tuple[int, int], classes: ClassMap
) -> str | None:
    """Say why cells cannot be the same as before.

    All cells of a module look alike, so that each can be registered on any other. What differs from the typical cell of
    the module, such as grains and marks of production, stays: it must be more similar to the cell at the same place
    before than to the cells at other places.

    Args:
        now: pictures of the cells.
        before: pictures of the cells in the earlier inspection, of the same size.
        shape: rows and columns of cells.
        classes: of both masks.

    Returns:
        The reason in a sentence, or None if the cells were recognised, or are too few to be compared.
    """
    count = len(now.images)
    if count < _MIN_CELLS:
        return None
    places = np.unique(np.linspace(0, count - 1, _SAMPLE).round().astype(int))
    turned = CellImages(before.images[::-1, ::-1, ::-1], before.masks[::-1, ::-1, ::-1])
    order = np.roll(np.arange(count).reshape(shape), 1, axis=int(shape[1] > 1)).ravel()
    moved = CellImages(before.images[order], before.masks[order])
    same, half_turn, other = (_similarity(now, each, places, classes) for each in (before, turned, moved))
    if half_turn > max(same, other) + _MARGIN:
        return "The module is turned by 180 degrees relative to the earlier photograph; turn one of both."
    if same < max(half_turn, other) + _MARGIN:
        return "The cells were not recognised; the earlier photograph may show another module."
    return None


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
