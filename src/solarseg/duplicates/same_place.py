"""Find tiles of the same place from different years, without knowing where they were taken.

Season, light and atmosphere change the brightness of fields, roofs and forests differently in each band, but their
outlines stay. So outlines are compared. If the masks agree too, a lower correlation of the outlines is enough.

Limits: thresholds were chosen on generated tiles (docs/results/duplicates.md), because no real tiles of several years
were available. Tiles must be aligned within a few pixels; tiles that overlap by half are not found, and GloSoFarID has
many of them. Tiles without outlines (water, desert, clouds) are not found. Close-ups of rows of equal panels may be
confused with each other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from solarseg.classes import IGNORE_INDEX
from solarseg.duplicates.search import DuplicatePair, Duplicates, track_pairs
from solarseg.errors import DataError
from solarseg.threads import count_cores, fan_out

__all__ = ["find_same_places", "outline_map"]

MIN_CORRELATION = 0.6  # of the outlines of one place
MIN_CORRELATION_WITH_MASKS = 0.4  # if the masks agree too
MIN_MASK_IOU = 0.7  # of masks that agree

_SIDE = 64  # of outline maps; one pixel is 4 pixels of a tile of 256
_MAX_SHIFT = 4  # pixels of outline maps, between two tiles of one place
_MIN_COARSE_CORRELATION = 0.25  # of coarse outline maps, for two tiles to be compared
_MAX_OUTLINE = 4.0  # of an outline map, relative to the mean of its surroundings
_ROWS = 512  # tiles that are compared with all others at a time

Load = Callable[[str], tuple[NDArray[np.generic], NDArray[np.uint8]]]


@dataclass(frozen=True, eq=False)
class _TileFeatures:
    """Outline map ``(64, 64) uint8``, mask ``(64, 64) bool``, and coarse outline map ``(1024,)`` of length 1."""

    outlines: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    coarse: NDArray[np.float32]


def find_same_places(
    names: Sequence[str], load: Load, *, threads: int | None = None, progress: bool = False
) -> Duplicates:
    """Find the tiles that show the same place.

    Args:
        names: names of the tiles.
        load: reads the image ``(H, W, C)`` of any depth and the mask ``(H, W) uint8`` of class ids of a tile, or raises
            `DataError`. Called in threads, once for each tile.
        threads: number of threads; by default the number of cores.
        progress: show progress on the terminal.

    Returns:
        Pairs of kind ``"place"``; their correlation is that of the outlines. `group_linked_images` groups them.
    """
    threads = threads or count_cores()
    unreadable: dict[str, DataError] = {}

    def read(name: str) -> tuple[str, _TileFeatures | None]:
        try:
            return name, _tile_features(*load(name))
        except DataError as error:
            unreadable[name] = error
            return name, None

    tiles = fan_out([lambda: names], read, threads)
    tracked = track(tiles, "reading", total=len(names), disable=not progress, transient=True)
    features = {name: tile for name, tile in tracked if tile is not None}
    readable = [name for name in names if name in features]

    def compare(proposal: tuple[int, int]) -> tuple[int, DuplicatePair | None]:
        first, second = (readable[i] for i in proposal)
        correlation = _place_correlation(features[first], features[second])
        pair = None if correlation is None else DuplicatePair(first, second, "place", 0, correlation)
        return proposal[0], pair

    proposals = _propose(np.stack([features[name].coarse for name in readable])) if readable else iter(())
    compared = list(track_pairs(fan_out([lambda: proposals], compare, threads), len(readable), progress))
    index = {name: i for i, name in enumerate(readable)}
    pairs = sorted(filter(None, compared), key=lambda pair: (index[pair.first], index[pair.second]))
    return Duplicates(tuple(pairs), len(compared), unreadable)


def outline_map(image: NDArray[np.generic]) -> NDArray[np.float32]:
    """Compute a map of outlines: gradients, summed over the bands and divided by the mean of their surroundings.

    Args:
        image: ``(H, W, C)`` of any depth; each band has the same weight, whatever its range.

    Returns:
        ``(64, 64) float32``, 0 to 4; zeros if the image is flat.
    """
    total = np.zeros((2 * _SIDE, 2 * _SIDE), np.float32)
    for band in range(image.shape[-1]):
        whole = np.ascontiguousarray(image[..., band], dtype=np.float32)
        small = cv2.resize(whole, total.shape, interpolation=cv2.INTER_AREA)
        smooth = cv2.GaussianBlur(small, (0, 0), 1)
        gradient = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
        total += gradient / max(float(gradient.mean()), 1e-6 * float(np.abs(small).max()), 1e-12)
    surroundings = cv2.GaussianBlur(total, (0, 0), 10) + 0.1 * total.mean() + 1e-12
    normalised = np.minimum(total / surroundings, _MAX_OUTLINE)
    return cv2.resize(normalised, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)


def _tile_features(image: NDArray[np.generic], mask: NDArray[np.uint8]) -> _TileFeatures:
    outlines = outline_map(image)
    panels = ((mask > 0) & (mask != IGNORE_INDEX)).astype(np.float32)
    coarse = cv2.resize(
        cv2.GaussianBlur(outlines, (0, 0), 1.5), (_SIDE // 2, _SIDE // 2), interpolation=cv2.INTER_AREA
    )
    coarse -= coarse.mean()
    return _TileFeatures(
        (outlines * (255 / _MAX_OUTLINE)).round().astype(np.uint8),
        cv2.resize(panels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA) > 0.25,
        coarse.ravel() / max(float(np.linalg.norm(coarse)), 1e-6),
    )


def _propose(coarse: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    for row in range(0, len(coarse), _ROWS):
        similar = coarse[row : row + _ROWS] @ coarse[row:].T >= _MIN_COARSE_CORRELATION
        for i, j in np.argwhere(np.triu(similar, 1)) + row:
            yield int(i), int(j)


def _place_correlation(first: _TileFeatures, second: _TileFeatures) -> float | None:
    """Return the correlation of the outlines, or ``None`` if it is too low for one place."""
    core = np.ascontiguousarray(second.outlines[_MAX_SHIFT:-_MAX_SHIFT, _MAX_SHIFT:-_MAX_SHIFT])
    _, correlation, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(first.outlines, core, cv2.TM_CCOEFF_NORMED))
    first_mask = first.mask[y : y + len(core), x : x + len(core)]
    second_mask = second.mask[_MAX_SHIFT:-_MAX_SHIFT, _MAX_SHIFT:-_MAX_SHIFT]
    both, either = int((first_mask & second_mask).sum()), int((first_mask | second_mask).sum())
    masks_agree = either > 0 and both >= MIN_MASK_IOU * either
    required = MIN_CORRELATION_WITH_MASKS if masks_agree else MIN_CORRELATION
    return float(correlation) if correlation >= required else None
