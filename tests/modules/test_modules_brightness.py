"""The relative light of cells is that of the generator, whatever the lens takes away."""

import numpy as np
import pytest

from solarseg.modules import ModulePlacement
from solarseg.modules.brightness import classify_light, relative_light

ROWS, COLUMNS, SIDE = 6, 10, 20
PLACEMENT = ModulePlacement(
    ROWS, COLUMNS, np.array([[100.0, 0, 0], [0, 100, 0], [0, 0, 1]]), 0.0, (COLUMNS * 100 + 1, ROWS * 100 + 1)
)


def shaded(light, loss=0.4, slope=0.1):
    """Cells with this light behind a lens that loses light with the square of the distance from the centre."""
    x, y = (np.indices(light.shape)[::-1] + 0.5) * 100 - np.array([COLUMNS, ROWS])[:, None, None] * 50
    radius = (x**2 + y**2) / (50**2 * (COLUMNS**2 + ROWS**2))
    seen = light * np.exp(np.log(1 - loss) * radius + slope * x / 500)
    return np.ones((*light.shape, SIDE, SIDE), np.float32) * seen[..., None, None].astype(np.float32)


def test_vignetting_is_no_finding():
    seen = shaded(np.ones((ROWS, COLUMNS)))
    assert seen.min() / seen.max() < 0.65
    assert relative_light(seen, PLACEMENT) == pytest.approx(np.ones((ROWS, COLUMNS)), abs=1e-3)


@pytest.mark.parametrize("dead", [slice(0, 2), slice(2, 4), slice(0, 3)])
def test_dead_strings_do_not_move_the_others(dead):
    light = np.ones((ROWS, COLUMNS))
    light[dead] = 0.02
    found = relative_light(shaded(light), PLACEMENT)
    assert found == pytest.approx(light, abs=0.02)


def test_dim_and_bright_cells_keep_their_light():
    light = np.ones((ROWS, COLUMNS))
    light[0, 0], light[3, 4], light[5, 9], light[2, 2:5] = 0.5, 1.6, 0.2, 0.6
    found = relative_light(shaded(light), PLACEMENT)
    assert found == pytest.approx(light, abs=0.03)
    names = [[classify_light(value) for value in row] for row in found]
    assert (names[0][0], names[3][4], names[5][9], names[2][3], names[1][1]) == (
        "dim",
        "bright",
        "dark",
        "dim",
        None,
    )


def test_the_black_level_is_no_light():
    light = np.ones((ROWS, COLUMNS))
    light[1, 1] = 0.0
    found = relative_light(shaded(light, 0, 0) * 0.5 + 0.1, PLACEMENT, black=0.1)
    assert found[1, 1] == pytest.approx(0, abs=1e-6)
    assert found[0, 0] == pytest.approx(1, abs=1e-3)


def test_a_module_without_light_has_no_findings():
    assert relative_light(
        np.zeros((2, 3, 9, 9), np.float32), ModulePlacement(2, 3, np.eye(3), 0, (9, 9))
    ).all()
