"""``solarseg predict``."""

import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solarseg.cli.options import (
    Backend,
    CellSize,
    Device,
    ModelPath,
    Overlap,
    Quiet,
    Threshold,
    Tile,
    Tta,
    predict_options,
)
from solarseg.cli.report import DONE_IN_PART, counted, is_shown, print_worst

if TYPE_CHECKING:
    from solarseg.prediction.predict import Predictions

__all__ = ["command"]

_NOTHING_DONE = 2


def command(
    model: ModelPath,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE_OR_FOLDER", help="Images, folders, or patterns such as 'photos/*.jpg'."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Output folder for masks/, overlays/ and summary.csv.")],
    backend: Backend = None,
    device: Device = None,
    tile: Tile = None,
    overlap: Overlap = None,
    tta: Tta = False,
    probabilities: Annotated[
        bool,
        typer.Option("--probabilities", help="Also write probabilities/NAME.tif with one band per class."),
    ] = False,
    threshold: Threshold = None,
    overlays: Annotated[
        bool | None,
        typer.Option("--overlays/--no-overlays", help="Write overlays. Default: for up to 100 images."),
    ] = None,
    cell_mm: CellSize = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    quiet: Quiet = False,
) -> None:
    """Segment images.

    Writes masks, overlays and a table of areas; for EL images of cells, a table of measurements; for GeoTIFFs, polygons
    with areas in m2. Run the same command again to resume an interrupted prediction.

    Example: solarseg predict runs/first my-photos --out found

    Without training, for EL images of cells: solarseg predict el-cell my-cells --out found
    """
    from solarseg.prediction.predict import predict

    done = predict(
        model,
        images,
        out,
        backend=backend,
        device=device,
        options=predict_options(tile, overlap, tta, threshold),
        probabilities=probabilities,
        overlays=overlays,
        cell_mm=cell_mm,
        overwrite=overwrite,
        progress=is_shown(quiet),
    )
    if done.pixels:
        _print_result(done)
    if done.failed:
        _print_failures(done)
        raise typer.Exit(DONE_IN_PART if done.pixels else _NOTHING_DONE)


def _print_result(done: "Predictions") -> None:
    from solarseg.prediction.layout import PredictionPaths

    before = f" ({done.skipped} by an earlier call)" if done.skipped else ""
    tiled = f", {done.tiled} split into tiles" if done.tiled else ""
    paths = PredictionPaths(done.folder)
    written = [
        paths.masks,
        *[paths.polygons] * bool(done.areas),
        *[paths.overlays] * done.overlays,
        paths.summary,
    ]
    written += [paths.measurements] * bool(done.cells)
    where = ", ".join(map(str, written))
    print(f"{counted(len(done.pixels), 'image')} done{before}{tiled}: {where}")
    if not done.overlays:
        print("no overlays written; use --overlays to write them")
    print_worst(done.cells)


def _print_failures(done: "Predictions") -> None:
    """Print the files that failed, with one line per reason."""
    reasons = defaultdict(list)
    for file, reason in done.failed.items():
        reasons[reason.removeprefix(f"{file}: ")].append(file)
    print(f"{len(done.failed)} failed:", file=sys.stderr)
    for reason, files in reasons.items():
        others = f" and {len(files) - 1} others" if len(files) > 1 else ""
        print(f"  {files[0]}{others}: {reason}", file=sys.stderr)
