"""``solarseg data convert``."""

from pathlib import Path
from typing import Annotated

import typer

from solarseg.cli.options import Quiet
from solarseg.cli.report import is_shown, report_failures, report_left_out

__all__ = ["command"]


def command(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="File or folder in any format that is read.")
    ],
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Dataset folder to make.")],
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="coco, colour-masks, folders, geotiff, glosofarid, labelme, supervisely, voc or yolo; default: "
            "the one that SOURCE looks like.",
        ),
    ] = None,
    bands: Annotated[
        str | None, typer.Option(help="Bands to take, in this order, by name or number: 'B4,B3,B2,B8' (all).")
    ] = None,
    missing_bands: Annotated[
        str, typer.Option(help="Where a file lacks a band: 'refuse' it, or 'fill' the band with 0.")
    ] = "refuse",
    colours: Annotated[
        Path | None, typer.Option(help="CSV of name,red,green,blue: the classes of colour-coded masks.")
    ] = None,
    max_unknown: Annotated[
        float, typer.Option(help="Share of a colour-coded mask that may have a colour of no class.")
    ] = 0.01,
    line_width: Annotated[int, typer.Option(help="In pixels, of annotations that are lines.")] = 3,
    places: Annotated[
        bool,
        typer.Option(
            help="Where tiles have no coordinates: group those that show one place in different years."
        ),
    ] = True,
    workers: Annotated[int | None, typer.Option(help="Threads; default: one a processor.")] = None,
    quiet: Quiet = False,
) -> None:
    """Convert data of any format to a dataset folder.

    Samples that cannot be read are left out and listed. Cut in the middle, the same command goes on.

    Example: solarseg data convert glosofarid solar-farms --bands B4,B3,B2,B8
    """
    from solarseg.datasets.bands import parse_bands
    from solarseg.formats import ReadOptions
    from solarseg.formats.convert import convert

    options = ReadOptions(
        bands=None if bands is None else parse_bands(bands),
        missing_bands=missing_bands,
        colours=colours,
        max_unknown=max_unknown,
        line_width=line_width,
    )
    done = convert(
        source,
        dataset,
        format_name=format_name,
        options=options,
        places=places,
        workers=workers,
        progress=is_shown(quiet),
    )
    earlier = f", {done.kept} of them by an earlier call" if done.kept else ""
    print(f"{done.written} samples{earlier}: {done.folder}")
    if done.same_places:
        print(
            f"{done.same_places} of them show a place that others show too; groups.csv keeps these together"
        )
    report_left_out(done.left_out, done.folder / "left_out.csv")
    report_failures(done.failed)
