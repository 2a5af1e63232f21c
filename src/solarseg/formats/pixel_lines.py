"""Outlines for tools that take the line of a polygon for a part of it, and draw it from pixel to pixel."""

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.formats.polygons import Polygon, Ring, bridge, simplify

__all__ = ["draw_line", "pixel_line"]


def pixel_line(region: NDArray[np.bool_], tolerance: float = 0) -> Ring:
    """Find the line through the centres of the pixels along a region's border, holes joined to it by bridges.

    Args:
        region: ``(H, W) bool``, one connected component; pixels that meet in a corner are connected.
        tolerance: in pixels. 0 is exact: `draw_line` gives the region again. Else only pixels within
            ``tolerance + 0.5`` of a pixel on the other side of the border, from centre to centre, are drawn otherwise.

    Returns:
        ``(N, 2)`` columns and rows, whole numbers, at least three.

    Examples:
        >>> pixel_line(np.ones((2, 3), dtype=bool)).tolist()
        [[0.0, 0.0], [0.0, 1.0], [2.0, 1.0], [2.0, 0.0]]
        >>> pixel_line(np.ones((1, 1), dtype=bool)).tolist()
        [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    """
    polygon = _trace(region)
    slack = tolerance - 0.5  # the line runs half a pixel within the border
    for part in (1, 1 / 2, 1 / 4) if slack > 0 else ():
        line = _join(simplify(polygon, part * slack))
        if _is_within(line, region, tolerance):
            return line
    return _join(polygon)


def draw_line(line: Ring, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill a line by OpenCV's rule, even-odd and its own pixels included, as ``(H, W) bool``."""
    drawn = np.zeros(size, dtype=np.uint8)
    cv2.fillPoly(drawn, [line.astype(np.int32)], 1)
    return drawn > 0


def _trace(region: NDArray[np.bool_]) -> Polygon:
    found, family = cv2.findContours(region.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings = [ring[:, 0].astype(np.float64) for ring in found]
    is_hole = family[0, :, 3] >= 0
    outer = rings[int(is_hole.argmin())]
    return Polygon(outer, tuple(ring for ring, hole in zip(rings, is_hole, strict=True) if hole))


def _join(polygon: Polygon) -> Ring:
    line = bridge(polygon).round()
    return np.concatenate([line, line[[-1] * max(0, 3 - len(line))]])


def _is_within(line: Ring, region: NDArray[np.bool_], tolerance: float) -> bool:
    """Whether a line changes only pixels near the border; lines that cross after simplifying may do worse."""
    changed = draw_line(line, region.shape) != region
    padded = np.pad(region, 1).astype(np.uint8)
    precise = (cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    to_border = cv2.distanceTransform(padded, *precise) + cv2.distanceTransform(1 - padded, *precise)
    return bool((to_border[1:-1, 1:-1][changed] <= tolerance + 0.5).all())
