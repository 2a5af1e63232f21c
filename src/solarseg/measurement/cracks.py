"""Crack modes: what a crack has done to the silicon behind it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.measurement.records import CrackMode
from solarseg.measurement.regions import Component, depths
from solarseg.measurement.sides import side_ratio
from solarseg.measurement.skeleton import thin

__all__ = ["DISCONNECTED", "UNHARMED", "BrightnessRatios", "crack_mode"]

UNHARMED = 0.9  # brightness ratio from which on nothing is lost
DISCONNECTED = 0.35  # brightness ratio below which no current flows, and only scattered light is seen
# Pixels of a cell of 256 a side, from a crack's edge: where an area begins that it bounds, how far its own blur
# darkens, and how far its brightness is looked at.
_BEGINS, _BLURRED, _BESIDE = 3, 2, 6.4
_BOUNDED = 0.1  # least share of a crack along which it bounds an area: one that it touches is not its own


def crack_mode(ratio: float) -> CrackMode:
    """Tell the mode of a crack from how bright it is behind it.

    M. Koentges et al., The risk of power loss in crystalline silicon based photovoltaic modules due to micro-cracks,
    Solar Energy Materials and Solar Cells 95 (2011) 1131: A, no influence on the current; B, a part carries less; C, a
    part is disconnected. They judged by eye; the two bounds, 0.9 and 0.35, are ours.

    Args:
        ratio: how bright it is behind the crack, by medians: its darker side by its brighter one (`side_ratio`), or
            the darkest inactive area that it bounds by the sound silicon of the cell, whichever is less. The sides
            of a crack that branches or crosses another are those of its longer axis: what but a part of a side lacks
            is told where it was found to be an inactive area.

    Examples:
        >>> [crack_mode(ratio) for ratio in (1.0, 0.6, 0.1)]
        ['A', 'B', 'C']
    """
    if ratio >= UNHARMED:
        return "A"
    return "B" if ratio >= DISCONNECTED else "C"


class BrightnessRatios:
    """How bright it is behind the cracks of one mask.

    Args:
        grey: ``(H, W)``, EL intensity.
        sound: ``(H, W) bool``: the silicon without defects.
        inactive: ``(H, W) bool``: inactive areas.
        step: pixels of the image by those of a cell of 256 a side, 1 at least.
    """

    def __init__(
        self, grey: NDArray[np.floating], sound: NDArray[np.bool_], inactive: NDArray[np.bool_], step: float
    ) -> None:
        count, self._areas = cv2.connectedComponents(inactive.astype(np.uint8))
        whole = float(np.median(grey[sound])) if sound.any() else 0.0
        self._levels = _medians(grey, self._areas, count) / whole if whole > 0 else None
        self._grey, self._silicon, self._step = grey, sound | inactive, step

    def of(self, crack: Component) -> float | None:
        """What `crack_mode` takes; None where neither both sides of the crack nor an area it bounds are seen."""
        if self._levels is None:
            return None
        reach, away = round(_BESIDE * self._step), _BLURRED * self._step
        sides = side_ratio(crack, self._grey, self._silicon, reach, away)
        areas = self._levels[_areas_beside(crack, self._areas, round(_BEGINS * self._step))].tolist()
        known = areas if sides is None else [sides, *areas]
        return min(1.0, *known) if known else None


def _areas_beside(crack: Component, areas: NDArray[np.int32], reach: int) -> list[int]:
    """Numbers of the areas that begin within some pixels beside a crack, along a tenth of its centre lines or more."""
    window, pixels = crack.around(reach + 1, areas.shape)
    lines, near = thin(pixels), areas[window]
    distance = cv2.distanceTransform((~pixels).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    half, found = float(depths(pixels).max()), []
    for number in np.unique(near[(near > 0) & (distance <= reach)]).tolist():
        away = cv2.distanceTransform((near != number).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        if (away[lines] <= half + reach).mean() >= _BOUNDED:
            found.append(number)
    return found


def _medians(image: NDArray[np.floating], areas: NDArray[np.int32], count: int) -> NDArray[np.float64]:
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
