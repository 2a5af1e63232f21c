"""Images that a model of single EL cells was hardly made for."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX, ClassMap

__all__ = ["find_doubts"]

BLACK = 0.06  # of the image's range: brightest hundredth of an image that shows nothing
SATURATED = 0.25  # share of pixels as bright as the brightest, beyond which defects may be hidden
COLOURED = 0.04  # mean difference between bands, of the range: EL is grey
CELL_AT_LEAST = 0.35  # share of an image of one cell that is cell
GAP = 0.4  # share of light that the gaps of a module lack; no single cell looked at had more than 0.38
SMALLEST = 64  # pixels a side, below which a crack is nowhere a pixel wide
LONGEST = 2.3  # longer side by the shorter: half a cell has 2
NOISY = 0.3  # correlation of neighbouring pixels, below which hardly anything but noise is there
INVERTED = 0.9  # share of a cell that is inactive: then it would give no image
METAL = 0.0005  # share of a cell that is busbar: cells with a few small pads alone have as little as 0.001
TWELVE_BITS = 2**12  # levels in a file of 16 bits that was not scaled to them
FULL_SCALE = (
    2**10 - 1
)  # level of the coarsest camera whose files have 16 bits, from which on it may be saturated
_SEVERAL = "several cells: cut the module or string into single cells first"
SECOND_CELL = 0.1  # share of an image from which on a part that is apart from the rest is another cell


def find_doubts(image: NDArray[Any], mask: NDArray[np.uint8], classes: ClassMap) -> tuple[str, ...]:
    """Say why what was found in an image may mean nothing.

    What cannot be told from image and mask, such as two cells that look like the halves of one, is not noticed.

    Args:
        image: ``(H, W)`` or ``(H, W, C)``; the range of integers is that of their dtype.
        mask: ``(H, W) uint8`` class ids, what a model found.
        classes: whose names say what is ``cell``; without such a class nothing is doubted.

    Returns:
        Sentences, none where nothing is odd.

    Examples:
        >>> find_doubts(np.zeros((8, 8, 1), np.uint8), np.ones((8, 8), np.uint8), ClassMap(("background", "cell")))
        ('black: exposed too short, or no current',)
    """
    if "cell" not in classes.names[1:]:
        return ()
    level = image.astype(np.float32) / np.float32(_top(image))
    doubts = _odd_light(image, level) or _odd_shape(level)
    return tuple(doubts or _odd_cells(mask, classes))


def _odd_light(image: NDArray[Any], level: NDArray[np.float32]) -> list[str]:
    doubts = []
    if image.ndim == 3 and image.shape[-1] >= 3 and _spread(image) > COLOURED:
        doubts.append("in colour: an EL image is grey; is it a photograph or a thermal picture?")
    brightest, bright = level.max(), float(np.percentile(level, 99))
    if image.dtype == np.uint16 and image.max() < TWELVE_BITS and 16 * bright >= BLACK:
        doubts.append("dark: of 12 bits in a file of 16; give its levels times 16")
    elif bright < BLACK:
        doubts.append("black: exposed too short, or no current")
    # Cameras of 10 to 14 bits are saturated at levels where a file of 16 is not; 8 bits tell dark levels too roughly.
    may_be = image.max() >= FULL_SCALE if image.dtype == np.uint16 else brightest > 0.5
    if may_be and float((_darkest(level) >= brightest).mean()) > SATURATED:
        doubts.append("saturated: defects there cannot be seen; expose shorter")
    return doubts


def _odd_shape(level: NDArray[np.float32]) -> list[str]:
    height, width = level.shape[:2]
    if min(height, width) < SMALLEST:
        return [f"small: {width} x {height} pixels; give {SMALLEST} a side or more"]
    if max(height, width) > LONGEST * min(height, width) or _gap(level) > GAP:
        return [_SEVERAL]
    if _likeness(level) < NOISY:
        return ["noise: hardly anything else; expose longer, or take the mean of several pictures"]
    return []


def _likeness(level: NDArray[np.float32]) -> float:
    """Correlation of neighbouring pixels, 1 where all are equal."""
    grey = level.reshape(*level.shape[:2], -1).mean(axis=-1)
    one, other = grey[:-1, :-1] - grey.mean(), grey[1:, 1:] - grey.mean()
    power = float((one**2).mean())
    return float((one * other).mean()) / power if power > 0 else 1.0


def _gap(level: NDArray[Any]) -> float:
    """How much darker than around the darkest row and the darkest column are, whichever is less so.

    Gaps between cells run both ways, busbars only one.
    """
    grey = level if level.ndim == 2 else level.mean(axis=-1)
    return min(_dip(grey), _dip(grey.T))


def _dip(grey: NDArray[Any]) -> float:
    edge_rows, edge_columns = (side // 10 for side in grey.shape)
    rows = np.median(grey[:, edge_columns : grey.shape[1] - edge_columns], axis=1).astype(np.float32)
    around = cv2.blur(rows[:, None], (1, 2 * max(4, len(rows) // 32) + 1))[:, 0]
    shares = rows / np.maximum(around, 1e-6)
    return 1 - float(shares[edge_rows : len(rows) - edge_rows].min())


def _darkest(level: NDArray[Any]) -> NDArray[Any]:
    """Band of each pixel: ``(H, W)``."""
    return level if level.ndim == 2 else level.min(axis=-1)


def _top(image: NDArray[Any]) -> float:
    """What counts as the end of its range; floats may be shares or counts."""
    return (
        float(np.iinfo(image.dtype).max)
        if np.issubdtype(image.dtype, np.integer)
        else max(float(image.max()), 1.0)
    )


def _spread(image: NDArray[Any]) -> float:
    """Mean difference between the first three bands, as a share of the range."""
    bands = image[..., :3].astype(np.float32)
    return float(np.ptp(bands, axis=-1).mean()) / _top(image)


def _odd_cells(mask: NDArray[np.uint8], classes: ClassMap) -> list[str]:
    inside = (mask > 0) & (mask != IGNORE_INDEX)
    if inside.mean() < CELL_AT_LEAST:
        return ["no cell: hardly any found; is it an EL image of a single cell?"]
    parts = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=4)[2][1:, cv2.CC_STAT_AREA]
    if int((parts > SECOND_CELL * mask.size).sum()) > 1 or parts.max() < CELL_AT_LEAST * mask.size:
        return [_SEVERAL]
    if _share(mask, inside, classes, "inactive_area") > INVERTED:
        return ["all inactive: is the image inverted, or no EL image?"]
    if "busbar" in classes.names and _share(mask, inside, classes, "busbar") < METAL:
        return ["no busbars found: is it an EL image of a single cell?"]
    return []


def _share(mask: NDArray[np.uint8], inside: NDArray[np.bool_], classes: ClassMap, name: str) -> float:
    """Of the cell, that is of a class."""
    return float((mask == classes.names.index(name)).sum() / inside.sum()) if name in classes.names else 0.0
