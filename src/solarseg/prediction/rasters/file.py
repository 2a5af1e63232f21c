"""GeoTIFFs larger than memory, read row by row."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ImageError
from solarseg.extras import require
from solarseg.geotiff import TiffFacts, read_facts
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
        return self._read((bottom - top, self.grid.width), window=((top, bottom), (0, self.grid.width)))

    def overview(self, size: tuple[int, int]) -> NDArray[Any]:
        """Read the whole at another size: ``(H, W, C)``, each pixel the nearest of the file."""
        return self._read(size).pixels

    def _read(self, size: tuple[int, int], **window: Any) -> PixelRows:
        facts = self.facts
        with _translated(self.path):
            raw = self._file.read(self._numbers, out_shape=(len(self._numbers), *size), **window)
            mask = None if facts.mask_page is None else self._file.read_masks(1, out_shape=size, **window)
        samples = np.moveaxis(raw, 0, -1)
        alpha = None if facts.alpha is None else samples[..., -1]
        bands = samples if alpha is None else samples[..., :-1]
        valid = facts.valid(bands, alpha, mask) if facts.may_lack_pixels else None
        picked = bands[..., self.picked] if facts.may_lack_pixels else bands
        return PixelRows(facts.to_pixels(picked, valid), valid)

    @property
    def _numbers(self) -> list[int]:
        """Numbers, from 1 on, of the bands to read: all if one of them is a mask of valid pixels."""
        if not self.facts.may_lack_pixels:
            return [self.facts.bands[place] + 1 for place in self.picked]
        alpha = [] if self.facts.alpha is None else [self.facts.alpha]
        return [place + 1 for place in (*self.facts.bands, *alpha)]


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
        with file:
            yield _describe(path, file, preprocessing)


def _describe(path: Path, file: Any, preprocessing: Preprocessing) -> RasterFile:
    if file.crs is None:
        raise ImageError(f"{path}: its coordinate system cannot be read; assign one with gdal_edit -a_srs")
    if np.dtype(file.dtypes[0]).kind not in "uif":
        raise ImageError(
            f"{path}: has {file.dtypes[0]} numbers; allowed are whole numbers and floats; convert it"
        )
    facts = read_facts(path)
    if facts is None:
        raise ImageError(f"{path}: its tags are damaged; replace or remove the file")
    picked = _picked(facts, preprocessing)
    one = facts.to_pixels(np.zeros((1, 1, len(picked)), facts.dtype))
    preprocessing.to_input(one, str(path))  # raises what does not fit
    grid = Grid(file.height, file.width, file.crs.to_wkt(), tuple(file.transform)[:6], str(path))
    return RasterFile(path, grid, file.tags(), facts, picked, file)


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
        reason = " ".join(str(error.__cause__ or error).split()).removeprefix(f"{path}: ")
        raise ImageError(
            f"{path}: cannot be read as a GeoTIFF ({reason}); replace or remove the file"
        ) from error
