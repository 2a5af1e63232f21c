"""Confirm copies: register two images, and correlate their structures.

Cells of one module are printed with the same screen and come from the same crystal, and panels look the same. So images
that are not copies have a high correlation too when they are registered. The correlation is therefore computed

- for structures of a few hundredths of the image's side, which re-compression and noise do not change,
- without values that are constant along rows or columns (busbars, straight edges),
- for matched tones: one image may be brighter, overexposed, or have more contrast,
- and with a correction for grain. Codecs and sensors add grain, which is strongest in the finest structures.
  Differences between two cells have all sizes. So the finest structures show how much of the difference is grain.

One strong feature correlates with any other of its kind: a hot spot, a crack, the outline of a cell. So nearly every
place of the images must agree separately. Images with only one such feature are therefore not confirmed, unless their
grain agrees too.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.duplicates.perceptual_hash import SIDE, apply_symmetry

__all__ = ["MIN_CORRELATION", "aligned_correlation", "register_images"]

# Chosen on real cells and tiles (docs/results/duplicates.md): a lower value confirms many more false pairs, a higher
# value loses copies.
MIN_CORRELATION = 0.995

SmallImage = NDArray[np.float32]

_HALF = SIDE // 2
# Deviations of differences of Gaussians, pixels of SIDE.
_FINE, _MIDDLE, _COARSE = (0.7, 1.4), (1.4, 2.8), (2.8, 5.6)
_NOISE_RATIO = 1 / 16  # power of white noise in coarse structures, relative to fine structures
_MAX_GRAIN = 0.08  # share of the power of coarse structures that the correction for grain may explain
_TRIM = 4  # pixels of SIDE at the borders where filters are inexact
_MIN_HALF_CORRELATION = 0.8  # at half size; pairs below it are not registered at full size
_BORDER = 3 / 32  # share of a side that registration leaves out, because crops have other edges there
_MIN_COMMON = 0.7  # share of the image that both show
# Limits of the change by a crop of some pixels and a change of size.
_MAX_SCALE = 0.17  # change of size, share
_MAX_SHEAR = 0.02  # rotation or shear
_MAX_SHIFT = 0.06  # shift of the centre, share of the side
_PLACE = 3.0  # deviation of the Gaussian window of a place, pixels of SIDE
_MIN_PLACE_CORRELATION = 0.3  # of a place that agrees
_MAX_EMPTY = 0.01  # deviation of an empty place, relative to that of the image
_MIN_AGREEING = 0.85  # share of the places that are not empty, ...
_MIN_AGREEING_OF_ALL = 0.6  # ... and of all places
_TONES = 33  # quantiles for the matching of tones
_MAX_STEPS = 50  # of registration
# Copies reach a coefficient of 0.97 at half size in 6 steps (2,268 altered copies of real cells and tiles). Most other
# images never do, and would need all of `_MAX_STEPS`.
_FIRST_STEPS = 6
_MIN_COEFFICIENT = 0.9
_HANN = cv2.createHanningWindow((_HALF, _HALF), cv2.CV_32F)


def aligned_correlation(first: SmallImage, second: SmallImage, symmetry: int = 0) -> float:
    """Register two images, and return the correlation of their structures.

    Args:
        first: ``(128, 128)``, from `solarseg.duplicates.perceptual_hash.shrink_to_grey`.
        second: ``(128, 128)``, the same of the other image.
        symmetry: symmetry that transforms the first into the second.

    Returns:
        Correlation, -1 to 1, corrected for grain; 0 if the images cannot be registered, or agree in few places. Images
        with at least `MIN_CORRELATION` are copies.

    Examples:
        >>> from solarseg.duplicates.perceptual_hash import shrink_to_grey
        >>> image = cv2.GaussianBlur(np.random.default_rng(0).random((300, 300), np.float32), (0, 0), 4)
        >>> first, second = shrink_to_grey(image[..., None]), shrink_to_grey(image[8:, :-4, None])
        >>> aligned_correlation(first, second) > MIN_CORRELATION
        True
    """
    first = np.ascontiguousarray(apply_symmetry(first, symmetry))
    half, other_half = _halve(first), _halve(second)
    warp = _register_halves(half, other_half)
    common = _crop_to_common(half, other_half, warp)
    if common is None:
        return 0.0
    half_correlation = _correlation(*(_structure(image, _COARSE, scale=0.5) for image in common))
    if half_correlation < _MIN_HALF_CORRELATION:
        return half_correlation
    common = _crop_to_common(first, second, _refine(first, second, warp))
    if common is None:
        return 0.0
    one, other = common
    if not _agree_everywhere(one, other):
        return 0.0
    pairs = ((one, other), (_match_tones(one, other), other), (one, _match_tones(other, one)))
    return max(_corrected_correlation(*pair) for pair in pairs)


def register_images(first: SmallImage, second: SmallImage) -> SmallImage | None:
    """Find the affine map that registers two images.

    Phase correlation finds a shift. Maximising the enhanced correlation coefficient (Evangelidis and Psarakis 2008,
    doi:10.1109/TPAMI.2008.113) then finds the affine map, first at half size.

    Args:
        first: ``(128, 128)``.
        second: ``(128, 128)``.

    Returns:
        ``(2, 3)`` map from x, y of the first to those of the second, in pixels from the centre of the first pixel.
        ``None`` if there is no map, or only a map that is larger than crops and changes of size.
    """
    return _refine(first, second, _register_halves(_halve(first), _halve(second)))


def _halve(image: SmallImage) -> SmallImage:
    return cv2.resize(image, (_HALF, _HALF), interpolation=cv2.INTER_AREA)


def _register_halves(first: SmallImage, second: SmallImage) -> SmallImage | None:
    one, other = _normalise_contrast(first), _normalise_contrast(second)
    identity = np.eye(2, 3, dtype=np.float32)
    (right, down), _ = cv2.phaseCorrelate(one, other, _HANN)
    shifted = identity + np.array([[0, 0, right], [0, 0, down]], np.float32)
    starts = [identity, shifted] if 0.3 < max(abs(right), abs(down)) < _HALF / 8 else [identity]
    coefficient, warp = max(
        (_optimise(one, other, start, _FIRST_STEPS) for start in starts), key=lambda result: result[0]
    )
    return warp if coefficient >= _MIN_COEFFICIENT else None


def _refine(first: SmallImage, second: SmallImage, warp: SmallImage | None) -> SmallImage | None:
    """Refine the map found at half size."""
    if warp is None:
        return None
    doubled = warp.copy()
    doubled[:, 2] = (
        2 * warp[:, 2] + 0.5 - warp[:, :2].sum(axis=1) / 2
    )  # relative to the centre of a pixel, not its corner
    return _optimise(_normalise_contrast(first), _normalise_contrast(second), doubled, _MAX_STEPS)[1]


def _normalise_contrast(image: SmallImage) -> SmallImage:
    """Normalise local contrast, so that dark areas and edges do not dominate the registration."""
    detail = _between(image, 0.7, 4)
    power = cv2.GaussianBlur(detail * detail, (0, 0), 8)
    return detail / np.sqrt(power + 1e-4 * detail.var() + 1e-12)


def _optimise(
    first: SmallImage, second: SmallImage, start: SmallImage, steps: int
) -> tuple[float, SmallImage | None]:
    """Optimise a map; return its coefficient, and the map, or ``None`` if it does not converge."""
    side = len(first)
    border = round(_BORDER * side)
    inner = slice(border, side - border)
    mask = np.zeros((side, side), np.uint8)
    mask[inner, inner] = 1
    offset = np.full(2, border, np.float32)
    warp = start.astype(np.float32)
    warp[:, 2] += warp[:, :2] @ offset
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, steps, 1e-5)
    try:
        coefficient, warp = cv2.findTransformECC(
            np.ascontiguousarray(first[inner, inner]), second, warp, cv2.MOTION_AFFINE, stop, mask, 1
        )
    except cv2.error:  # it did not converge
        return -1.0, None
    warp[:, 2] -= warp[:, :2] @ offset
    return (coefficient, warp) if _is_plausible(warp, side) else (-1.0, None)


def _is_plausible(warp: SmallImage, side: int) -> bool:
    change = warp[:, :2] - np.eye(2)
    centre = np.full(2, (side - 1) / 2)
    shift = change @ centre + warp[:, 2]
    return bool(
        np.abs(change.diagonal()).max() < _MAX_SCALE
        and np.abs(change[[0, 1], [1, 0]]).max() < _MAX_SHEAR
        and np.abs(shift).max() < _MAX_SHIFT * side
    )


def _crop_to_common(
    first: SmallImage, second: SmallImage, warp: SmallImage | None
) -> tuple[SmallImage, SmallImage] | None:
    """Crop both images to the rectangle that both show, registered to the first."""
    if warp is None:
        return None
    size, flags = first.shape[::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(second, warp, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    visible = cv2.warpAffine(np.ones_like(second), warp, size, flags=flags) > 0.99
    rows, columns = _mostly_visible(visible.mean(axis=1)), _mostly_visible(visible.mean(axis=0))
    if len(rows) * len(columns) < _MIN_COMMON * first.size:
        return None
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return first[window], moved[window]


def _mostly_visible(shares: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.flatnonzero(shares > 0.9 * shares.max())


def _match_tones(image: SmallImage, like: SmallImage) -> SmallImage:
    """Match the histogram of an image to that of another."""
    levels = np.linspace(0, image.size - 1, _TONES).astype(int)
    return np.interp(image, np.sort(image, axis=None)[levels], np.sort(like, axis=None)[levels]).astype(
        np.float32
    )


def _corrected_correlation(first: SmallImage, second: SmallImage) -> float:
    """Return the correlation of the coarse structures, corrected for grain."""
    fine, coarse = ([_structure(image, band) for image in (first, second)] for band in (_FINE, _COARSE))
    correlation = _correlation(*coarse)
    if correlation <= 0:
        return correlation
    difference = 1 - _correlation(*fine) ** 2
    grain = [
        _NOISE_RATIO * difference * float(np.square(small).sum() / np.square(large).sum())
        for small, large in zip(fine, coarse, strict=True)
    ]
    return float(np.sqrt(min(1.0, correlation**2 + min(_MAX_GRAIN, sum(grain) / 2))))


def _agree_everywhere(first: SmallImage, second: SmallImage) -> bool:
    """Return whether nearly every place agrees separately, and not only one strong feature."""
    one, other = (_between_bars(image) for image in (first, second))
    power, other_power = (_by_place(image * image) for image in (one, other))
    visible = (power > _MAX_EMPTY**2 * one.var()) & (other_power > _MAX_EMPTY**2 * other.var())
    agree = visible & (_by_place(one * other) >= _MIN_PLACE_CORRELATION * np.sqrt(power * other_power))
    return bool(agree.sum() >= _MIN_AGREEING * visible.sum() and agree.mean() >= _MIN_AGREEING_OF_ALL)


def _between_bars(image: SmallImage) -> SmallImage:
    """Return structures without busbars and straight edges; means would spread a strong feature along its row."""
    detail = _between(image, *_MIDDLE)
    detail = detail - np.median(detail, axis=1, keepdims=True)
    detail = detail - np.median(detail, axis=0, keepdims=True)
    return detail[_TRIM:-_TRIM, _TRIM:-_TRIM]


def _by_place(values: SmallImage) -> SmallImage:
    return cv2.GaussianBlur(values, (0, 0), _PLACE)


def _structure(image: SmallImage, band: tuple[float, float], scale: float = 1) -> SmallImage:
    detail = _between(image, *(scale * deviation for deviation in band))
    detail = detail - detail.mean(axis=1, keepdims=True)
    detail = detail - detail.mean(axis=0, keepdims=True)
    trim = round(_TRIM * scale)
    detail = detail[trim:-trim, trim:-trim]
    return detail - detail.mean()


def _between(image: SmallImage, low: float, high: float) -> SmallImage:
    return cv2.GaussianBlur(image, (0, 0), low) - cv2.GaussianBlur(image, (0, 0), high)


def _correlation(first: SmallImage, second: SmallImage) -> float:
    power = float(np.square(first).sum()) * float(np.square(second).sum())
    return float((first * second).sum() / np.sqrt(power)) if power > 0 else 0.0
