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
GAP = 0.4  # share of light that the gaps of a module lack: no single cell had 0.38, no module less than 0.46
_SEVERAL = "several cells: cut the module into single cells first"
SECOND_CELL = 0.1  # share of an image from which on a part that is apart from the rest is another cell


def find_doubts(image: NDArray[Any], mask: NDArray[np.uint8], classes: ClassMap) -> tuple[str, ...]:
    """Say why what was found in an image may mean nothing.

    What cannot be told from image and mask, such as a thermal picture that happens to look like a cell, is not noticed.

    Args:
        image: ``(H, W)`` or ``(H, W, C)``; the range of integers is that of their dtype.
        mask: ``(H, W) uint8`` class ids, what a model found.
        classes: whose names say what is ``cell``; without such a class nothing is doubted.

    Returns:
        Sentences, none where nothing is odd.

    Examples:
        >>> find_doubts(np.zeros((8, 8, 1), np.uint8), np.ones((8, 8), np.uint8), ClassMap(("background", "cell")))
        ('black: exposed too short, no current, or a file that does not fill its depth',)
    """
    if "cell" not in classes.names[1:]:
        return ()
    doubts = []
    if image.ndim == 3 and image.shape[-1] >= 3 and _spread(image) > COLOURED:
        doubts.append("in colour: an EL image is grey; is it a photograph or a thermal picture?")
    level = image.astype(np.float32) / np.float32(_top(image))
    if float(np.percentile(level, 99)) < BLACK:
        doubts.append("black: exposed too short, no current, or a file that does not fill its depth")
    elif level.max() > 0.5 and float((_darkest(level) >= level.max()).mean()) > SATURATED:
        doubts.append("saturated: defects there cannot be seen; expose shorter")
    if not doubts and _gap(level) > GAP:
        return (_SEVERAL,)
    return tuple(doubts or _odd_cells(mask))


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


def _odd_cells(mask: NDArray[np.uint8]) -> list[str]:
    inside = ((mask > 0) & (mask != IGNORE_INDEX)).astype(np.uint8)
    if inside.mean() < CELL_AT_LEAST:
        return ["no cell: hardly any found; is it an EL image of a single cell?"]
    parts = cv2.connectedComponentsWithStats(inside, connectivity=4)[2][1:, cv2.CC_STAT_AREA] / mask.size
    if int((parts > SECOND_CELL).sum()) > 1 or parts.max() < CELL_AT_LEAST:
        return [_SEVERAL]
    return []
