"""The electrical estimate of a module, if pvlib is installed."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread

import numpy as np

from solarseg.electrical import PowerEstimate, estimate_power
from solarseg.electrical.parameters import EXTRA
from solarseg.errors import MissingExtraError
from solarseg.extras import require
from solarseg.modules import InspectedCell, ModulePlacement

__all__ = ["estimate", "import_ahead"]

_LIBRARY = "pvlib.singlediode"


def import_ahead() -> None:
    """Import pvlib in a thread, once: that takes a second, in which one core reads the photograph and finds modules."""
    if _LIBRARY not in sys.modules:
        Thread(target=_import, name="import pvlib").start()


def _import() -> None:
    with suppress(MissingExtraError):  # `estimate` says so
        require(_LIBRARY, EXTRA)


def estimate(
    cells: Sequence[InspectedCell], placement: ModulePlacement, cell_mm: float | None
) -> tuple[PowerEstimate | None, tuple[str, ...]]:
    """Estimate the power of a module.

    Args:
        cells: row by row.
        placement: where they are.
        cell_mm: longer side of the cells, mm.

    Returns:
        The estimate, and a note; if pvlib is not installed, None and how to install it.
    """
    share, low, high = (
        np.reshape(values, (placement.rows, placement.columns))
        for values in (
            [min(cell.measurement.inactive_share, 1.0) for cell in cells],
            [cell.inactive_low for cell in cells],
            [_most_lost(cell) for cell in cells],
        )
    )
    try:
        power = estimate_power(share, low, high, wiring=placement.wiring, cell_mm=cell_mm)
    except MissingExtraError as error:
        return None, (f"No electrical estimate: {error}.",)
    weak = sum(cell.weak for cell in cells)
    if not weak:
        return power, ()
    which, each = ("cell that is", "it lacks") if weak == 1 else (f"{weak} cells that are", "each lacks")
    return power, (
        f"Of the {which} dark or dim as a whole, the estimated loss contains only what is marked as inactive. "
        f"Its upper bound assumes that {each} as large a share of current as of light.",
    )


def _most_lost(cell: InspectedCell) -> float:
    """Return the largest share of its current that a cell may lack.

    The light does not say why a cell is dark or dim as a whole. That it lacks as much current as light is the worst of
    the causes in docs/decisions/electrical.md, at a current near that of short circuit and with grey levels
    proportional to the light.
    """
    return max(cell.inactive_high, min(max(1 - cell.light, 0.0), 1.0)) if cell.weak else cell.inactive_high
