"""``solarseg predict``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from solarseg.cli.options import Model, Quiet

__all__ = ["command"]

_DONE_IN_PART, _NOTHING_DONE = 1, 2


def command(
    model: Model,
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE_OR_FOLDER", help="Images, folders or 'patterns/*.jpg'.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for masks/, overlays/ and summary.csv.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what stands there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Segment images.

    Writes masks, overlays to look at, and a table of areas.

    Example: solarseg predict runs/first my-photos --out found
    """
    from solarseg.outputs.predictions import predict

    done = predict(model, images, out, overwrite=overwrite, progress=not quiet)
    print(f"{len(done.pixels)} images done: {out}/masks, {out}/overlays, {out}/summary.csv")
    if not done.failed:
        return
    print(f"{len(done.failed)} could not be done:", file=sys.stderr)
    for reason in done.failed.values():
        print(f"  {reason}", file=sys.stderr)
    raise typer.Exit(_DONE_IN_PART if done.pixels else _NOTHING_DONE)
