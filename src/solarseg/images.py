"""Image and mask files to arrays and back.

An image is ``(H, W, C)``, ``uint8``, ``uint16`` or ``float32``, as deep as its file, bands last, RGB
order where there are colours, turned upright where EXIF says so. A mask file is ``(H, W)`` integers.
"""

import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.errors import DataError, ImageError, MaskError
from solarseg.files import atomic_path, write_bytes
from solarseg.geotiff import TIFF_SUFFIXES, TiffFacts, facts_of

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "Picture",
    "as_image",
    "as_rgb",
    "check_pixels",
    "decode_image",
    "from_pillow",
    "mask_palette",
    "read_image",
    "read_mask_values",
    "read_picture",
    "true_colour",
    "without_pillows_limit",
    "write_bands",
    "write_image",
    "write_mask",
]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})
MAX_PIXELS = 20_000 * 20_000
_PILLOW = Lock()  # around its global setting
_PNG_DEPTH = slice(24, 26)  # bit depth and colour type, the last two bytes we need of a PNG's IHDR chunk
_PNG_DEEP = {b"\x10\x02": slice(2, None, -1), b"\x10\x06": slice(2, None, -1), b"\x10\x04": slice(1)}
_IGNORED = (128, 128, 128)
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
    """

    pixels: Pixels
    valid: NDArray[np.bool_] | None = None


def read_image(path: Path | str) -> Pixels:
    """Read the pixels of an image file; see `read_picture`."""
    return read_picture(path).pixels


def read_picture(path: Path | str) -> Picture:
    """Read an image file.

    Grey, RGB, RGBA (transparency is dropped), palette, CMYK, 8- and 16-bit, and TIFFs of any number of
    bands. EXIF orientation is applied.

    Args:
        path: PNG, JPEG, BMP, WebP or TIFF.

    Raises:
        ImageError: the file is missing, truncated, too large or not an image.
    """
    path = Path(path)
    valid = None
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            data, valid = _read_tiff(path)
        else:
            data = _decode_picture(path.read_bytes(), path)
    except ImageError:
        raise
    except Exception as error:  # decoders raise whatever they like on a damaged file
        raise ImageError(f"{path}: {_reason(error)}; replace or remove the file") from error
    return Picture(as_image(data, str(path)), valid)


def decode_image(content: bytes, source: str) -> Pixels:
    """Do what `read_image` does with an image file that is held in memory.

    Args:
        content: of a PNG, JPEG, BMP or WebP file.
        source: where it is from, for the error message.

    Raises:
        ImageError: it is truncated, too large or not an image.
    """
    try:
        data = _decode_picture(content, Path(source))
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"{source}: {_reason(error)}; replace or remove it") from error
    return as_image(data, source)


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
            f"{source}: holds {pixels.dtype} numbers; allowed are uint8, uint16, bool and floats; convert it"
        )
    if not np.isfinite(pixels).all():
        raise ImageError(f"{source}: holds NaN or infinite values; replace them by numbers")
    return pixels.astype(np.float32)


class _EmptyError(Exception):
    """A file holds nothing at all."""


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, _EmptyError):
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):  # whose text names an object of ours
        return "cannot be read as an image (of no format that is known)"
    text = re.sub(r" object at 0x[0-9a-f]+", "", " ".join(str(error).split())) or type(error).__name__
    return f"cannot be read as an image ({text})"


def _decode_picture(content: bytes, path: Path) -> NDArray[Any]:
    with _open_picture(content, path) as picture:
        if content[_PNG_DEPTH] in _PNG_DEEP and picture.format == "PNG":
            # Pillow would halve its depth.
            return _turn(_read_deep_png(content), picture.getexif().get(_ORIENTATION))
        return from_pillow(picture)


def from_pillow(picture: Image.Image) -> NDArray[Any]:
    """Turn a Pillow image into an array, upright, grey or RGB: ``(H, W)`` or ``(H, W, 3)``."""
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I"):
        return np.asarray(upright).astype(np.uint16)
    if upright.mode not in ("L", "RGB", "F"):
        upright = upright.convert("L" if upright.mode in ("1", "LA") else "RGB")
    return np.asarray(upright)


def _open_picture(content: bytes, path: Path) -> Image.Image:
    if not content:
        raise _EmptyError
    with without_pillows_limit():  # our own limit follows
        picture = Image.open(io.BytesIO(content))
    check_pixels(path, picture.width, picture.height)
    return picture


@contextmanager
def without_pillows_limit() -> Iterator[None]:
    """Let Pillow open pictures above 179 megapixels, which drone mosaics often are."""
    with _PILLOW:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def check_pixels(path: Path, width: int, height: int, kind: type[DataError] = ImageError) -> None:
    """Raise an error of a kind where a file has more pixels than are read at once, before they are."""
    if width * height > MAX_PIXELS:
        raise kind(
            f"{path}: {width} x {height} pixels; at most {MAX_PIXELS:,} are read at once; cut it into tiles"
        )


def _read_deep_png(content: bytes) -> NDArray[np.uint16]:
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise ValueError("truncated 16-bit PNG")
    return np.ascontiguousarray(decoded[..., _PNG_DEEP[content[_PNG_DEPTH]]])


def _read_tiff(path: Path) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Read pixels, and which of them show something."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        series, page = file.series[0], file.pages[0]
        sizes = dict(zip(series.axes, series.shape, strict=True))
        check_pixels(path, sizes["X"], sizes["Y"])
        samples = _bands_last(series.asarray(), series.axes)
        facts = facts_of(file)
        mask = None if facts.mask_page is None else file.pages[facts.mask_page].asarray()
    valid = _find_valid(samples, facts, mask)
    pixels = facts.to_pixels(samples if facts.alpha is None else samples[..., : facts.alpha], valid)
    if facts.georeferenced:  # its transform is for pixels as stored, whatever the orientation says
        return pixels, valid
    return _upright(pixels, page), None if valid is None else _upright(valid, page)


def _find_valid(
    samples: NDArray[Any], facts: TiffFacts, mask: NDArray[Any] | None
) -> NDArray[np.bool_] | None:
    if not facts.may_lack_pixels:
        return None
    if facts.alpha is None:
        return facts.valid(samples, mask=mask)
    return facts.valid(samples[..., : facts.alpha], samples[..., facts.alpha], mask)


# The tags of GeoTIFF: size of a pixel, tie points, transformation, and the coordinate system.
_GEOREFERENCE = (33550, 33922, 34264, 34735, 34736, 34737)


def _georeference(path: Path) -> list[tuple[int, int, int, Any, bool]]:
    """What a TIFF says of its place on the ground, as tifffile writes it."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        tags = [file.pages[0].tags.get(code) for code in _GEOREFERENCE]
        return [(tag.code, int(tag.dtype), tag.count, tag.value, True) for tag in tags if tag is not None]


# TIFF's tag 274, which EXIF took over: what stands in the file's first row and first column.
_ORIENTATION = 274
_TO_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: np.fliplr,
    3: lambda data: np.rot90(data, 2),
    4: np.flipud,
    5: lambda data: data.swapaxes(0, 1),
    6: lambda data: np.rot90(data, -1),
    7: lambda data: np.rot90(data.swapaxes(0, 1), 2),
    8: np.rot90,
}


def _upright(data: NDArray[Any], page: Any) -> NDArray[Any]:
    """Turn ``(H, W, ...)`` as the TIFF page's orientation says."""
    tag = page.tags.get(_ORIENTATION)
    return _turn(data, int(tag.value) if tag is not None else None)


def _turn(data: NDArray[Any], orientation: int | None) -> NDArray[Any]:
    turn = _TO_UPRIGHT.get(orientation or 0)
    return np.ascontiguousarray(turn(data)) if turn is not None else data


def _bands_last(data: NDArray[Any], axes: str) -> NDArray[Any]:
    """Whatever is not height or width (samples, pages, channels) becomes a band."""
    data = np.moveaxis(data, (axes.index("Y"), axes.index("X")), (0, 1))
    return data.reshape(*data.shape[:2], -1)


def read_mask_values(path: Path | str) -> NDArray[np.integer]:
    """Read the values of a mask file as they stand: palette indices, grey levels or class ids.

    Returns:
        ``(H, W)`` integers.

    Raises:
        MaskError: the file is missing, damaged, or a colour picture.
    """
    path = Path(path)
    try:
        values = _read_mask_tiff(path) if path.suffix.lower() in TIFF_SUFFIXES else _read_mask_picture(path)
    except MaskError:
        raise
    except Exception as error:
        raise MaskError(f"{path}: {_reason(error)}; replace or remove the file") from error
    if values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]  # a grey mask saved as RGB
    if not np.issubdtype(values.dtype, np.integer):
        raise MaskError(
            f"{path}: mask holds {values.dtype} numbers; class ids are whole; save it as 8-bit grey"
        )
    if values.ndim != 2:
        raise MaskError(
            f"{path}: mask is a colour picture of {values.shape[-1]} bands; a mask holds one number a pixel "
            "(0/255, 0/1, class ids or a palette); save it as grey or palette PNG"
        )
    return values


def _read_mask_picture(path: Path) -> NDArray[np.integer]:
    with _open_picture(path.read_bytes(), path) as picture:
        picture.load()
        upright = ImageOps.exif_transpose(picture)
        has_alpha = upright.mode in ("RGBA", "LA")
        values = np.asarray(upright.convert(upright.mode[:-1]) if has_alpha else upright)
    return values.astype(np.uint8) if values.dtype == np.bool_ else values


def _read_mask_tiff(path: Path) -> NDArray[np.integer]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        sizes = dict(zip(series.axes, series.shape, strict=True))
        check_pixels(path, sizes["X"], sizes["Y"], MaskError)
        values = _upright(series.asarray().squeeze(), file.pages[0])
    return values.astype(np.uint8) if values.dtype == np.bool_ else values


def mask_palette(path: Path) -> list[tuple[int, int, int]] | None:
    """Return the colours of a palette mask, or None where the file has no palette.

    Raises:
        MaskError: the file is missing or damaged.
    """
    if path.suffix.lower() in TIFF_SUFFIXES:
        return None
    try:
        with _open_picture(path.read_bytes(), path) as picture:
            flat = (picture.getpalette() or []) if picture.mode == "P" else None
    except Exception as error:
        raise MaskError(f"{path}: {_reason(error)}; replace or remove the file") from error
    if flat is None:
        return None
    return [(flat[i], flat[i + 1], flat[i + 2]) for i in range(0, len(flat) - 2, 3)]


def write_mask(path: Path, mask: NDArray[np.uint8], classes: ClassMap) -> None:
    """Write class ids as a palette PNG, which viewers show in the classes' colours.

    Args:
        path: ends in ``.png``.
        mask: ``(H, W) uint8`` class ids, 255 = ignored, which is shown grey.
        classes: gives the colours.

    Raises:
        OutputError: the file could not be written.
    """
    colours = list(classes.colours)
    if (mask == IGNORE_INDEX).any():
        # Pillow stores as many bits a pixel as the palette needs, so it must reach as far as the values do.
        colours += [(0, 0, 0)] * (IGNORE_INDEX - len(colours)) + [_IGNORED]
    picture = Image.new("P", (mask.shape[1], mask.shape[0]))
    picture.frombytes(np.ascontiguousarray(mask).tobytes())
    picture.putpalette([level for colour in colours for level in colour])
    encoded = io.BytesIO()  # Pillow writes a file in small pieces, which takes ten times as long
    # Masks are runs, which makes them as small in less time.
    picture.save(encoded, "PNG", optimize=False, compress_type=zlib.Z_RLE)
    write_bytes(path, encoded.getbuffer())


def write_bands(path: Path, image: Pixels, names: Sequence[str] = (), like: Path | None = None) -> None:
    """Write an image of any number of bands and any depth as a compressed TIFF.

    Bands stand one after another, so that some can be read without the others, and carry their names where
    GDAL, and so QGIS, finds them.

    Args:
        path: ends in ``.tif``.
        image: ``(H, W, C)`` ``uint8``, ``uint16`` or ``float32``.
        names: of the bands, or nothing.
        like: TIFF that shows the same place, pixel upon pixel, whose georeference is taken over where it has one.

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
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            image.transpose(2, 0, 1),
            photometric="minisblack",
            planarconfig="separate" if image.shape[-1] > 1 else None,
            compression="zlib",
            predictor=True,
            metadata=None,
            extratags=[*tags, *(_georeference(like) if like is not None else [])],
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
