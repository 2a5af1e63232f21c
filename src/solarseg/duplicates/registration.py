"""Whether one image is a copy of another: they are laid over one another, and what then differs is judged.

Cells of one module are printed by the same screen and cut from the same crystal, and panels are all alike, so that
images that are no copies correlate highly too once they are aligned. The correlation is therefore taken

- of structures of some hundredths of the image's side, which re-compression and noise leave alone,
- without what is constant along rows or columns (busbars, straight edges),
- whatever the tones: one image may be brighter, of more contrast or overexposed,
- and corrected for grain. What a codec or a sensor adds is grain, strongest in the finest structures; what tells
  two cells apart is of all sizes. So the finest structures tell how much of the difference is grain.

One strong feature correlates with any other of its kind once it is laid over it: a hot spot, a crack, the outline
of a cell. So the images must also agree in nearly every place by itself. Images with nothing to see but one such
feature are no copies then, unless even their grain agrees.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.duplicates.perceptual_hash import SIDE, turn

__all__ = ["CONFIRMED", "confirm", "register"]

# Chosen on real cells and tiles (docs/results/duplicates.md): a lower value confirms many more false pairs, a higher
# value loses copies.
CONFIRMED = 0.995

Small = NDArray[np.float32]

_HALF = SIDE // 2
# Deviations of the Gaussians whose difference is taken, pixels of SIDE.
_FINE, _MIDDLE, _COARSE = (0.7, 1.4), (1.4, 2.8), (2.8, 5.6)
_WHITE = 1 / 16  # power of white noise in the coarse structures in units of that in the fine
_EXCUSED = 0.08  # share of the coarse structures' power that grain may explain at most
_TRIM = 4  # pixels of SIDE by which filters are off at the borders
_PROMISING = 0.8  # correlation at half size below which the rest is spared
_BORDER = 3 / 32  # share of a side that is left out of registration, because crops have other edges there
_COMMON = 0.7  # share of the image that both must show
# What crops of some pixels and changes of size do to an image at most.
_SCALED = 0.17  # of its size
_BENT = 0.02  # turned or sheared
_MOVED = 0.06  # of its side, by which its centre moves
_PLACE = 3.0  # deviation of the Gaussian that is a place, pixels of SIDE
_AGREES = 0.3  # correlation of a place that agrees
_EMPTY = 0.01  # deviation of a place that shows nothing, in units of that of the image
_ALL_OVER = 0.85  # share of the places that show something that must agree, ...
_ENOUGH = 0.6  # ... and of all places
_TONES = 33  # quantiles by which tones are matched
_STEPS = 50  # of registration, at most
# Copies reach 0.97 at half size in so many steps (2,268 altered copies of real cells and tiles). Most images that are
# no copies never do, and would take all of `_STEPS`.
_FIRST_STEPS = 6
_NEAR = 0.9
_HANN = cv2.createHanningWindow((_HALF, _HALF), cv2.CV_32F)


def confirm(first: Small, second: Small, symmetry: int = 0) -> float:
    """Say how far two images agree.

    Args:
        first: ``(128, 128)``, from `solarseg.duplicates.perceptual_hash.reduce`.
        second: likewise.
        symmetry: how the first is turned to look like the second.

    Returns:
        Correlation of the structures, -1 to 1, corrected for grain; 0 where the images cannot be laid over one
        another, or agree in few places. From `CONFIRMED` on they are copies.

    Examples:
        >>> from solarseg.duplicates.perceptual_hash import reduce
        >>> image = cv2.GaussianBlur(np.random.default_rng(0).random((300, 300), np.float32), (0, 0), 4)
        >>> confirm(reduce(image[..., None]), reduce(image[8:, :-4, None])) > CONFIRMED
        True
    """
    first = np.ascontiguousarray(turn(first, symmetry))
    half, other_half = _halve(first), _halve(second)
    warp = _register_halves(half, other_half)
    shared = _overlay(half, other_half, warp)
    if shared is None:
        return 0.0
    promise = _correlation(*(_structure(image, _COARSE, scale=0.5) for image in shared))
    if promise < _PROMISING:
        return promise
    shared = _overlay(first, second, _refine(first, second, warp))
    if shared is None:
        return 0.0
    one, other = shared
    if not _agree_all_over(one, other):
        return 0.0
    alike = ((one, other), (_match_tones(one, other), other), (one, _match_tones(other, one)))
    return max(_agreement(*pair) for pair in alike)


def register(first: Small, second: Small) -> Small | None:
    """Find how an image is to be moved to lie on another.

    Phase correlation finds a shift, and maximising the enhanced correlation coefficient (Evangelidis and Psarakis
    2008, doi:10.1109/TPAMI.2008.113) the affine map, first at half size.

    Args:
        first: ``(128, 128)``.
        second: likewise.

    Returns:
        ``(2, 3)``: maps x, y of the first to those of the second, in pixels from the centre of the first pixel.
        None where there is no such map, or none that crops and changes of size explain.
    """
    return _refine(first, second, _register_halves(_halve(first), _halve(second)))


def _halve(image: Small) -> Small:
    return cv2.resize(image, (_HALF, _HALF), interpolation=cv2.INTER_AREA)


def _register_halves(first: Small, second: Small) -> Small | None:
    one, other = _even_out(first), _even_out(second)
    still = np.eye(2, 3, dtype=np.float32)
    (right, down), _ = cv2.phaseCorrelate(one, other, _HANN)
    moved = still + np.array([[0, 0, right], [0, 0, down]], np.float32)
    starts = [still, moved] if 0.3 < max(abs(right), abs(down)) < _HALF / 8 else [still]
    coefficient, warp = max(
        (_climb(one, other, start, _FIRST_STEPS) for start in starts), key=lambda found: found[0]
    )
    return warp if coefficient >= _NEAR else None


def _refine(first: Small, second: Small, warp: Small | None) -> Small | None:
    """Go on from the map that was found at half size."""
    if warp is None:
        return None
    doubled = warp.copy()
    doubled[:, 2] = 2 * warp[:, 2] + 0.5 - warp[:, :2].sum(axis=1) / 2  # a pixel's centre is not its corner
    return _climb(_even_out(first), _even_out(second), doubled, _STEPS)[1]


def _even_out(image: Small) -> Small:
    """Make contrast the same everywhere, so that dark areas and edges do not lead registration alone."""
    detail = _between(image, 0.7, 4)
    power = cv2.GaussianBlur(detail * detail, (0, 0), 8)
    return detail / np.sqrt(power + 1e-4 * detail.var() + 1e-12)


def _climb(first: Small, second: Small, start: Small, steps: int) -> tuple[float, Small | None]:
    """Improve a map; its coefficient, and the map if there is one."""
    side = len(first)
    border = round(_BORDER * side)
    inner = slice(border, side - border)
    seen = np.zeros((side, side), np.uint8)
    seen[inner, inner] = 1
    centre = np.full(2, border, np.float32)
    warp = start.astype(np.float32)
    warp[:, 2] += warp[:, :2] @ centre
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, steps, 1e-5)
    try:
        coefficient, warp = cv2.findTransformECC(
            np.ascontiguousarray(first[inner, inner]), second, warp, cv2.MOTION_AFFINE, stop, seen, 1
        )
    except cv2.error:  # it did not converge
        return -1.0, None
    warp[:, 2] -= warp[:, :2] @ centre
    return (coefficient, warp) if _is_slight(warp, side) else (-1.0, None)


def _is_slight(warp: Small, side: int) -> bool:
    change = warp[:, :2] - np.eye(2)
    centre = np.full(2, (side - 1) / 2)
    moved = change @ centre + warp[:, 2]
    return bool(
        np.abs(change.diagonal()).max() < _SCALED
        and np.abs(change[[0, 1], [1, 0]]).max() < _BENT
        and np.abs(moved).max() < _MOVED * side
    )


def _overlay(first: Small, second: Small, warp: Small | None) -> tuple[Small, Small] | None:
    """Cut both images to the rectangle that both show, one upon the other."""
    if warp is None:
        return None
    size, flags = first.shape[::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(second, warp, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    shown = cv2.warpAffine(np.ones_like(second), warp, size, flags=flags) > 0.99
    rows, columns = _well_shown(shown.mean(axis=1)), _well_shown(shown.mean(axis=0))
    if len(rows) * len(columns) < _COMMON * first.size:
        return None
    both = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return first[both], moved[both]


def _well_shown(shares: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.flatnonzero(shares > 0.9 * shares.max())


def _match_tones(image: Small, like: Small) -> Small:
    """Give an image the histogram of another."""
    levels = np.linspace(0, image.size - 1, _TONES).astype(int)
    return np.interp(image, np.sort(image, axis=None)[levels], np.sort(like, axis=None)[levels]).astype(
        np.float32
    )


def _agreement(first: Small, second: Small) -> float:
    """Correlation of the coarse structures, corrected for grain."""
    fine, coarse = ([_structure(image, band) for image in (first, second)] for band in (_FINE, _COARSE))
    correlation = _correlation(*coarse)
    if correlation <= 0:
        return correlation
    unlike = 1 - _correlation(*fine) ** 2
    grain = [
        _WHITE * unlike * float(np.square(small).sum() / np.square(large).sum())
        for small, large in zip(fine, coarse, strict=True)
    ]
    return float(np.sqrt(min(1.0, correlation**2 + min(_EXCUSED, sum(grain) / 2))))


def _agree_all_over(first: Small, second: Small) -> bool:
    """Whether nearly every place agrees by itself, not one feature that is stronger than all else."""
    one, other = (_between_bars(image) for image in (first, second))
    power, other_power = (_by_place(image * image) for image in (one, other))
    shown = (power > _EMPTY**2 * one.var()) & (other_power > _EMPTY**2 * other.var())
    agree = shown & (_by_place(one * other) >= _AGREES * np.sqrt(power * other_power))
    return bool(agree.sum() >= _ALL_OVER * shown.sum() and agree.mean() >= _ENOUGH)


def _between_bars(image: Small) -> Small:
    """The structures between busbars and straight edges. Means would carry a strong feature along its row."""
    detail = _between(image, *_MIDDLE)
    detail = detail - np.median(detail, axis=1, keepdims=True)
    detail = detail - np.median(detail, axis=0, keepdims=True)
    return detail[_TRIM:-_TRIM, _TRIM:-_TRIM]


def _by_place(values: Small) -> Small:
    return cv2.GaussianBlur(values, (0, 0), _PLACE)


def _structure(image: Small, band: tuple[float, float], scale: float = 1) -> Small:
    detail = _between(image, *(scale * deviation for deviation in band))
    detail = detail - detail.mean(axis=1, keepdims=True)
    detail = detail - detail.mean(axis=0, keepdims=True)
    trim = round(_TRIM * scale)
    detail = detail[trim:-trim, trim:-trim]
    return detail - detail.mean()


def _between(image: Small, low: float, high: float) -> Small:
    return cv2.GaussianBlur(image, (0, 0), low) - cv2.GaussianBlur(image, (0, 0), high)


def _correlation(first: Small, second: Small) -> float:
    power = float(np.square(first).sum()) * float(np.square(second).sum())
    return float((first * second).sum() / np.sqrt(power)) if power > 0 else 0.0
