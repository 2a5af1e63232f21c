"""Fit the placement of a module to the edges of its cells, with a precision well below a pixel."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from solarseg.modules.bend import ModuleBend
from solarseg.modules.edge_residuals import MeasuredEdges, room_in_crops
from solarseg.modules.edges import measure_edges
from solarseg.modules.fit_quality import Fit, judge_edges, judge_placement
from solarseg.modules.placement import ModulePlacement

__all__ = ["fit_bend", "fit_placement"]

Points = NDArray[np.float64]

# Of each round: pixels per cell at most; distance from an edge, cells; deviations beyond this count less, cells; of the
# quality: with less the placement is hopeless and not measured more precisely.
_ROUNDS = ((40, 0.16, 0.03, 0.06), (64, 0.10, 0.012, 0.25), (110, 0.07, 0.006, 0.0))
_MIN_EDGES = 8  # along each axis: fewer say nothing
_WIDE_GAP = 4.0  # pixels
_GAP_WEIGHT, _WIDE_WEIGHT = 0.3, 30.0  # of an edge: that a gap is as wide as it appears
_STEPS = 8  # of the solver in each round
_PRECISE = 1e-5  # relative change at which the solver stops
# Of the solver: changes of the homography, of the distortion, the gaps and the middle gaps.
_SCALE = np.array([0.01] * 8 + [0.02] * 5)
# Of the three depths and, in diagonals of the photograph, of the foot: larger ones cost more than they explain.
_BEND_SCALE = np.array([0.01, 0.01, 0.01, 0.5, 0.5])
_BEND_STEPS, _BEND_PRECISE = 12, 1e-3  # of the solver
_PLANE_STEP = 0.05  # of the steps of the bend: for the other numbers, the solver begins with smaller ones
_ROOM = 0.003  # of a cell: if all edges are as far inside of their crops, no bend is tried
_BEND_PAYS = 0.85  # of the cost of a plane: a bend that costs more is not worth its parameters
_MAY_LOSE = 0.1  # of the quality of a plane: a bend that loses more is not one of the module
_BEND_EDGES = 90  # with fewer, 18 numbers explain any edges
_OUTLINED = 0.5  # of the edges at each side: with fewer the bend at that side is not known
_FOCAL_LENGTH = 1.2  # diagonals of the photograph, to start with


def fit_placement(light: NDArray[np.float32], first: ModulePlacement, near: bool = False) -> Fit:
    """Fit homography, distortion and gaps to the edges of the cells. A bend is not changed.

    Args:
        light: ``(H, W) float32``, 0 to 1.
        first: near the truth, within a tenth of a cell.
        near: look for edges only within a tenth of a cell, so that busbars next to them are not taken for them.
    """
    placement = first
    for most, reach, robust, hopeless in _ROUNDS[1:] if near else _ROUNDS:
        across, down = measure_edges(light, placement, most, reach)
        if min(len(across.line), len(down.line)) < _MIN_EDGES:
            break
        edges = MeasuredEdges.of(placement, across, down)
        placement, _ = _solve(placement, edges, robust)
        if judge_edges(placement, edges).quality < hopeless:
            break
    return judge_placement(light, placement)


def fit_bend(light: NDArray[np.float32], fit: Fit) -> Fit:
    """Bend a fitted module if edges of its cells are at the end of their crops or outside, and a bend explains them.

    Args:
        light: ``(H, W) float32``, 0 to 1.
        fit: of a module without a bend, with the edges near it.
    """
    flat, edges = fit.placement, fit.edges
    if edges is None or fit.assumed is not None or min(fit.outer) < _OUTLINED:
        return fit
    room = room_in_crops(flat, edges.across, edges.down)
    if len(room) < _BEND_EDGES or (room > _ROOM).all():
        return fit
    most, reach, robust, _ = _ROUNDS[-1]
    _, plane_cost = _solve(flat, edges, robust)
    bent, cost = _solve(flat, edges, robust, bent=True)
    if cost > _BEND_PAYS * plane_cost:
        return fit
    # Edges are more precise when they are measured along the bent sides.
    edges = MeasuredEdges.of(bent, *measure_edges(light, bent, most, reach))
    refined, _ = _solve(bent, edges, robust)
    judged = judge_edges(refined, edges)
    return judged if judged.quality > (1 - _MAY_LOSE) * fit.quality else fit


def _solve(
    placement: ModulePlacement, edges: MeasuredEdges, robust: float, bent: bool = False
) -> tuple[ModulePlacement, float]:
    """Move the placement so that its cells have the measured edges, and bend it if ``bent``.

    Returns:
        The placement, and what its deviations, gaps and depths cost: few large deviations cost less than many small
        ones.
    """
    scale = np.concatenate([_SCALE, _BEND_SCALE]) if bent else _SCALE
    free = np.ones(len(scale), bool)
    free[11], free[12] = placement.middle_gap[0] > 0, placement.middle_gap[1] > 0
    foot = _expected_foot(placement)

    def moved(values: Points) -> ModulePlacement:
        changes = np.zeros(len(scale))
        changes[free] = values * scale[free]
        new = _move(placement, changes[: len(_SCALE)])
        if not bent:
            return new
        across, down, middle, *apart = changes[len(_SCALE) :].tolist()
        x, y = foot + np.array(apart) * np.hypot(*placement.size)
        return replace(new, bend=ModuleBend(across, down, middle, (float(x), float(y))))

    # Gaps that are clearly wider than the blur are as wide as they appear.
    wide = np.array(edges.apparent) * edges.pitch > _WIDE_GAP
    weight = np.where(wide, _WIDE_WEIGHT, _GAP_WEIGHT)

    def deviations(values: Points) -> Points:
        new = moved(values)
        bend = values[-len(_BEND_SCALE) :] * robust if bent else ()
        return np.concatenate([edges.deviations(new), weight * (np.array(new.gap) - edges.apparent), bend])

    solution = least_squares(
        deviations,
        np.zeros(int(free.sum())),
        loss="soft_l1",
        f_scale=robust,
        x_scale=np.where(np.flatnonzero(free) < len(_SCALE), _PLANE_STEP, 1.0) if bent else 1.0,
        max_nfev=_BEND_STEPS if bent else _STEPS,
        xtol=_PRECISE,
        ftol=_BEND_PRECISE if bent else _PRECISE,
    )
    return moved(solution.x), float(solution.cost)


def _move(placement: ModulePlacement, changes: Points) -> ModulePlacement:
    """Change the homography by 8 numbers, the distortion by one, and the gaps and the middle gaps by two each."""
    gap, middle_gap = changes[9:11] + placement.gap, changes[11:13] + placement.middle_gap
    return replace(
        placement,
        homography=_change(placement, changes[:8]),
        distortion=float(placement.distortion + changes[8]),
        gap=(max(0.0, float(gap[0])), max(0.0, float(gap[1]))),
        middle_gap=(float(middle_gap[0]), float(middle_gap[1])),
    )


def _change(placement: ModulePlacement, changes: Points) -> Points:
    """Return the homography after a small projective change of a grid whose sides are at -1 and 1."""
    x, y = placement.columns / 2, placement.rows / 2
    to_unit = np.array([(1 / x, 0, -1), (0, 1 / y, -1), (0, 0, 1)])
    from_unit = np.array([(x, 0, x), (0, y, y), (0, 0, 1)])
    change = np.eye(3) + np.append(changes, 0.0).reshape(3, 3)
    homography = placement.homography @ from_unit @ change @ to_unit
    return np.asarray(homography / homography[2, 2], np.float64)


def _expected_foot(placement: ModulePlacement) -> Points:
    """Return the foot of a usual camera, pixels: it follows from the homography and the focal length."""
    centre, focal = (np.array(placement.size) - 1) / 2, _FOCAL_LENGTH * float(np.hypot(*placement.size))
    to_centre = np.array([(1, 0, -centre[0]), (0, 1, -centre[1]), (0, 0, 1)])
    along, up = (to_centre @ placement.homography)[:, :2].T
    x, y, distance = np.cross(along, up)
    return np.asarray(centre + focal**2 / distance * np.array([x, y]))
