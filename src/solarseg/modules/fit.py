"""Fit the placement of a module to the edges of its cells, with a precision well below a pixel."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from solarseg.modules.edge_residuals import MeasuredEdges
from solarseg.modules.edges import measure_edges
from solarseg.modules.fit_quality import Fit, judge_edges, judge_placement
from solarseg.modules.placement import ModulePlacement

__all__ = ["fit_placement"]

Points = NDArray[np.float64]

# Of each round: pixels per cell at most; distance from an edge, cells; deviations beyond this count less, cells; of the
# quality: with less the placement is hopeless and not measured more precisely.
_ROUNDS = ((40, 0.16, 0.03, 0.06), (64, 0.10, 0.012, 0.25), (110, 0.07, 0.006, 0.0))
_MIN_EDGES = 8  # along each axis: fewer say nothing
_WIDE_GAP = 4.0  # pixels
_GAP_WEIGHT, _WIDE_WEIGHT = 0.3, 30.0  # of an edge: that a gap is as wide as it appears
_STEPS = 8  # of the solver in each round
_PRECISE = 1e-5  # relative change at which the solver stops


def fit_placement(light: NDArray[np.float32], first: ModulePlacement, near: bool = False) -> Fit:
    """Fit homography, distortion and gaps to the edges of the cells.

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
        placement = _solve(placement, edges, robust)
        if judge_edges(placement, edges).quality < hopeless:
            break
    return judge_placement(light, placement)


def _solve(placement: ModulePlacement, edges: MeasuredEdges, robust: float) -> ModulePlacement:
    """Move the placement so that its cells have the measured edges."""
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
            gap=(max(0.0, float(full[9])), max(0.0, float(full[10]))),
            middle_gap=(float(full[11]), float(full[12])),
        )

    # Gaps that are clearly wider than the blur are as wide as they appear.
    wide = np.array(edges.apparent) * edges.pitch > _WIDE_GAP
    weight = np.where(wide, _WIDE_WEIGHT, _GAP_WEIGHT)

    def deviations(values: Points) -> Points:
        new = moved(values)
        return np.append(edges.deviations(new), weight * (np.array(new.gap) - edges.apparent))

    solution = least_squares(
        deviations,
        np.zeros(int(free.sum())),
        loss="soft_l1",
        f_scale=robust,
        max_nfev=_STEPS,
        xtol=_PRECISE,
        ftol=_PRECISE,
    )
    return moved(solution.x)


def _change(placement: ModulePlacement, changes: Points) -> Points:
    """Return the homography after a small projective change of a grid whose sides are at -1 and 1."""
    middle = np.array([placement.columns, placement.rows]) / 2
    to_unit = np.array([(1 / middle[0], 0, -1), (0, 1 / middle[1], -1), (0, 0, 1)])
    change = np.eye(3) + np.append(changes, 0.0).reshape(3, 3)
    homography = placement.homography @ np.linalg.inv(to_unit) @ change @ to_unit
    return np.asarray(homography / homography[2, 2], np.float64)
