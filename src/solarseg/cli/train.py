"""``solarseg train``."""

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from solarseg.cli.options import Dataset, GroupRegex, Groups, Quiet
from solarseg.cli.report import is_shown
from solarseg.errors import ArgumentError

__all__ = ["command"]


def command(
    dataset: Dataset,
    out: Annotated[Path, typer.Option(help="Run folder to create.")],
    encoder: Annotated[
        str | None,
        typer.Option(
            help="resnet34 (default), vgg16, vgg16_bn, inceptionv3, efficientnet-lite0, or another encoder of "
            "segmentation-models-pytorch."
        ),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help="jaccard (default), dice, cross_entropy, focal, tversky, lovasz, or a sum: "
            "'jaccard+0.5*focal'."
        ),
    ] = None,
    class_weights: Annotated[
        str | None,
        typer.Option(
            help="'frequency', or one weight per class, background first: '0.2,1,1'. Default: equal weights."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Number of epochs (100).")] = None,
    bands: Annotated[
        str | None,
        typer.Option(help="Bands to train on, by name or number from 1: 'B4,B3,B2,B8'. Default: all."),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(
            help="Side of the network input in pixels, a multiple of 32; images are resized to it (256)."
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per step (8).")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Maximum of the schedule (0.0005).")] = None,
    encoder_weights: Annotated[
        str | None,
        typer.Option(help="imagenet (default), none to train from scratch, or a file with weights."),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(help="Augmentation: standard (default), outdoor (adds glare), light or none."),
    ] = None,
    accumulate: Annotated[
        int | None, typer.Option(help="Batches per step, with accumulated gradients (1).")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop after this number of epochs without a better val IoU; 0 for never (30)."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Random seed of weights, order, augmentation and split (0).")
    ] = None,
    groups: Groups = None,
    group_regex: GroupRegex = None,
    split: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with the columns name,split (train, val, test). Default: split.csv of DATASET."
        ),
    ] = None,
    search: Annotated[
        bool | None,
        typer.Option(
            "--search/--no-search",
            help="Search for duplicates and near-duplicates, which must be in one split (--search).",
        ),
    ] = None,
    allow_leak: Annotated[
        bool | None,
        typer.Option("--allow-leak", help="Train even if copies of an image are in several splits."),
    ] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Weight decay of AdamW (0.01).")] = None,
    warmup: Annotated[
        float | None, typer.Option(help="Share of all steps in which the learning rate increases (0.1).")
    ] = None,
    val: Annotated[
        float | None, typer.Option(help="Share of images for validation, if no split is given (0.15).")
    ] = None,
    test: Annotated[
        float | None, typer.Option(help="Share of images for testing, if no split is given (0.15).")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="auto (default: bfloat16 if the machine supports it), 32, bf16 or 16.")
    ] = None,
    devices: Annotated[int, typer.Option(help="Number of GPUs or CPU processes on this machine.")] = 1,
    num_nodes: Annotated[int, typer.Option(help="Number of machines; run the same command on each.")] = 1,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or gpu.")] = "auto",
    workers: Annotated[int, typer.Option(help="Number of processes that read images.")] = 0,
    checkpoint_seconds: Annotated[
        float, typer.Option(help="Minimum seconds between two checkpoints to resume from.")
    ] = 60.0,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted run, or start it.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a U-Net on a dataset folder.

    Exports the best weights as model.onnx and evaluates them on the test split.

    Example: solarseg train my-cells --out runs/first --encoder resnet34
    """
    from solarseg import Machine, train
    from solarseg.datasets.bands import parse_bands

    given: dict[str, Any] = {
        "encoder": encoder, "loss": loss, "class_weights": _parse_weights(class_weights), "epochs": epochs,
        "bands": None if bands is None else list(parse_bands(bands)),
        "image_size": image_size, "batch_size": batch_size, "learning_rate": learning_rate,
        "encoder_weights": encoder_weights, "augment": augment, "accumulate": accumulate,
        "patience": patience, "seed": seed, "groups": groups, "group_regex": group_regex, "split": split,
        "val": val, "test": test, "precision": precision, "weight_decay": weight_decay, "warmup": warmup,
        "search": search, "allow_leak": allow_leak,
    }  # fmt: skip
    first = _is_first_process()
    machine = Machine(
        devices, num_nodes, accelerator, workers, checkpoint_seconds, progress=first and is_shown(quiet)
    )
    asked = {name: value for name, value in given.items() if value is not None}
    run = train(dataset, out, resume=resume, machine=machine, **asked)
    if run is None:  # not the first process
        return
    if run.report is not None:
        print(run.report.summary_text())
    print(f"run folder: {run.path}\nmodel file: {run.model}")


def _is_first_process() -> bool:
    """Return whether this process prints results; the others only report errors."""
    from solarseg.training.hardware import is_first_process

    first = is_first_process()
    if not first:
        logging.getLogger("solarseg").setLevel(logging.ERROR)
    return first


def _parse_weights(text: str | None) -> str | tuple[float, ...] | None:
    if text is None or text == "frequency":
        return text
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ArgumentError(f"--class-weights {text}: give 'frequency' or numbers such as 0.2,1,1") from error
