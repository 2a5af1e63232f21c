"""Crack modes: the effect of a crack on the silicon behind it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.measurement.records import CrackMode
from solarseg.measurement.regions import Component, distance_to_border
from solarseg.measurement.sides import side_brightness_ratio

__all__ = ["MIN_RATIO_A", "MIN_RATIO_B", "BrightnessRatios", "crack_mode"]

MIN_RATIO_A = 0.9  # brightness ratio of mode A: no loss
MIN_RATIO_B = (
    0.35  # brightness ratio of mode B; below it no current flows, and the image shows scattered light only
)
# Distances from a crack's edge, pixels of a cell with a side of 256.
_AREA_DISTANCE = 3  # to an inactive area that the crack bounds
_BLUR = 2  # that the blur of the crack itself darkens
_SIDE_DISTANCE = 6.4  # within which the brightness of a side is measured
_MIN_BOUNDED = 0.1  # share of a crack along an inactive area that it bounds; a shorter contact does not count


def crack_mode(ratio: float) -> CrackMode:
    """Classify a crack by the brightness of the silicon behind it.

    The modes are those of M. Koentges et al., The risk of power loss in crystalline silicon based photovoltaic modules
    due to micro-cracks, Solar Energy Materials and Solar Cells 95 (2011) 1131: A, no influence on the current; B, a
    part of the cell carries less current; C, a part is disconnected. The paper classifies by eye; the two thresholds,
    0.9 and 0.35, are ours.

    Args:
        ratio: the smaller of two brightness ratios, each of medians: the darker side of the crack to the brighter side
            (`side_brightness_ratio`), and the darkest inactive area that the crack bounds to the sound silicon of the
            cell. For a crack with branches or a crossing, the sides are those of its longer axis; darkening of only a
            part of a side counts only if it was detected as an inactive area.

    Examples:
        >>> [crack_mode(ratio) for ratio in (1.0, 0.6, 0.1)]
        ['A', 'B', 'C']
    """
    if ratio >= MIN_RATIO_A:
        return "A"
    return "B" if ratio >= MIN_RATIO_B else "C"


class BrightnessRatios:
    """The brightness behind the cracks of one mask.

    Args:
        grey: ``(H, W)`` EL intensity.
        sound: ``(H, W) bool``, silicon without defects.
        inactive: ``(H, W) bool``, inactive areas.
        step: pixels of the image per pixel of a cell with a side of 256, at least 1.
    """

    def __init__(
        self, grey: NDArray[np.floating], sound: NDArray[np.bool_], inactive: NDArray[np.bool_], step: float
    ) -> None:
        count, self._areas = cv2.connectedComponents(inactive.astype(np.uint8))
        median = float(np.median(grey[sound])) if sound.any() else 0.0
        self._levels = _medians(grey, self._areas, count) / median if median > 0 else None
        self._grey, self._silicon, self._step = grey, sound | inactive, step

    def behind(self, crack: Component) -> float | None:
        """Return the ratio that `crack_mode` takes.

        It is ``None`` if the image shows neither both sides of the crack nor an inactive area that it bounds.
        """
        if self._levels is None:
            return None
        reach, blur = round(_SIDE_DISTANCE * self._step), _BLUR * self._step
        sides = side_brightness_ratio(crack, self._grey, self._silicon, reach, blur)
        areas = self._levels[_bounded_areas(crack, self._areas, round(_AREA_DISTANCE * self._step))].tolist()
        known = areas if sides is None else [sides, *areas]
        return min(1.0, *known) if known else None


def _bounded_areas(crack: Component, areas: NDArray[np.int32], reach: int) -> list[int]:
    """Return the labels of areas that are within a distance of a crack along a tenth of its centre lines or more."""
    window, pixels = crack.padded_window(reach + 1, areas.shape)
    labels = areas[window]
    if not labels.any():
        return []
    lines = crack.in_window(crack.lines, window)
    distance = cv2.distanceTransform((~pixels).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    half_width, bounded = float(distance_to_border(pixels).max()), []
    for label in np.unique(labels[(labels > 0) & (distance <= reach)]).tolist():
        to_area = cv2.distanceTransform(
            (labels != label).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
        )
        if (to_area[lines] <= half_width + reach).mean() >= _MIN_BOUNDED:
            bounded.append(label)
    return bounded


def _medians(image: NDArray[np.floating], areas: NDArray[np.int32], count: int) -> NDArray[np.floating]:
    """Return the median of an image in each area.

    Args:
        image: ``(H, W)``.
        areas: ``(H, W)`` labels from 0.
        count: number of labels.

    Returns:
        ``(count,)`` of the image's type, NaN for label 0, which is outside of all areas.
    """
    inside = areas > 0
    labels = areas[inside]
    ends = np.cumsum(np.bincount(labels, minlength=count))
    parts = np.split(image[inside][np.argsort(labels, kind="stable")], ends[:-1])
    return np.array([np.median(part) if len(part) else np.nan for part in parts], image.dtype)
