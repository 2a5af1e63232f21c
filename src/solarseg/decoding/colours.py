"""Colour spaces of TIFF to RGB."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solarseg.errors import ImageError

if TYPE_CHECKING:
    from tifffile import TiffPage

__all__ = ["has_colour_space", "to_rgb"]

# PhotometricInterpretation
_PLAIN = (0, 1, 2, 3, 4)  # white is 0, black is 0, RGB, palette, transparency mask
_SEPARATED, _YCBCR, _CIELAB, _ICCLAB = 5, 6, 8, 9
_CHANNELS = {_SEPARATED: 4, _YCBCR: 3, _CIELAB: 3, _ICCLAB: 3}
_CMYK = 1  # InkSet
_DECODED = (7, 50001)  # compressions whose decoders give RGB: JPEG, WebP
_INK_SET, _COEFFICIENTS, _REFERENCE = 332, 529, 532  # tags
_BT_601 = (0.299, 0.587, 0.114)
_FULL_RANGE = (0, 255, 128, 255, 128, 255)
_NAMES = {32803: "the raw data of a sensor (CFA)", 34892: "the raw data of a sensor (linear raw)"}


def has_colour_space(page: "TiffPage") -> bool:
    """Whether the samples of a page are colours other than grey, RGB or a palette."""
    return page.photometric not in _PLAIN and not (
        page.photometric == _YCBCR and page.compression in _DECODED
    )


def to_rgb(bands: NDArray[Any], page: "TiffPage", source: str) -> NDArray[Any]:
    """Convert CMYK, YCbCr or CIELAB to RGB.

    CMYK is converted by the formula that Pillow and OpenCV use, without a colour profile.

    Args:
        bands: ``(H, W, C)`` as stored, without transparency.
        page: they are of.
        source: the file, for messages.

    Returns:
        ``(H, W, 3)``, ``uint8``, or ``uint16`` for CMYK of 16 bits.

    Raises:
        ImageError: the colour space, or its depth, is not read.
    """
    kind = int(page.photometric)
    if kind not in _CHANNELS:
        raise _refuse(
            source, _NAMES.get(kind, f"in the colour space {getattr(page.photometric, 'name', kind)}")
        )
    if bands.shape[-1] != _CHANNELS[kind]:
        raise _refuse(source, f"{_spell(kind)} of {bands.shape[-1]} channels")
    if kind == _SEPARATED:
        return _from_cmyk(bands, page, source)
    if bands.dtype not in (np.uint8, np.int8) or page.bitspersample != 8:
        raise _refuse(source, f"{_spell(kind)} of {page.bitspersample} bits")
    stored = bands.view(np.uint8)
    if kind == _YCBCR:
        if (
            _values(page, _COEFFICIENTS, _BT_601) != _BT_601
            or _values(page, _REFERENCE, _FULL_RANGE) != _FULL_RANGE
        ):
            raise _refuse(source, "YCbCr with coefficients or reference levels of its own")
        return _by_pillow(stored, "YCbCr", "YCbCr")
    if kind == _ICCLAB:
        stored = stored ^ np.array([0, 128, 128], np.uint8)  # a and b start at -128, CIELAB's are signed
    return _by_pillow(stored, "LAB", "LAB")


def _from_cmyk(bands: NDArray[Any], page: "TiffPage", source: str) -> NDArray[Any]:
    ink = page.tags.get(_INK_SET)
    if ink is not None and ink.value != _CMYK:
        raise _refuse(source, "separated into inks other than CMYK")
    if bands.dtype not in (np.uint8, np.uint16) or page.bitspersample != 8 * bands.dtype.itemsize:
        raise _refuse(source, f"CMYK of {page.bitspersample} bits")
    top = np.iinfo(bands.dtype).max
    light = (top - bands).astype(np.float32)
    return np.rint(light[..., :3] * light[..., 3:] / top).astype(bands.dtype)


def _by_pillow(stored: NDArray[np.uint8], mode: str, raw_mode: str) -> NDArray[np.uint8]:
    size = (stored.shape[1], stored.shape[0])
    picture = Image.frombytes(mode, size, np.ascontiguousarray(stored).tobytes(), "raw", raw_mode)
    return np.asarray(picture.convert("RGB"))


def _values(page: "TiffPage", code: int, usual: tuple[float, ...]) -> tuple[float, ...]:
    """The rational numbers of a tag, or the usual ones where it is missing."""
    tag = page.tags.get(code)
    if tag is None:
        return usual
    numbers = np.array(tag.value, np.float64).reshape(-1, 2)
    return tuple(round(float(top / bottom), 3) if bottom else float("nan") for top, bottom in numbers)


def _spell(kind: int) -> str:
    return {_SEPARATED: "CMYK", _YCBCR: "YCbCr"}.get(kind, "CIELAB")


def _refuse(source: str, what: str) -> ImageError:
    return ImageError(f"{source}: {what}, which is not read; save it as RGB")
