"""Image files to arrays and back.

An image is ``(H, W, C)``, ``uint8``, ``uint16`` or ``float32``, as deep as its file, bands last, RGB order where there
are colours, turned upright where EXIF says so.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solarseg.decoding.bitmaps import bitmap_orientation, decode_levels, from_pillow
from solarseg.decoding.colours import to_rgb
from solarseg.decoding.guards import guarded
from solarseg.decoding.orientation import turn_upright
from solarseg.decoding.tiff import is_tiff, open_tiff, page_orientation, read_page, read_samples, read_stack
from solarseg.errors import ImageError
from solarseg.files import atomic_path, write_bytes
from solarseg.geotiff import NODATA_TAG, TiffFacts, facts_of, georeference_tags

if TYPE_CHECKING:
    from tifffile import TiffPage

__all__ = [
    "IMAGE_SUFFIXES",
    "Picture",
    "as_image",
    "as_rgb",
    "decode_image",
    "fill_missing",
    "from_pillow",
    "read_image",
    "read_orientation",
    "read_pages",
    "read_picture",
    "samples_to_pixels",
    "true_colour",
    "write_bands",
    "write_image",
]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
_GDAL_METADATA = 42112
_COLOURS = (("b4", "b3", "b2"), ("b04", "b03", "b02"), ("red", "green", "blue"), ("r", "g", "b"))
_FINE: dict[str, Any] = {"quality": 90, "subsampling": 0}  # of JPEG: thin lines keep their colours


Pixels = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """The pixels of an image file, and which of them show something.

    Attributes:
        pixels: ``(H, W, C)``, ``uint8`` (0 to 255), ``uint16`` (0 to 65535) or ``float32`` (as in the file).
        valid: ``(H, W) bool``; None where all pixels show something. TIFFs have pixels that show nothing: nodata,
            transparent, outside of their mask, or floats that are not finite; these floats are 0 in ``pixels``.
        facts: what its tags say; None of other files than TIFFs.
    """

    pixels: Pixels
    valid: NDArray[np.bool_] | None = None
    facts: TiffFacts | None = None


def read_image(path: Path | str) -> Pixels:
    """Read the pixels of an image file; see `read_picture`."""
    return read_picture(path).pixels


def read_picture(path: Path | str) -> Picture:
    """Read an image file, of the format that its content shows.

    Grey, RGB, RGBA (transparency is dropped), palette, CMYK, YCbCr, CIELAB, 8- and 16-bit, and TIFFs of any number of
    bands. EXIF orientation is applied.

    Args:
        path: PNG, JPEG, BMP, GIF, WebP or TIFF.

    Raises:
        ImageError: the file is missing, damaged, too large, no image, or several pictures.
    """
    path = Path(path)
    with guarded(path):
        with path.open("rb") as file:
            if is_tiff(file.read(4)):
                return _read_tiff(path, str(path))
        return Picture(as_image(decode_levels(path.read_bytes(), str(path)), str(path)))


def decode_image(content: bytes, source: str) -> Pixels:
    """Do what `read_image` does with an image file that is in memory.

    Args:
        content: of an image file.
        source: where it is from, for the error message.

    Raises:
        ImageError: it is damaged, too large, no image, or several pictures.
    """
    with guarded(source):
        if is_tiff(content):
            return _read_tiff(io.BytesIO(content), source).pixels
        return as_image(decode_levels(content, source), source)


def read_pages(path: Path | str) -> NDArray[Any]:
    """Read all pages of a TIFF as they are stored: ``(N, H, W, C)``, any dtype.

    Raises:
        ImageError: the file is missing, damaged or no TIFF, or its pages differ in size or depth.
    """
    with guarded(path), open_tiff(Path(path), str(path)) as file:
        return read_stack(file, str(path))


def read_orientation(path: Path | str) -> int:
    """Read the EXIF orientation of an image file, 1 to 8, where 1 is upright.

    Raises:
        ImageError: the file is missing or damaged.
    """
    path = Path(path)
    with guarded(path):
        with path.open("rb") as file:
            if is_tiff(file.read(4)):
                with open_tiff(path, str(path)) as opened:
                    return page_orientation(opened.pages.first)
        return bitmap_orientation(path.read_bytes(), str(path))


def as_image(array: NDArray[Any], source: str = "image") -> Pixels:
    """Make an array what `read_image` returns.

    Args:
        array: ``(H, W)`` or ``(H, W, C)`` of ``uint8``, ``uint16``, ``bool`` (which becomes 0 and 255) or
            floats.
        source: the file's name, for the error message.

    Raises:
        ImageError: another shape or dtype, no pixels, or floats that are not finite.

    Examples:
        >>> as_image(np.zeros((4, 6))).dtype, as_image(np.zeros((4, 6))).shape
        (dtype('float32'), (4, 6, 1))
    """
    shape = (*array.shape, 1) if array.ndim == 2 else array.shape
    if len(shape) != 3 or 0 in shape:
        raise ImageError(f"{source}: array of shape {array.shape}; an image is (H, W) or (H, W, bands)")
    pixels = array.reshape(shape)
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * 255
    if not np.issubdtype(pixels.dtype, np.floating):
        raise ImageError(
            f"{source}: contains {pixels.dtype} numbers; allowed are uint8, uint16, bool and floats; convert it"
        )
    if not np.isfinite(pixels).all():
        raise ImageError(f"{source}: contains NaN or infinite values; replace them by numbers")
    return pixels.astype(np.float32)


def _read_tiff(file: Path | io.BytesIO, source: str) -> Picture:
    with open_tiff(file, source) as opened:
        samples = read_samples(opened, source)
        page, facts = opened.pages.first, facts_of(opened)
        mask = None if facts.mask_page is None else read_page(opened, facts.mask_page, source)[..., 0]
        pixels, valid = samples_to_pixels(samples, mask, facts, page, source)
        # The transform of a map is for pixels as stored, whatever the orientation says.
        orientation = 1 if facts.georeferenced else page_orientation(page)
    upright = turn_upright(as_image(pixels, source), orientation)
    return Picture(upright, None if valid is None else turn_upright(valid, orientation), facts)


def samples_to_pixels(
    samples: NDArray[Any], mask: NDArray[Any] | None, facts: TiffFacts, page: "TiffPage", source: str
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Turn samples of a TIFF into levels of an image.

    Args:
        samples: ``(H, W, C)`` of some rows or all, as stored, transparency included.
        mask: ``(H, W)``, the page that says which pixels show something, where there is one.
        facts: of the file.
        page: its first.
        source: the file, for messages.

    Returns:
        Pixels, ``(H, W, C)``, and which of them show something, ``(H, W) bool`` or None where all do.

    Raises:
        ImageError: the colour space is not read.
    """
    bands, alpha = facts.split(samples)
    valid = facts.valid(bands, alpha, mask) if facts.may_lack_pixels else None
    return to_rgb(bands, page, source) if facts.other_colours else facts.to_pixels(bands, valid), valid


def fill_missing(pixels: Pixels, valid: NDArray[np.bool_] | None) -> Pixels:
    """Give the pixels that show nothing the mean of the others, band by band.

    Args:
        pixels: ``(H, W, C)``.
        valid: ``(H, W) bool``: which pixels show something; None where all do.

    Examples:
        >>> image = np.array([[[10], [20], [255]]], np.uint8)
        >>> fill_missing(image, np.array([[True, True, False]])).ravel().tolist()
        [10, 20, 15]
    """
    if valid is None or not valid.any():
        return pixels
    mean = np.array(
        [np.mean(pixels[..., band], where=valid, dtype=np.float64) for band in range(pixels.shape[-1])]
    )
    filler = mean if pixels.dtype == np.float32 else np.rint(mean)
    return np.where(valid[..., None], pixels, filler.astype(pixels.dtype))


def _free_level(image: Pixels, valid: NDArray[np.bool_]) -> int:
    """Find a level that no valid pixel has in all bands: 0 or the highest, where one of these is free."""
    grey = image[valid & (image == image[..., :1]).all(axis=-1)][:, 0]
    highest = 65_535 if image.dtype == np.uint16 else 255
    used = set(np.unique(grey).tolist())
    return next((level for level in (0, highest, *range(1, highest)) if level not in used), 0)


def write_bands(
    path: Path,
    image: Pixels,
    names: Sequence[str] = (),
    like: Path | None = None,
    valid: NDArray[np.bool_] | None = None,
) -> None:
    """Write an image of any number of bands and any depth as a compressed TIFF.

    Bands are stored one after another, so that some can be read without the others, and carry their names where
    GDAL, and so QGIS, finds them.

    Args:
        path: ends in ``.tif``.
        image: ``(H, W, C)`` ``uint8``, ``uint16`` or ``float32``.
        names: of the bands, or nothing.
        like: TIFF that shows the same place, pixel by pixel, whose georeference is taken over where it has one.
        valid: ``(H, W) bool``: which pixels show something; the others become nodata, which is NaN, or a level that
            no other pixel has in all bands. None where all pixels show something.

    Raises:
        OutputError: the file could not be written.
    """
    import tifffile

    items = "".join(
        f'<Item name="DESCRIPTION" sample="{band}" role="description">{escape(name)}</Item>'
        for band, name in enumerate(names)
    )
    metadata = f"<GDALMetadata>{items}</GDALMetadata>".encode()
    tags = [(_GDAL_METADATA, "s", 0, metadata, True)] if names else []
    if valid is not None:
        nodata = np.array(np.nan if image.dtype == np.float32 else _free_level(image, valid), image.dtype)
        image = np.where(valid[..., None], image, nodata)
        tags.append((NODATA_TAG, "s", 0, str(nodata).encode(), True))
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            image.transpose(2, 0, 1),
            photometric="minisblack",
            planarconfig="separate" if image.shape[-1] > 1 else None,
            compression="zlib",
            predictor=True,
            metadata=None,
            extratags=[*tags, *(georeference_tags(like) if like is not None else [])],
        )


def write_image(path: Path, image: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write ``(H, W, 3)`` or ``(H, W) uint8`` as PNG or JPEG, by the suffix of ``path``; ``(H, W) uint16`` as PNG."""
    encoded = io.BytesIO()  # Pillow does not notice a disk that is full when it writes to a file itself
    Image.fromarray(image).save(encoded, "PNG" if path.suffix.lower() == ".png" else "JPEG", **_FINE)
    write_bytes(path, encoded.getbuffer())


def true_colour(image: NDArray[Any], names: Sequence[str] | None) -> NDArray[Any]:
    """Take the bands that people see, red, green and blue, where they are among named ones.

    Args:
        image: ``(H, W, C)``, any depth.
        names: of the bands; Sentinel-2's B4, B3 and B2 count as red, green and blue.

    Returns:
        ``(H, W, 3)``, or the image itself where its bands have no such names.

    Examples:
        >>> true_colour(np.arange(4).reshape(1, 1, 4), ["B2", "B3", "B4", "B8"]).tolist()
        [[[2, 1, 0]]]
    """
    known = [name.casefold() for name in names or ()]
    for colours in _COLOURS:
        if len(known) == image.shape[-1] and set(colours) <= set(known):
            return image[..., [known.index(colour) for colour in colours]]
    return image


def as_rgb(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Make any image something to look at: ``(H, W, 3) uint8``.

    Grey becomes RGB and of more bands the first three are shown; images deeper than 8 bits are stretched
    between their 1st and 99th percentile, since few sensors fill the depth of their files.

    Args:
        image: ``(H, W, C)``, any depth.
    """
    shown = image[..., :3] if image.shape[-1] >= 3 else np.repeat(image[..., :1], 3, axis=-1)
    if shown.dtype == np.uint8:
        return np.ascontiguousarray(shown)
    low, high = np.percentile(shown, (1, 99))
    scaled = (shown.astype(np.float32) - low) / max(float(high - low), 1e-6)
    return (scaled.clip(0, 1) * 255).round().astype(np.uint8)
