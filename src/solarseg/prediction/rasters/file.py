"""GeoTIFFs larger than memory, read row by row."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.decoding.guards import guarded
from solarseg.decoding.tiff import RowDecoder, open_tiff
from solarseg.errors import ImageError, reason_of
from solarseg.extras import require
from solarseg.geotiff import TiffFacts, facts_of
from solarseg.images import samples_to_pixels
from solarseg.inference.sources import PixelRows
from solarseg.prediction.rasters.ground import Grid
from solarseg.preprocessing import Preprocessing

__all__ = ["CACHE", "RasterFile", "open_raster"]

CACHE = 128 << 20  # bytes of decoded blocks that GDAL may keep; by default it takes a twentieth of the memory


@dataclass(frozen=True)
class RasterFile:
    """A raster that is open, read row by row; make one with `open_raster`.

    Attributes:
        path: the file.
        grid: where its pixels lie.
        tags: what the file says of itself, as GDAL spells it.
        facts: what its pixels mean.
        picked: positions of the bands that are given out, among those that are read.
    """

    path: Path
    grid: Grid
    tags: dict[str, str]
    facts: TiffFacts
    picked: list[int]
    _file: Any
    _page: Any
    _decoder: RowDecoder | None

    @property
    def name(self) -> str:
        """What errors call it."""
        return str(self.path)

    @property
    def size(self) -> tuple[int, int]:
        """``(H, W)`` in pixels."""
        return (self.grid.height, self.grid.width)

    @property
    def georeferenced(self) -> bool:
        """It is; others are not opened here."""
        return True

    @property
    def metres_per_pixel(self) -> float | None:
        """Side of a pixel on the ground, where that is known."""
        return self.facts.metres_per_pixel

    def rows(self, top: int, count: int) -> PixelRows:
        """Read so many rows from a top on, or those that are left.

        Raises:
            ImageError: the file is truncated or damaged.
        """
        bottom = min(top + count, self.grid.height)
        window = {"window": ((top, bottom), (0, self.grid.width))}
        shape = (bottom - top, self.grid.width)
        if self._decoder is None:
            return self._read(shape, **window)
        mask = self._mask(shape, **window)
        with guarded(self.path):
            samples = self._decoder.read(top, bottom)
            pixels, valid = samples_to_pixels(samples, mask, self.facts, self._page, str(self.path))
        is_as_stored = pixels.shape[-1] == len(self.facts.bands)
        return PixelRows(pixels[..., self.picked] if is_as_stored else pixels, valid)

    def overview(self, size: tuple[int, int]) -> NDArray[Any]:
        """Read the whole at another size, to look at: ``(H, W, C)``, each pixel the nearest of the file."""
        if not self.facts.other_colours:  # GDAL takes the smaller images that a file may have
            return self._read(size).pixels
        rows, columns = (
            ((np.arange(count) + 0.5) * (side / count)).astype(np.intp)
            for count, side in zip(size, self.size, strict=True)
        )
        return np.concatenate([self.rows(row, 1).pixels[:, columns] for row in rows.tolist()])

    def _read(self, size: tuple[int, int], **window: Any) -> PixelRows:
        """Read with GDAL what every decoder gives alike."""
        facts = self.facts
        numbers = (
            [*self._file.indexes]
            if facts.may_lack_pixels
            else [facts.bands[place] + 1 for place in self.picked]
        )
        with _translated(self.path):
            samples = np.moveaxis(self._file.read(numbers, out_shape=(len(numbers), *size), **window), 0, -1)
        if not facts.may_lack_pixels:
            return PixelRows(facts.to_pixels(samples))
        bands, alpha = facts.split(samples)
        valid = facts.valid(bands, alpha, self._mask(size, **window))
        return PixelRows(facts.to_pixels(bands[..., self.picked], valid), valid)

    def _mask(self, size: tuple[int, int], **window: Any) -> NDArray[Any] | None:
        if self.facts.mask_page is None:
            return None
        with _translated(self.path):
            found: NDArray[Any] = self._file.read_masks(1, out_shape=size, **window)
        return found


@contextmanager
def open_raster(path: Path, preprocessing: Preprocessing) -> Iterator[RasterFile]:
    """Open a GeoTIFF for a model, and keep GDAL's memory small.

    Of the bands those are given out that the model takes. Files next to it, which other programs may have left, are not
    read.

    Raises:
        ImageError: it cannot be read, or its bands are not those the model takes.
        MissingExtraError: the extra ``geo`` is not installed.
    """
    rasterio = require("rasterio", "geo")
    with rasterio.Env(GDAL_CACHEMAX=CACHE, GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
        with _translated(path):
            file = rasterio.open(path, driver="GTiff")  # a VRT may name any file there is
        with file, _opened(path) as tiff:
            yield _describe(path, file, tiff, preprocessing)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with ExitStack() as stack:
        with guarded(path):
            tiff = stack.enter_context(open_tiff(path, str(path)))
        yield tiff


def _describe(path: Path, file: Any, tiff: Any, preprocessing: Preprocessing) -> RasterFile:
    if file.crs is None:
        raise ImageError(f"{path}: its coordinate system cannot be read; assign one with gdal_edit -a_srs")
    if np.dtype(file.dtypes[0]).kind not in "uif":
        raise ImageError(
            f"{path}: has {file.dtypes[0]} numbers; allowed are whole numbers and floats; convert it"
        )
    with guarded(path):
        facts = facts_of(tiff)
        # What decoders give differently is decoded as images in memory are, so that masks are the same.
        decoder = None if facts.lossless and not facts.other_colours else RowDecoder(tiff, str(path))
    picked = _picked(facts, preprocessing)
    grid = Grid(file.height, file.width, file.crs.to_wkt(), tuple(file.transform)[:6], str(path))
    raster = RasterFile(path, grid, file.tags(), facts, picked, file, tiff.pages.first, decoder)
    preprocessing.to_input(raster.rows(0, 1).pixels, str(path))  # raises what does not fit
    return raster


def _picked(facts: TiffFacts, preprocessing: Preprocessing) -> list[int]:
    """Positions of the bands to give out: only those that the model picks, where it does."""
    if len(preprocessing.picked) < preprocessing.picked_from == len(facts.bands):
        return list(preprocessing.picked)
    return list(range(len(facts.bands)))


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Keep GDAL from printing, and raise what it found as `ImageError`."""
    rasterio = require("rasterio", "geo")
    try:
        with rasterio.Env():  # for this thread
            yield
    except rasterio.errors.RasterioError as error:
        reason = reason_of(error.__cause__ or error, path).removeprefix(f"{path}: ")
        raise ImageError(
            f"{path}: cannot be read as a GeoTIFF ({reason}); replace or remove the file"
        ) from error
