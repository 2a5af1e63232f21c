"""How fast a model is on this machine with each backend, and whether the backends agree."""

import logging
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from solarseg.datasets.image_files import find_images
from solarseg.errors import ImageError
from solarseg.evaluation.gate import LIMIT, ExportComparison, compare_networks
from solarseg.inference.model import Model, as_model
from solarseg.inference.preferred_backend import (
    check_settings_folder,
    settings_file,
    store_preferred_backend,
)
from solarseg.inference.sources import read_source
from solarseg.inference.timing import generate_inputs, open_backends, show_measuring, time_models
from solarseg.prediction.predict import predict
from solarseg.threads import count_cores

__all__ = ["SECONDS", "BackendResult", "Benchmark", "FolderRate", "benchmark"]

logger = logging.getLogger(__name__)

SECONDS = 3.0  # for each backend and number of images, at least
_BATCHES = (1, 8)
_COMPARED = 16  # images, at most
_ROUNDING = 1e-4  # share of pixels that may change class, however rare their classes are


@dataclass(frozen=True)
class BackendResult:
    """What was measured of a backend.

    Attributes:
        backend: its name.
        milliseconds: number of images computed at once -> median milliseconds for one image, the network alone.
        comparison: its masks and probabilities with those of onnxruntime.
    """

    backend: str
    milliseconds: Mapping[int, float]
    comparison: ExportComparison

    @property
    def passes(self) -> bool:
        """Whether its masks are close enough to those of onnxruntime to use it."""
        return self.comparison.passes or self.comparison.changed < _ROUNDING


@dataclass(frozen=True)
class FolderRate:
    """How fast a folder of images was predicted, from files to masks without overlays.

    Attributes:
        images: number of images.
        per_second: images a second.
        network_share: this rate divided by that of the network alone.
    """

    images: int
    per_second: float
    network_share: float


@dataclass(frozen=True, repr=False)
class Benchmark:
    """How long a model takes on this machine.

    Attributes:
        model: the model as it was given.
        description: encoder, precision and input size of the model; processor, cores and device.
        backends: a result for each backend that can compute the model.
        failed: each other backend -> why it cannot.
        fastest: the backend that takes least for one image, among those that pass.
        folder: the rate from files to masks with the fastest backend; None without ``images``.
        stored: the settings file that names the fastest backend now; None without ``save=True``.
    """

    model: str
    description: str
    backends: tuple[BackendResult, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    fastest: str = "onnxruntime"
    folder: FolderRate | None = None
    stored: Path | None = None

    def __repr__(self) -> str:
        times = ", ".join(f"{one.backend} {one.milliseconds[_BATCHES[0]]:.1f}" for one in self.backends)
        return f"<Benchmark {self.model}, milliseconds for an image: {times}; fastest: {self.fastest}>"

    def rows(self) -> list[dict[str, Any]]:
        """Give a row a backend and number of images computed at once, as ``pandas.DataFrame`` takes them.

        ``milliseconds`` are for one image. ``largest_difference``, of any probability, and ``points_lost``, of the IoU
        of the class that loses most, are in comparison with onnxruntime.
        """
        return [
            {
                "backend": one.backend,
                "batch": batch,
                "milliseconds": milliseconds,
                "images_per_second": 1000 / milliseconds,
                "largest_difference": one.comparison.largest_difference,
                "points_lost": max(one.comparison.lost),
                "passes": one.passes,
            }
            for one in self.backends
            for batch, milliseconds in one.milliseconds.items()
        ]

    def text(self) -> str:
        """Return the table, a line for each backend that is not used, and the rate of the folder."""
        lines = [f"{self.model}: {self.description}", *map(_line, self.backends)]
        lines += [f"  {name:<12} {reason}" for name, reason in self.failed.items()]
        lines += [
            f"{one.backend} is not used: it changes the class {one.comparison.worst} by "
            f"{max(one.comparison.lost):.2f} points of IoU, allowed are {LIMIT:g} ({one.comparison.images} images)"
            for one in self.backends
            if not one.passes
        ]
        if self.folder is not None:
            lines.append(
                f"from file to mask with {self.fastest}: {self.folder.per_second:.1f} images a second, "
                f"{self.folder.network_share:.0%} of the network alone ({self.folder.images} images, no overlays)"
            )
        return "\n".join(lines)


def benchmark(
    model: Model | Path | str,
    *,
    images: Path | str | Sequence[Path | str] | None = None,
    device: str | None = None,
    save: bool = False,
    progress: bool = False,
) -> Benchmark:
    """Measure how long a model takes on this machine with each backend.

    A backend may be used if no class changes by more than 0.5 points of IoU in comparison with onnxruntime. The
    backends take turns, so that other work of the machine affects all alike; this takes some seconds for each.

    Args:
        model: a run folder, a model file, the name of a model that ships, or what `load_model` returned.
        images: files, folders or patterns: the backends are compared on the first of them, and all are predicted to
            measure the rate from files to masks. By default they are compared on generated images.
        device: ``"cpu"``, the default, or ``"cuda"``. Not allowed with a loaded model.
        save: store the fastest backend for this model on this machine; ``backend="auto"`` then uses it.
        progress: show progress on the terminal.

    Raises:
        ArgumentError: no images were found, or the device is unknown.
        ImageError: none of the images can be read.
        ModelFileError: the model cannot be used.
        OutputError: the fastest backend could not be stored.
    """
    sources = [images] if isinstance(images, (str, Path)) else list(images or ())
    files = [file for file, _ in find_images(sources)]
    if save:
        check_settings_folder()
    path, device = _file_and_device(model, device)
    with show_measuring(progress):
        models, failed = open_backends(path, device)
        compared = _compare(models, files)
        taken = time_models(models, _BATCHES, SECONDS)
    results = tuple(BackendResult(name, taken[name], compared[name]) for name in models)
    best = min((one for one in results if one.passes), key=lambda one: one.milliseconds[_BATCHES[0]])
    rate = _measure_folder(models[best.backend], sources, best.milliseconds, progress) if files else None
    if save:
        store_preferred_backend(models[best.backend].info.fingerprint, device, best.backend)
    return Benchmark(
        str(path),
        _describe(models[best.backend]),
        results,
        {
            name: reason.removeprefix(f"`backend={name!r}`: ").replace("`", "")
            for name, reason in failed.items()
        },
        best.backend,
        rate,
        settings_file() if save else None,
    )


def _file_and_device(model: Model | Path | str, device: str | None) -> tuple[Path | str, str]:
    if isinstance(model, Model):
        as_model(model, device=device)  # refuses another device
        return model.path, model.device
    return model, device or "cpu"


def _describe(model: Model) -> str:
    info = model.info
    size = f"{info.image_size} x {info.image_size} x {info.bands}"
    machine = f"{platform.machine()}, {count_cores()} cores, {model.device}"
    return f"{info.encoder}, {info.precision}, {size}; {machine}"


def _line(result: BackendResult) -> str:
    columns = [
        f"{each:8.1f} ms an image in batches of {batch} ({1000 / each:.0f} a second)"
        for batch, each in result.milliseconds.items()
    ]
    columns.append(f"differs from onnxruntime by at most {result.comparison.largest_difference:.0e}")
    return f"  {result.backend:<12} {', '.join(columns)}"


def _compare(models: Mapping[str, Model], files: Sequence[Path]) -> dict[str, ExportComparison]:
    """Compare the masks of each backend with those of onnxruntime."""
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


def _read_inputs(model: Model, files: Sequence[Path]) -> list[Any]:
    """Read the first images that can be read, as the network takes them."""
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


def _measure_folder(
    model: Model, sources: Sequence[Path | str], milliseconds: Mapping[int, float], progress: bool
) -> FolderRate | None:
    """Predict to a temporary folder, and compare the time with that of the network alone."""
    with tempfile.TemporaryDirectory() as out:
        begin = time.perf_counter()
        done = predict(model, sources, out, overlays=False, overwrite=True, progress=progress)
        seconds = time.perf_counter() - begin
    if not done.pixels:
        return None
    batch = 1 if model.device == "cpu" else max(milliseconds)
    rate = len(done.pixels) / seconds
    return FolderRate(len(done.pixels), rate, rate * milliseconds[batch] / 1000)
