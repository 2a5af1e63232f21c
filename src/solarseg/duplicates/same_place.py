"""The same place in tiles of several years, where nothing says where a tile was taken.

Season, light and atmosphere change how bright a field, a roof or a forest is, in each band differently; where one
ends and the next begins stays. So outlines are compared, and a mask that is the same makes fewer of them suffice.

Limits: it was chosen and measured on stand-ins (docs/results/duplicates.md), because no tiles of several years were
available.
Tiles must lie within a few pixels of one another; those that overlap by half are not found, and GloSoFarID has many.
Tiles without outlines (water, desert, cloud) are not found. Rows of equal panels seen from near may be taken for one
another.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from solarseg.classes import IGNORE_INDEX
from solarseg.duplicates.search import Duplicates, Pair, track_pairs
from solarseg.errors import DataError
from solarseg.threads import count_cores, fan_out

__all__ = ["find_same_places", "outlines"]

ALIKE = 0.6  # correlation of the outlines of one place, ...
ALIKE_WITH_MASK = 0.4  # ... and where the masks agree too, ...
MASKS_AGREE = 0.7  # ... which is from this IoU on

_SIDE = 64  # cells of the outlines that are compared, 4 pixels of a tile of 256 each
_SHIFT = 4  # cells that two tiles of a place may be apart
_PROPOSED = 0.25  # correlation of coarser outlines from which two tiles are compared
_STRONGEST = 4.0  # times the mean of its surroundings that an outline may weigh
_ROWS = 512  # tiles that are compared with all others at once

Load = Callable[[str], tuple[NDArray[np.generic], NDArray[np.uint8]]]


@dataclass(frozen=True, eq=False)
class _Look:
    """Outlines ``(64, 64) uint8``, mask ``(64, 64) bool``, and coarser outlines ``(1024,)`` of length 1."""

    outlines: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    coarse: NDArray[np.float32]


def find_same_places(
    names: Sequence[str], load: Load, *, workers: int | None = None, progress: bool = False
) -> Duplicates:
    """Find the tiles that show one place.

    Args:
        names: of the tiles.
        load: reads the image ``(H, W, C)`` of any depth and the mask ``(H, W) uint8`` class ids of a tile; raises
            `DataError` where it cannot. Called in threads, once for each tile.
        workers: threads; by default as many as there are processors.
        progress: show progress on the terminal.

    Returns:
        Pairs of kind ``"place"``; their correlation is that of the outlines. `relatives` groups them.
    """
    threads = workers or count_cores()
    unreadable: dict[str, DataError] = {}

    def see(name: str) -> tuple[str, _Look | None]:
        try:
            return name, _look(*load(name))
        except DataError as error:
            unreadable[name] = error
            return name, None

    seen = fan_out([lambda: names], see, threads)
    shown = track(seen, "reading", total=len(names), disable=not progress, transient=True)
    looks = {name: look for name, look in shown if look is not None}
    known = [name for name in names if name in looks]

    def compare(proposal: tuple[int, int]) -> tuple[int, Pair | None]:
        first, second = (known[number] for number in proposal)
        correlation = _agreement(looks[first], looks[second])
        return proposal[0], None if correlation is None else Pair(first, second, "place", 0, correlation)

    proposals = _propose(np.stack([looks[name].coarse for name in known])) if known else iter(())
    found = list(track_pairs(fan_out([lambda: proposals], compare, threads), len(known), progress))
    place = {name: number for number, name in enumerate(known)}
    pairs = sorted((pair for pair in found if pair), key=lambda pair: (place[pair.first], place[pair.second]))
    return Duplicates(tuple(pairs), len(found), unreadable)


def outlines(image: NDArray[np.generic]) -> NDArray[np.float32]:
    """Show where something ends: gradients, summed over the bands and made as strong everywhere.

    Args:
        image: ``(H, W, C)`` of any depth; each band counts the same, whatever its range.

    Returns:
        ``(64, 64)``, 0 to 4; zeros where the image shows nothing.
    """
    total = np.zeros((2 * _SIDE, 2 * _SIDE), np.float32)
    for band in range(image.shape[-1]):
        whole = np.ascontiguousarray(image[..., band], dtype=np.float32)
        small = cv2.resize(whole, total.shape, interpolation=cv2.INTER_AREA)
        smooth = cv2.GaussianBlur(small, (0, 0), 1)
        gradient = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
        total += gradient / max(float(gradient.mean()), 1e-6 * float(np.abs(small).max()), 1e-12)
    surroundings = cv2.GaussianBlur(total, (0, 0), 10) + 0.1 * total.mean() + 1e-12
    even = np.minimum(total / surroundings, _STRONGEST)
    return cv2.resize(even, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)


def _look(image: NDArray[np.generic], mask: NDArray[np.uint8]) -> _Look:
    lines = outlines(image)
    panels = ((mask > 0) & (mask != IGNORE_INDEX)).astype(np.float32)
    coarse = cv2.resize(
        cv2.GaussianBlur(lines, (0, 0), 1.5), (_SIDE // 2, _SIDE // 2), interpolation=cv2.INTER_AREA
    )
    coarse -= coarse.mean()
    return _Look(
        (lines * (255 / _STRONGEST)).round().astype(np.uint8),
        cv2.resize(panels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA) > 0.25,
        coarse.ravel() / max(float(np.linalg.norm(coarse)), 1e-6),
    )


def _propose(coarse: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    for row in range(0, len(coarse), _ROWS):
        near = coarse[row : row + _ROWS] @ coarse[row:].T >= _PROPOSED
        for i, j in np.argwhere(np.triu(near, 1)) + row:
            yield int(i), int(j)


def _agreement(first: _Look, second: _Look) -> float | None:
    """Correlation of the outlines, if it is that of one place."""
    core = np.ascontiguousarray(second.outlines[_SHIFT:-_SHIFT, _SHIFT:-_SHIFT])
    _, correlation, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(first.outlines, core, cv2.TM_CCOEFF_NORMED))
    there = first.mask[y : y + len(core), x : x + len(core)]
    here = second.mask[_SHIFT:-_SHIFT, _SHIFT:-_SHIFT]
    both, either = int((there & here).sum()), int((there | here).sum())
    agree = either > 0 and both >= MASKS_AGREE * either
    return float(correlation) if correlation >= (ALIKE_WITH_MASK if agree else ALIKE) else None
