"""Images larger than the network's input: split into overlapping tiles, predicted, and blended without seams.

Rows of tiles are worked through from top to bottom, and rows of pixels are given as soon as no further tile adds to
them, so that memory grows with the width of an image and not with its height.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError

__all__ = ["RowBlock", "Tiling", "stitch"]


@dataclass(frozen=True)
class Tiling:
    """How an image is split into tiles.

    Tiles are spread evenly, so that the first begins and the last ends with the image; they overlap by ``overlap``
    pixels or some more. An image smaller than a tile has a single one, that reaches beyond it.

    Attributes:
        height: of the image, pixels.
        width: of the image, pixels.
        tile: side of a tile, pixels.
        overlap: least number of pixels that neighbouring tiles share, at most half a tile.

    Raises:
        ArgumentError: a tile of no pixels, or an overlap of more than half of it.

    Examples:
        >>> Tiling(100, 600, tile=256, overlap=64).lefts
        (0, 172, 344)
    """

    height: int
    width: int
    tile: int
    overlap: int

    def __post_init__(self) -> None:
        if self.tile < 1:
            raise ArgumentError(f"`tile={self.tile}`: must be 1 or more")
        if not 0 <= self.overlap <= self.tile // 2:
            raise ArgumentError(f"`overlap={self.overlap}`: must be from 0 to half a tile, {self.tile // 2}")

    @cached_property
    def tops(self) -> tuple[int, ...]:
        """First row of each row of tiles."""
        return _starts(self.height, self.tile, self.overlap)

    @cached_property
    def lefts(self) -> tuple[int, ...]:
        """First column of each column of tiles."""
        return _starts(self.width, self.tile, self.overlap)

    def row_before(self, first: int) -> int:
        """Number of the first row of tiles that adds to the row block of a number."""
        return next(i for i, top in enumerate(self.tops) if top + self.tile > self.tops[first])

    def row_weights(self) -> NDArray[np.float32]:
        """``(rows of tiles, tile)``: what each pixel row of each tile counts; 1 in sum over tiles."""
        return _weights(self.tops, self.tile)

    def column_weights(self) -> NDArray[np.float32]:
        """``(columns of tiles, tile)``: what each pixel column of each tile counts; 1 in sum over tiles."""
        return _weights(self.lefts, self.tile)


def _starts(length: int, tile: int, overlap: int) -> tuple[int, ...]:
    if length <= tile:
        return (0,)
    count = 1 + -(-(length - tile) // (tile - overlap))
    return tuple(np.linspace(0, length - tile, count).round().astype(int).tolist())


def _weights(starts: tuple[int, ...], tile: int) -> NDArray[np.float32]:
    """Rise and fall straight over what two tiles share; where three meet, what is above one is divided."""
    weights = np.ones((len(starts), tile), np.float64)
    for i, (first, second) in enumerate(pairwise(starts)):
        shared = first + tile - second
        ramp = (np.arange(shared) + 0.5) / max(shared, 1)
        weights[i + 1, :shared] *= ramp
        weights[i, tile - shared :] *= 1 - ramp
    total = np.zeros(starts[-1] + tile)
    for start, weight in zip(starts, weights, strict=True):
        total[start : start + tile] += weight
    return np.stack(
        [weight / total[start : start + tile] for start, weight in zip(starts, weights, strict=True)]
    ).astype(np.float32)


@dataclass(frozen=True)
class RowBlock:
    """Rows of pixels to which no further tile adds.

    Attributes:
        top: number of the first.
        values: ``(rows, width, K) float32``.
    """

    top: int
    values: NDArray[np.float32]


Predict = Callable[[int, list[int]], Iterator[NDArray[np.float32]]]


def stitch(tiling: Tiling, predict: Predict, first: int = 0) -> Iterator[RowBlock]:
    """Blend the predictions of tiles.

    Args:
        tiling: of the image.
        predict: gives for the row of tiles at a top, and each of some lefts, ``(tile, tile, K) float32``, in order.
        first: number of the row block to begin with; the rows of tiles above it that add to it are predicted again.

    Yields:
        The rows of the image from top to bottom: a block for each row of tiles, which ends where the next one begins.
    """
    down, across = tiling.row_weights(), tiling.column_weights()
    tops = tiling.tops
    ends = (*tops[1:], tiling.height)
    held: NDArray[np.float32] | None = None
    for i in range(tiling.row_before(first), len(tops)):
        tiles = predict(tops[i], list(tiling.lefts))
        rows = _blend_row(tiling, across, tiles) * down[i][:, None, None]
        if held is not None:
            rows[: len(held)] += held
        done = ends[i] - tops[i]
        if i >= first:
            yield RowBlock(tops[i], rows[:done])
        held = rows[done:]


def _blend_row(
    tiling: Tiling, weights: NDArray[np.float32], tiles: Iterator[NDArray[np.float32]]
) -> NDArray[np.float32]:
    row: NDArray[np.float32] | None = None
    for left, weight, tile in zip(tiling.lefts, weights, tiles, strict=True):
        if row is None:
            row = np.zeros((tiling.tile, tiling.lefts[-1] + tiling.tile, tile.shape[-1]), np.float32)
        each = np.repeat(weight[:, None], tile.shape[-1], axis=1)  # NumPy is slow at repeating it for itself
        row[:, left : left + tiling.tile] += tile * each
    assert row is not None  # a row of tiles has one at least
    return row[:, : tiling.width]
