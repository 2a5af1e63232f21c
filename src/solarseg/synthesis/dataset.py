"""Write dataset folders of generated cells."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from solarseg.datasets.description import Description, read_description, write_description
from solarseg.errors import ArgumentError, DatasetError, ExistsError
from solarseg.files import atomic_folder, check_folder, write_table
from solarseg.images import write_image
from solarseg.masks import write_mask
from solarseg.synthesis.camera import Camera, IntegerDepth
from solarseg.synthesis.canvas import SUBPIXELS
from solarseg.synthesis.cells import check_cell_image_size, generate_cell
from solarseg.synthesis.defects import CELL_CLASSES
from solarseg.synthesis.layout import CellKind, Module
from solarseg.threads import count_cores, fan_out

__all__ = ["CELLS_PER_MODULE", "generate_dataset_cell", "write_cells"]

CELLS_PER_MODULE = 4  # few, so that a small dataset has enough modules for every split

_CANVAS_BYTES = 1024**3  # limit for the subpixels of all threads
_LICENCE = "generated; no rights reserved"
_KINDS: dict[str, CellKind | None] = {"mono": "mono", "poly": "poly", "both": None}


def write_cells(
    out: Path | str,
    count: int,
    size: int = 256,
    seed: int = 0,
    cell: str = "both",
    depth: IntegerDepth = "uint8",
    *,
    overwrite: bool = False,
    progress: bool = False,
) -> None:
    """Write a dataset folder of generated cells.

    Four consecutive cells belong to one module, which is their group. A cell depends only on the seed and its number:
    with a larger ``count`` the first cells are the same.

    Args:
        out: folder to create; it may exist if it is empty.
        count: number of cells, 1 or more.
        size: side of each image, pixels, 32 to 4096.
        seed: 0 or more; each seed gives other cells.
        cell: kind of cells, ``"mono"``, ``"poly"`` or ``"both"``.
        depth: dtype of the images, ``"uint8"`` or ``"uint16"``.
        overwrite: replace generated cells, with all that was added to their folder.
        progress: show progress on the terminal.

    Raises:
        ArgumentError: ``count``, ``size``, ``seed``, ``cell`` or ``depth`` is out of range.
        ExistsError: the folder is not empty and may not be replaced, or contains no generated cells.
        OutputError: the folder could not be written.

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
    folder = Path(out)
    _check_arguments(count, size, seed, cell, depth)
    check_folder(folder)
    _refuse_existing(folder, overwrite)
    with atomic_folder(folder, replace=overwrite) as temporary:
        _write_files(temporary, count, size, seed, _KINDS[cell], depth, progress)


def generate_dataset_cell(
    seed: int, number: int, size: int, cell: CellKind | None = None, depth: IntegerDepth = "uint8"
) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], NDArray[np.uint8]]:
    """Generate one cell of the dataset that `write_cells` writes.

    Args:
        seed: seed of the dataset.
        number: number of the cell, from 0.
        size: side of the image, pixels.
        cell: kind of cells; by default both.
        depth: dtype of the image.

    Returns:
        Image and mask, as `generate_cell` returns them.
    """
    module_number, number_in_module = divmod(number, CELLS_PER_MODULE)
    rng = _rng(seed, module_number)
    module, camera = Module.draw(rng, cell), Camera.draw(rng)
    return generate_cell(_rng(seed, module_number, number_in_module), size, module, camera, depth)


def _write_files(
    folder: Path,
    count: int,
    size: int,
    seed: int,
    cell: CellKind | None,
    depth: IntegerDepth,
    progress: bool,
) -> None:
    def write(i: int) -> None:
        image, mask = generate_dataset_cell(seed, i, size, cell, depth)
        write_image(folder / "images" / f"{_name(i)}.png", image[..., 0])
        write_mask(folder / "masks" / f"{_name(i)}.png", mask, CELL_CLASSES)

    with Progress(transient=True, disable=not progress) as bar:
        task = bar.add_task("generating", total=count)
        for _ in fan_out([lambda: range(count)], write, threads=_count_threads(size)):
            bar.advance(task)
    groups = ((_name(i), f"module_{i // CELLS_PER_MODULE:04}") for i in range(count))
    write_table(folder / "groups.csv", ("name", "group"), groups)
    write_description(folder, Description(licence=_LICENCE), CELL_CLASSES)


def _count_threads(size: int) -> int:
    """Return one thread per core, or fewer if their subpixels would exceed the memory limit."""
    canvas = (size * SUBPIXELS) ** 2
    return max(1, min(count_cores(), _CANVAS_BYTES // canvas))


def _name(i: int) -> str:
    return f"cell_{i:05}"


def _check_arguments(count: int, size: int, seed: int, cell: str, depth: str) -> None:
    if count < 1:
        raise ArgumentError(f"`count={count}`: must be 1 or more")
    if seed < 0:
        raise ArgumentError(f"`seed={seed}`: must be 0 or more")
    if cell not in _KINDS:
        raise ArgumentError(f"`cell={cell!r}`: must be mono, poly or both")
    if depth not in ("uint8", "uint16"):
        raise ArgumentError(f"`depth={depth!r}`: must be uint8 or uint16")
    check_cell_image_size(size)


def _refuse_existing(folder: Path, overwrite: bool) -> None:
    """Raise `ExistsError` unless the folder contains generated cells that may be replaced; remove an empty one."""
    if not folder.exists():
        return
    if not any(folder.iterdir()):
        folder.rmdir()
        return
    if not overwrite:
        raise ExistsError(folder, "another `out`", "`overwrite=True` to replace it")
    if not _is_generated(folder):
        raise ExistsError(folder, "another `out`, because it contains no generated cells")


def _is_generated(folder: Path) -> bool:
    try:
        return read_description(folder)[0].licence == _LICENCE
    except DatasetError:
        return False


def _rng(seed: int, *key: int) -> np.random.Generator:
    # Not SeedSequence([seed, *key]): for that, [0, 1] and [0, 1, 0] are the same.
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
