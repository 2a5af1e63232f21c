"""``solarseg synth``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from solarseg.cli.options import Quiet

__all__ = ["app"]

app = typer.Typer(help="Generate images with exact masks.", no_args_is_help=True)


@app.callback()
def _synth() -> None:
    """Generate images with exact masks."""


@app.command()
def el(
    out: Annotated[Path, typer.Option(help="Dataset folder to create.")],
    count: Annotated[int, typer.Option(help="Number of cells.")] = 1000,
    size: Annotated[int, typer.Option(help="Side of each image in pixels, 32 to 4096.")] = 256,
    seed: Annotated[int, typer.Option(help="Random seed; each seed gives other cells.")] = 0,
    cell: Annotated[str, typer.Option(help="Kind of cells: mono, poly or both.")] = "both",
    bits: Annotated[int, typer.Option(help="Bits per pixel, 8 or 16.")] = 8,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier generated cells.")] = False,
    quiet: Quiet = False,
) -> None:
    """Generate electroluminescence cells with defects.

    Writes a dataset folder with images/, masks/ (background, cell, busbar, crack, inactive_area,
    finger_interruption) and groups.csv with the module of each cell.

    Example: solarseg synth el --out cells --count 5000 --seed 0
    """
    from solarseg.cli.report import is_shown
    from solarseg.errors import ArgumentError
    from solarseg.synthesis import write_cells

    depths: dict[int, Literal["uint8", "uint16"]] = {8: "uint8", 16: "uint16"}
    if bits not in depths:
        raise ArgumentError(f"--bits {bits}: must be 8 or 16")
    write_cells(
        out, count, size, seed, cell=cell, depth=depths[bits], overwrite=overwrite, progress=is_shown(quiet)
    )
    print(f"{count} cells: {out}\nNext: solarseg train {out} --out runs/first")
