"""Masks laid over their images, for people to look at."""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.images import as_rgb
from solarseg.painting import (
    check_same_size,
    draw_legend,
    draw_swatch,
    fit_size,
    format_percent,
    paint_mask,
    resize_for_display,
    stack_horizontally,
    stack_vertically,
)

__all__ = ["overlay", "side_by_side"]

_SMALL = 480  # an image whose longer side is below this is enlarged, by a whole factor
_LARGE = 4000  # width of the result
_WIDE = 2  # an image wider than this many times its height goes above its overlay
_NARROW = 320  # what a legend needs


def overlay(
    image: NDArray[Any], mask: NDArray[np.uint8], classes: ClassMap, alpha: float = 0.45
) -> NDArray[np.uint8]:
    """Lay a mask over its image: class colours, with outlines that show on dark and on bright images.

    Args:
        image: ``(H, W, C)``, any depth.
        mask: ``(H, W) uint8`` class ids, 255 = ignored.
        classes: gives the colours.
        alpha: how much of the class colour covers the image, 0 to 1.

    Returns:
        ``(H, W, 3) uint8``; background away from outlines is as in `as_rgb`.

    Raises:
        ArgumentError: image and mask differ in size.

    Examples:
        >>> image, mask = np.full((9, 9, 1), 100, np.uint8), np.zeros((9, 9), np.uint8)
        >>> mask[:, 4:] = 1
        >>> classes = ClassMap(("background", "panel"), colours=((0, 0, 0), (250, 200, 0)))
        >>> overlay(image, mask, classes)[0, 2:6].tolist()  # background, casing, line, inside
        [[100, 100, 100], [0, 0, 0], [250, 200, 0], [168, 145, 55]]
    """
    # Lines grow with the image, or they would vanish when a large one is looked at as a whole.
    width = max(1, round(sqrt(mask.size) / 500))
    return paint_mask(as_rgb(image), mask, classes, alpha, width)


def side_by_side(image: NDArray[Any], mask: NDArray[np.uint8], classes: ClassMap) -> NDArray[np.uint8]:
    """Show an image next to its overlay (above it where it is wide), and which classes there are.

    Small images are enlarged by a whole factor, large ones shrunk. The shares in the legend are of all
    pixels that are not ignored.

    Args:
        image: ``(H, W, C)``, any depth.
        mask: ``(H, W) uint8`` class ids, 255 = ignored.
        classes: gives names and colours.

    Returns:
        ``(H', W', 3) uint8``, at most 4000 pixels wide; high as the pictures, at most 4000, and the legend.

    Raises:
        ArgumentError: image and mask differ in size.
    """
    check_same_size(image, mask)
    wide = mask.shape[1] > _WIDE * mask.shape[0]
    half = _LARGE // 2 - _LARGE // 200  # two of these and the gap
    size = _shown_size(mask.shape, (_LARGE, half) if wide else (half, _LARGE))
    shown = as_rgb(resize_for_display(image[..., :3], size))
    gap = max(4, max(size) // 100)
    both = [shown, overlay(shown, resize_for_display(mask, size), classes)]
    pair = stack_vertically(both, gap) if wide else stack_horizontally(both, gap)
    letters = min(48, max(15, pair.shape[1] // 60))
    key = draw_legend(_entries(mask, classes, letters), max(_NARROW, pair.shape[1]) - letters, letters)
    margins = ((gap, gap), (letters // 2, letters - letters // 2), (0, 0))
    return stack_vertically([pair, np.pad(key, margins, constant_values=255)], 0)


def _shown_size(shape: tuple[int, ...], box: tuple[int, int]) -> tuple[int, int]:
    factor = max(1, round(_SMALL / max(shape)))
    width, height = shape[1] * factor, shape[0] * factor
    return (width, height) if width <= box[0] and height <= box[1] else fit_size(shape, *box)


def _entries(mask: NDArray[np.uint8], classes: ClassMap, size: int) -> list[tuple[NDArray[np.uint8], str]]:
    """Swatch, name and share of each class but the background, or of that where there is nothing else."""
    counts = np.bincount(mask.ravel(), minlength=IGNORE_INDEX + 1)[: len(classes)]
    present = [i for i in np.flatnonzero(counts).tolist() if i > 0] or [0]
    return [
        (
            draw_swatch(i, classes, size),
            f"{classes.names[i]} {format_percent(counts[i] / max(1, counts.sum()))}",
        )
        for i in present
    ]
