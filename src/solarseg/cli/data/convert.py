"""``solarseg data convert``."""

from pathlib import Path
from typing import Annotated

import typer

from solarseg.cli.options import Quiet
from solarseg.cli.report import is_shown, report_failures, report_left_out

__all__ = ["command"]


def command(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="File or folder in any supported format.")],
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Dataset folder to create.")],
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="coco, colour-masks, folders, geotiff, glosofarid, labelme, supervisely, voc or yolo. "
            "Default: detected from SOURCE.",
        ),
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(help="Bands to convert, in this order, by name or number: 'B4,B3,B2,B8'. Default: all."),
    ] = None,
    missing_bands: Annotated[
        str, typer.Option(help="For a file without one of the bands: 'refuse' it, or 'fill' the band with 0.")
    ] = "refuse",
    colours: Annotated[
        Path | None,
        typer.Option(help="CSV file with the columns name,red,green,blue: classes of colour-coded masks."),
    ] = None,
    max_unknown: Annotated[
        float, typer.Option(help="Maximum share of a colour-coded mask with unknown colours.")
    ] = 0.01,
    line_width: Annotated[int, typer.Option(help="Width of annotations that are lines, in pixels.")] = 3,
    places: Annotated[
        bool,
        typer.Option(help="Group tiles without coordinates that show the same place in different years."),
    ] = True,
    threads: Annotated[int | None, typer.Option(help="Number of threads. Default: one per core.")] = None,
    quiet: Quiet = False,
) -> None:
    """Convert data in any supported format to a dataset folder.

    Samples that cannot be read are left out and listed. Run the same command again to resume an interrupted conversion.

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
        threads=threads,
        progress=is_shown(quiet),
    )
    earlier = f", {done.kept} by an earlier call" if done.kept else ""
    print(f"{done.written} samples{earlier}: {done.folder}")
    if done.same_places:
        print(f"{done.same_places} of them show the same place as others; groups.csv keeps these together")
    report_left_out(done.left_out, done.folder / "left_out.csv")
    report_failures(done.failed)
