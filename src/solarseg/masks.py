"""Mask files to class ids and back: the one place that knows how files of any format spell a mask.

A mask is what a viewer shows. Numbers count as they are stored (positions in a palette, grey levels, class ids), also
where they have fewer than 8 bits; what is wholly transparent is background; where a TIFF says that 0 is white, levels
are inverted. What could mean several things is refused in a sentence:

- Grey levels between 0 and 255, as resizing and JPEG make them at edges, are neither classes nor background. They are
  not split at 128 unasked, since thin cracks, whose pixels are all in between, would vanish: ``threshold: 128`` in
  ``dataset.yaml`` does it.
- Transparency that is neither full nor none is split in the same way.
- A mask that is wholly transparent, and has values under its transparency, is empty or was saved wrongly.
- A palette in which 0 is a colour and black another number may have its order by chance.
"""

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solarseg.classes import IGNORE_INDEX, ClassMap, objection_to
from solarseg.decoding.bitmaps import decode_bitmap
from solarseg.decoding.colours import has_colour_space, to_rgb
from solarseg.decoding.guards import guarded
from solarseg.decoding.orientation import swaps_sides, turn_upright
from solarseg.decoding.tiff import is_tiff, open_tiff, page_orientation, read_page, read_samples
from solarseg.errors import ImageError, MaskError
from solarseg.files import write_bytes
from solarseg.geotiff import facts_of
from solarseg.images import read_orientation

__all__ = [
    "MaskColours",
    "MaskLook",
    "check_mask_size",
    "encode_mask",
    "inspect_mask",
    "mask_palette",
    "read_mask",
    "read_mask_colours",
    "read_mask_values",
    "spell_alike",
    "write_mask",
]

_JPEG = {".jpg", ".jpeg"}
_BLACK, _IGNORED = (0, 0, 0), (128, 128, 128)
_THRESHOLD = "write `threshold: 128` into dataset.yaml to take what is brighter as foreground"


@dataclass(frozen=True)
class MaskLook:
    """What a mask file contains.

    Attributes:
        file: the mask.
        values: each value once, as stored.
        palette: the colours of its palette, where it has one.
        shown: each value once as a viewer shows it, 0 to 255, where that is another number: white of 1 bit is 1 as
            stored and 255 as shown.
    """

    file: Path
    values: list[int]
    palette: list[tuple[int, int, int]] | None = None
    shown: list[int] | None = None


@dataclass(frozen=True)
class MaskColours:
    """The colours of a mask file.

    Attributes:
        colours: ``(H, W, 3)``, or ``(H, W, 1)`` where the file has no colours; ``uint8``.
        clear: ``(H, W) bool``: which pixels are transparent by more than half; None where none is.
    """

    colours: NDArray[np.uint8]
    clear: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class _Stored:
    """The samples of a mask file.

    Attributes:
        path: the file.
        samples: ``(H, W, C)``, 0 is black.
        white: the level that is shown white; None where numbers are no levels.
        palette: ``(N, 3) uint8``, or None.
        opacity: ``(H, W) uint8``; None where all pixels are opaque.
        missing: ``(H, W) bool``: where a georeferenced file has no data; None where it has everywhere.
    """

    path: Path
    samples: NDArray[Any]
    white: int | None
    palette: NDArray[np.uint8] | None = None
    opacity: NDArray[np.uint8] | None = None
    missing: NDArray[np.bool_] | None = None

    @property
    def clear(self) -> NDArray[np.bool_] | None:
        """Which pixels are wholly transparent."""
        return None if self.opacity is None else self.opacity == 0

    @property
    def hidden(self) -> NDArray[np.bool_] | None:
        """Which pixels have no value."""
        known = [part for part in (self.clear, self.missing) if part is not None]
        return np.logical_or.reduce(known) if known else None


def read_mask(path: Path | str, classes: ClassMap) -> NDArray[np.uint8]:
    """Read a mask file of any format: ``(H, W) uint8`` class ids, 255 where pixels are to be ignored.

    Args:
        path: of the mask.
        classes: its classes, and which values stand for them.

    Raises:
        MaskError: the file is missing or damaged, a colour picture, or has an unknown value.
    """
    stored = _read(Path(path))
    if classes.threshold is None:
        _check_opacity(stored)
        values = _numbers(stored)
        shown = _shown(stored, values)
        if shown is not None and not classes.knows(_filled(stored, values, classes)):
            shown = _filled(stored, shown, classes)
            values = shown if classes.knows(shown) else values
    else:
        values = _brightness(stored)
    class_ids = classes.encode(_filled(stored, values, classes), str(path))
    if stored.clear is not None:
        class_ids[stored.clear] = 0
    if stored.missing is not None:
        class_ids[stored.missing] = IGNORE_INDEX
    return class_ids


def inspect_mask(path: Path) -> MaskLook:
    """Find the values of a mask file if nothing names its classes.

    Raises:
        MaskError: the file is missing or damaged, a colour picture, a JPEG of more than two values, or one whose values
            could mean several things.
    """
    stored = _read(path)
    _check_opacity(stored)
    numbers = _numbers(stored)
    shown = _shown(stored, numbers)
    values = _distinct(stored, numbers)
    if path.suffix.lower() in _JPEG and len(values) > 2:
        raise MaskError(
            f"{path}: has {len(values)} values, and JPEG changes mask values; save masks as PNG, or {_THRESHOLD}"
        )
    palette = _as_tuples(stored.palette)
    if palette is not None:
        _check_order(path, values, palette, has_clear=stored.opacity is not None)
    return MaskLook(path, values, palette, None if shown is None else _distinct(stored, shown))


def read_mask_values(path: Path | str) -> NDArray[np.integer]:
    """Read the values of a mask file as they are stored: positions in a palette, grey levels or class ids.

    Returns:
        ``(H, W)`` integers, 0 where pixels are transparent.

    Raises:
        MaskError: the file is missing or damaged, a colour picture, or partly transparent.
    """
    stored = _read(Path(path))
    _check_opacity(stored)
    values = _numbers(stored)
    return values if stored.clear is None else np.where(stored.clear, 0, values)


def read_mask_colours(path: Path | str) -> MaskColours:
    """Read the colours of a mask file, those of its palette where it has one.

    Raises:
        MaskError: the file is missing or damaged, or has neither one nor three channels of 8 bits.
    """
    stored = _read(Path(path))
    samples = stored.samples
    if stored.palette is not None:
        if samples.max() >= len(stored.palette):
            raise MaskError(
                f"{path}: number {samples.max()} has no colour in its palette; save the mask again"
            )
        samples = stored.palette[samples[..., 0]]
    elif stored.white is not None and stored.white < 255:
        samples = np.rint(samples * (255 / stored.white)).astype(np.uint8)
    if samples.shape[-1] not in (1, 3) or samples.dtype != np.uint8:
        raise MaskError(
            f"{path}: mask has {samples.shape[-1]} bands of {samples.dtype}; colours are 3 bands of 8 bits; save it as "
            "RGB PNG"
        )
    if stored.opacity is None:
        return MaskColours(samples)
    return MaskColours(samples, stored.opacity < max(1, int(stored.opacity.max())) / 2)


def mask_palette(path: Path) -> list[tuple[int, int, int]] | None:
    """Return the colours of a palette mask, or None where the file has no palette.

    Raises:
        MaskError: the file is missing or damaged.
    """
    return _as_tuples(_read(path).palette)


def spell_alike(looks: Sequence[MaskLook]) -> list[MaskLook]:
    """Take values as they are shown where, as they are stored, no classes can be made of them.

    If some masks of a set have 1 bit, and others 8 bits with 0 and 255, both have the same white.

    Examples:
        >>> looks = [MaskLook(Path("a"), [0, 1], shown=[0, 255]), MaskLook(Path("b"), [0, 255])]
        >>> [look.values for look in spell_alike(looks)]
        [[0, 255], [0, 255]]
    """
    shown = [look if look.shown is None else replace(look, values=look.shown) for look in looks]
    stored_fits, shown_fits = (
        objection_to({value for look in each for value in look.values}) is None for each in (looks, shown)
    )
    return shown if shown_fits and not stored_fits else list(looks)


def check_mask_size(image: Path, image_size: Sequence[int], mask: Path, mask_size: Sequence[int]) -> None:
    """Raise MaskError where a mask has another size than its image, and say where EXIF is the reason.

    Args:
        image: the file.
        image_size: height and width of the upright image, first of all.
        mask: the file.
        mask_size: the same for the mask.
    """
    (high, wide), (tall, broad) = image_size[:2], mask_size[:2]
    if (high, wide) == (tall, broad):
        return
    reason = ""
    if (high, wide) == (broad, tall):
        turned = swaps_sides(read_orientation(image)), swaps_sides(read_orientation(mask))
        if turned == (True, False):
            reason = "; EXIF turns the image by 90 degrees, the mask is of the unturned image: turn the mask"
        elif turned == (False, True):
            reason = "; EXIF turns the mask by 90 degrees, and not its image: save it without EXIF"
    raise MaskError(
        f"{mask}: mask is {broad} x {tall} pixels, its image {wide} x {high}; they must be equal{reason}"
    )


def write_mask(path: Path, mask: NDArray[np.uint8], classes: ClassMap) -> None:
    """Write class ids as a palette PNG, which viewers show in the classes' colours.

    Args:
        path: ends in ``.png``.
        mask: ``(H, W) uint8`` class ids, 255 = ignored, which is shown grey.
        classes: gives the colours.

    Raises:
        OutputError: the file could not be written.
    """
    write_bytes(path, encode_mask(mask, classes))


def encode_mask(mask: NDArray[np.uint8], classes: ClassMap) -> memoryview:
    """Return the content of the file that `write_mask` writes."""
    colours = list(classes.colours)
    if (mask == IGNORE_INDEX).any():
        # Pillow stores as many bits a pixel as the palette needs, so it must reach as far as the values do.
        colours += [_BLACK] * (IGNORE_INDEX - len(colours)) + [_IGNORED]
    picture = Image.new("P", (mask.shape[1], mask.shape[0]))
    picture.frombytes(np.ascontiguousarray(mask).tobytes())
    picture.putpalette([level for colour in colours for level in colour])
    encoded = io.BytesIO()  # Pillow writes a file in small pieces, which takes ten times as long
    # Masks are runs, which makes them as small in less time.
    picture.save(encoded, "PNG", optimize=False, compress_type=zlib.Z_RLE)
    return encoded.getbuffer()


def _read(path: Path) -> _Stored:
    try:
        with guarded(path):
            with path.open("rb") as file:
                tiff = is_tiff(file.read(4))
            stored = _read_tiff(path) if tiff else _read_bitmap(path)
    except ImageError as error:
        raise MaskError(str(error)) from error
    return _without_constant_opacity(stored)


def _read_bitmap(path: Path) -> _Stored:
    found = decode_bitmap(path.read_bytes(), str(path))
    white = None if found.palette is not None else 2**found.bits - 1
    return _Stored(path, found.samples, white, found.palette, found.opacity)


def _read_tiff(path: Path) -> _Stored:
    with open_tiff(path, str(path)) as file:
        page, facts = file.pages.first, facts_of(file)
        if facts.nodata == 0:
            facts = replace(
                facts, nodata=None
            )  # so QGIS writes background where it burns polygons into a raster
        bands, alpha = facts.split(read_samples(file, str(path)))
        mask = None if facts.mask_page is None else read_page(file, facts.mask_page, str(path))[..., 0]
        # In a map, transparency is where there are no data; in a painting, where nothing was painted.
        valid = facts.valid(bands, alpha if facts.georeferenced else None, mask)
        # The transform of a map is for pixels as stored, whatever the orientation says.
        orientation = 1 if facts.georeferenced else page_orientation(page)
        samples = to_rgb(bands, page, str(path)) if has_colour_space(page) else bands
    if samples.dtype == np.bool_:
        samples = samples.astype(np.uint8)
    white = 2**facts.bits - 1 if facts.palette is None and samples.dtype in (np.uint8, np.uint16) else None
    if facts.inverted and white is not None:
        samples = white - samples
    opacity = None if alpha is None or facts.georeferenced else _as_bytes(alpha, facts.bits)
    return _Stored(
        path,
        turn_upright(samples, orientation),
        white,
        facts.palette,
        None if opacity is None else turn_upright(opacity, orientation),
        None if valid is None else turn_upright(~valid, orientation),
    )


def _as_bytes(alpha: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    top = float(2**bits - 1) if alpha.dtype.kind in "bu" else 1.0
    # Whatever is not wholly transparent stays so.
    return np.ceil((alpha * (255 / top)).clip(0, 255)).astype(np.uint8)


def _without_constant_opacity(stored: _Stored) -> _Stored:
    """Leave out an opacity that is the same everywhere, and refuse a mask that shows nothing but has values."""
    opacity = stored.opacity
    if opacity is None or opacity.min() < opacity.max():
        return stored
    if opacity.flat[0] == 0 and stored.samples.any():
        raise MaskError(
            f"{stored.path}: mask is wholly transparent, but has values; save it without transparency"
        )
    return stored if opacity.flat[0] == 0 else replace(stored, opacity=None)


def _check_opacity(stored: _Stored) -> None:
    """Refuse transparency that is neither full nor none."""
    if stored.opacity is None:
        return
    partly = int(((stored.opacity > 0) & (stored.opacity < stored.opacity.max())).sum())
    if partly:
        raise MaskError(
            f"{stored.path}: mask has {partly:,} pixels that are partly transparent; save it without soft edges, or "
            f"{_THRESHOLD}"
        )


def _numbers(stored: _Stored) -> NDArray[np.integer]:
    """One whole number a pixel: ``(H, W)``."""
    samples = stored.samples
    if samples.shape[-1] > 1:
        if stored.clear is not None:
            samples = np.where(
                stored.clear[..., None], 0, samples
            )  # colours that were rubbed out are still there
        if (samples != samples[..., :1]).any():
            what = "is a colour picture" if samples.shape[-1] == 3 else f"has {samples.shape[-1]} bands"
            raise MaskError(
                f"{stored.path}: mask {what}; a mask has one number a pixel (0/255, 0/1, class ids or a palette); save "
                "it as grey or palette PNG"
            )
    values = samples[..., 0]
    if np.issubdtype(values.dtype, np.integer):
        return values
    whole = values if stored.missing is None else np.where(stored.missing, 0, values)
    if not (np.isfinite(whole).all() and (whole % 1 == 0).all() and np.abs(whole).max() < 2**53):
        raise MaskError(
            f"{stored.path}: mask has {values.dtype} numbers that are not whole; class ids are; save it as 8-bit grey"
        )
    return whole.astype(np.int64)


def _filled(stored: _Stored, values: NDArray[np.integer], classes: ClassMap) -> NDArray[np.integer]:
    """Values, with that of the background where a pixel has none."""
    return values if stored.hidden is None else np.where(stored.hidden, classes.values[0], values)


def _shown(stored: _Stored, values: NDArray[np.integer]) -> NDArray[np.integer] | None:
    """Values as a viewer shows them, 0 to 255, where these are other numbers, and whole."""
    if stored.palette is not None:
        grey = stored.palette[:, 0]
        used = np.unique(values)
        if used[-1] >= len(grey) or (stored.palette != grey[:, None]).any():
            return None
        return (
            grey[values] if len(np.unique(grey[used])) == len(used) else None
        )  # a broken palette is all black
    if stored.white in (1, 3, 15):
        return (values * (255 // stored.white)).astype(np.uint8)
    if stored.white == 65535 and values.max() > 255 and not (values % 257).any():
        return (values // 257).astype(np.uint8)
    return None


def _brightness(stored: _Stored) -> NDArray[np.uint8]:
    """How bright pixels are on black, 0 to 255."""
    values = _numbers(stored)
    levels: NDArray[Any] | None = None
    if stored.palette is not None:
        levels = _shown(stored, values)
    elif stored.white is not None:
        levels = values * (255 / stored.white)
    if levels is None:
        raise MaskError(
            f"{stored.path}: mask has no grey levels, so a threshold cannot be used; save it as 8-bit grey"
        )
    shown = levels if stored.opacity is None else levels * (stored.opacity / int(stored.opacity.max() or 1))
    return np.rint(shown).astype(np.uint8)


def _distinct(stored: _Stored, values: NDArray[np.integer]) -> list[int]:
    """Each visible value once, and 0 where something is transparent."""
    hidden = stored.hidden
    found = np.unique(values if hidden is None else values[~hidden]).tolist()
    has_clear = stored.clear is not None and bool(stored.clear.any())
    return sorted({*found, 0}) if has_clear else found


def _check_order(
    path: Path, values: list[int], palette: list[tuple[int, int, int]], *, has_clear: bool
) -> None:
    """Refuse a palette whose order may be by chance: 0 is a colour, and the background another number."""
    colours = {value: palette[value] for value in values if value < len(palette)}
    if colours.get(0, _BLACK) == _BLACK:
        return
    black = next((value for value, colour in colours.items() if colour == _BLACK), None)
    if black is not None or has_clear:
        background = "what is transparent" if black is None else f"black, number {black} of its palette,"
        raise MaskError(
            f"{path}: {background} looks like the background, but number 0 is the colour {colours[0]}; save the mask "
            "as 8-bit grey, or name the classes of its numbers in dataset.yaml"
        )


def _as_tuples(palette: NDArray[np.uint8] | None) -> list[tuple[int, int, int]] | None:
    if palette is None:
        return None
    return [(red, green, blue) for red, green, blue in palette.tolist()]
