"""How long a model takes on this machine with each backend."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import SolarsegError
from solarseg.inference.backends import BACKENDS
from solarseg.inference.model import Model, load_model

__all__ = ["generate_inputs", "open_backends", "show_measuring", "take_turns", "time_models"]

_TURNS = 3  # at least
_IN_A_ROW = 5
_BLOCKS = 8  # along each side of a generated input


def generate_inputs(model: Model, count: int) -> NDArray[Any]:
    """Generate inputs ``(count, image_size, image_size, bands)``: blocks of different brightness, with noise."""
    info, rng = model.info, np.random.default_rng(0)
    side = info.image_size
    blocks = rng.random((count, _BLOCKS, _BLOCKS, info.bands), np.float32)
    blocks = blocks.repeat(side // _BLOCKS, axis=1).repeat(side // _BLOCKS, axis=2)
    images = 0.7 * blocks + 0.3 * rng.random(blocks.shape, np.float32)
    return images if info.depth == "float32" else (images * np.iinfo(info.depth).max).astype(info.depth)


def open_backends(path: Path | str, device: str) -> tuple[dict[str, Model], dict[str, str]]:
    """Open a model with every backend.

    Args:
        path: a run folder, a model file, or the name of a shipped model.
        device: ``"cpu"`` or ``"cuda"``.

    Returns:
        The models by backend, and for each other backend why it cannot be used.

    Raises:
        SolarsegError: onnxruntime, which the others are compared with, cannot open the model.
    """
    models = {"onnxruntime": load_model(path, backend="onnxruntime", device=device)}
    failed: dict[str, str] = {}
    for name in BACKENDS:
        if name not in models:
            try:
                models[name] = load_model(path, backend=name, device=device)
            except SolarsegError as error:
                failed[name] = str(error)
    return models, failed


@contextmanager
def show_measuring(progress: bool) -> Iterator[None]:
    """Show on the terminal that something is measured, if ``progress`` is true."""
    if not progress:
        yield
        return
    from rich.console import Console  # takes a while to import

    with Console(stderr=True).status("measuring"):
        yield


def time_models(
    models: Mapping[str, Model], batches: Sequence[int], seconds: float
) -> dict[str, dict[int, float]]:
    """Measure how long models take; they take turns, so that other work of the machine affects all alike.

    Args:
        models: networks; one model with different backends, or different models.
        batches: numbers of images to compute at once.
        seconds: for each model and number of images, at least.

    Returns:
        Name -> number of images at once -> median milliseconds per image.
    """
    found: dict[str, dict[int, float]] = {name: {} for name in models}
    for batch in batches:
        calls = {name: _call(model, generate_inputs(model, batch)) for name, model in models.items()}
        for call in calls.values():
            call()  # the first call takes longer
        for name, taken in take_turns(calls, seconds).items():
            found[name][batch] = 1000 * taken / batch
    return found


def take_turns(calls: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Return the median seconds of each call.

    The calls take turns, for ``seconds`` each at least. A turn is several calls in a row; the first does not count:
    threads of the previous backend still spin for a while.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
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
