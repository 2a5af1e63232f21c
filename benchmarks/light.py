"""Relative light of cells: of generated cells without light, and of all cells in photographs of nearly sound modules.

Example: python benchmarks/light.py --modules 100 photographs/m408.jpg
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solarseg.images import read_image
from solarseg.modules import ModulePlacement, cut_cells, locate_modules
from solarseg.modules.brightness import black_level, relative_light
from solarseg.modules.light import to_light
from solarseg.synthesis import generate_photograph

Light = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="*", type=Path, help="photographs of nearly sound modules")
    parser.add_argument("--modules", type=int, default=100, help="number of generated photographs")
    arguments = parser.parse_args()
    dead = np.concatenate([light for seed in range(arguments.modules) for light in generated(seed)] or [[]])
    if len(dead):
        show(f"{len(dead)} generated cells without light", dead)
    for image in arguments.images:
        light = to_light(read_image(image))
        for placement in locate_modules(light).modules:
            show(f"{image.name}, apart from 1", np.abs(measure(light, placement) - 1).ravel())


def generated(seed: int) -> Iterator[Light]:
    """Yield the relative light of the cells without light in each module that is found."""
    made = generate_photograph(np.random.default_rng(seed), 1200)
    light = to_light(made.image) ** np.float32(made.camera.gamma)
    for placement in locate_modules(made.image).modules:
        for truth in made.modules:
            shape = (placement.rows, placement.columns) == (truth.rows, truth.columns)
            if shape and np.abs(placement.corners - truth.corners).max() < placement.pixels_per_cell / 2:
                yield measure(light, placement)[truth.brightness == 0]


def measure(light: NDArray[np.float32], placement: ModulePlacement) -> Light:
    """Return the relative light of the cells of a module, ``(rows, columns)``, as `inspect` does."""
    return relative_light(cut_cells(light, placement, 64), placement, black_level(light))


def show(name: str, values: Light) -> None:
    """Print the distribution of values."""
    parts = ", ".join(
        f"{share}%: {value:.2f}" for share, value in zip(SHARES, np.percentile(values, SHARES), strict=True)
    )
    print(f"{name}: {parts}", flush=True)


SHARES = (50, 90, 95, 99, 100)

if __name__ == "__main__":
    main()
