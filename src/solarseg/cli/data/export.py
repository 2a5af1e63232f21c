"""``solarseg data export``."""

from pathlib import Path
from typing import Annotated

import typer

from solarseg.cli.options import Quiet
from solarseg.cli.report import is_shown, report_failures, report_left_out

__all__ = ["command"]


def command(
    dataset: Annotated[
        Path,
        typer.Argument(
            metavar="DATASET", help="Dataset folder with images/ and masks/, or the output folder of predict."
        ),
    ],
    format_name: Annotated[
        str, typer.Option("--format", help="Format: coco, supervisely, labelme, voc or yolo.")
    ],
    out: Annotated[Path | None, typer.Option(help="Output folder. Default: DATASET-FORMAT.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images, if DATASET contains only masks.")
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            help="Maximum distance of simplified outlines from the region, in pixels; 0 for exact outlines."
        ),
    ] = 0.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    quiet: Quiet = False,
) -> None:
    """Export masks in the format of a labelling tool.

    Use it to correct predictions by hand: predict, export, correct, convert, train.

    Example: solarseg data export found --images photos --format coco --out cvat
    """
    from solarseg.formats.export import export_dataset

    folder = out or dataset.resolve().with_name(f"{dataset.resolve().name}-{format_name}")
    done = export_dataset(
        dataset,
        folder,
        format_name,
        images=images,
        tolerance=tolerance,
        overwrite=overwrite,
        progress=is_shown(quiet),
    )
    print(f"{done.written} samples: {done.folder}")
    report_left_out(done.left_out)
    report_failures(done.failed)
