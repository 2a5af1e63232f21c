"""Centre lines of thin regions: their length and branching points."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Skeleton", "thin"]

# A bit for each of the eight neighbours, clockwise from above.
_WEIGHTS = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.float32)


def _removable() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the 256 neighbourhoods of a pixel let it be taken away, in either half of a pass."""
    above, upper_right, right, lower_right, below, lower_left, left, upper_left = (
        (np.arange(256) >> i & 1).astype(bool) for i in range(8)
    )
    pairs = [right | lower_right, below | lower_left, left | upper_left, above | upper_right]
    others = [upper_right | right, lower_right | below, lower_left | left, upper_left | above]
    # Gaps between runs of neighbours: taking a pixel with one away divides nothing.
    gaps = sum(
        (~start & run).astype(int)
        for start, run in (
            (above, upper_right | right),
            (right, lower_right | below),
            (below, lower_left | left),
            (left, upper_left | above),
        )
    )
    neighbours = np.minimum(sum(pair.astype(int) for pair in pairs), sum(pair.astype(int) for pair in others))
    common = (gaps == 1) & (neighbours >= 2) & (neighbours <= 3)
    first = common & ~((above | upper_right | ~lower_right) & right)
    second = common & ~((below | lower_left | ~upper_left) & left)
    return first, second


_HALVES = _removable()


def thin(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin a region to its centre lines, one pixel wide.

    Z. Guo and R. W. Hall, Parallel thinning with two-subiteration algorithms, CACM 32 (1989) 359, algorithm A1.

    Args:
        region: ``(H, W) bool``.

    Returns:
        ``(H, W) bool``, a part of the region.

    Examples:
        >>> thin(np.ones((3, 7), bool)).astype(int).tolist()
        [[0, 0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0]]
    """
    lines = np.pad(region, 1).astype(np.uint8)
    while True:
        before = int(lines.sum())
        for removable in _HALVES:
            lines[removable[_neighbourhoods(lines)] & (lines > 0)] = 0
        if int(lines.sum()) == before:
            return lines[1:-1, 1:-1] > 0


def _neighbourhoods(lines: NDArray[np.uint8]) -> NDArray[np.uint8]:
    found = cv2.filter2D(lines, cv2.CV_32F, _WEIGHTS, borderType=cv2.BORDER_CONSTANT)
    return found.astype(np.uint8)


@dataclass(frozen=True)
class Skeleton:
    """The centre lines of a region.

    Attributes:
        length: pixels, from end to end of the region along its lines.
        branches: places where three lines or more meet; those nearer than two to three widths are one, since thinning
            makes two of every crossing that is not square.

    The length is A. M. Vossepoel and A. W. M. Smeulders', Vector code probability and metrication error in the
    representation of straight lines of finite length, CGIP 20 (1982) 347: 0.980 for each step to the side or down,
    1.406 for each oblique one, less 0.091 where one kind follows the other. Loose ends are as much longer as the
    region is wide there, since thinning eats them.
    """

    length: float
    branches: int

    @classmethod
    def of(cls, region: NDArray[np.bool_]) -> "Skeleton":
        """Measure a region.

        Args:
            region: ``(H, W) bool``, one pixel at least.

        Examples:
            >>> skeleton = Skeleton.of(np.ones((3, 60), bool))
            >>> round(skeleton.length), skeleton.branches
            (59, 0)
        """
        padded = np.pad(region, 1)
        # A distance runs to the middle of the next pixel beyond, half a pixel further than the region.
        radius = cv2.distanceTransform(padded.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) - 0.5
        lines = _without_spurs(thin(padded), radius)
        straight, oblique = _links(lines)
        links = straight + oblique
        corners = int((lines & (straight == 1) & (oblique == 1)).sum())
        steps = 0.980 * straight.sum() / 2 + 1.406 * oblique.sum() / 2 - 0.091 * corners
        ends = lines & (links == 1)
        beyond = (
            radius[ends].sum() if links.any() else 2 * radius.max()
        )  # all that is left of a round region is a dot
        return cls(float(steps + beyond), _branches((links >= 3) & lines, radius))


def _without_spurs(lines: NDArray[np.bool_], radius: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Take away lines that do not leave the width of those they branch off, as towards the corners of a blunt end."""
    links = np.add(*_links(lines))
    kept = lines.copy()
    for end in np.argwhere(lines & (links == 1)).tolist():
        path, fork = _follow(lines, links, (end[0], end[1]), most=int(1.5 * radius.max()) + 2)
        if fork is not None and len(path) <= 1.5 * radius[fork] + 1:
            kept[tuple(np.transpose(path))] = False
    return kept


def _follow(
    lines: NDArray[np.bool_], links: NDArray[np.int32], end: tuple[int, int], most: int
) -> tuple[list[tuple[int, int]], tuple[int, int] | None]:
    """Follow a line from its end, for some pixels at most, and say at which fork it ended, if at any."""
    path = [end]
    while len(path) <= most:
        row, column = path[-1]
        around = np.argwhere(lines[row - 1 : row + 2, column - 1 : column + 2]).tolist()
        places = [(row - 1 + down, column - 1 + right) for down, right in around]
        following = [place for place in places if place not in path]
        forks = [place for place in following if links[place] >= 3]
        if forks:
            return path, forks[0]
        if len(following) != 1:
            break
        path.append(following[0])
    return path, None


def _links(lines: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """How many neighbours each pixel is linked to, straight and obliquely.

    An oblique neighbour that is reached by two straight steps as well is no link, or corners would count twice.
    """
    straight, oblique = np.zeros(lines.shape, np.int32), np.zeros(lines.shape, np.int32)
    for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        straight += _shifted(lines, down, right)
    for down, right in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        around = _shifted(lines, down, 0) | _shifted(lines, 0, right)
        oblique += _shifted(lines, down, right) & ~around
    return straight * lines, oblique * lines


def _shifted(lines: NDArray[np.bool_], down: int, right: int) -> NDArray[np.bool_]:
    return np.roll(lines, (-down, -right), axis=(0, 1))


def _branches(forks: NDArray[np.bool_], radius: NDArray[np.float32]) -> int:
    around = np.zeros(forks.shape, np.uint8)
    for row, column in np.argwhere(forks).tolist():
        cv2.circle(around, (column, row), round(2 * float(radius[row, column])) + 1, 1, -1)
    return int(cv2.connectedComponents(around)[0]) - 1
