"""``solarseg measure``."""

from pathlib import Path
from typing import Annotated

import typer

from solarseg.cli.options import CellSize, Quiet
from solarseg.cli.report import counted, is_shown, print_worst, report_failures

__all__ = ["command"]


def command(
    masks: Annotated[
        Path, typer.Argument(metavar="MASKS", help="Folder of masks, predictions or a dataset.")
    ],
    out: Annotated[Path, typer.Option(help="Output folder for measurements.csv and measurements.json.")],
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the images, required for crack modes. Default: images/ next to masks/."),
    ] = None,
    cell_mm: CellSize = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    quiet: Quiet = False,
) -> None:
    """Measure cracks, inactive areas and finger interruptions in masks.

    Example: solarseg measure my-cells --out measured --cell-mm 156
    """
    from solarseg.prediction.layout import PredictionPaths
    from solarseg.prediction.measurements import measure

    done = measure(masks, out, images=images, cell_mm=cell_mm, overwrite=overwrite, progress=is_shown(quiet))
    paths = PredictionPaths(done.folder)
    print(f"{counted(len(done.cells), 'mask')} measured: {paths.measurements}, {paths.measured_regions}")
    print_worst(done.cells)
    report_failures(done.failed)
