"""Cells drawn at random, one at a time or a dataset folder full."""

from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from rich.progress import track

from solarseg.errors import ArgumentError, OutputError
from solarseg.files import write_text
from solarseg.images import write_image, write_mask
from solarseg.synthesis.defects import CELL_CLASSES, draw_defects, draw_mask
from solarseg.synthesis.layout import Layout, Module
from solarseg.synthesis.rendering import render

__all__ = ["CELLS_PER_MODULE", "CELL_CLASSES", "generate_cell", "write_cells"]

CELLS_PER_MODULE = 4  # few, so that a small dataset still has modules enough for each split
SIZES = (32, 4096)  # pixels: below, fingers and cracks are lost; above, the subpixels need over 256 MB

_LICENCE = "generated; no rights reserved"


def generate_cell(
    rng: np.random.Generator, size: int = 256, module: Module | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw an EL image of a solar cell with the exact mask of its defects.

    A seed gives the same mask on every machine, and the same image up to rounding, as long as numpy draws
    the same random numbers, which it may change in a new version.

    Args:
        rng: what it is drawn from.
        size: side of the image, pixels, 32 to 4096.
        module: what the cell shares with others; by default a module of its own is drawn.

    Returns:
        Image, ``(size, size, 1) uint8`` EL intensity, and mask, ``(size, size) uint8`` class ids of
        `CELL_CLASSES`. A crack wins over a finger interruption, and that over an inactive area.

    Raises:
        ArgumentError: ``size`` is out of range.

    Examples:
        >>> image, mask = generate_cell(np.random.default_rng(0), size=64)
        >>> image.shape, mask.shape, [CELL_CLASSES.names[i] for i in np.unique(mask)]
        ((64, 64, 1), (64, 64), ['background', 'crack', 'inactive_area', 'finger_interruption'])
    """
    _check_size(size)
    layout = Layout(module or Module.draw(rng), size)
    # Defects first: how many random numbers the image takes cannot change the mask.
    defects = draw_defects(rng, layout)
    return render(rng, layout, defects), draw_mask(layout, defects)


def _check_size(size: int) -> None:
    if not SIZES[0] <= size <= SIZES[1]:
        raise ArgumentError(f"size: {size} pixels; {SIZES[0]} to {SIZES[1]} are allowed, 256 is usual")


def write_cells(folder: Path, count: int, size: int = 256, seed: int = 0, progress: bool = False) -> None:
    """Write a dataset folder of generated cells.

    The group of a cell is its module, of four cells each. Each cell has its own random numbers, so that
    asking for more leaves the earlier ones as they are.

    Args:
        folder: where to; made where it is missing.
        count: of cells.
        size: side of each image, pixels, 32 to 4096.
        seed: 0 or more; another seed gives other cells.
        progress: show progress on the terminal.

    Raises:
        ArgumentError: ``count``, ``size`` or ``seed`` is out of range.
        OutputError: the folder holds something, or could not be written.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "cells"
        >>> write_cells(folder, count=5, size=32)
        >>> print((folder / "groups.csv").read_text())
        name,group
        cell_0000,module_000
        cell_0001,module_000
        cell_0002,module_000
        cell_0003,module_000
        cell_0004,module_001
        <BLANKLINE>
    """
    folder = Path(folder)
    _check_arguments(count, size, seed)
    _check_free(folder)
    names = [f"cell_{i:04}" for i in range(count)]
    for i, name in track(enumerate(names), "generating", count, disable=not progress, transient=True):
        image, mask = _cell(seed, *divmod(i, CELLS_PER_MODULE), size)
        write_image(folder / "images" / f"{name}.png", image[..., 0])
        write_mask(folder / "masks" / f"{name}.png", mask, CELL_CLASSES)
    groups = [f"{name},module_{i // CELLS_PER_MODULE:03}" for i, name in enumerate(names)]
    write_text(folder / "groups.csv", "\n".join(["name,group", *groups, ""]))
    description = {"classes": list(CELL_CLASSES.names), "licence": _LICENCE}
    write_text(folder / "dataset.yaml", yaml.safe_dump(description, sort_keys=False))


def _check_arguments(count: int, size: int, seed: int) -> None:
    if count < 1:
        raise ArgumentError(f"count: {count} cells; give 1 or more")
    if seed < 0:
        raise ArgumentError(f"seed: {seed}; give 0 or more")
    _check_size(size)


def _check_free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder}: exists already and is not empty; give another folder or remove it")


def _cell(seed: int, module: int, cell: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a cell of a module, from random numbers of its own."""
    return generate_cell(_rng(seed, module, cell), size, Module.draw(_rng(seed, module)))


def _rng(seed: int, *key: int) -> np.random.Generator:
    # Not SeedSequence([seed, *key]): that takes [0, 1] and [0, 1, 0] for the same.
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
