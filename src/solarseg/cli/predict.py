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
from solarseg.cli.report import DONE_IN_PART, counted, is_shown, say_worst

if TYPE_CHECKING:
    from solarseg.prediction.predict import Predictions

__all__ = ["command"]

_NOTHING_DONE = 2


def command(
    model: ModelPath,
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE_OR_FOLDER", help="Images, folders or 'patterns/*.jpg'.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for masks/, overlays/ and summary.csv.")],
    backend: Backend = None,
    device: Device = None,
    tile: Tile = None,
    overlap: Overlap = None,
    tta: Tta = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write probabilities/NAME.tif too, a band for each class.")
    ] = False,
    threshold: Threshold = None,
    overlays: Annotated[
        bool | None,
        typer.Option("--overlays/--no-overlays", help="Draw overlays. Default: for up to 100 images."),
    ] = None,
    cell_mm: CellSize = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    quiet: Quiet = False,
) -> None:
    """Segment images.

    Writes masks, overlays to look at, and a table of areas; of cells how bad each is; of georeferenced TIFFs
    polygons with their m2. The same command again resumes an interrupted one.

    Example: solarseg predict runs/first my-photos --out found
    Or, of EL cells, without any training: solarseg predict el-cell my-cells --out found
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
        _say(done)
    if done.failed:
        _say_failed(done)
        raise typer.Exit(DONE_IN_PART if done.pixels else _NOTHING_DONE)


def _say(done: "Predictions") -> None:
    before = f" ({done.skipped} of them by an earlier call)" if done.skipped else ""
    tiled = f", {done.tiled} split into tiles" if done.tiled else ""
    written = ["masks", *["polygons"] * bool(done.areas), *["overlays"] * done.overlays, "summary.csv"]
    written += ["measurements.csv"] * bool(done.cells)
    where = ", ".join(f"{done.folder}/{name}" for name in written)
    print(f"{counted(len(done.pixels), 'image')} done{before}{tiled}: {where}")
    if not done.overlays:
        print("no overlays drawn; --overlays draws them")
    say_worst(done.cells)


def _say_failed(done: "Predictions") -> None:
    """Name the files that failed, those of one reason in one line."""
    reasons = defaultdict(list)
    for file, reason in done.failed.items():
        reasons[reason.removeprefix(f"{file}: ")].append(file)
    print(f"{len(done.failed)} could not be done:", file=sys.stderr)
    for reason, files in reasons.items():
        others = f" and {len(files) - 1} others" if len(files) > 1 else ""
        print(f"  {files[0]}{others}: {reason}", file=sys.stderr)
