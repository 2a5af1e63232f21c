"""The ratio of two images of a cell: what has become darker or brighter."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.comparison.registration import log_light

__all__ = ["LightRatio", "divide_light"]

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

_MIN_CHANGE = 0.08  # of the logarithm, 8%: where nothing changed, grain has 3%
_MIN_NOISE_RATIO = 5.0  # of the change to the noise: for dim and grainy cells
_BLUR = 0.8  # pixels, against grain
_GRAIN = 2.5  # pixels: light that changes more slowly is no grain
_REACH = 1  # pixels: a pixel is compared with all within this distance, so that sharpness does not count
_BINS, _RANGE = 150, 1.5  # of the histogram of the logarithm of the ratio
_FREQUENT = 0.25  # of the most frequent value
_SPREAD, _ROUNDS = 0.12, 10  # of the fit of the normalisation: pixels that deviate more do not count
_MIN_PIXELS = 16  # of a region that changed, at a side of 256: where nothing changed, none has more than 12
_CONTRAST = 255.0  # grey levels of the picture per unit of the logarithm


@dataclass(frozen=True, eq=False)
class LightRatio:
    """The light of a cell relative to its earlier light.

    Attributes:
        logarithm: ``(H, W) float32``, logarithm of the ratio; 0 for light that did not change.
        darker: ``(H, W) bool``, pixels that are darker than all their surroundings were.
        brighter: ``(H, W) bool``, pixels that are brighter than all their surroundings were.
        noise: standard deviation of the grain of ``logarithm``.
    """

    logarithm: Floats = field(repr=False)
    darker: Bools = field(repr=False)
    brighter: Bools = field(repr=False)
    noise: float

    def picture(self) -> NDArray[np.uint8]:
        """Return the ratio as an image: grey 128 is unchanged, darker is darker."""
        return np.rint(np.clip(128 + _CONTRAST * self.logarithm, 0, 255)).astype(np.uint8)


def divide_light(now: NDArray[np.uint8], before: NDArray[np.uint8], used: Bools) -> LightRatio:
    """Divide the light of a cell by its earlier light.

    The ratio is normalised by a level and a slope along each side, fitted to the pixels that did not change: most of
    the light of a cell may be lost, and another exposure or another place in the photograph does not count.

    Args:
        now: ``(H, W) uint8``.
        before: ``(H, W) uint8``, registered on it.
        used: ``(H, W) bool``, silicon in both images; elsewhere nothing changes.
    """
    light, earlier = log_light(now, _BLUR), log_light(before, _BLUR)
    ratio = light - earlier
    if not used.any():
        return LightRatio(np.zeros_like(ratio), used.copy(), used.copy(), 0.0)
    level = _normalisation(ratio, used)
    ratio, light = ratio - level, light - level
    noise = _noise(ratio, used)
    enough = max(_MIN_CHANGE, _MIN_NOISE_RATIO * noise)
    around = np.ones((2 * _REACH + 1, 2 * _REACH + 1), np.uint8)
    darker = (light - cv2.erode(earlier, around) < -enough) & used
    brighter = (light - cv2.dilate(earlier, around) > enough) & used
    return LightRatio(ratio, _without_grain(darker), _without_grain(brighter), noise)


def _noise(ratio: Floats, used: Bools) -> float:
    """Return the standard deviation of the grain, without what changed over more than a few pixels."""
    grain = ratio - cv2.GaussianBlur(ratio, (0, 0), _GRAIN)
    return 1.4826 * float(np.median(np.abs(grain[used])))


def _normalisation(ratio: Floats, used: Bools) -> Floats:
    """Return the logarithm of the ratio where nothing changed, ``(H, W)``: a plane."""
    y, x = np.mgrid[-1 : 1 : ratio.shape[0] * 1j, -1 : 1 : ratio.shape[1] * 1j]
    terms = np.stack([np.ones_like(x), x, y], axis=-1)
    few = used.copy()
    few[1::2], few[:, 1::2] = False, False
    few = few if few.any() else used
    values, known = ratio[few].astype(np.float64), terms[few]
    fitted = np.full(len(values), _mode(values))
    for _ in range(_ROUNDS):
        root = np.maximum(1 - ((values - fitted) / _SPREAD) ** 2, 0)  # of the weights of Tukey
        solution, *_ = np.linalg.lstsq(known * root[:, None], values * root, rcond=None)
        fitted = known @ solution
    return (terms @ solution).astype(np.float32)


def _mode(values: NDArray[np.float64]) -> float:
    """Return the value that unchanged pixels agree on: the brightest of the frequent ones, as cells lose light."""
    counts, edges = np.histogram(values, bins=_BINS, range=(-_RANGE, _RANGE))
    smooth = np.convolve(counts, (1, 2, 3, 2, 1), "same")
    is_peak = (smooth >= np.roll(smooth, 1)) & (smooth > np.roll(smooth, -1))
    frequent = np.flatnonzero(is_peak & (smooth >= _FREQUENT * smooth.max()))
    place = int(frequent[-1]) if len(frequent) else int(smooth.argmax())
    return float(edges[place] + edges[place + 1]) / 2


def _without_grain(changed: Bools) -> Bools:
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(changed.astype(np.uint8))
    kept = boxes[:, cv2.CC_STAT_AREA] >= _MIN_PIXELS * changed.size / 256**2
    kept[0] = False
    return np.asarray(kept[labels])
