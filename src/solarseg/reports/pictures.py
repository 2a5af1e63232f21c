"""Pictures in a report, as data URIs."""

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.measurement.class_names import INACTIVE_AREA
from solarseg.painting import fit_size, paint_mask, resize_for_display
from solarseg.reports.report_contents import Box
from solarseg.reports.svg_outlines import keep_painted

__all__ = ["crop", "encode", "jpeg_uri", "painted", "shrink", "stretch"]

_QUALITY = 85
_MARGIN = 0.06  # of a cell, around its picture
_SHOWN_LEVELS = (0.5, 99.7)  # percentiles of the grey levels that become black and white
_MAX_GAIN = 6.0
_HATCHES = {INACTIVE_AREA: 1}


def encode(image: NDArray[np.uint8], quality: int = _QUALITY) -> bytes:
    """Encode a grey or RGB image as JPEG."""
    shown = image if image.ndim == 2 else image[..., ::-1]
    _, content = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return content.tobytes()


def jpeg_uri(image: NDArray[np.uint8] | bytes) -> str:
    """Return an image, or a JPEG file, as a data URI."""
    content = image if isinstance(image, bytes) else encode(image)
    return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")


def shrink(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Shrink an image, ``(H, W)`` or ``(H, W, 3)``, if its longer side is above ``side`` pixels."""
    if max(image.shape[:2]) <= side:
        return image
    size = fit_size(image.shape, side, side)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def stretch(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Spread the grey levels of a picture over the range of a screen; noise grows by a factor of 6 at most."""
    low, high = np.percentile(image[::3, ::3], _SHOWN_LEVELS)
    gain = min(255 / max(high - low, 1.0), _MAX_GAIN)
    return np.asarray(cv2.convertScaleAbs(np.maximum(image, np.uint8(low)), alpha=gain, beta=-low * gain))


def crop(array: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Crop an array to a cell with a small margin."""
    left, top, right, bottom = box
    margin = round(_MARGIN * max(right - left, bottom - top))
    return array[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]


def painted(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], classes: ClassMap, side: int
) -> NDArray[np.uint8]:
    """Paint the defects on a grey image, at a size of at most ``side`` pixels.

    Args:
        image: ``(H, W) uint8``.
        mask: ``(H, W) uint8`` class ids.
        classes: names and colours.
        side: of the result, pixels.
    """
    size = fit_size(image.shape, side, side)
    grey = resize_for_display(image[..., None], size)
    hatches = [_HATCHES.get(name, 0) for name in classes.names]
    shown = np.repeat(grey, 3, axis=2)
    return paint_mask(
        shown, resize_for_display(keep_painted(mask, classes), size), classes, 0.35, hatches=hatches
    )
