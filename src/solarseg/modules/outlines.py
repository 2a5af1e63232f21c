"""Candidates for the outlines of modules: bright parts of a photograph, enclosed by four sides."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["find_outlines"]

Points = NDArray[np.float64]

SIDE = 600  # pixels: the longer side of the picture that is searched
_THRESHOLDS = (0.04, 0.08, 0.15, 0.25, 0.4, 0.6)  # of the brightest parts; Otsu's threshold is added
_CLOSINGS = (0, 3, 7, 13)  # pixels: dark lines of up to this width within a module are closed
_STRAIGHT = 1.0  # pixels: a side of a part may bend by this much
_MIN_AREA = 0.004  # of the picture
_MIN_FILLED = 0.6  # of the quadrilateral around a part: less is no module, or two
_STABLE = 4  # thresholds and more
_SAME = 0.012  # of the picture: corners that are closer are those of one candidate


def find_outlines(light: NDArray[np.float32]) -> list[Points]:
    """Find quadrilaterals that may be modules, each ``(4, 2) float64`` pixels, clockwise from the upper left.

    Args:
        light: ``(H, W) float32``, from `solarseg.modules.light.to_light`.
    """
    scale = min(1.0, SIDE / max(light.shape))
    small = cv2.resize(light, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found: list[_Candidate] = []
    near = _SAME * max(small.shape)
    for part in _bright_parts(small):
        corners = _enclose(part)
        if corners is None or cv2.contourArea(part) < _MIN_FILLED * _area(corners):
            continue
        same = next((one for one in found if np.abs(one.corners - corners).max() < near), None)
        if same is None:
            found.append(_Candidate(corners))
        else:
            same.corners = (same.corners * same.times + corners) / (same.times + 1)
            same.times += 1
    found.sort(key=lambda one: -_area(one.corners) * min(one.times, _STABLE))
    return [(one.corners + 0.5) / scale - 0.5 for one in found]


@dataclass
class _Candidate:
    """A quadrilateral, and at how many thresholds it was found: what is found at many has a clear outline."""

    corners: Points
    times: int = 1


def _bright_parts(small: NDArray[np.float32]) -> Iterator[NDArray[np.int32]]:
    """Yield the outer contours of connected bright parts, at several thresholds."""
    dark, bright = np.percentile(small, (5, 99))
    grey = np.clip((small - dark) / max(bright - dark, 1e-6), 0, 1)
    otsu = cv2.threshold((grey * 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)[0] / 255
    for threshold in (*_THRESHOLDS, otsu):
        mask = (grey > threshold).astype(np.uint8)
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        for side in _CLOSINGS:
            closed = (
                cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8)) if side else mask
            )
            contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
            for contour in contours:
                if cv2.contourArea(contour) > _MIN_AREA * small.size:
                    yield contour


def _enclose(contour: NDArray[np.int32]) -> Points | None:
    """Return a small quadrilateral around a contour: sides of its convex hull are dropped, the cheapest first."""
    hull = cv2.approxPolyDP(cv2.convexHull(contour), _STRAIGHT, closed=True)[:, 0].astype(np.float64)
    while len(hull) > 4:
        costs, corners = zip(*(_without_side(hull, i) for i in range(len(hull))), strict=True)
        cheapest = int(np.argmin(costs))
        if not np.isfinite(costs[cheapest]):
            return None
        hull = np.insert(
            np.delete(hull, [cheapest, (cheapest + 1) % len(hull)], axis=0),
            cheapest if cheapest + 1 < len(hull) else len(hull) - 2,
            corners[cheapest],
            axis=0,
        )
    return order_corners(hull) if len(hull) == 4 else None


def _without_side(hull: Points, i: int) -> tuple[float, Points]:
    """Extend the sides before and after side ``i`` until they meet: the area that adds, and where they meet."""
    a, b, c, d = (hull[(i + k) % len(hull)] for k in (-1, 0, 1, 2))
    before, after = b - a, c - d
    turn = before[0] * after[1] - before[1] * after[0]
    if abs(turn) < 1e-9:
        return np.inf, b
    along = ((c - b)[0] * after[1] - (c - b)[1] * after[0]) / turn
    meets = b + along * before
    if along < 0 or (meets - c) @ after < 0:
        return np.inf, b
    return abs((b - meets)[0] * (c - meets)[1] - (b - meets)[1] * (c - meets)[0]) / 2, meets


def order_corners(corners: Points) -> Points:
    """Order four corners clockwise from the upper left, as seen in the photograph."""
    middle = corners.mean(axis=0)
    around = corners[np.argsort(np.arctan2(*(corners - middle).T[::-1]))]  # clockwise, since y points down
    sides = np.roll(around, -1, axis=0) - around
    # The top side is the one that points most to the right.
    return np.roll(around, -int(np.argmax(sides[:, 0] / np.linalg.norm(sides, axis=1))), axis=0)


def _area(corners: Points) -> float:
    return abs(float(cv2.contourArea(corners.astype(np.float32))))
