"""How long a model takes on this machine, with each backend."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import SolarsegError
from solarseg.inference.backends import BACKENDS
from solarseg.inference.model import Model, load_model

__all__ = ["Timing", "made_up_images", "quickest", "take_turns", "time_backends"]

SECONDS = 3.0  # for each call, at least
_TURNS = 3  # at least
_IN_A_ROW = 5


@dataclass(frozen=True)
class Timing:
    """How long a backend takes.

    Attributes:
        backend: its name.
        milliseconds: an image, the median over rounds, by number of images computed at once; empty where it failed.
        apart: largest difference of a probability from onnxruntime's.
        error: why the backend cannot be used, or None.
    """

    backend: str
    milliseconds: dict[int, float]
    apart: float = 0.0
    error: str | None = None


def made_up_images(model: Model, count: int) -> NDArray[Any]:
    """Make inputs ``(count, image_size, image_size, bands)`` of noise, which takes as long as any image."""
    info = model.info
    shape = (count, info.image_size, info.image_size, info.bands)
    noise = np.random.default_rng(0).random(shape, np.float32)
    return noise if info.depth == "float32" else (noise * np.iinfo(info.depth).max).astype(info.depth)


def time_backends(
    path: Path | str, device: str, batches: tuple[int, ...], inputs: Callable[[Model, int], NDArray[Any]]
) -> list[Timing]:
    """Measure every backend that is installed; they take turns, so that what else the machine does hits all.

    Args:
        path: a run folder or a model file.
        device: ``"cpu"`` or ``"cuda"``.
        batches: numbers of images to compute at once.
        inputs: gives so many inputs of a model.

    Raises:
        ModelFileError: there is no model, or it cannot be used.
    """
    models: dict[str, Model] = {}
    failed: dict[str, str] = {}
    for name in BACKENDS:
        try:
            models[name] = load_model(path, backend=name, device=device)
        except SolarsegError as error:
            failed[name] = str(error)
    times: dict[str, dict[int, float]] = {name: {} for name in models}
    apart: dict[str, float] = {}
    for batch in batches:
        images = next(inputs(model, batch) for model in models.values())
        calls = {name: _call(model, images) for name, model in models.items()}
        results = {name: call() for name, call in calls.items()}  # the first call takes longer
        for name, found in results.items():
            reference = results.get("onnxruntime", found)
            apart[name] = max(apart.get(name, 0.0), float(np.abs(found - reference).max()))
        for name, seconds in take_turns(calls).items():
            times[name][batch] = 1000 * seconds / batch
    return [
        Timing(name, times[name], apart[name]) if name in models else Timing(name, {}, error=failed[name])
        for name in BACKENDS
    ]


def quickest(timings: list[Timing], batch: int) -> Timing | None:
    """The one that takes least for so many images at once, or None where none can be used."""
    usable = [timing for timing in timings if batch in timing.milliseconds]
    return min(usable, key=lambda timing: timing.milliseconds[batch], default=None)


def take_turns(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Give the median seconds of each call.

    They take turns for some seconds, so that a busy moment of the machine hits all. A turn is several calls in a row,
    the first of which does not count: threads of the one before still spin for a while.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + SECONDS * len(calls)
    turns = 0
    while time.perf_counter() < end or turns < _TURNS:
        turns += 1
        for name, call in calls.items():
            call()
            taken[name] += [_seconds(call) for _ in range(_IN_A_ROW)]
    return {name: statistics.median(times) for name, times in taken.items()}


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _call(model: Model, images: NDArray[Any]) -> Callable[[], NDArray[np.float32]]:
    return lambda: model.probabilities(images)
