"""The one way from an image to its mask: plan, read, prepare, compute, finish.

`solarseg.predict`, `predict_raster`, `evaluate` and `Model.predict` all go this way; they only choose when to read, and
what to do with the result. So `evaluate` scores the masks that `predict` writes, whatever the image and the options.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from math import prod
from threading import Semaphore
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.errors import ImageError
from solarseg.inference.backends import Compute
from solarseg.inference.model_file import ModelInfo
from solarseg.inference.options import PredictOptions
from solarseg.inference.sources import ArraySource, ImageSource, PixelRows
from solarseg.inference.tiling import RowBlock, Tiling, stitch
from solarseg.preprocessing import Preprocessing
from solarseg.threads import count_cores, map_ahead

__all__ = ["GPU_BATCH", "Pipeline", "Predicted", "PredictedRows", "Probabilities", "gather"]

_MUCH_LARGER = 2  # times the training images' side, above which an image is split into tiles
_OVERLAP = 0.25  # share of a tile that neighbours share; see docs/results/speed.md
GPU_BATCH = 64
_MANY = 2**26  # probabilities of an image, 256 MB, above which no other image is finished at the same time
_THREADS = 4  # for decoding and for encoding; more would only wait for the network

Probabilities = NDArray[np.float32]
Item = TypeVar("Item")
Result = TypeVar("Result")
AnySource = TypeVar("AnySource", bound=ArraySource)


@dataclass(frozen=True)
class PredictedRows:
    """Rows of an image, predicted.

    Attributes:
        top: number of the first.
        probabilities: ``(rows, W, K) float32``, 0 where the image shows nothing.
        mask: ``(rows, W) uint8`` class ids, 255 where the image shows nothing.
    """

    top: int
    probabilities: Probabilities
    mask: NDArray[np.uint8]


@dataclass(frozen=True)
class Predicted(Generic[AnySource]):
    """An image, predicted.

    Attributes:
        source: the image.
        mask: ``(H, W) uint8`` class ids, 255 where the image shows nothing.
        probabilities: ``(H, W, K) float32``, 0 where the image shows nothing; None where they were not asked for.
        tiled: whether the image was split into tiles; otherwise it was resized as a whole.
    """

    source: AnySource
    mask: NDArray[np.uint8]
    probabilities: Probabilities | None
    tiled: bool


@dataclass
class _Work(Generic[Item, AnySource]):
    """An image on its way."""

    item: Item
    source: AnySource | None = None
    inputs: NDArray[Any] | None = None  # of an image that is resized as a whole, until it is computed
    output: Probabilities | None = None  # what the network gave for them
    done: Predicted[AnySource] | None = None
    error: ImageError | None = None
    large: Semaphore | None = None  # acquired for this image


@dataclass(frozen=True)
class Pipeline:
    """A network, and how images are predicted with it.

    Attributes:
        info: what the model file says about itself.
        options: tiles, symmetries and thresholds.
        compute: runs the network.
        batch_size: inputs that are computed at once.
    """

    info: ModelInfo
    options: PredictOptions
    compute: Compute
    batch_size: int = 1

    @property
    def classes(self) -> ClassMap:
        """The classes of the masks."""
        return self.info.classes

    @property
    def preprocessing(self) -> Preprocessing:
        """How images become the network's input."""
        return self.info.preprocessing

    # Plan

    def plan(self, source: ImageSource) -> Tiling | None:
        """Decide how an image is split into tiles; None where it is resized as a whole.

        A georeferenced image is always split, unless the options or the model forbid it. Its tiles are as wide on the
        ground as the training images, where both are known.

        Raises:
            ArgumentError: the overlap asked for is more than half a tile.
        """
        asked = self.options.tile
        height, width = self.info.trained_size
        usual = (height * width) ** 0.5 or self.info.image_size
        metres = source.metres_per_pixel
        if asked is None and metres and self.info.metres_per_pixel:
            usual *= self.info.metres_per_pixel / metres
        if asked == 0 or (asked is None and self.info.fills_image):
            return None
        if asked is None and not source.georeferenced and max(source.size) <= _MUCH_LARGER * usual:
            return None
        tile = asked or max(1, round(usual))
        overlap = int(tile * _OVERLAP) if self.options.overlap is None else self.options.overlap
        return Tiling(*source.size, tile, overlap)

    # Read, prepare, compute and finish, one image

    def predict(self, source: ImageSource, first: int = 0) -> Generator[PredictedRows, None, None]:
        """Predict an image, in rows from top to bottom.

        Memory grows with the image's width, not with its height, where it is split into tiles.

        Args:
            source: the image; tiles are read in a thread, ahead of the network.
            first: number of the row block to begin with; one for each row of tiles.

        Raises:
            ImageError: the image is damaged, or the model cannot take it.
        """
        tiling = self.plan(source)
        if tiling is None:
            rows = source.rows(0, source.size[0])
            inputs = self.preprocessing.to_input(rows.pixels, source.name, rows.valid)
            values = self.preprocessing.from_output(self.probabilities(inputs[None])[0], source.size)
            yield self._finish(RowBlock(0, values), rows.valid)
            return
        valid: dict[int, NDArray[np.bool_] | None] = {}

        def read(top: int) -> PixelRows:
            rows = source.rows(top, tiling.tile)
            valid[top] = rows.valid
            return rows

        with closing(map_ahead(read, tiling.tops[tiling.row_before(first) :])) as strips:

            def predict_row(_: int, lefts: list[int]) -> Iterator[Probabilities]:
                return self._predict_tiles(next(strips), tiling.tile, lefts, source.name)

            for block in stitch(tiling, predict_row, first):
                yield self._finish(block, valid.pop(block.top))

    def probabilities(self, inputs: NDArray[Any]) -> Probabilities:
        """Run the network on prepared inputs.

        Args:
            inputs: ``(N, image_size, image_size, bands)`` of the model's depth.

        Returns:
            ``(N, image_size, image_size, K) float32``, which sum to 1 over the classes; the mean over the eight
            symmetries where the options say so.
        """
        if not self.options.tta:
            return self.compute(inputs)
        mean: Probabilities = np.mean(
            [self._turned(inputs, *symmetry) for symmetry in product(range(4), (1, -1))], axis=0
        )
        return mean

    def choose(self, probabilities: Probabilities) -> NDArray[np.uint8]:
        """Give each pixel its class: ``(H, W, K) float32`` to ``(H, W) uint8`` class ids.

        It is the most probable one, unless the options have thresholds.
        """
        if self.options.thresholds:
            probabilities = probabilities.copy()
            for name, threshold in self.options.thresholds.items():
                values = probabilities[..., self.classes.names.index(name)]
                values += np.where(values >= threshold, 2, -2)  # above and below all others
        if len(self.classes) == 2:  # the same, in a tenth of the time
            return (probabilities[..., 1] > probabilities[..., 0]).astype(np.uint8)
        return probabilities.argmax(axis=-1).astype(np.uint8)

    def _turned(self, inputs: NDArray[Any], quarters: int, step: int) -> Probabilities:
        turned = np.rot90(inputs, quarters, axes=(1, 2))[:, :, ::step]
        found = self.compute(np.ascontiguousarray(turned))
        return np.rot90(found[:, :, ::step], -quarters, axes=(1, 2))

    def _predict_tiles(
        self, strip: PixelRows, tile: int, lefts: list[int], name: str
    ) -> Iterator[Probabilities]:
        """Give the probabilities of each tile of a row; zeros where a tile shows nothing, which is not computed."""
        columns = None if strip.valid is None else np.asarray(strip.valid.any(axis=0))
        shown = [columns is None or columns[left : left + tile].any() for left in lefts]
        found = self._compute_tiles(
            [_crop(strip, left, tile) for left, is_shown in zip(lefts, shown, strict=True) if is_shown],
            tile,
            name,
        )
        nothing = np.zeros((tile, tile, len(self.classes)), np.float32)
        return (next(found) if is_shown else nothing for is_shown in shown)

    def _compute_tiles(self, tiles: list[PixelRows], tile: int, name: str) -> Iterator[Probabilities]:
        for start in range(0, len(tiles), self.batch_size):
            batch = [_mirror(each, tile) for each in tiles[start : start + self.batch_size]]
            inputs = [self.preprocessing.to_input(each.pixels, name, each.valid) for each in batch]
            for probabilities in self.probabilities(np.stack(inputs)):
                yield self.preprocessing.from_output(probabilities, (tile, tile))

    def _finish(self, block: RowBlock, valid: NDArray[np.bool_] | None) -> PredictedRows:
        mask, probabilities = self.choose(block.values), block.values
        if valid is not None:
            missing = ~valid[: len(mask)]
            mask[missing] = IGNORE_INDEX
            probabilities[missing] = 0
        return PredictedRows(block.top, probabilities, mask)

    # The same for many images, some of them at a time

    def predict_all(
        self,
        items: Iterable[Item],
        read: Callable[[Item], AnySource],
        use: Callable[[Item, "Predicted[AnySource] | ImageError"], Result],
        *,
        probabilities: bool = False,
    ) -> Generator[Result, None, None]:
        """Predict many images; threads read ahead of the network, and use what it found behind it.

        Args:
            items: one item for each image.
            read: gives the image of an item, in any thread.
            use: is given an item with what was predicted, or with why its image cannot be used, in any thread.
            probabilities: give them too; those of large images may be larger than memory.

        Yields:
            What ``use`` returned, in the order of the items. What ``read`` or ``use`` raises is raised here, but for
            `ImageError` of ``read``, which ``use`` is given.
        """
        threads = min(_THREADS, count_cores())
        large = Semaphore()  # held for an image with many probabilities until it has been used, one at a time
        with (
            closing(
                map_ahead(
                    lambda item: self._prepare(item, read),
                    items,
                    threads=threads,
                    ahead=threads + self.batch_size,
                )
            ) as prepared,
            closing(
                map_ahead(
                    lambda work: self._use(work, use, probabilities),
                    self._compute_all(prepared, probabilities, large),
                    threads=threads,
                    ahead=2 * threads,
                )
            ) as used,
        ):
            yield from used

    def _prepare(self, item: Item, read: Callable[[Item], AnySource]) -> _Work[Item, AnySource]:
        work: _Work[Item, AnySource] = _Work(item)
        try:
            work.source = source = read(item)
            if self.plan(source) is None:
                work.inputs = self.preprocessing.to_input(source.pixels, source.name, source.valid)
        except ImageError as error:
            work.error = error
        return work

    def _compute_all(
        self, prepared: Iterable[_Work[Item, AnySource]], probabilities: bool, large: Semaphore
    ) -> Iterator[_Work[Item, AnySource]]:
        for batch in _batches(prepared, self.batch_size):
            inputs = [work.inputs for work in batch if work.inputs is not None]
            found = iter(self.probabilities(np.stack(inputs)) if inputs else ())
            for work in batch:
                is_kept = (
                    probabilities or work.inputs is not None
                )  # of tiles, only the mask is kept otherwise
                if is_kept and work.source and prod(work.source.size) * len(self.classes) > _MANY:
                    large.acquire()
                    work.large = large
                if work.inputs is not None:
                    work.inputs, work.output = None, next(found)
                elif work.source is not None and work.error is None:
                    self._compute_tiled(work, work.source, probabilities)
                yield work

    def _compute_tiled(self, work: _Work[Item, AnySource], source: AnySource, probabilities: bool) -> None:
        try:
            work.done = gather(source, self.predict(source), probabilities=probabilities, tiled=True)
        except ImageError as error:
            work.error = error

    def _use(
        self,
        work: _Work[Item, AnySource],
        use: Callable[[Item, "Predicted[AnySource] | ImageError"], Result],
        probabilities: bool,
    ) -> Result:
        try:
            return use(work.item, self._finish_work(work, probabilities))
        finally:
            work.done = None
            if work.large is not None:
                work.large.release()

    def _finish_work(
        self, work: _Work[Item, AnySource], probabilities: bool
    ) -> "Predicted[AnySource] | ImageError":
        if work.error is not None:
            return work.error
        if work.done is None:
            assert work.source is not None
            assert work.output is not None
            values = self.preprocessing.from_output(work.output, work.source.size)
            rows = [self._finish(RowBlock(0, values), work.source.valid)]
            return gather(work.source, rows, probabilities=probabilities)
        return work.done


def gather(
    source: AnySource, rows: Iterable[PredictedRows], *, probabilities: bool, tiled: bool = False
) -> Predicted[AnySource]:
    """Put the predicted rows of an image together."""
    kept = [(one.mask, one.probabilities if probabilities else None) for one in rows]
    values = [each for _, each in kept if each is not None]
    return Predicted(
        source,
        _join([mask for mask, _ in kept]),
        _join(values) if values else None,
        tiled,
    )


def _join(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _crop(strip: PixelRows, left: int, tile: int) -> PixelRows:
    some = (slice(None), slice(left, left + tile))
    return PixelRows(strip.pixels[some], None if strip.valid is None else strip.valid[some])


def _mirror(piece: PixelRows, tile: int) -> PixelRows:
    """Mirror an image that is smaller than a tile until it fills it."""
    missing = [(0, tile - length) for length in piece.pixels.shape[:2]]
    if not any(after for _, after in missing):
        return piece
    valid = None if piece.valid is None else np.pad(piece.valid, missing, mode="symmetric")
    return PixelRows(np.pad(piece.pixels, [*missing, (0, 0)], mode="symmetric"), valid)


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
