"""What a TIFF file says about its pixels and their place on the ground: the one home of these facts.

Is it georeferenced, how large is a pixel, which samples are bands, what is nodata, how are integers scaled. The facts
come from the tags of the first page alone, without rasterio; files next to it (``.aux.xml``, ``.tfw``, ``.msk``) are
not read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.decoding.colours import has_colour_space
from solarseg.decoding.tiff import is_lossless, open_tiff

__all__ = [
    "NODATA_TAG",
    "TIFF_SUFFIXES",
    "TiffFacts",
    "facts_of",
    "georeference_tags",
    "is_georeferenced",
    "read_facts",
]

TIFF_SUFFIXES = frozenset({".tif", ".tiff"})

NODATA_TAG = 42113  # of GDAL
_PIXEL_SCALE, _TIEPOINT, _TRANSFORMATION = 33550, 33922, 34264  # tags
_GEO_KEYS = (34735, 34736, 34737)  # tags of the coordinate system
_PROJECTED, _GEOGRAPHIC = 1, 2  # GTModelTypeGeoKey of GeoTIFF 1.1
_METRES = {9001: 1.0, 9002: 0.3048, 9003: 1200 / 3937}  # metre, international foot, US survey foot
_DEGREE = 9102
_METRES_PER_DEGREE = 111_195.0  # on a sphere of 6371 km
_WEB_MERCATOR = 3857  # the map of the web, whose scale is right on the equator only
_EQUATOR = 6_378_137.0  # its radius, m
_ALPHA = (1, 2)  # ExtraSamples: associated and unassociated alpha
_MINISWHITE, _PALETTE = 0, 3  # PhotometricInterpretation
_MASK_PAGE = 4  # bit of NewSubfileType: a transparency mask for another page
_PAGES = 16  # pages that are searched for it

Affine = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class TiffFacts:
    """What the tags of a TIFF's first page say.

    Attributes:
        size: ``(H, W)`` in pixels, as stored.
        dtype: of the samples.
        bits: of a sample, which may be fewer than its dtype has.
        bands: positions of the samples that are bands, without transparency.
        alpha: position of the sample that is transparency, or None.
        palette: ``(N, 3) uint8`` colours that the samples point to, or None.
        inverted: whether 0 is white.
        other_colours: whether samples are colours other than grey, RGB or a palette; see
            `solarseg.decoding.colours.to_rgb`.
        lossless: whether every decoder gives the same samples.
        nodata: the value of samples that show nothing, or None.
        mask_page: number of the page that says which pixels show something, or None.
        georeferenced: whether the file says where on the earth it lies.
        metres_per_pixel: side of the square on the ground that is as large as the pixel in the middle; None where
            that is not known. Geographic coordinates are taken to be on a sphere.
    """

    size: tuple[int, int]
    dtype: np.dtype[Any]
    bits: int
    bands: tuple[int, ...]
    alpha: int | None = None
    palette: NDArray[np.uint8] | None = None
    inverted: bool = False
    other_colours: bool = False
    lossless: bool = True
    nodata: float | None = None
    mask_page: int | None = None
    georeferenced: bool = False
    metres_per_pixel: float | None = None

    @cached_property
    def is_integer_image(self) -> bool:
        """Whether samples are 8- or 16-bit levels that use all values; others become floats."""
        return self.dtype in (np.uint8, np.uint16, np.bool_)

    @property
    def may_lack_pixels(self) -> bool:
        """Whether some pixels may show nothing."""
        may_be_nodata = self.nodata is not None or not self.is_integer_image
        return may_be_nodata or self.alpha is not None or self.mask_page is not None

    def valid(
        self, bands: NDArray[Any], alpha: NDArray[Any] | None = None, mask: NDArray[Any] | None = None
    ) -> NDArray[np.bool_] | None:
        """Find the pixels that show something.

        Not those that are wholly transparent, that the mask page leaves out, or that are nodata: of 8- and 16-bit
        images in all bands; of other numbers nodata or not finite in any band.

        Args:
            bands: ``(H, W, C)``, samples of all bands as the file has them.
            alpha: ``(H, W)``, the sample of transparency, where there is one.
            mask: ``(H, W)``, the mask page, where there is one.

        Returns:
            ``(H, W) bool``, or None where all pixels show something.
        """
        missing = np.zeros(bands.shape[:2], np.bool_)
        for other in (alpha, mask):
            if other is not None:
                missing |= other == 0
        is_nodata = _equals(bands, self.nodata)
        if self.is_integer_image:
            if is_nodata is not None:
                missing |= is_nodata.all(axis=-1)
        else:
            bad = ~np.isfinite(bands)
            missing |= (bad if is_nodata is None else bad | is_nodata).any(axis=-1)
        return ~missing if missing.any() else None

    def split(self, samples: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Divide ``(H, W, C)`` samples into bands and transparency ``(H, W)``, where there is one."""
        if self.alpha is None or samples.shape[-1] != len(self.bands) + 1:  # bands of several pages have none
            return samples, None
        last = self.alpha == samples.shape[-1] - 1
        bands = samples[..., :-1] if last else samples[..., self.bands]
        return bands, samples[..., self.alpha]

    def to_pixels(self, bands: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """Turn samples as the file has them into levels of an image.

        Palettes become RGB; 8- and 16-bit samples fill the range of their dtype; other numbers become ``float32``,
        0 where pixels show nothing.

        Args:
            bands: ``(H, W, C)``, samples of some bands.
            valid: what `valid` returned.

        Returns:
            ``(H, W, C)`` ``uint8``, ``uint16``, ``bool`` or ``float32``.
        """
        if self.palette is not None:
            return self.palette[bands[..., 0]]
        if not self.is_integer_image:
            with np.errstate(over="ignore"):
                floats = np.ascontiguousarray(bands, np.float32)
            return floats if valid is None else np.where(valid[..., None], floats, np.float32(0))
        filled = _fill_depth(bands, self.bits)
        return np.ascontiguousarray(~filled if self.inverted else filled)


def read_facts(path: Path) -> TiffFacts | None:
    """Read the facts of a TIFF file; None of other files, and of those that cannot be read."""
    if path.suffix.lower() not in TIFF_SUFFIXES:
        return None
    try:
        with open_tiff(path, str(path)) as file:
            return facts_of(file)
    except Exception:  # decoders raise whatever they like on a damaged file
        return None


def facts_of(file: Any) -> TiffFacts:
    """Read the facts of an open TIFF, from `solarseg.decoding.tiff.open_tiff`.

    Raises:
        Exception: a tag that pixels depend on is damaged; any kind.
    """
    page = file.pages[0]
    samples = int(page.samplesperpixel)
    alpha = _find_alpha(page.extrasamples, samples)
    georeference = _georeference(page)
    return TiffFacts(
        size=(int(page.imagelength), int(page.imagewidth)),
        dtype=np.dtype(page.dtype),
        bits=int(np.max(page.bitspersample)),
        bands=tuple(sample for sample in range(samples) if sample != alpha),
        alpha=alpha,
        palette=(page.colormap >> 8).astype(np.uint8).T if page.photometric == _PALETTE else None,
        inverted=page.photometric == _MINISWHITE,
        other_colours=has_colour_space(page),
        lossless=is_lossless(page),
        nodata=_nodata(page),
        mask_page=_find_mask_page(file),
        georeferenced=georeference is not None,
        metres_per_pixel=_metres_per_pixel(page, georeference),
    )


def is_georeferenced(path: Path) -> bool:
    """Say whether a file is a TIFF that says where on the earth it lies.

    It must have a coordinate reference system and a transform within itself.
    """
    facts = read_facts(path)
    return facts is not None and facts.georeferenced


def georeference_tags(path: Path) -> list[tuple[int, int, int, Any, bool]]:
    """Return the tags that say where a TIFF lies, as tifffile writes them.

    Raises:
        Exception: the file is damaged; any kind.
    """
    with open_tiff(path, str(path)) as file:
        codes = (_PIXEL_SCALE, _TIEPOINT, _TRANSFORMATION, *_GEO_KEYS)
        tags = [file.pages.first.tags.get(code) for code in codes]
        return [(tag.code, int(tag.dtype), tag.count, tag.value, True) for tag in tags if tag is not None]


def _equals(samples: NDArray[Any], value: float | None) -> NDArray[np.bool_] | None:
    """Where samples are a value; None where they cannot be."""
    if value is None or np.isnan(value):
        return None
    if np.issubdtype(samples.dtype, np.floating):
        with np.errstate(over="ignore"):
            return np.asarray(samples == samples.dtype.type(value))
    return np.asarray(samples == int(value)) if value.is_integer() else None


def _fill_depth(levels: NDArray[Any], bits: int) -> NDArray[Any]:
    """Scale samples of fewer bits than their dtype, as 12 in a ``uint16``, to the range of the dtype."""
    if levels.dtype == np.bool_ or bits == 8 * levels.dtype.itemsize:
        return levels
    return np.rint(levels * (np.iinfo(levels.dtype).max / (2**bits - 1))).astype(levels.dtype)


def _find_alpha(kinds: Sequence[int], samples: int) -> int | None:
    """Position of the first sample that is transparency; the kinds are those of the last samples."""
    found = (samples - len(kinds) + place for place, kind in enumerate(kinds) if kind in _ALPHA)
    return next(found, None)


def _nodata(page: Any) -> float | None:
    tag = page.tags.get(NODATA_TAG)
    try:
        return None if tag is None else float(str(tag.value).strip("\0 "))
    except ValueError:
        return None


def _find_mask_page(file: Any) -> int | None:
    size = (file.pages[0].imagelength, file.pages[0].imagewidth)
    for number in range(1, _PAGES):
        try:
            page = file.pages[number]
        except IndexError:
            return None
        if page.subfiletype & _MASK_PAGE and (page.imagelength, page.imagewidth) == size:
            return number
    return None


def _georeference(page: Any) -> tuple[Mapping[str, Any], Affine] | None:
    """The geo keys and the transform from pixels to map coordinates, where both are there."""
    try:
        keys = page.geotiff_tags or {}
        transform = _transform(page)
        kind = keys.get("GTModelTypeGeoKey")
    except Exception:  # damaged tags of the place leave an image like others
        return None
    return (keys, transform) if transform is not None and kind in (_PROJECTED, _GEOGRAPHIC) else None


def _transform(page: Any) -> Affine | None:
    if _TRANSFORMATION in page.tags:
        a, b, _, c, d, e, _, f = page.tags[_TRANSFORMATION].value[:8]
        return (a, b, c, d, e, f)
    if _PIXEL_SCALE not in page.tags:
        return None
    wide, high = page.tags[_PIXEL_SCALE].value[:2]
    tag = page.tags.get(_TIEPOINT)
    column, row, _, x, y = tag.value[:5] if tag is not None else (0, 0, 0, 0, 0)
    return (wide, 0.0, x - column * wide, 0.0, -high, y + row * high)


def _metres_per_pixel(page: Any, georeference: tuple[Mapping[str, Any], Affine] | None) -> float | None:
    if georeference is None:
        return None
    keys, (a, b, _, d, e, f) = georeference
    side = abs(a * e - b * d) ** 0.5
    north = d * page.imagewidth / 2 + e * page.imagelength / 2 + f  # of the pixel in the middle
    if keys["GTModelTypeGeoKey"] == _GEOGRAPHIC:
        if int(keys.get("GeogAngularUnitsGeoKey", _DEGREE)) != _DEGREE:
            return None
        found = side * float(np.cos(np.radians(north)).clip(0) ** 0.5) * _METRES_PER_DEGREE
    else:
        unit = _METRES.get(int(keys.get("ProjLinearUnitsGeoKey", 9001)))
        if unit is None:
            return None
        is_mercator = keys.get("ProjectedCSTypeGeoKey") == _WEB_MERCATOR
        found = side * unit / (float(np.cosh(north / _EQUATOR)) if is_mercator else 1.0)
    return found if np.isfinite(found) and found > 0 else None
