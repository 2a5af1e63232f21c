"""Detect images that a model of single EL cells was not made for."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.measurement.class_names import BUSBAR, CELL, INACTIVE_AREA

__all__ = ["find_warnings"]

MAX_BLACK = 0.06  # brightness of the 99th percentile, share of the range, of an image that shows nothing
MAX_SATURATED = 0.25  # share of pixels at the maximum; with more, defects may be hidden
MAX_COLOUR = 0.04  # mean difference between channels, share of the range: EL images are grey
MIN_CELL = 0.35  # share of the image that is cell, in an image of one cell
MAX_GAP_DEPTH = 0.4  # share of light missing in gaps between cells; the largest in known single cells is 0.38
MIN_SIDE = 64  # pixels: in smaller images, cracks are narrower than a pixel
MAX_ASPECT = 2.3  # longer side to shorter side; a half-cut cell has 2
MIN_CORRELATION = 0.3  # of neighbouring pixels; with less, the image is mostly noise
MAX_INACTIVE = 0.9  # share of the cell that is inactive: such a cell would not give an image
MIN_METAL = 0.0005  # share of the cell that is busbar; cells with a few small pads have 0.001
TWELVE_BIT_LEVELS = 2**12  # levels in a 16-bit file that was not scaled
MIN_FULL_SCALE = 2**10 - 1  # maximum level of 10-bit cameras, the coarsest that write 16-bit files
MIN_SECOND_CELL = 0.1  # share of the image: a separate part of this size is another cell
_SEVERAL_CELLS = "several cells: crop the image of the module or string to single cells first"


def find_warnings(image: NDArray[Any], mask: NDArray[np.uint8], classes: ClassMap) -> tuple[str, ...]:
    """Return the reasons why the measurements of an image may be meaningless.

    Some images cannot be recognised, for example two cells that look like the halves of one.

    Args:
        image: ``(H, W)`` or ``(H, W, C)``; integers are relative to the range of their dtype.
        mask: ``(H, W) uint8`` class ids that a model predicted.
        classes: class names; without a class ``cell`` there are no warnings.

    Returns:
        One sentence per warning.

    Examples:
        >>> mask = np.ones((8, 8), np.uint8)
        >>> find_warnings(np.zeros((8, 8, 1), np.uint8), mask, ClassMap(("background", "cell")))
        ('black: the exposure is too short, or there is no current',)
    """
    if CELL not in classes.names[1:]:
        return ()
    level = image.astype(np.float32) / np.float32(_full_scale(image))
    warnings = _check_brightness(image, level) or _check_shape(level)
    return tuple(warnings or _check_cells(mask, classes))


def _check_brightness(image: NDArray[Any], level: NDArray[np.float32]) -> list[str]:
    warnings = []
    if image.ndim == 3 and image.shape[-1] >= 3 and _channel_difference(image) > MAX_COLOUR:
        warnings.append("in colour: EL images are grey; is it a photograph or a thermal image?")
    brightest, bright = level.max(), float(np.percentile(level, 99))
    if image.dtype == np.uint16 and image.max() < TWELVE_BIT_LEVELS and 16 * bright >= MAX_BLACK:
        warnings.append("dark: 12-bit levels in a 16-bit file; multiply them by 16")
    elif bright < MAX_BLACK:
        warnings.append("black: the exposure is too short, or there is no current")
    # Cameras of 10 to 14 bits saturate below the maximum of a 16-bit file. In 8 bits, dark levels are too coarse.
    bright_enough = image.max() >= MIN_FULL_SCALE if image.dtype == np.uint16 else brightest > 0.5
    if bright_enough and float((_darkest_channel(level) >= brightest).mean()) > MAX_SATURATED:
        warnings.append("saturated: defects are not visible there; use a shorter exposure")
    return warnings


def _check_shape(level: NDArray[np.float32]) -> list[str]:
    height, width = level.shape[:2]
    if min(height, width) < MIN_SIDE:
        return [f"small: {width} x {height} pixels; give an image of at least {MIN_SIDE} x {MIN_SIDE} pixels"]
    if max(height, width) > MAX_ASPECT * min(height, width) or _gap_depth(level) > MAX_GAP_DEPTH:
        return [_SEVERAL_CELLS]
    if _neighbour_correlation(level) < MIN_CORRELATION:
        return ["noise: the image is mostly noise; use a longer exposure, or average several images"]
    return []


def _neighbour_correlation(level: NDArray[np.float32]) -> float:
    """Return the correlation of diagonally neighbouring pixels; 1 if all pixels are equal."""
    grey = level.reshape(*level.shape[:2], -1).mean(axis=-1)
    one, other = grey[:-1, :-1] - grey.mean(), grey[1:, 1:] - grey.mean()
    power = float((one**2).mean())
    return float((one * other).mean()) / power if power > 0 else 1.0


def _gap_depth(level: NDArray[Any]) -> float:
    """Return how much darker than their surroundings the darkest row and the darkest column are, at least.

    Gaps between cells are dark in both directions, busbars in one.
    """
    grey = level if level.ndim == 2 else level.mean(axis=-1)
    return min(_darkest_row_depth(grey), _darkest_row_depth(grey.T))


def _darkest_row_depth(grey: NDArray[Any]) -> float:
    edge_rows, edge_columns = (side // 10 for side in grey.shape)
    rows = np.median(grey[:, edge_columns : grey.shape[1] - edge_columns], axis=1).astype(np.float32)
    surroundings = cv2.blur(rows[:, None], (1, 2 * max(4, len(rows) // 32) + 1))[:, 0]
    shares = rows / np.maximum(surroundings, 1e-6)
    return 1 - float(shares[edge_rows : len(rows) - edge_rows].min())


def _darkest_channel(level: NDArray[Any]) -> NDArray[Any]:
    """Return the minimum over channels, ``(H, W)``."""
    return level if level.ndim == 2 else level.min(axis=-1)


def _full_scale(image: NDArray[Any]) -> float:
    """Return the maximum of the image's range; floats may be shares or counts."""
    return (
        float(np.iinfo(image.dtype).max)
        if np.issubdtype(image.dtype, np.integer)
        else max(float(image.max()), 1.0)
    )


def _channel_difference(image: NDArray[Any]) -> float:
    """Return the mean difference between the first three channels, as a share of the range."""
    channels = image[..., :3].astype(np.float32)
    return float(np.ptp(channels, axis=-1).mean()) / _full_scale(image)


def _check_cells(mask: NDArray[np.uint8], classes: ClassMap) -> list[str]:
    inside = (mask > 0) & (mask != IGNORE_INDEX)
    if inside.mean() < MIN_CELL:
        return ["no cell: too small a part was detected as cell; is it an EL image of a single cell?"]
    parts = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=4)[2][1:, cv2.CC_STAT_AREA]
    if int((parts > MIN_SECOND_CELL * mask.size).sum()) > 1 or parts.max() < MIN_CELL * mask.size:
        return [_SEVERAL_CELLS]
    if _share_of_cell(mask, inside, classes, INACTIVE_AREA) > MAX_INACTIVE:
        return ["all inactive: is the image inverted, or not an EL image?"]
    if BUSBAR in classes.names and _share_of_cell(mask, inside, classes, BUSBAR) < MIN_METAL:
        return ["no busbars found: is it an EL image of a single cell?"]
    return []


def _share_of_cell(mask: NDArray[np.uint8], inside: NDArray[np.bool_], classes: ClassMap, name: str) -> float:
    return float((mask == classes.names.index(name)).sum() / inside.sum()) if name in classes.names else 0.0
