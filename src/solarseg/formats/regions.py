"""What the writers of labelling tools' formats share."""

import logging
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX
from solarseg.files import atomic_path
from solarseg.formats.labels import Labelled
from solarseg.measurement.regions import find_components

__all__ = ["Region", "copy_image", "regions", "without_ignored"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Region:
    """A connected component of a class.

    Attributes:
        class_id: of its pixels.
        x: first column it touches.
        y: first row it touches.
        pixels: ``(H, W) bool``, cropped from the mask at that corner.
    """

    class_id: int
    x: int
    y: int
    pixels: NDArray[np.bool_]


def regions(mask: NDArray[np.uint8]) -> Iterator[Region]:
    """Go through the connected find_components of a mask, class by class; pixels that meet in a corner are connected.

    Args:
        mask: ``(H, W) uint8`` class ids. Background has no regions; ignored pixels, 255, have.

    Examples:
        >>> mask = np.array([[1, 0, 0, 2], [0, 1, 0, 2]], dtype=np.uint8)
        >>> [(region.class_id, region.x, region.y, region.pixels.shape) for region in regions(mask)]
        [(1, 0, 0, (2, 2)), (2, 3, 0, (2, 1))]
    """
    for class_id in np.unique(mask[mask > 0]).tolist():
        for one in find_components(mask == class_id):
            yield Region(class_id, one.left, one.top, one.pixels)


def without_ignored(items: Iterable[Labelled], title: str) -> Iterator[Labelled]:
    """Make ignored pixels background, and warn of how many there were.

    Args:
        items: what is written.
        title: of the format that cannot say it, for the warning.
    """
    pixels = images = 0
    for item in items:
        ignored = item.mask == IGNORE_INDEX
        pixels, images = pixels + int(ignored.sum()), images + bool(ignored.any())
        yield replace(item, mask=np.where(ignored, 0, item.mask).astype(np.uint8))
    if images:
        logger.warning(
            "%d ignored pixels of %d images become background: %s cannot say it", pixels, images, title
        )


def copy_image(item: Labelled, folder: Path, name: str) -> str:
    """Copy an image file as it is.

    Args:
        item: whose image.
        folder: to copy it to.
        name: to give it, without suffix, ``/`` between folders.

    Returns:
        The name with the file's suffix.

    Raises:
        OutputError: it could not be written.
    """
    named = name + item.image.suffix
    with atomic_path(folder / named) as temporary:
        shutil.copyfile(item.image, temporary)
    return named
