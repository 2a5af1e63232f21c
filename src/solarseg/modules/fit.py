"""Fit the placement of a module to the edges of its cells, with a precision well below a pixel."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from solarseg.modules.cells import cut_cells
from solarseg.modules.lens import distort
from solarseg.modules.placement import ModulePlacement

__all__ = ["Fit", "cell_light", "fit_placement", "is_upright", "judge_placement"]

Points = NDArray[np.float64]

PAD = 0.5  # of a cell: what is seen around the module
_ROUNDS = ((40, 0.16), (64, 0.10), (110, 0.07))  # pixels per cell at most; distance from an edge, cells
_ALONG = (0.15, 0.85)  # of a cell: where its edges are measured, away from its corners
_PLATEAU = 0.22  # of a cell: how far from its edge its light is measured
_MIN_CONTRAST = 0.05  # of the light of a cell: edges with less are not measured
_MIN_LIGHT = 0.03  # of the brightest cells: cells with less have no edges
_MIN_EDGES = 8  # along each axis: fewer say nothing
_STEPS = 8  # of the solver in each round
_ROBUST = 0.006  # of a cell: deviations beyond this count less
_OUTLINE = 0.4  # of the quality depends on the outer edges of the module
_GOOD = 0.04  # of a cell: edges that are closer agree with the grid


@dataclass(frozen=True)
class Edges:
    """Measured edges of cells along one axis of the straightened module.

    Attributes:
        line: ``(N,)`` line of the grid that an edge is next to, counted from 0.
        side: ``(N,)`` -1 for the edge of the cell before the line, 1 for that of the cell after it.
        along: ``(N,)`` position along the line, cells, with the middle gap open.
        where: ``(N,)`` measured position across the line, cells, with the middle gap open.
    """

    line: Points
    side: Points
    along: Points
    where: Points

    @property
    def cell(self) -> NDArray[np.int64]:
        """Number of the cell whose edge it is, counted from 0 across the lines."""
        return (self.line - (self.side < 0)).astype(np.int64)

    def cell_along(self, middle_gap: float, cells: int) -> NDArray[np.int64]:
        """Number of that cell along the lines."""
        return np.floor(self.along - middle_gap * (self.along > cells / 2 + middle_gap)).astype(np.int64)


@dataclass(frozen=True)
class Fit:
    """A fitted placement.

    Attributes:
        placement: without a confidence.
        seen: ``(2, rows, columns)`` number of edges of each cell, 0 to 2, that were measured and agree with the grid:
            left and right, upper and lower.
        wrong: ``(2, rows, columns)`` number of edges that were measured and do not agree with the grid.
        outer: share of the cells at each side of the module, left, right, top and bottom, whose outer edge agrees.
        deviation: median distance between measured edges and the grid, cells.
    """

    placement: ModulePlacement
    seen: NDArray[np.int64]
    wrong: NDArray[np.int64]
    outer: NDArray[np.float64]
    deviation: float

    @property
    def quality(self) -> float:
        """How much of the grid is seen, along the axis where it is worse, and less without an outline, 0 to 1.

        Busbars are lines too, but at the sides of a grid of busbars there is no change from light to dark.
        """
        seen, wrong = (counts.sum(axis=(1, 2)) for counts in (self.seen, self.wrong))
        share = seen / (2 * self.seen[0].size)
        agreeing = seen / np.maximum(seen + wrong, 1)
        outlined = 1 - _OUTLINE + _OUTLINE * self.outer.min()
        return float((share**0.5 * agreeing**2).min() * outlined)

    @property
    def weight(self) -> float:
        """Length of all edges that agree, pixels of the photograph, times the quality."""
        return float(self.seen.sum() * self.placement.pixels_per_cell * self.quality)


def straighten(
    light: NDArray[np.float32], placement: ModulePlacement, pixels_per_cell: float, pad: float = PAD
) -> NDArray[np.float32]:
    """Show a module from the front, without distortion, with the middle gap as wide as it is.

    Returns:
        ``(H, W) float32``. Grid coordinate 0 is at ``pad * pixels_per_cell`` from the left and from the top, as the
        edge of a pixel.
    """
    span = np.array([placement.columns, placement.rows]) + placement.middle_gap + 2 * pad
    width, height = (round(float(side) * pixels_per_cell) for side in span)
    u, v = ((np.arange(count) + 0.5) / pixels_per_cell - pad for count in (width, height))
    grid = np.stack(np.meshgrid(u, v), axis=-1).astype(np.float32)
    flat = cv2.perspectiveTransform(grid, placement.homography)
    where = distort(flat, placement.distortion, placement.size)
    return cv2.remap(light, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def fit_placement(light: NDArray[np.float32], first: ModulePlacement) -> Fit:
    """Fit homography, distortion and gaps to the edges of the cells.

    Args:
        light: ``(H, W) float32``, 0 to 1.
        first: near the truth, within a tenth of a cell.
    """
    placement = first
    for most, reach in _ROUNDS:
        scale = _scale(placement, most)
        across, down = _measure(straighten(light, placement, scale), placement, scale, reach)
        if min(len(across.line), len(down.line)) < _MIN_EDGES:
            break
        placement = _solve(placement, across, down)
    return judge_placement(light, placement)


def judge_placement(light: NDArray[np.float32], placement: ModulePlacement) -> Fit:
    """Compare a placement with the edges of cells near it, without moving it."""
    most, reach = _ROUNDS[-1]
    scale = _scale(placement, most)
    return _judge(placement, *_measure(straighten(light, placement, scale), placement, scale, reach))


def _scale(placement: ModulePlacement, most: float) -> float:
    return min(most, max(placement.pixels_per_cell, 12.0))


def _measure(
    image: NDArray[np.float32], placement: ModulePlacement, scale: float, reach: float
) -> tuple[Edges, Edges]:
    """Measure the left and right, and the upper and lower edges of all cells."""
    limit = _MIN_LIGHT * float(np.percentile(image[::3, ::3], 95))
    across = _measure_axis(
        image, placement.rows, placement.columns, placement.middle_gap, scale, reach, limit
    )
    down = _measure_axis(
        image.T, placement.columns, placement.rows, placement.middle_gap[::-1], scale, reach, limit
    )
    return across, down


def _measure_axis(
    image: NDArray[np.float32],
    lines: int,
    cells: int,
    middle_gap: tuple[float, float],
    scale: float,
    reach: float,
    limit: float,
) -> Edges:
    """Measure the edges of cells along the columns of an image, for each row of cells."""
    found = []
    steps = np.arange(-reach, _PLATEAU, 0.5 / scale)  # from outside a cell to its inside
    for row in range(lines):
        past = middle_gap[1] * (row >= lines / 2)
        start, stop = ((row + past + share + PAD) * scale for share in _ALONG)
        profile = np.median(image[round(start) : round(stop)], axis=0)
        # The edges of all cells of the row at once: those after a line, and those before one.
        cell = np.arange(cells)
        shift = middle_gap[0] * (cell >= cells / 2)
        for side, edge in ((1, cell + shift), (-1, cell + 1 + shift)):
            places = (edge[:, None] + side * steps + PAD) * scale - 0.5
            samples = np.interp(places.ravel(), np.arange(len(profile)), profile).reshape(places.shape)
            depth, good = _edge_of(samples, steps, reach, limit)
            where = edge + side * depth
            line = cell if side == 1 else cell + 1
            found.append(
                np.stack([line, np.full(cells, side), np.full(cells, row + past + 0.5), where])[:, good]
            )
    return Edges(*np.concatenate(found, axis=1))


def _edge_of(samples: Points, steps: Points, reach: float, limit: float) -> tuple[Points, NDArray[np.bool_]]:
    """Find where light rises to half of the plateau of a cell, from the darkest place near its edge inwards."""
    inside = np.median(samples[:, steps > reach / 2], axis=1)
    near = steps <= reach
    darkest = np.argmin(samples[:, near], axis=1)
    floor = samples[np.arange(len(samples)), darkest]
    half = (inside + floor) / 2
    past = np.arange(len(steps)) >= darkest[:, None]
    index = np.argmax(past & (samples >= half[:, None]), axis=1)
    before = np.maximum(index - 1, 0)
    rows = np.arange(len(samples))
    low, high = samples[rows, before], samples[rows, index]
    share = np.clip((half - low) / np.maximum(high - low, 1e-9), 0, 1)
    depth = steps[before] + share * (steps[index] - steps[before])
    good = (
        (inside > limit) & (inside - floor > _MIN_CONTRAST * inside) & (index > 0) & (np.abs(depth) < reach)
    )
    return depth, good


def _solve(placement: ModulePlacement, across: Edges, down: Edges) -> ModulePlacement:
    """Move the placement so that its cells have the measured edges."""
    measured = _to_pixels(placement, across, down)
    normals = _normals(placement, across, down)
    pitch = placement.pixels_per_cell
    start = np.concatenate([np.zeros(8), [placement.distortion], placement.gap, placement.middle_gap])
    scale = np.concatenate([np.full(8, 0.01), [0.02], np.full(4, 0.02)])
    free = np.ones(13, bool)
    free[11], free[12] = placement.middle_gap[0] > 0, placement.middle_gap[1] > 0

    def moved(values: Points) -> ModulePlacement:
        full = start.copy()
        full[free] += values * scale[free]
        return replace(
            placement,
            homography=_change(placement, full[:8]),
            distortion=float(full[8]),
            gap=(float(full[9]), float(full[10])),
            middle_gap=(float(full[11]), float(full[12])),
        )

    def deviations(values: Points) -> Points:
        return ((_expected(moved(values), across, down) - measured) * normals).sum(axis=1) / pitch

    solution = least_squares(
        deviations, np.zeros(int(free.sum())), loss="soft_l1", f_scale=_ROBUST, max_nfev=_STEPS
    )
    return moved(solution.x)


def _change(placement: ModulePlacement, changes: Points) -> Points:
    """Return the homography after a small projective change of a grid whose sides are at -1 and 1."""
    middle = np.array([placement.columns, placement.rows]) / 2
    to_unit = np.array([(1 / middle[0], 0, -1), (0, 1 / middle[1], -1), (0, 0, 1)])
    change = np.eye(3) + np.append(changes, 0.0).reshape(3, 3)
    homography = placement.homography @ np.linalg.inv(to_unit) @ change @ to_unit
    return np.asarray(homography / homography[2, 2], np.float64)


def _expected(placement: ModulePlacement, across: Edges, down: Edges) -> Points:
    """Return where a placement has the measured edges, ``(N, 2)`` pixels."""
    grid = []
    for axis, edges in enumerate((across, down)):
        cells = (placement.columns, placement.rows)[axis]
        # Both edges at a line are next to it, except at the middle gap, where the gap is between them.
        past = (edges.line > cells / 2) | ((edges.line == cells / 2) & (edges.side > 0))
        where = edges.line + edges.side * placement.gap[axis] / 2 + placement.middle_gap[axis] * past
        grid.append(np.stack([where, edges.along] if axis == 0 else [edges.along, where], axis=-1))
    return _open_to_pixels(placement, np.concatenate(grid))


def _to_pixels(placement: ModulePlacement, across: Edges, down: Edges) -> Points:
    grid = [np.stack([across.where, across.along], axis=-1), np.stack([down.along, down.where], axis=-1)]
    return _open_to_pixels(placement, np.concatenate(grid))


def _open_to_pixels(placement: ModulePlacement, grid: Points) -> Points:
    if not len(grid):
        return grid
    flat = cv2.perspectiveTransform(grid[:, None], placement.homography)[:, 0]
    return distort(flat, placement.distortion, placement.size)


def _normals(placement: ModulePlacement, across: Edges, down: Edges) -> Points:
    """Return the direction across each edge, ``(N, 2)``, unit vectors in the photograph."""
    grid = np.concatenate(
        [np.stack([across.where, across.along], axis=-1), np.stack([down.along, down.where], axis=-1)]
    )
    step = np.zeros_like(grid)
    step[: len(across.line), 1] = step[len(across.line) :, 0] = 0.05
    along = _open_to_pixels(placement, grid + step) - _open_to_pixels(placement, grid - step)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    return np.stack([-along[:, 1], along[:, 0]], axis=-1)


def _judge(placement: ModulePlacement, across: Edges, down: Edges) -> Fit:
    measured, normals = _to_pixels(placement, across, down), _normals(placement, across, down)
    apart = np.abs(((_expected(placement, across, down) - measured) * normals).sum(axis=1))
    apart /= placement.pixels_per_cell
    seen, wrong = (np.zeros((2, placement.rows, placement.columns), np.int64) for _ in range(2))
    axis = np.repeat((0, 1), (len(across.line), len(down.line)))
    row = np.concatenate([across.cell_along(placement.middle_gap[1], placement.rows), down.cell])
    column = np.concatenate([across.cell, down.cell_along(placement.middle_gap[0], placement.columns)])
    good = apart < _GOOD
    np.add.at(seen, (axis, row, column), good)
    np.add.at(wrong, (axis, row, column), ~good)
    outer = np.array(
        [
            (good[: len(across.line)] & (across.line == line) & (across.side == side)).sum() / placement.rows
            for line, side in ((0, 1), (placement.columns, -1))
        ]
        + [
            (good[len(across.line) :] & (down.line == line) & (down.side == side)).sum() / placement.columns
            for line, side in ((0, 1), (placement.rows, -1))
        ]
    )
    return Fit(placement, seen, wrong, outer, float(np.median(apart)) if len(apart) else 1.0)


def cell_light(light: NDArray[np.float32], placement: ModulePlacement) -> NDArray[np.float32]:
    """Return the light in the middle of each cell, ``(rows, columns) float32``, 0 to 1."""
    cells = np.asarray(cut_cells(light, placement, 12), np.float32)
    return np.asarray(np.median(cells[:, :, 3:-3, 3:-3], axis=(2, 3)), np.float32)


def is_upright(light: NDArray[np.float32], placement: ModulePlacement) -> bool:
    """Return whether busbars run from top to bottom: in the median of all cells dark lines do."""
    cells = np.asarray(cut_cells(light, placement, 48), np.float32)
    relative = cells / np.maximum(np.median(cells, axis=(2, 3), keepdims=True), 1e-6)
    inside = np.median(relative, axis=(0, 1))[5:-5, 5:-5]
    across, down = (inside.mean(axis=axis) for axis in (0, 1))
    return bool(np.abs(np.diff(across, 2)).mean() > np.abs(np.diff(down, 2)).mean())
