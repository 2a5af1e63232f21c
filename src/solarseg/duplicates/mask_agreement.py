"""Compare the masks of two registered images."""

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX
from solarseg.duplicates.perceptual_hash import SIDE

__all__ = ["masks_agree"]

_MIN_SHARE = 0.9  # of the foreground of each mask that must be in the other
_TOLERANCE = 2  # pixels of SIDE between outlines: a crop may shift a thin crack by more than its width
_KERNEL = np.ones((2 * _TOLERANCE + 1, 2 * _TOLERANCE + 1), np.uint8)

Mask = NDArray[np.uint8]


def masks_agree(first: Mask, second: Mask, warp: NDArray[np.float32]) -> bool:
    """Return whether two masks have the same foreground in the area that both images show.

    Masks agree if 90 % of the foreground of each is within 2/128 of the side from foreground in the other. Two empty
    masks agree.

    Args:
        first: ``(H, W)`` class ids, with the symmetry of the image applied.
        second: ``(H, W)`` class ids; the size may differ from that of the first.
        warp: ``(2, 3)``, from `solarseg.duplicates.registration.register_images`.

    Examples:
        >>> mask = np.zeros((256, 256), np.uint8)
        >>> mask[100:150, 100:103] = 1
        >>> identity = np.eye(2, 3, dtype=np.float32)
        >>> masks_agree(mask, np.roll(mask, 2), identity), masks_agree(mask, mask.T, identity)
        (True, False)
    """
    one, other = _shrink(first), _shrink(second)
    moved, visible = (_warp(mask, warp) for mask in (other, np.ones_like(other)))
    # Leave out the border of the common area, where a crop may have removed foreground.
    inner = cv2.erode(visible, _KERNEL, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return _is_within(one & inner, moved) and _is_within(moved & inner, one)


def _shrink(mask: Mask) -> Mask:
    """Return in which pixels of a mask of `SIDE` there is any foreground."""
    foreground = ((mask > 0) & (mask != IGNORE_INDEX)).astype(np.float32)
    interpolation = cv2.INTER_AREA if min(mask.shape) >= SIDE else cv2.INTER_LINEAR
    return (cv2.resize(foreground, (SIDE, SIDE), interpolation=interpolation) > 0).astype(np.uint8)


def _warp(mask: Mask, warp: NDArray[np.float32]) -> Mask:
    return cv2.warpAffine(mask, warp, (SIDE, SIDE), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)


def _is_within(mask: Mask, other: Mask) -> bool:
    return bool((mask & cv2.dilate(other, _KERNEL)).sum() >= _MIN_SHARE * mask.sum())
