"""Rectify a module, and crop its cells."""

from itertools import pairwise
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError
from solarseg.modules.pixel_maps import map_pixels
from solarseg.modules.placement import ModulePlacement, check_image, project

__all__ = ["cells_to_pixels", "cut_cells", "rectify", "to_cells", "to_true_shape"]

Pixel = TypeVar("Pixel", bound=np.generic)

_SIZES = (8, 2048)  # pixels
_FINEST = 4  # samples along each side of a pixel: photographs are at most this much larger than what is made of them


def rectify(image: NDArray[np.generic], module: ModulePlacement, size: int = 256) -> NDArray[np.generic]:
    """Show a module from the front, without distortion, each cell ``size`` pixels wide and high.

    A cell reaches to the middle of the gaps around it, so that all its edges are visible. Half-cut cells are stretched
    to squares, as in the training images of the models that ship; the wider gap in the middle of their module is left
    out.

    Args:
        image: ``(H, W)`` or ``(H, W, C)``, the photograph.
        module: where the module is.
        size: pixels, 8 to 2048.

    Returns:
        ``(rows * size, columns * size)`` or with channels, of the photograph's type. What is outside the photograph is
        0.

    Raises:
        ArgumentError: ``size`` is out of range, or ``image`` is not the photograph of the module.
    """
    _check(image, module, size)
    finer = int(np.clip(round(module.pixels_per_cell / size), 1, _FINEST))
    width, height = module.columns * size, module.rows * size
    where = _places(module, size * finer)
    large = cv2.remap(np.ascontiguousarray(image), where, None, cv2.INTER_LINEAR, borderValue=0)
    if finer > 1:
        large = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(large).reshape(height, width, *image.shape[2:])  # OpenCV drops a single channel


def cut_cells(image: NDArray[np.generic], module: ModulePlacement, size: int = 256) -> NDArray[np.generic]:
    """Crop all cells of a module, rectified.

    Args:
        image: ``(H, W)`` or ``(H, W, C)``, the photograph.
        module: where the module is, from `locate_module`.
        size: width and height of each cell, pixels, 8 to 2048; see `rectify`.

    Returns:
        ``(rows, columns, size, size)`` or with channels, of the photograph's type.

    Raises:
        ArgumentError: ``size`` is out of range, or ``image`` is not the photograph of the module.

    Examples:
        >>> from solarseg.synthesis import generate_photograph
        >>> from solarseg.modules import locate_module
        >>> image = generate_photograph(np.random.default_rng(0), size=600, rows=4, columns=6, straight=True).image
        >>> cut_cells(image, locate_module(image), size=64).shape
        (4, 6, 64, 64, 1)
    """
    return to_cells(rectify(image, module, size), module)


def to_cells(rectified: NDArray[np.generic], module: ModulePlacement) -> NDArray[np.generic]:
    """Divide a rectified module into cells, ``(rows, columns, size, size)`` or with channels."""
    rows, columns = module.rows, module.columns
    height, width = rectified.shape[0] // rows, rectified.shape[1] // columns
    return rectified.reshape(rows, height, columns, width, *rectified.shape[2:]).swapaxes(1, 2)


def cells_to_pixels(
    module: ModulePlacement,
    row: int,
    column: int,
    points: NDArray[np.float64],
    size: int | tuple[int, int],
) -> NDArray[np.float64]:
    """Convert pixels of a cell, ``(..., 2)`` x and y, to pixels of the photograph.

    Args:
        module: where the module is.
        row: of the cell, counted from 1.
        column: of the cell, counted from 1.
        points: pixels of the cell as `cut_cells` gives it; the centre of its upper left pixel is ``(0, 0)``.
        size: width and height of the cell, pixels; one number if they are equal.
    """
    return module.to_pixels(
        (np.asarray(points, np.float64) + 0.5) / np.array(size) + np.array([column - 1, row - 1])
    )


def to_true_shape(cell: NDArray[Pixel], module: ModulePlacement) -> NDArray[Pixel]:
    """Undo the stretching of half-cut cells: repeat pixels along the longer side, so that none is lost.

    Args:
        cell: ``(H, W)``, square, as `cut_cells` gives it.
        module: which the cell is of.

    Returns:
        ``(H, W)``, ``(H, 2 * W)`` or ``(2 * H, W)``.
    """
    width, height = module.cell_shape
    return cell.repeat(height, axis=0).repeat(width, axis=1)


def _places(module: ModulePlacement, size: int) -> NDArray[np.float32]:
    """Return where each pixel of the rectified module is in the photograph."""
    blocks = [
        [_block(module, size, columns, rows) for columns in _halves(module, 0)] for rows in _halves(module, 1)
    ]
    return np.concatenate([np.concatenate(row, axis=1) for row in blocks])


def _halves(module: ModulePlacement, axis: int) -> list[tuple[float, float]]:
    """Return the first and the last line of the parts before and after the middle gap, counted in cells."""
    cells = (module.columns, module.rows)[axis]
    ends = (0, cells / 2, cells) if module.middle_gap[axis] else (0, cells)
    return list(pairwise(ends))


def _block(
    module: ModulePlacement, size: int, columns: tuple[float, float], rows: tuple[float, float]
) -> NDArray[np.float32]:
    """Return where the pixels of a part of the rectified module are, which no middle gap divides."""
    (left, right), (top, bottom) = (
        (round(start * size), round(stop * size)) for start, stop in (columns, rows)
    )
    past = np.array(module.middle_gap) * (left > 0, top > 0)

    def to_photograph(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
        grid = (pixels + np.array([left + 0.5, top + 0.5])) / size + past
        return project(module, grid)

    return map_pixels(right - left, bottom - top, to_photograph)


def _check(image: NDArray[np.generic], module: ModulePlacement, size: int) -> None:
    check_image(image)
    if not _SIZES[0] <= size <= _SIZES[1]:
        raise ArgumentError(f"`size={size}`: must be {_SIZES[0]} to {_SIZES[1]} pixels")
    if image.shape[1::-1] != tuple(module.size):
        raise ArgumentError(
            f"`image`: has {image.shape[1]} x {image.shape[0]} pixels, the photograph of the module has "
            f"{module.size[0]} x {module.size[1]}; give that photograph"
        )
