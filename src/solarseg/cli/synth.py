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
def module(
    out: Annotated[Path, typer.Option(metavar="FILE.png", help="Photograph to write, PNG or JPEG.")],
    cells: Annotated[str, typer.Option(metavar="6x10", help="Rows and columns of cells.")] = "6x10",
    size: Annotated[int, typer.Option(help="Longer side of the photograph in pixels, 200 to 8000.")] = 2000,
    seed: Annotated[int, typer.Option(help="Random seed; each seed gives another module.")] = 0,
    straight: Annotated[
        bool,
        typer.Option(
            "--straight",
            help="One module from the front. Default: with perspective, rotation and neighbours.",
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Generate an electroluminescence photograph of a whole module.

    Example: solarseg synth module --out module.png --seed 1 --straight
    """
    import numpy as np

    from solarseg import generate_photograph
    from solarseg.cli.options import parse_grid
    from solarseg.errors import ArgumentError, ExistsError
    from solarseg.images import write_image

    rows, columns = parse_grid(cells)
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise ArgumentError(f"--out {out}: must end in .png, .jpg or .jpeg")
    if seed < 0:
        raise ArgumentError(f"--seed {seed}: must be 0 or more")
    if out.exists() and not overwrite:
        raise ExistsError(out, "another --out", "--overwrite to replace it")
    made = generate_photograph(np.random.default_rng(seed), size, rows, columns, straight=straight)
    image = made.image
    if image.dtype == np.uint16 and out.suffix.lower() != ".png":
        image = (image // 257).astype(np.uint8)  # JPEG has 8 bits
    write_image(out, image[..., 0] if image.shape[-1] == 1 else image)
    shown = made.modules[0]
    print(f"{shown.rows} x {shown.columns} cells: {out}\nNext: solarseg inspect {out} --out inspected")


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
