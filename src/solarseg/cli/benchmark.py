"""``solarseg benchmark``."""

import logging
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from solarseg.cli.options import ModelPath, Quiet
from solarseg.cli.report import is_shown

if TYPE_CHECKING:
    from solarseg.evaluation.gate import ExportComparison
    from solarseg.inference.model import Model

__all__ = ["command"]

logger = logging.getLogger(__name__)

_BATCHES = (1, 8)
_COMPARED = 16  # images, at most
_ROUNDING = 1e-4  # share of pixels that may change class, however rare their classes are


def command(
    model: ModelPath,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder of images: compare the backends on them, and measure the images a second from file to mask."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda where there is a GPU.")] = "cpu",
    save: Annotated[
        bool,
        typer.Option("--save", help="Store the fastest backend for this model; predict then uses it."),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Measure how long a model takes on this machine.

    A backend whose masks differ too much from those of onnxruntime is not stored: each class may change by 0.5 points
    of IoU.

    Example: solarseg benchmark runs/first --images my-photos --save
    """
    from rich.console import Console

    from solarseg.datasets.image_files import find_images
    from solarseg.inference.preferred_backend import (
        check_settings_folder,
        settings_file,
        store_preferred_backend,
    )
    from solarseg.inference.timing import open_backends, time_models

    files = [] if images is None else [file for file, _ in find_images([images])]
    if save:
        check_settings_folder()
    with Console(stderr=True, quiet=quiet).status("measuring"):
        models, failed = open_backends(model, device)
        differences = _compare(models, files)
        taken = time_models(models, _BATCHES)
    _print_rows(model, models["onnxruntime"], taken, differences, failed)
    passing = [name for name in models if _passes(differences[name])]
    best = min(passing, key=lambda name: taken[name][_BATCHES[0]])
    if images is not None:
        _measure_folder(models[best], images, taken[best], quiet)
    if save:
        store_preferred_backend(models[best].info.fingerprint, device, best)
        print(f"stored: {best}, in {settings_file()}")
    else:
        print(f"fastest: {best}; --save stores it")


def _compare(models: "dict[str, Model]", files: Sequence[Path]) -> "dict[str, ExportComparison]":
    """Compare the masks of each backend with those of onnxruntime."""
    from solarseg.evaluation.gate import compare_networks
    from solarseg.inference.timing import generate_inputs

    reference = models["onnxruntime"]
    inputs = _read_inputs(reference, files) or list(generate_inputs(reference, _COMPARED))
    masks = [reference.probabilities(one[None])[0].argmax(axis=-1).astype("uint8") for one in inputs]
    return {
        name: compare_networks(
            reference.probabilities,
            model.probabilities,
            zip(inputs, masks, strict=True),
            model.classes.names,
        )
        for name, model in models.items()
    }


def _passes(found: "ExportComparison") -> bool:
    return found.passes or found.changed < _ROUNDING


def _read_inputs(model: "Model", files: Sequence[Path]) -> list[Any]:
    """Read the first images that can be read, as the network takes them."""
    from solarseg.errors import ImageError
    from solarseg.inference.sources import read_source

    found: list[Any] = []
    for file in files:
        try:
            source = read_source(file)
            found.append(model.preprocessing.to_input(source.pixels, source.name, source.valid))
        except ImageError as error:
            if file == files[-1] and not found:
                raise
            logger.warning("%s", error)
        if len(found) == _COMPARED:
            break
    return found


def _print_rows(
    path: Path,
    model: "Model",
    taken: dict[str, dict[int, float]],
    differences: "dict[str, ExportComparison]",
    failed: dict[str, str],
) -> None:
    from solarseg.evaluation.gate import LIMIT
    from solarseg.threads import count_cores

    info = model.info
    size = f"{info.image_size} x {info.image_size} x {info.bands}"
    print(
        f"{path}: {info.encoder}, {info.precision}, {size}; {platform.machine()}, {count_cores()} cores, {model.device}"
    )
    for name, milliseconds in taken.items():
        columns = [
            f"{each:8.1f} ms an image in batches of {batch} ({1000 / each:.0f} a second)"
            for batch, each in milliseconds.items()
        ]
        found = differences[name]
        columns.append(f"differs from onnxruntime by at most {found.largest_difference:.0e}")
        print(f"  {name:<12} {', '.join(columns)}")
    for name, reason in failed.items():
        print(f"  {name:<12} {reason.removeprefix(f'`backend={name!r}`: ').replace('`', '')}")
    for name, found in differences.items():
        if not _passes(found):
            change = f"changes the class {found.worst} by {max(found.lost):.2f} points of IoU"
            print(f"{name} is not used: it {change}, allowed are {LIMIT:g} ({found.images} images)")


def _measure_folder(model: "Model", images: Path, taken: dict[int, float], quiet: bool) -> None:
    """Predict a folder to a temporary one, and compare the time with that of the network alone."""
    from solarseg.prediction.predict import predict

    with tempfile.TemporaryDirectory() as out:
        begin = time.perf_counter()
        done = predict(model, images, out, overlays=False, overwrite=True, progress=is_shown(quiet))
        seconds = time.perf_counter() - begin
    if done.pixels:
        batch = 1 if model.device == "cpu" else max(taken)
        rate, alone = len(done.pixels) / seconds, 1000 / taken[batch]
        print(
            f"from file to mask with {model.backend}: {rate:.1f} images a second, {rate / alone:.0%} of the network "
            f"alone ({len(done.pixels)} images, no overlays)"
        )
