"""A generated photograph of one module, small and straight."""

from functools import cache

import cv2
import numpy as np

from solarseg import generate_photograph
from solarseg.images import write_image
from solarseg.modules import ModulePlacement
from solarseg.modules.light import to_light

ROWS, COLUMNS, SIZE, SEED = 3, 4, 700, 21


@cache
def photograph(seed=SEED, size=SIZE, rows=ROWS, columns=COLUMNS):
    return generate_photograph(np.random.default_rng(seed), size, rows, columns, straight=True)


def write(path, **kwargs):
    image = photograph(**kwargs).image
    write_image(path, image[..., 0] if image.shape[-1] == 1 else image)
    return path


def linear_light(made):
    """The light of a photograph, with linear grey levels."""
    return to_light(made.image) ** np.float32(made.camera.gamma)


def true_placement(made):
    module = made.modules[0]
    grid = np.array(
        [(0, 0), (module.columns, 0), (module.columns, module.rows), (0, module.rows)], np.float32
    )
    homography = cv2.getPerspectiveTransform(grid, module.corners.astype(np.float32)).astype(float)
    height, width = made.image.shape[:2]
    return ModulePlacement(module.rows, module.columns, homography, 0.0, (width, height))
