"""PNG, JPEG, BMP, GIF and WebP files to arrays."""

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from solarseg.decoding import jpeg
from solarseg.decoding.guards import check_claim, check_pixels
from solarseg.decoding.orientation import ORIENTATION_TAG, turn_upright
from solarseg.errors import ImageError

__all__ = [
    "Bitmap",
    "bitmap_orientation",
    "decode_bitmap",
    "decode_levels",
    "from_pillow",
    "without_pillows_limit",
]

# Pillow opens others, some with a program of their own. A JPEG with previews is MPO to it.
_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "WEBP")
_PILLOW = Lock()  # around its global setting
# Bytes of pixels that one byte of a file can stand for at most: 258 bytes in 2 bits of Deflate; 8 x 8 pixels in one
# bit of a JPEG; 4,000 pixels in a code of 12 bits of LZW; 255 pixels in two bytes of run lengths. WebP has no limit.
_RATIOS = {"PNG": 1032, "JPEG": 1024, "MPO": 1024, "GIF": 2800, "BMP": 255, "DIB": 255, "WEBP": 1 << 15}
_GREY_ALPHA, _RGB, _RGBA = 4, 2, 6  # colour types of PNG


@dataclass(frozen=True)
class Bitmap:
    """The samples of a file, as it stores them, but upright.

    Attributes:
        samples: ``(H, W, C)`` ``uint8`` or ``uint16``: grey levels, RGB or positions in a palette.
        bits: of a sample.
        palette: ``(N, 3) uint8`` colours that the samples point to, or None.
        opacity: ``(H, W) uint8``, 0 is wholly transparent; None where the file has no transparency.
    """

    samples: NDArray[np.uint8] | NDArray[np.uint16]
    bits: int
    palette: NDArray[np.uint8] | None = None
    opacity: NDArray[np.uint8] | None = None


def decode_levels(content: bytes, source: str) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decode the picture that a file shows, without its transparency.

    Args:
        content: of the file.
        source: the file, for messages.

    Returns:
        ``(H, W)`` or ``(H, W, 3)``, upright; levels fill the range of their dtype.

    Raises:
        ImageError: the file is damaged, too large, an animation or of a format that is not known.
        Exception: the decoder found it damaged; any kind.
    """
    with _opened(content, source) as picture:
        if not _is_deep(picture, content):
            return from_pillow(picture)
        samples = _decode_deep(content)  # Pillow would halve the depth of these
        levels = samples[..., :3] if samples.shape[-1] >= 3 else samples[..., 0]
        return turn_upright(levels, _orientation(picture))


def from_pillow(picture: Image.Image) -> NDArray[Any]:
    """Turn a Pillow image into an array, upright, grey or RGB: ``(H, W)`` or ``(H, W, 3)``."""
    picture.load()
    if picture.mode.startswith("I"):
        levels = np.asarray(picture).astype(np.uint16)
    elif picture.mode in ("L", "RGB", "F"):
        levels = np.asarray(picture)
    else:
        levels = np.asarray(picture.convert("L" if picture.mode in ("1", "LA") else "RGB"))
    return turn_upright(levels, _orientation(picture))


def decode_bitmap(content: bytes, source: str) -> Bitmap:
    """Decode what a file stores: positions in a palette, levels of few bits, transparency.

    Args:
        content: of the file.
        source: the file, for messages.

    Raises:
        ImageError: the file is damaged, too large, an animation or of a format that is not known.
        Exception: the decoder found it damaged; any kind.
    """
    with _opened(content, source) as picture:
        found = _as_stored(picture, content)
        orientation = _orientation(picture)
    opacity = found.opacity
    return Bitmap(
        turn_upright(found.samples, orientation),
        found.bits,
        found.palette,
        None if opacity is None else turn_upright(opacity, orientation),
    )


def bitmap_orientation(content: bytes, source: str) -> int:
    """Read the EXIF orientation of a file, 1 to 8, where 1 is upright.

    Raises:
        ImageError: as `decode_levels`.
        Exception: as `decode_levels`.
    """
    with _opened(content, source) as picture:
        return _orientation(picture)


@contextmanager
def without_pillows_limit() -> Iterator[None]:
    """Let Pillow open pictures above 179 megapixels, which drone mosaics often are."""
    with _PILLOW:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def _opened(content: bytes, source: str) -> Iterator[Image.Image]:
    """Open and decode a file after checks of what it claims."""
    with _open(content, source) as picture:
        check_pixels(source, picture.width, picture.height)
        kind = picture.format or ""
        check_claim(source, _claimed_bytes(picture, content), len(content), _RATIOS[kind])
        frames = getattr(picture, "n_frames", 1)
        if frames > 1 and kind != "MPO":  # whose other pictures are previews of the first, as viewers take it
            raise ImageError(f"{source}: an animation of {frames} pictures; save each as a file of its own")
        if kind in ("JPEG", "MPO"):
            jpeg.check_stream(content, source)
        if kind == "PNG":
            _check_png(content, source)
        if _is_misread(picture, content):
            yield _decode_grey(content)
            return
        if not _is_deep(picture, content):
            picture.load()
        yield picture


def _open(content: bytes, source: str) -> Image.Image:
    if not content:
        raise ImageError(f"{source}: the file is empty; replace or remove it")
    try:
        with without_pillows_limit():  # our own limit follows
            return Image.open(io.BytesIO(content), formats=_FORMATS)
    except UnidentifiedImageError as error:  # whose text names an object of ours
        raise ImageError(
            f"{source}: cannot be read as an image (of no format that is known); replace or remove the file"
        ) from error


def _claimed_bytes(picture: Image.Image, content: bytes) -> int:
    channels = len(picture.getbands())
    if picture.format == "PNG":
        depth, kind = content[24], content[25]
        channels = {_GREY_ALPHA: 2, _RGB: 3, _RGBA: 4}.get(kind, 1)
        return picture.height * (1 + (picture.width * channels * depth + 7) // 8)
    return picture.width * picture.height * channels


def _check_png(content: bytes, source: str) -> None:
    """Check that chunks follow one another up to the end, each with its checksum, which decoders leave out."""
    view, place, name = memoryview(content), 8, b""
    while name != b"IEND":
        length = int.from_bytes(view[place : place + 4], "big")
        end = place + 8 + length
        name = bytes(view[place + 4 : place + 8])
        if end + 4 > len(view) or zlib.crc32(view[place + 4 : end]) != int.from_bytes(
            view[end : end + 4], "big"
        ):
            raise ImageError(
                f"{source}: the PNG data are damaged (wrong checksum or early end); replace or remove the file"
            )
        place = end + 4


def _is_deep(picture: Image.Image, content: bytes) -> bool:
    """Whether it is a PNG of several channels of 16 bits."""
    return picture.format == "PNG" and content[24] == 16 and content[25] in (_GREY_ALPHA, _RGB, _RGBA)


def _decode_deep(content: bytes) -> NDArray[np.uint16]:
    import imagecodecs  # takes a while, which files of other kinds need not wait for

    return np.asarray(imagecodecs.png_decode(content), dtype=np.uint16)


def _is_misread(picture: Image.Image, content: bytes) -> bool:
    """Whether it is a BMP with a grey palette whose bits Pillow takes for fewer or more than they are."""
    bits = int.from_bytes(content[28:30], "little")
    return picture.format == "BMP" and (picture.mode, bits) in (("1", 4), ("1", 8), ("L", 4))


def _decode_grey(content: bytes) -> Image.Image:
    levels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    if levels is None:
        raise ValueError("truncated BMP")
    return Image.fromarray(levels)


def _orientation(picture: Image.Image) -> int:
    try:
        found = picture.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # damaged EXIF leaves the picture as it is stored, as in viewers
        return 1
    return found if isinstance(found, int) else 1


def _as_stored(picture: Image.Image, content: bytes) -> Bitmap:
    """Samples, as stored, not yet upright."""
    if _is_deep(picture, content):
        samples = _decode_deep(content)
        channels = 3 if samples.shape[-1] >= 3 else 1
        opacity = (samples[..., channels] >> 8).astype(np.uint8) if samples.shape[-1] > channels else None
        return Bitmap(samples[..., :channels], 16, opacity=opacity)
    bits = content[24] if picture.format == "PNG" else 1 if picture.mode == "1" else 8
    if picture.mode in ("RGBA", "LA"):
        bands = np.asarray(picture)
        return Bitmap(bands[..., :-1], 8, opacity=bands[..., -1])
    clear = picture.info.get("transparency")
    if picture.mode == "P":
        places = np.asarray(picture)
        palette = np.array(picture.getpalette() or [0, 0, 0], np.uint8).reshape(-1, 3)
        return Bitmap(places[..., None], bits, palette, _opacity_of_palette(places, clear))
    if picture.mode.startswith("I"):
        return _with_clear(np.asarray(picture).astype(np.uint16)[..., None], 16, clear)
    if picture.mode in ("1", "L"):
        levels = np.asarray(picture).astype(np.uint8)
        if picture.mode == "1":
            clear = bool(clear) if clear is not None else None  # Pillow says 255 for white
        else:
            levels //= 255 // (2**bits - 1)  # Pillow spreads levels of 2 and 4 bits over 0 to 255
        return _with_clear(levels[..., None], bits, clear)
    return _with_clear(np.asarray(picture.convert("RGB")), 8, clear)


def _with_clear(samples: NDArray[Any], bits: int, clear: Any) -> Bitmap:
    """Samples with one level or colour that may be transparent."""
    if clear is None or isinstance(clear, bytes):
        return Bitmap(samples, bits)
    hidden = (samples == np.array(clear)).all(axis=-1)
    return Bitmap(samples, bits, opacity=np.where(hidden, 0, 255).astype(np.uint8))


def _opacity_of_palette(places: NDArray[np.uint8], clear: Any) -> NDArray[np.uint8] | None:
    if clear is None:
        return None
    table = np.full(256, 255, np.uint8)
    if isinstance(clear, bytes):
        table[: len(clear)] = np.frombuffer(clear, np.uint8)
    else:
        table[int(clear)] = 0
    return table[places]
