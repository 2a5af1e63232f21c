"""The light of the cells of a module relative to each other."""

import numpy as np
from numpy.typing import NDArray

from solarseg.modules.placement import ModulePlacement
from solarseg.modules.records import Finding

__all__ = ["BRIGHT_ABOVE", "DARK_BELOW", "DIM_BELOW", "black_level", "classify_light", "relative_light"]

DARK_BELOW = 0.3  # of the light of a typical cell: shunted or disconnected
DIM_BELOW = 0.7  # more than the spread between sound cells
BRIGHT_ABOVE = 1.4  # the current flows through a smaller part of the cell

Floats = NDArray[np.float64]

_BLACK = 1.0  # percentile of the photograph that shows no light
_LIT = 0.3  # of the light of bright cells: cells with less do not show how a lens loses light
_SPREAD = 0.12  # of the logarithm: cells that deviate more count less
_ROUNDS = 30  # of the fit: each moves it by less than a thousandth after about ten


def relative_light(
    cells: NDArray[np.floating], placement: ModulePlacement, black: float = 0.0
) -> NDArray[np.float64]:
    """Return the light of each cell relative to a typical cell of its module.

    The median light of each cell is divided by a smooth surface: a level, a slope along x and along y, and a loss with
    the square of the distance from the centre of the photograph, as lenses have. The surface is fitted to the logarithm
    of the medians, and cells that deviate from it hardly count, so that whole dark strings do not move it.

    Args:
        cells: ``(rows, columns, H, W)``, rectified cells.
        placement: where they are in the photograph.
        black: level without light; see `black_level`.

    Returns:
        ``(rows, columns) float64``: 1 is typical, 0 is without light.
    """
    medians = np.maximum(_medians(cells) - black, 0)
    bright = float(np.percentile(medians, 75))
    if bright <= 0:
        return np.ones_like(medians)
    return medians / _surface(medians, placement, bright)


def black_level(light: NDArray[np.floating]) -> float:
    """Return the level of a photograph where there is no light."""
    return float(np.percentile(light[::4, ::4], _BLACK))


def classify_light(light: float) -> Finding | None:
    """Return what the relative light of a cell says.

    Examples:
        >>> [classify_light(light) for light in (0.1, 0.5, 1.1, 1.6)]
        ['dark', 'dim', None, 'bright']
    """
    if light < DARK_BELOW:
        return "dark"
    if light < DIM_BELOW:
        return "dim"
    return "bright" if light > BRIGHT_ABOVE else None


def _medians(cells: NDArray[np.floating]) -> Floats:
    tenth = max(1, cells.shape[-1] // 10)
    step = max(1, tenth // 6)
    inner = cells[..., tenth:-tenth:step, tenth:-tenth:step]
    return np.median(inner, axis=(-2, -1)).astype(np.float64)


def _surface(medians: Floats, placement: ModulePlacement, bright: float) -> Floats:
    """Return the light of a typical cell at each place, the same size as ``medians``."""
    terms = _terms(placement)
    lit = (medians > _LIT * bright).ravel()
    values = np.log(np.maximum(medians, 1e-9)).ravel()
    # Where few cells are lit, a slope would follow the cells and not the lens.
    used = terms if lit.sum() > 3 * terms.shape[1] else terms[:, :1]
    centre = float(np.median(values[lit]))
    fitted = np.full(len(values), centre)
    for _ in range(_ROUNDS):
        weights = lit / (1 + ((values - fitted) / _SPREAD) ** 2)  # Cauchy
        root = np.sqrt(weights)[:, None]
        solution, *_ = np.linalg.lstsq(used * root, values * root[:, 0], rcond=None)
        fitted = used @ solution
    return np.asarray(np.exp(fitted).reshape(medians.shape))


def _terms(placement: ModulePlacement) -> Floats:
    """Return level, slopes and squared distance from the centre of the photograph of each cell, ``(cells, 4)``."""
    centres = placement.cell_corners.mean(axis=2).reshape(-1, 2)
    size = np.array(placement.size, np.float64)
    x, y = ((centres - (size - 1) / 2) / (np.linalg.norm(size) / 2)).T
    return np.stack([np.ones_like(x), x, y, x**2 + y**2], axis=1)
