"""``solarseg evaluate``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from solarseg.cli.options import (
    Backend,
    Dataset,
    Device,
    GroupRegex,
    Groups,
    ModelPath,
    Overlap,
    Quiet,
    Threshold,
    Tile,
    Tta,
    predict_options,
)
from solarseg.cli.report import is_shown

__all__ = ["command"]


def command(
    model: ModelPath,
    dataset: Dataset,
    split: Annotated[
        Literal["train", "val", "test", "all"] | None,
        typer.Option(
            help="Images to score. Default: the test split of the run, or all images of another dataset."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Output folder for the report and figures. Default: evaluation/ in the run folder for its test split, "
            "otherwise evaluation-DATASET-SPLIT/; options such as --tta are part of the name."
        ),
    ] = None,
    groups: Groups = None,
    group_regex: GroupRegex = None,
    backend: Backend = None,
    device: Device = None,
    tile: Tile = None,
    overlap: Overlap = None,
    tta: Tta = False,
    threshold: Threshold = None,
    quiet: Quiet = False,
) -> None:
    """Score a model on images with masks.

    Reports accuracy, IoU with intervals, a classification report and calibration, and draws the best and the worst
    images. It scores the same masks that solarseg predict writes with the same options.

    Example: solarseg evaluate runs/first my-cells
    """
    from solarseg.evaluation.evaluate import evaluate

    report = evaluate(
        model,
        dataset,
        split=split,
        out=out,
        groups=groups,
        group_regex=group_regex,
        backend=backend,
        device=device,
        options=predict_options(tile, overlap, tta, threshold),
        progress=is_shown(quiet),
    )
    print(report.classification_text())
    print(report.summary_text())
