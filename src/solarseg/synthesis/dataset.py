"""A dataset folder full of generated cells."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from solarseg.datasets.description import Description, write_description
from solarseg.errors import ArgumentError, OutputError
from solarseg.files import atomic_folder, write_table
from solarseg.images import write_image, write_mask
from solarseg.synthesis.camera import Camera, Depth
from solarseg.synthesis.canvas import SUBPIXELS
from solarseg.synthesis.cells import check_size, generate_cell
from solarseg.synthesis.defects import CELL_CLASSES
from solarseg.synthesis.layout import Cell, Module
from solarseg.threads import count_cores, fan_out

__all__ = ["CELLS_PER_MODULE", "draw_cell", "write_cells"]

CELLS_PER_MODULE = 4  # few, so that a small dataset still has modules enough for each split

_CANVAS_BYTES = 1024**3  # of subpixels at a time
_LICENCE = "generated; no rights reserved"


def write_cells(
    folder: Path,
    count: int,
    size: int = 256,
    seed: int = 0,
    cell: str = "both",
    depth: Depth = "uint8",
    progress: bool = False,
) -> None:
    """Write a dataset folder of generated cells.

    The group of a cell is its module, of four cells each. Each cell has its own random numbers, so that
    asking for more leaves the earlier ones as they are.

    Args:
        folder: where to; made where it is missing.
        count: of cells.
        size: side of each image, pixels, 32 to 4096.
        seed: 0 or more; another seed gives other cells.
        cell: kind of cells, ``"mono"``, ``"poly"`` or ``"both"``.
        depth: of the images, ``"uint8"`` or ``"uint16"``.
        progress: show progress on the terminal.

    Raises:
        ArgumentError: ``count``, ``size``, ``seed``, ``cell`` or ``depth`` is out of range.
        OutputError: the folder holds something, or could not be written.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "cells"
        >>> write_cells(folder, count=5, size=32)
        >>> print((folder / "groups.csv").read_text())
        name,group
        cell_00000,module_0000
        cell_00001,module_0000
        cell_00002,module_0000
        cell_00003,module_0000
        cell_00004,module_0001
        <BLANKLINE>
    """
    folder = Path(folder)
    _check_arguments(count, size, seed, cell, depth)
    _make_free(folder)
    with atomic_folder(folder) as temporary:
        _write_all(temporary, count, size, seed, _KINDS.get(cell), depth, progress)


_KINDS: dict[str, Cell] = {"mono": "mono", "poly": "poly"}


def draw_cell(
    seed: int, i: int, size: int, cell: Cell | None = None, depth: Depth = "uint8"
) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], NDArray[np.uint8]]:
    """Draw the cell of a number as `write_cells` does: image and mask, see `generate_cell`."""
    module_number, number = divmod(i, CELLS_PER_MODULE)
    shared = _rng(seed, module_number)
    module, camera = Module.draw(shared, cell), Camera.draw(shared)
    return generate_cell(_rng(seed, module_number, number), size, module, camera, depth)


def _write_all(
    folder: Path, count: int, size: int, seed: int, cell: Cell | None, depth: Depth, progress: bool
) -> None:
    def write(i: int) -> None:
        image, mask = draw_cell(seed, i, size, cell, depth)
        write_image(folder / "images" / f"{_name(i)}.png", image[..., 0])
        write_mask(folder / "masks" / f"{_name(i)}.png", mask, CELL_CLASSES)

    with Progress(transient=True, disable=not progress) as bar:
        task = bar.add_task("generating", total=count)
        for _ in fan_out([lambda: range(count)], write, threads=_threads(size)):
            bar.advance(task)
    groups = ((_name(i), f"module_{i // CELLS_PER_MODULE:04}") for i in range(count))
    write_table(folder / "groups.csv", ("name", "group"), groups)
    write_description(folder, Description(licence=_LICENCE), CELL_CLASSES)


def _threads(size: int) -> int:
    """One for each core, but not more than memory may hold the subpixels of."""
    canvas = (size * SUBPIXELS) ** 2
    return max(1, min(count_cores(), _CANVAS_BYTES // canvas))


def _name(i: int) -> str:
    return f"cell_{i:05}"


def _check_arguments(count: int, size: int, seed: int, cell: str, depth: str) -> None:
    if count < 1:
        raise ArgumentError(f"--count {count}: must be 1 or more")
    if seed < 0:
        raise ArgumentError(f"--seed {seed}: must be 0 or more")
    if cell not in ("mono", "poly", "both"):
        raise ArgumentError(f"--cell {cell}: must be mono, poly or both")
    if depth not in ("uint8", "uint16"):
        raise ArgumentError(f"depth: {depth}; must be uint8 or uint16")
    check_size(size)


def _make_free(folder: Path) -> None:
    if folder.exists():
        if not folder.is_dir() or any(folder.iterdir()):
            raise OutputError(f"{folder}: exists already and is not empty; give another folder or remove it")
        folder.rmdir()


def _rng(seed: int, *key: int) -> np.random.Generator:
    # Not SeedSequence([seed, *key]): that takes [0, 1] and [0, 1, 0] for the same.
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
