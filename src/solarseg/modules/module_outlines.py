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
_LONG = 0.08  # of the length of all sides
_APART = 3.0  # pixels: a contour that is farther from most of a side does not follow it
_LAST = 1e9  # square pixels: more than any side costs
_MIN_AREA = 0.004  # of the picture
_MIN_FILLED = 0.6  # of the quadrilateral around a part: less is no module, or two
_STABLE = 4  # thresholds and more
_FRONT, _AROUND = 48, 3  # pixels: sides of a quadrilateral as seen from the front, and what is seen around it
_CLEAR_STEP = 0.3  # of the light of a module: an outline where the light changes by as much is clear
_UNCLEAR = 0.05  # of the weight of a candidate with a clear outline: one without is tried last
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
    for one in found:
        one.clear = _clearness(small, one.corners)
    found.sort(key=lambda one: -_area(one.corners) * min(one.times, _STABLE) * (_UNCLEAR + one.clear**2))
    return [(one.corners + 0.5) / scale - 0.5 for one in found]


@dataclass
class _Candidate:
    """A quadrilateral.

    Attributes:
        corners: ``(4, 2)`` pixels, clockwise from the upper left.
        times: at how many thresholds it was found: what is found at many has a clear outline.
        clear: how much brighter it is inside of its sides than outside, 0 to 1.
    """

    corners: Points
    times: int = 1
    clear: float = 0.0


def _clearness(small: NDArray[np.float32], corners: Points) -> float:
    """Return how much brighter a quadrilateral is inside of its sides than outside, 0 to 1."""
    stop = _FRONT + _AROUND
    target = np.array([(_AROUND, _AROUND), (stop, _AROUND), (stop, stop), (_AROUND, stop)], np.float32)
    to_front = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    front = cv2.warpPerspective(
        small, to_front, (stop + _AROUND, stop + _AROUND), borderMode=cv2.BORDER_REPLICATE
    )
    level = np.percentile(front[_AROUND:stop, _AROUND:stop], 75)
    sides = [np.rot90(front, turn)[:, _AROUND:stop] for turn in range(4)]
    steps = [side[_AROUND : _AROUND + 2].max(axis=0) - side[:_AROUND].min(axis=0) for side in sides]
    return float(np.clip(np.array(steps) / max(_CLEAR_STEP * level, 1e-6), 0, 1).mean())


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
    """Return a small quadrilateral around a contour.

    Sides of its convex hull are dropped: first long ones that the contour does not follow, as at a corner without
    light, then the cheapest.
    """
    hull = cv2.approxPolyDP(cv2.convexHull(contour), _STRAIGHT, closed=True)[:, 0].astype(np.float64)
    followed = _followed(hull, contour)
    while len(hull) > 4:
        costs, meets = _without_sides(hull)
        costs[followed] += _LAST
        cheapest = int(np.argmin(costs))
        if not np.isfinite(costs[cheapest]):
            return None
        hull = np.concatenate([meets[[cheapest]], np.roll(hull, -cheapest, axis=0)[2:]])
        followed = np.roll(followed, -cheapest)[1:]
    return order_corners(hull) if len(hull) == 4 else None


def _followed(hull: Points, contour: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return whether a contour follows each side of its hull, as it does except at large corners that are missing."""
    sides = np.roll(hull, -1, axis=0) - hull
    lengths = np.linalg.norm(sides, axis=1)
    followed = np.ones(len(hull), bool)
    for i in np.flatnonzero(lengths > _LONG * lengths.sum()):
        points = hull[i] + np.linspace(0.05, 0.95, 16)[:, None] * sides[i]
        apart = [abs(cv2.pointPolygonTest(contour, (float(x), float(y)), True)) for x, y in points]
        followed[i] = np.median(apart) <= _APART
    return followed


def _without_sides(hull: Points) -> tuple[Points, Points]:
    """Extend the sides before and after each side until they meet: the area that adds, and where they meet."""
    place = np.arange(len(hull))
    b, c = hull, hull[place - len(hull) + 1]
    before, after, side = b - hull[place - 1], c - hull[place - len(hull) + 2], c - b
    turn = _cross(before, after)
    with np.errstate(divide="ignore", invalid="ignore"):
        along = _cross(side, after) / turn
        meets = b + along[:, None] * before
        beyond = (along >= 0) & (((meets - c) * after).sum(axis=1) >= 0) & (np.abs(turn) >= 1e-9)
        costs = np.abs(_cross(b - meets, c - meets)) / 2
    return np.where(beyond, costs, np.inf), meets


def _cross(one: Points, other: Points) -> Points:
    return np.asarray(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])


def order_corners(corners: Points) -> Points:
    """Order four corners clockwise from the upper left, as seen in the photograph."""
    middle = corners.mean(axis=0)
    around = corners[np.argsort(np.arctan2(*(corners - middle).T[::-1]))]  # clockwise, since y points down
    sides = np.roll(around, -1, axis=0) - around
    # The top side is the one that points most to the right.
    return np.roll(around, -int(np.argmax(sides[:, 0] / np.linalg.norm(sides, axis=1))), axis=0)


def _area(corners: Points) -> float:
    return abs(float(cv2.contourArea(corners.astype(np.float32))))
