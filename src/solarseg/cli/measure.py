"""``solarseg measure``."""

from pathlib import Path
from typing import Annotated

import typer

from solarseg.cli.options import CellSize, Quiet
from solarseg.cli.report import counted, is_shown, report_failures, say_worst

__all__ = ["command"]


def command(
    masks: Annotated[
        Path, typer.Argument(metavar="MASKS", help="Folder of masks, of predictions or of a dataset.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for measurements.csv and measurements.json.")],
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the images, to tell crack modes. Default: images/ beside masks/."),
    ] = None,
    cell_mm: CellSize = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what stands there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Measure cracks, inactive areas and finger interruptions in masks from anywhere.

    Example: solarseg measure my-cells --out measured --cell-mm 156
    """
    from solarseg.prediction.measurements import measure

    done = measure(masks, out, images=images, cell_mm=cell_mm, overwrite=overwrite, progress=is_shown(quiet))
    print(f"{counted(len(done.cells), 'mask')} measured: {out}/measurements.csv, {out}/measurements.json")
    say_worst(done.cells)
    report_failures(done.failed)
