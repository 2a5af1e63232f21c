"""A trained model, ready to predict, without torch."""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.errors import ArgumentError
from solarseg.images import as_image, read_image
from solarseg.inference.backends import Compute, open_backend
from solarseg.inference.model_file import ModelInfo, check_graph, find_model_file, read_info
from solarseg.inference.preferred_backend import recall
from solarseg.inference.tiling import Band, Tiling, stitch
from solarseg.preprocessing import Preprocessing
from solarseg.threads import count_cores, map_ahead

__all__ = ["Manner", "Model", "Strip", "load_model"]

_MUCH_LARGER = 2  # times the training images' side, from where on an image is cut into tiles
_OVERLAP = 0.25  # share of a tile that neighbours share (docs/results/speed.md says how it was chosen)
_GPU_BATCH = 64

Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class Manner:
    """How images are predicted.

    Attributes:
        tile: side in pixels of the tiles that images are cut into, 0 for never; by default those that are much larger
            than the training images, or georeferenced, are cut into tiles as large as these.
        overlap: least number of pixels that neighbouring tiles share; by default a quarter of a tile.
        tta: average over the eight symmetries of each image or tile.
        thresholds: class -> probability from which on a pixel is given to it, and below which it is not; where several
            classes reach theirs the most probable is given, and where none does, the most probable of the others.
    """

    tile: int | None = None
    overlap: int | None = None
    tta: bool = False
    thresholds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Strip:
    """Rows of an image, as many as a tile has.

    Attributes:
        pixels: ``(tile, W, C)``.
        valid: ``(tile, W) bool``: which pixels show something; None where all do.
    """

    pixels: NDArray[Any]
    valid: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Model:
    """A model file opened for prediction; make one with `load_model`.

    Attributes:
        path: the model file.
        info: what the file says about itself.
        backend: name of what computes the network.
        device: ``"cpu"`` or ``"cuda"``.
        manner: how images are predicted.
    """

    path: Path
    info: ModelInfo
    backend: str
    device: str
    manner: Manner
    _compute: Compute

    @property
    def classes(self) -> ClassMap:
        """The classes the model tells apart."""
        return self.info.classes

    @property
    def preprocessing(self) -> Preprocessing:
        """How images become the model's input."""
        return self.info.preprocessing

    @property
    def batch_size(self) -> int:
        """How many inputs are computed at once: on the CPU, more are no quicker."""
        return _GPU_BATCH if self.device == "cuda" else 1

    def probabilities(self, inputs: NDArray[Any]) -> Probabilities:
        """Run the network on preprocessed images.

        Args:
            inputs: ``(N, image_size, image_size, bands)`` of the model's depth.

        Returns:
            ``(N, image_size, image_size, K) float32``, which sum to 1 over the classes; the mean over the eight
            symmetries if that is the manner.
        """
        if not self.manner.tta:
            return self._compute(inputs)
        total: Probabilities = np.mean(
            [self._turned(inputs, *way) for way in product(range(4), (1, -1))], axis=0
        )
        return total

    def _turned(self, inputs: NDArray[Any], quarters: int, step: int) -> Probabilities:
        turned = np.rot90(inputs, quarters, axes=(1, 2))[:, :, ::step]
        found = self._compute(np.ascontiguousarray(turned))
        return np.rot90(found[:, :, ::step], -quarters, axes=(1, 2))

    def tiling(self, size: tuple[int, int], metres_per_pixel: float | None = None) -> Tiling | None:
        """Say how an image of some size is cut into tiles; None where it is resized as a whole.

        Args:
            size: ``(H, W)`` of the image, pixels.
            metres_per_pixel: of a georeferenced image, which is always cut into tiles unless that was forbidden. They
                are as wide on the ground as the training images, where it is known how wide these were.

        Raises:
            ArgumentError: the overlap asked for is more than half a tile.
        """
        asked = self.manner.tile
        height, width = self.info.trained_size
        usual = (height * width) ** 0.5 or self.info.image_size
        if asked is None and metres_per_pixel and self.info.metres_per_pixel:
            usual *= self.info.metres_per_pixel / metres_per_pixel
        if asked == 0 or (asked is None and self.info.fills_image):
            return None
        if asked is None and not metres_per_pixel and max(size) <= _MUCH_LARGER * usual:
            return None
        tile = asked or max(1, round(usual))
        overlap = int(tile * _OVERLAP) if self.manner.overlap is None else self.manner.overlap
        return Tiling(*size, tile, overlap)

    def predict(self, image: NDArray[Any] | Path | str, source: str = "image") -> NDArray[np.uint8]:
        """Segment one image.

        Args:
            image: a file, or ``(H, W)`` or ``(H, W, C)`` of ``uint8``, ``uint16``, ``bool`` or floats.
            source: of an array, for the error message.

        Returns:
            ``(H, W) uint8`` class ids, at the image's own size.

        Raises:
            ImageError: the file or array cannot be used, or has bands the model does not take.
        """
        bands = self._bands(*_load(image, source))
        return np.concatenate([self.choose(band.values) for band in bands])

    def predict_probabilities(self, image: NDArray[Any] | Path | str, source: str = "image") -> Probabilities:
        """Give the probabilities behind `predict`: ``(H, W, K) float32``, at the image's own size."""
        return np.concatenate([band.values for band in self._bands(*_load(image, source))])

    def choose(self, probabilities: Probabilities) -> NDArray[np.uint8]:
        """Give each pixel its class: ``(H, W, K) float32`` to ``(H, W) uint8`` class ids.

        It is the most probable one, unless the manner names thresholds.
        """
        if self.manner.thresholds:
            probabilities = probabilities.copy()
            for name, threshold in self.manner.thresholds.items():
                values = probabilities[..., self.classes.names.index(name)]
                values += np.where(values >= threshold, 2, -2)  # above and below all others
        if len(self.classes) == 2:  # the same, in a tenth of the time
            return (probabilities[..., 1] > probabilities[..., 0]).astype(np.uint8)
        return probabilities.argmax(axis=-1).astype(np.uint8)

    def _bands(self, pixels: NDArray[Any], source: str) -> Iterator[Band]:
        size = (pixels.shape[0], pixels.shape[1])
        tiling = self.tiling(size)
        if tiling is None:
            inputs = self.preprocessing.to_input(pixels, source)[None]
            yield Band(0, self.preprocessing.from_output(self.probabilities(inputs)[0], size))
        else:
            yield from self.stitch(tiling, lambda top: Strip(pixels[top : top + tiling.tile]), source)

    def stitch(
        self, tiling: Tiling, read: Callable[[int], Strip], source: str = "image", first: int = 0
    ) -> Generator[Band, None, None]:
        """Predict an image tile by tile.

        Args:
            tiling: of the image.
            read: gives the rows from a top on, as many as a tile has or less at the end; called in a thread, ahead.
            source: the image's name, for the error message.
            first: number of the band to begin with.

        Yields:
            Probabilities of the image's rows, from top to bottom.
        """
        strips = map_ahead(read, tiling.tops[tiling.row_before(first) :])

        def predict(_: int, lefts: list[int]) -> Iterator[Probabilities]:
            return self._predict_strip(next(strips), tiling.tile, lefts, source)

        try:
            yield from stitch(tiling, predict, first)
        finally:
            strips.close()

    def _predict_strip(
        self, strip: Strip, tile: int, lefts: list[int], source: str
    ) -> Iterator[Probabilities]:
        """Give the probabilities of each tile of a row; zeros where a tile shows nothing."""
        columns = None if strip.valid is None else np.asarray(strip.valid.any(axis=0))
        shown = [columns is None or columns[left : left + tile].any() for left in lefts]
        pieces = [
            strip.pixels[:, left : left + tile]
            for left, any_pixel in zip(lefts, shown, strict=True)
            if any_pixel
        ]
        found = self._predict_tiles(pieces, tile, source)
        nothing = np.zeros((tile, tile, len(self.classes)), np.float32)
        return (next(found) if any_pixel else nothing for any_pixel in shown)

    def _predict_tiles(self, pieces: list[NDArray[Any]], tile: int, source: str) -> Iterator[Probabilities]:
        for start in range(0, len(pieces), self.batch_size):
            batch = [_fill(piece, tile) for piece in pieces[start : start + self.batch_size]]
            inputs = np.stack([self.preprocessing.to_input(piece, source) for piece in batch])
            for probabilities in self.probabilities(inputs):
                yield self.preprocessing.from_output(probabilities, (tile, tile))


def _load(image: NDArray[Any] | Path | str, source: str) -> tuple[NDArray[Any], str]:
    if isinstance(image, np.ndarray):
        return as_image(image, source), source
    return read_image(image), str(image)


def _fill(piece: NDArray[Any], tile: int) -> NDArray[Any]:
    """Mirror an image that is smaller than a tile until it fills it."""
    missing = [(0, tile - length) for length in piece.shape[:2]]
    return np.pad(piece, [*missing, (0, 0)], mode="symmetric") if any(map(any, missing)) else piece


def load_model(
    path: Path | str,
    *,
    threads: int | None = None,
    backend: str = "auto",
    device: str = "cpu",
    manner: Manner | None = None,
) -> Model:
    """Open a run folder or a model file for prediction.

    Args:
        path: a run folder, a ``.onnx`` file that solarseg wrote, or the name of a model that ships, ``"el-cell"``.
        threads: to compute with; by default one for each core this process may use.
        backend: what computes: ``"onnxruntime"``, ``"openvino"``, ``"torch"``, or ``"auto"``: the quickest on this
            machine if ``solarseg benchmark --save`` has found it, else onnxruntime.
        device: ``"cpu"`` or ``"cuda"``.
        manner: how images are predicted.

    Raises:
        ModelFileError: there is no model, or it cannot be used.
        ArgumentError: an option cannot be used, or names a class the model does not know.
        MissingExtraError: the backend is not installed.
    """
    file, manner = find_model_file(path), manner or Manner()
    info = read_info(file)
    _check(manner, info.classes)
    check_graph(file, info)
    chosen = (recall(info.fingerprint, device) or "onnxruntime") if backend == "auto" else backend
    compute = open_backend(chosen, file, info, device, threads or count_cores())
    return Model(file, info, chosen, device, manner, compute)


def _check(manner: Manner, classes: ClassMap) -> None:
    if manner.tile is not None and manner.tile:
        Tiling(1, 1, manner.tile, manner.overlap or 0)  # says what is wrong with them
    for name, threshold in manner.thresholds.items():
        if name not in classes.names:
            raise ArgumentError(
                f"--threshold {name}: no such class; the model knows {', '.join(classes.names)}"
            )
        if not 0 <= threshold <= 1:
            raise ArgumentError(f"--threshold {name}={threshold:g}: must be from 0 to 1")
