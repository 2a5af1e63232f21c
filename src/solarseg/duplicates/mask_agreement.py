"""Whether the masks of two images agree, once the images lie on one another."""

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX
from solarseg.duplicates.perceptual_hash import SIDE

__all__ = ["masks_agree"]

_SHARE = 0.9  # of the foreground of each that must be in the other
_SLACK = 2  # pixels of SIDE that outlines may be apart, or a crop would move a thin crack off itself
_NEAR = np.ones((2 * _SLACK + 1, 2 * _SLACK + 1), np.uint8)

Mask = NDArray[np.uint8]


def masks_agree(first: Mask, second: Mask, warp: NDArray[np.float32]) -> bool:
    """Say whether two masks show the same foreground, where both images show the place.

    Args:
        first: ``(H, W)`` class ids, turned as the image was.
        second: likewise; it may be of another size.
        warp: ``(2, 3)``, from `solarseg.duplicates.registration.register`.

    Returns:
        True where nine tenths of the foreground of each is foreground in the other, or within 2/128 of the side of it.
        Two empty masks agree.

    Examples:
        >>> mask = np.zeros((256, 256), np.uint8)
        >>> mask[100:150, 100:103] = 1
        >>> still = np.eye(2, 3, dtype=np.float32)
        >>> masks_agree(mask, np.roll(mask, 2), still), masks_agree(mask, mask.T, still)
        (True, False)
    """
    one, other = _shrink(first), _shrink(second)
    moved, shown = (_move(mask, warp) for mask in (other, np.ones_like(other)))
    # At the border of what both show, a crop may have taken what there was.
    inner = cv2.erode(shown, _NEAR, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return _is_within(one & inner, moved) and _is_within(moved & inner, one)


def _shrink(mask: Mask) -> Mask:
    """Where there is any foreground, in pixels of `SIDE`."""
    foreground = ((mask > 0) & (mask != IGNORE_INDEX)).astype(np.float32)
    way = cv2.INTER_AREA if min(mask.shape) >= SIDE else cv2.INTER_LINEAR
    return (cv2.resize(foreground, (SIDE, SIDE), interpolation=way) > 0).astype(np.uint8)


def _move(mask: Mask, warp: NDArray[np.float32]) -> Mask:
    return cv2.warpAffine(mask, warp, (SIDE, SIDE), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)


def _is_within(mask: Mask, other: Mask) -> bool:
    return bool((mask & cv2.dilate(other, _NEAR)).sum() >= _SHARE * mask.sum())
