"""Crack modes: what a crack has done to the silicon behind it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.measurement.records import CrackMode
from solarseg.measurement.regions import Component

__all__ = ["DISCONNECTED", "UNHARMED", "areas_beside", "crack_mode", "medians"]

UNHARMED = 0.9  # brightness ratio from which on nothing is lost
DISCONNECTED = (
    0.35  # brightness ratio below which no current flows; what still is seen there is scattered light
)
_REACH = 3  # pixels beside a crack where an area must begin to be the crack's


def crack_mode(ratio: float) -> CrackMode:
    """Tell the mode of a crack from how bright it is behind it.

    M. Koentges et al., The risk of power loss in crystalline silicon based photovoltaic modules due to micro-cracks,
    Solar Energy Materials and Solar Cells 95 (2011) 1131: A, no influence on the current; B, a part carries less; C, a
    part is disconnected. They judged by eye; the two bounds, 0.9 and 0.35, are ours.

    Args:
        ratio: how bright it is behind the crack, by medians: its darker side by its brighter one (`side_ratio`), or
            the darkest inactive area that it bounds by the sound silicon of the cell, whichever is less.

    Examples:
        >>> [crack_mode(ratio) for ratio in (1.0, 0.6, 0.1)]
        ['A', 'B', 'C']
    """
    if ratio >= UNHARMED:
        return "A"
    return "B" if ratio >= DISCONNECTED else "C"


def areas_beside(crack: Component, areas: NDArray[np.int32]) -> NDArray[np.int64]:
    """Which inactive areas a crack bounds.

    Args:
        crack: in the mask.
        areas: ``(H, W)`` numbers of the inactive areas, 0 elsewhere.

    Returns:
        Their numbers.
    """
    window, pixels = crack.around(_REACH, areas.shape)
    near = cv2.dilate(pixels.astype(np.uint8), np.ones((2 * _REACH + 1, 2 * _REACH + 1), np.uint8)) > 0
    found = np.unique(areas[window][near])
    return found[found > 0].astype(np.int64)


def medians(image: NDArray[np.floating], areas: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Median of an image in each area.

    Args:
        image: ``(H, W)``.
        areas: ``(H, W)`` numbers from 0.
        count: how many.

    Returns:
        ``(count,)``, NaN where an area has no pixel.
    """
    order = np.argsort(areas, axis=None, kind="stable")
    ends = np.cumsum(np.bincount(areas.ravel(), minlength=count))
    parts = np.split(image.ravel()[order], ends[:-1])
    return np.array([np.median(part) if len(part) else np.nan for part in parts])
