"""Complete a grid by strings without light at one of its sides.

A module with 4 of 6 strings lit looks like one with 4 strings. What is beyond its sides shows where the others are.
Next to a frame light rises within half a cell, and over strings without light there is nothing to see until their
frame. Where frames cannot be seen, strings without light are darker than what is at the other side, and than what is
beyond.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.modules.cell_light import cell_light
from solarseg.modules.grid import is_usual
from solarseg.modules.placement import ModulePlacement, overlap

__all__ = ["complete_grid", "complete_grids"]

Points = NDArray[np.float64]

_STRINGS = (2, 3)  # of one bypass diode
_WITHIN = (0.15, 0.85)  # of a string: where all is dark
_FIRST = 0.5  # of the first string: nearer is the light of the next one
_BEYOND = (0.6, 1.2)  # strings after the last one: beyond the frame
_PARTS = 8  # along the strings: in nearly all of them it must be dark
_NEARLY_ALL = 7
_OUTSIDE = 0.7  # of a part may be outside the photograph

_TOUCHING = 0.02  # of the smaller of two modules: uncertain sides may overlap as much

_STEP = 0.04  # of a string: distances from a side at which light is measured
_SEEN = 4.0  # strings: to this distance
_APART = 2  # steps before and after a place where light rises
_RISE = 0.15  # of the logarithm of the light: more than noise
_FLOOR = 0.006  # of the light of cells: differences below it are noise
_STEEP = 3  # steps in a row at which it rises
_SLANTED = 2  # steps: a frame may be this much nearer or farther in a part
_NEAREST = 0.06  # of a string: where a frame may begin to be seen
_FRAME = 0.75  # of a string after the last one: within it the frame is seen
_CLOSE_FRAME = 0.2  # of a string: within it the frame is seen of common grids
_ALIKE = 0.8  # of the confidence: other modules are probably of the same kind


@dataclass(frozen=True)
class _Beyond:
    """What is seen beyond a side of a grid.

    Attributes:
        rises: distances at which the light rises along the whole side, strings.
        seen: distance to the edge of the photograph, strings.
    """

    rises: Points
    seen: float

    @property
    def has_frame(self) -> bool:
        """Whether a frame is next to the last string."""
        return bool((self.rises < _FRAME).any())

    def is_empty(self, strings: int) -> bool:
        """Return whether nothing is seen where strings without light would be."""
        return self.seen >= strings and not (self.rises < strings - _SLANTED * _STEP).any()

    def ends(self, strings: int, margin: float) -> bool:
        """Return whether a frame is seen after strings without light, and nothing before."""
        after = (self.rises >= strings - _SLANTED * _STEP) & (self.rises < strings + margin)
        return self.is_empty(strings) and bool(after.any())


def complete_grids(
    light: NDArray[np.float32], placements: Sequence[ModulePlacement], sure: bool = True
) -> list[ModulePlacement | None]:
    """Complete each grid of a photograph as `complete_grid` does, but none into another one.

    The modules of a photograph are of one kind: a common grid that is sure elsewhere needs no frame at both sides.
    """
    completed = [_complete_among(light, placement, placements, sure) for placement in placements]
    areas = [(longer or placement).corners for longer, placement in zip(completed, placements, strict=True)]
    return [
        None if any(overlap(area, other) > _TOUCHING for j, other in enumerate(areas) if j != i) else longer
        for i, (longer, area) in enumerate(zip(completed, areas, strict=True))
    ]


def _complete_among(
    light: NDArray[np.float32], placement: ModulePlacement, placements: Sequence[ModulePlacement], sure: bool
) -> ModulePlacement | None:
    longer = complete_grid(light, placement)
    if longer is not None:
        return longer
    longer = complete_grid(light, placement, sure=False)
    elsewhere = {_grid(one) for one in placements if one is not placement and one.confidence >= _ALIKE}
    if longer is None or _grid(placement) in elsewhere or (sure and _grid(longer) not in elsewhere):
        return None
    return longer


def _grid(placement: ModulePlacement) -> tuple[int, int]:
    return min(placement.rows, placement.columns), max(placement.rows, placement.columns)


def complete_grid(
    light: NDArray[np.float32], placement: ModulePlacement, sure: bool = True
) -> ModulePlacement | None:
    """Return the grid with its strings without light, or None if it is not clear that there are any, and where.

    Args:
        light: ``(H, W) float32``, 0 to 1.
        placement: a grid, with the direction of its busbars. Common grids are completed only where their
            frame is seen at both sides.
        sure: otherwise common grids are completed also where a frame may be seen at one side.
    """
    unusual = not is_usual(placement.rows, placement.columns)
    across = 0 if placement.upright else 1
    for axis in (across, 1 - across) if unusual else (across,):
        completed = _complete_axis(light, placement, axis, unusual, sure)
        if completed is not None:
            return completed
    return None


def _complete_axis(
    light: NDArray[np.float32], placement: ModulePlacement, axis: int, unusual: bool, sure: bool
) -> ModulePlacement | None:
    cells = (placement.columns, placement.rows)
    possible = {strings: [n + strings * (i == axis) for i, n in enumerate(cells)] for strings in _STRINGS}
    possible = {strings: longer for strings, longer in possible.items() if is_usual(longer[1], longer[0])}
    if not possible:
        return None
    before, after = (_look_beyond(light, placement, axis, side) for side in (-1, 1))
    for strings, longer in possible.items():
        side = _side_of_strings(before, after, strings, unusual, sure)
        if side == 0 and unusual:
            dark = [_is_dark(light, placement, axis, end, strings) for end in (-1, 1)]
            side = int(dark[1]) - int(dark[0])
        if side:
            shift = np.eye(3)
            shift[axis, 2] = -strings if side < 0 else 0
            return replace(
                placement,
                homography=placement.homography @ shift,
                columns=longer[0],
                rows=longer[1],
            )
    return None


def _side_of_strings(before: _Beyond, after: _Beyond, strings: int, unusual: bool, sure: bool) -> int:
    """Return where frames say that strings without light are: -1 before, 1 after, 0 for neither or both."""
    margin = _FRAME if unusual else _CLOSE_FRAME
    ends = (before.ends(strings, margin), after.ends(strings, margin))
    frames = (before.has_frame, after.has_frame)
    if ends[0] != ends[1] and (unusual or frames[ends[0]] or not sure):
        return 1 if ends[1] else -1
    empty = (before.is_empty(strings), after.is_empty(strings))
    if unusual and empty[0] != empty[1] and frames[empty[0]]:
        return 1 if empty[1] else -1
    return 0


def _look_beyond(light: NDArray[np.float32], placement: ModulePlacement, axis: int, side: int) -> _Beyond:
    away = np.arange(_NEAREST, _SEEN, _STEP)
    samples = _samples(light, placement, axis, side, away).reshape(_PARTS, -1, len(away))
    outside = np.isnan(samples).mean(axis=1) > _OUTSIDE
    # The brightest pixels are defects of the camera.
    known = np.sort(np.where(np.isnan(samples), -1.0, samples), axis=1)[:, : -(samples.shape[1] // 8)]
    level = np.maximum(known, 0).sum(axis=1) / np.maximum((known >= 0).sum(axis=1), 1)
    floor = _FLOOR * float(np.median(cell_light(light, placement)))
    logarithm = np.where(outside, np.nan, np.log(level + floor))
    rise = logarithm[:, 2 * _APART :] - logarithm[:, : -2 * _APART]
    near = np.stack([np.roll(rise, shift, axis=1) for shift in range(-_SLANTED, _SLANTED + 1)])
    parts = (np.nan_to_num(near, nan=-1.0).max(axis=0) > _RISE).sum(axis=0)
    here = (np.nan_to_num(rise, nan=-1.0) > _RISE).sum(axis=0)
    inside = (~outside).sum(axis=0)
    clear = (parts >= _NEARLY_ALL) & (here >= _PARTS // 2)
    clear = cv2.morphologyEx(clear[None].astype(np.uint8), cv2.MORPH_OPEN, np.ones((1, _STEEP)))[0] > 0
    full = np.flatnonzero(inside < _PARTS // 2)
    return _Beyond(away[_APART:-_APART][clear], float(away[full[0]]) if len(full) else _SEEN)


def _samples(
    light: NDArray[np.float32], placement: ModulePlacement, axis: int, side: int, away: Points
) -> NDArray[np.float32]:
    """Return the light at distances from a side, ``(places along it, distances)``; NaN outside of the photograph."""
    cells = (placement.columns, placement.rows)
    across = (0.0 if side < 0 else cells[axis]) + side * away
    along = np.linspace(0.05, 0.95, _PARTS * 12) * cells[1 - axis]
    grid = np.stack(np.meshgrid(across, along), axis=-1)
    pixels = placement.to_pixels(grid if axis == 0 else grid[..., ::-1]).astype(np.float32)
    return np.asarray(cv2.remap(light, pixels, None, cv2.INTER_NEAREST, borderValue=np.nan), np.float32)


def _is_dark(
    light: NDArray[np.float32], placement: ModulePlacement, axis: int, side: int, strings: int
) -> bool:
    """Return whether it is darker next to a side than next to the other one, and than farther away."""
    beyond = _part_light(light, placement, axis, side, strings + _BEYOND[0], strings + _BEYOND[1])
    other = _part_light(light, placement, axis, -side, _FIRST, strings - 1 + _WITHIN[1])
    for string in range(strings):
        dark = _part_light(
            light, placement, axis, side, string + (_WITHIN[0] if string else _FIRST), string + _WITHIN[1]
        )
        if (dark < beyond).sum() < _NEARLY_ALL or (other <= dark).sum() > _PARTS - _NEARLY_ALL:
            return False
    return True


def _part_light(
    light: NDArray[np.float32], placement: ModulePlacement, axis: int, side: int, near: float, far: float
) -> Points:
    """Return the median light in parts of a band outside of a side, ``(8,)``; NaN if too much is outside."""
    samples = _samples(light, placement, axis, side, np.linspace(near, far, 24)).reshape(_PARTS, -1)
    few = np.isnan(samples).mean(axis=1) > _OUTSIDE
    return np.where(few, np.nan, np.nanmedian(np.where(few[:, None], 0, samples), axis=1))
