"""The brightness of the cells of a module relative to each other."""

import numpy as np
from numpy.typing import NDArray

from solarseg.synthesis.module_plan import ModulePlan
from solarseg.synthesis.parameters import COIN_FLIP, Chance, Range

__all__ = ["draw_cell_brightness"]

MATCHING = Range(
    0.01, 0.06, "share", "deviation between cells: they are sorted by current, not by voltage", "low"
)
LOW_CURRENT = Chance(0.18, "the photograph was taken at a low current, where shunts make cells differ")
LOW_CURRENT_SPREAD = Range(0.15, 0.5, "share", "deviation between cells at a low current")
LIMITS = (0.1, 1.8)  # of the spread between cells that work
BLACK_CELLS = Chance(0.25, "some cells of the module are shunted or disconnected")
BLACK_CELL_COUNT = Range(1, 5, "count", "number of such cells", "low")
BLACK_CELL = Range(0.0, 0.12, "share", "brightness of such a cell")
DIM_CELLS = Chance(0.35, "some cells of the module are dim: partly shunted, or hardly connected")
DIM_CELL_COUNT = Range(1, 12, "count", "number of such cells", "low")
DIM_CELL = Range(0.2, 0.75, "share", "brightness of such a cell")
BRIGHT_CELLS = Chance(0.25, "some cells shine brighter: a smaller part of them carries the whole current")
BRIGHT_CELL_COUNT = Range(1, 8, "count", "number of such cells", "low")
BRIGHT_CELL = Range(1.1, 1.6, "share", "brightness of such a cell")
DEAD_STRINGS = Chance(
    0.05, "the strings of a bypass diode are off: the diode is shorted, or a ribbon is open"
)
DEAD_HALF = Chance(0.5, "of a half-cut module, such strings are off in one half only")

_OTHER_GROUPS = {8: (2, 4, 2), 5: (2, 3)}  # strings of each bypass diode, where they are not pairs


def draw_cell_brightness(rng: np.random.Generator, plan: ModulePlan) -> NDArray[np.float64]:
    """Draw the light of each cell relative to a sound one.

    Returns:
        ``(rows, columns)``: about 1 for sound cells, 0 for cells without current.
    """
    shape = (plan.rows, plan.columns)
    spread = (LOW_CURRENT_SPREAD if LOW_CURRENT.draw(rng) else MATCHING).draw(rng)
    brightness = np.clip(np.exp(spread * rng.standard_normal(shape)), *LIMITS)
    brightness /= np.median(brightness)
    for chance, count, light in (
        (BRIGHT_CELLS, BRIGHT_CELL_COUNT, BRIGHT_CELL),
        (DIM_CELLS, DIM_CELL_COUNT, DIM_CELL),
        (BLACK_CELLS, BLACK_CELL_COUNT, BLACK_CELL),
    ):
        if chance.draw(rng):
            for _ in range(round(count.draw(rng))):
                brightness[rng.integers(plan.rows), rng.integers(plan.columns)] = light.draw(rng)
    if DEAD_STRINGS.draw(rng):
        _switch_off(rng, plan, brightness)
    return brightness


def _switch_off(rng: np.random.Generator, plan: ModulePlan, brightness: NDArray[np.float64]) -> None:
    strings = brightness.T if plan.module.upright else brightness  # a view: a row is a string
    groups = _OTHER_GROUPS.get(len(strings), (2,) * (len(strings) // 2))
    stops = np.cumsum([0, *groups])
    group = rng.integers(len(groups))
    cells = slice(None)
    if plan.module.half and DEAD_HALF.draw(rng):
        middle = strings.shape[1] // 2
        cells = slice(None, middle) if COIN_FLIP.draw(rng) else slice(middle, None)
    strings[stops[group] : stops[group + 1], cells] = 0
