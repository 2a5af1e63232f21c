"""GeoTIFFs larger than memory, read by rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ImageError
from solarseg.extras import require
from solarseg.inference.model import Strip
from solarseg.prediction.rasters.ground import Grid
from solarseg.preprocessing import DEPTH_SCALE, Preprocessing

__all__ = ["CACHE", "RasterFile", "is_raster", "open_raster"]

CACHE = 128 << 20  # bytes of decoded blocks that GDAL may keep; by default it takes a twentieth of the memory

_SUFFIXES = {".tif", ".tiff"}
_PROJECTED, _GEOGRAPHIC = 1, 2  # GTModelTypeGeoKey of GeoTIFF 1.1
_PLACES = (33550, 34264)  # tags: size of a pixel, transformation


def is_raster(path: Path) -> bool:
    """Say whether a file is a TIFF that says where on the earth it lies.

    It must hold a coordinate reference system and a transform within itself; files beside it are not looked at.
    Tells it without the extra ``geo``; what cannot be read at all is none.
    """
    if path.suffix.lower() not in _SUFFIXES:
        return False
    import tifffile  # takes a while, which images of other kinds need not wait for

    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            kind = (page.geotiff_tags or {}).get("GTModelTypeGeoKey")
            return kind in (_PROJECTED, _GEOGRAPHIC) and any(tag in page.tags for tag in _PLACES)
    except Exception:  # decoders raise whatever they like on a damaged file
        return False


@dataclass(frozen=True)
class RasterFile:
    """A raster that is open; make one with `open_raster`.

    Attributes:
        path: the file.
        grid: where its pixels lie.
        tags: what the file says of itself, as GDAL spells it.
        bands: numbers, from 1 on, of the bands that are read.
        fill: what pixels that show nothing are given, in each band that is given out.
    """

    path: Path
    grid: Grid
    tags: dict[str, str]
    bands: list[int]
    fill: NDArray[Any]
    _file: Any
    _palette: NDArray[np.uint8] | None

    def strip(self, top: int, rows: int) -> Strip:
        """Read some rows, or those that are left.

        Pixels that show nothing are those that nodata, a mask or transparency say, and of floats and signed numbers
        also those that are nodata or not finite in any band.

        Raises:
            ImageError: the file is truncated or damaged.
        """
        window = ((top, min(top + rows, self.grid.height)), (0, self.grid.width))
        with _told(self.path):
            raw = self._file.read(self.bands, window=window)
            missing = self._file.dataset_mask(window=window) == 0
        pixels, odd = self._as_read(np.moveaxis(raw, 0, -1))
        missing |= odd
        if not missing.any():
            return Strip(pixels)
        pixels[missing] = self.fill
        return Strip(pixels, ~missing)

    def overview(self, size: tuple[int, ...]) -> NDArray[Any]:
        """Read the whole at another size: ``(H, W, C)``, each pixel the nearest of the file."""
        with _told(self.path):
            raw = self._file.read(self.bands, out_shape=(len(self.bands), *size))
        return self._as_read(np.moveaxis(raw, 0, -1))[0]

    def _as_read(self, raw: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_] | np.bool_]:
        """Make of a file's numbers what `images.read_image` does, and say which pixels cannot be used."""
        if self._palette is not None:
            return self._palette[raw[..., 0]], np.False_
        if raw.dtype in (np.uint8, np.uint16):
            inverted = self._file.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES"
            return np.ascontiguousarray(~raw if inverted else raw), np.False_
        with np.errstate(over="ignore"):
            pixels = np.ascontiguousarray(raw, dtype=np.float32)
        bad = ~np.isfinite(pixels)
        if self._file.nodata is not None:
            bad |= raw == self._file.nodata
        return pixels, bad.any(axis=-1)


@contextmanager
def open_raster(path: Path, preprocessing: Preprocessing) -> Iterator[RasterFile]:
    """Open a GeoTIFF for a model, and keep GDAL's memory small.

    Of the bands those are read that the model takes. What shows nothing is filled with the mean of the training
    images, which disturbs its neighbours least.

    Raises:
        ImageError: it cannot be read, or its bands are not those the model takes.
        MissingExtraError: the extra ``geo`` is not installed.
    """
    rasterio = require("rasterio", "geo")
    with rasterio.Env(GDAL_CACHEMAX=CACHE):
        with _told(path):
            file = rasterio.open(path, driver="GTiff")  # a VRT may name any file there is
        with file:
            yield _describe(path, file, preprocessing)


def _describe(path: Path, file: Any, preprocessing: Preprocessing) -> RasterFile:
    if file.crs is None:
        raise ImageError(f"{path}: its coordinate system cannot be read; assign one with gdal_edit -a_srs")
    if np.dtype(file.dtypes[0]).kind not in "uif":
        raise ImageError(
            f"{path}: holds {file.dtypes[0]} numbers; allowed are whole numbers and floats; convert it"
        )
    bands, palette = _data_bands(file, preprocessing), _palette(file)
    depth = file.dtypes[0] if file.dtypes[0] in ("uint8", "uint16") else "float32"
    count = len(bands) if palette is None else palette.shape[-1]
    preprocessing.to_input(np.zeros((1, 1, count), depth), str(path))  # says what does not fit
    mean = np.array(preprocessing.mean if count == preprocessing.bands else np.mean(preprocessing.mean))
    fill = np.broadcast_to(mean * DEPTH_SCALE[depth], count).astype(depth)
    transform = tuple(file.transform)[:6]
    grid = Grid(file.height, file.width, file.crs.to_wkt(), transform, str(path))
    return RasterFile(path, grid, file.tags(), bands, fill, file, palette)


def _data_bands(file: Any, preprocessing: Preprocessing) -> list[int]:
    """Numbers of the bands to read: not transparency, and only those that the model picks."""
    found = [band for band, kind in zip(file.indexes, file.colorinterp, strict=True) if kind.name != "alpha"]
    if len(preprocessing.picked) < preprocessing.picked_from == len(found):
        return [found[place] for place in preprocessing.picked]
    return found


def _palette(file: Any) -> NDArray[np.uint8] | None:
    """``(256 or 65536, 3)``: the colours of a raster whose values stand for such."""
    if file.colorinterp[0].name != "palette" or file.count != 1:
        return None
    table = np.zeros((np.iinfo(file.dtypes[0]).max + 1, 3), np.uint8)
    for value, colour in file.colormap(1).items():
        table[value] = colour[:3]
    return table


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Keep GDAL from printing, and say what it found."""
    rasterio = require("rasterio", "geo")
    try:
        with rasterio.Env():  # of this thread
            yield
    except rasterio.errors.RasterioError as error:
        reason = " ".join(str(error.__cause__ or error).split()).removeprefix(f"{path}: ")
        raise ImageError(
            f"{path}: cannot be read as a GeoTIFF ({reason}); replace or remove the file"
        ) from error
