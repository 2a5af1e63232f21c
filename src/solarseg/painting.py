"""Masks painted on pictures, legends, and pictures put together on a page.

A picture here is ``(H, W, 3) uint8`` RGB. No function changes the arrays it is given.
"""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.errors import ArgumentError

__all__ = [
    "below",
    "beside",
    "check_same_size",
    "fit",
    "ink",
    "legend",
    "paint",
    "percent",
    "repeats",
    "resize",
    "swatch",
    "text",
]

Picture = NDArray[np.uint8]

_IGNORED = (128, 128, 128)
_SLOPES = ((), (1,), (-1,), (1, -1))  # of the stripes of each hatch
_LIGHT = 0.179  # relative luminance that contrasts equally (4.6:1) with black and with white


def ink(colours: ArrayLike) -> Picture:
    """Choose black or white, whichever is easier to read on a colour (WCAG relative luminance).

    Args:
        colours: ``(..., 3)`` RGB, 0 to 255.

    Returns:
        ``(..., 3) uint8``, all 0 or all 255; the contrast is at least 4.5:1.

    Examples:
        >>> ink([(255, 255, 0), (0, 0, 139)]).tolist()
        [[0, 0, 0], [255, 255, 255]]
    """
    level = np.asarray(colours) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    dark = linear @ np.array([0.2126, 0.7152, 0.0722]) < _LIGHT
    return np.repeat(dark[..., None], 3, axis=-1).astype(np.uint8) * 255


def repeats(classes: ClassMap) -> tuple[int, ...]:
    """Give each class a hatch: 0 (none), or 1, 2, 3 where earlier classes have its colour already.

    Examples:
        >>> red, blue = (255, 0, 0), (0, 0, 255)
        >>> repeats(ClassMap(("background", "a", "b", "c"), colours=((0, 0, 0), red, blue, red)))
        (0, 0, 0, 1)
    """
    earlier = (classes.colours[:i].count(colour) for i, colour in enumerate(classes.colours))
    return tuple(count % len(_SLOPES) for count in earlier)


def check_same_size(image: NDArray[Any], mask: NDArray[np.uint8]) -> None:
    """Raise ArgumentError where an ``(H, W, C)`` image and an ``(H, W)`` mask differ in size."""
    if image.shape[:2] != mask.shape:
        raise ArgumentError(
            f"mask: shape {mask.shape} differs from the image's {image.shape[:2]}; give the image's own mask"
        )


def paint(
    picture: Picture,
    mask: NDArray[np.uint8],
    classes: ClassMap,
    alpha: float,
    width: int = 1,
    hatches: Sequence[int] | None = None,
) -> Picture:
    """Paint every class but the background over a picture, with outlines.

    The outline is a line of the class's colour inside the region and, outside it, one of black or white,
    whichever contrasts with that colour: one of the two shows on any picture. Background further than
    ``width`` from a region stays as it was. Ignored pixels are hatched in grey.

    Args:
        picture: ``(H, W, 3) uint8``.
        mask: ``(H, W) uint8`` class ids, 255 = ignored.
        classes: gives the colours.
        alpha: how much of the class colour covers the picture, 0 to 1.
        width: of the lines, in pixels.
        hatches: 0 to 3 for each class id; by default those that tell classes of one colour apart.

    Returns:
        ``(H, W, 3) uint8``.

    Raises:
        ArgumentError: picture and mask differ in size.
    """
    check_same_size(picture, mask)
    colours = np.full((256, 3), _IGNORED, np.uint8)
    colours[: len(classes)] = classes.colours
    inks = ink(colours)
    painted: Picture = cv2.addWeighted(picture, 1 - alpha, colours[mask], alpha, 0)
    patterns = {IGNORE_INDEX: 1} | dict(enumerate(repeats(classes) if hatches is None else hatches))
    for slope in (1, -1):
        ids = [i for i, hatch in patterns.items() if slope in _SLOPES[hatch]]
        striped = np.isin(mask, ids) & _stripes(mask.shape, slope, width)
        painted[striped] = painted[striped] // 2 + inks[mask[striped]] // 2
    np.copyto(painted, picture, where=(mask == 0)[..., None])
    _outline(painted, np.where(mask == IGNORE_INDEX, 0, mask).astype(np.uint8), colours, inks, width)
    return painted


def _stripes(shape: tuple[int, ...], slope: int, width: int) -> NDArray[np.bool_]:
    y, x = np.ogrid[: shape[0], : shape[1]]
    stripes: NDArray[np.bool_] = (x + slope * y) % (8 * width) < width
    return stripes


def _outline(painted: Picture, ids: NDArray[np.uint8], colours: Picture, inks: Picture, width: int) -> None:
    """Draw on ``painted`` itself."""
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    highest = cv2.dilate(ids, around)
    # Where the highest and the lowest id around a pixel differ, a border is near.
    line = (ids > 0) & (highest != cv2.erode(ids, around))
    painted[line] = colours[ids[line]]
    casing = (ids == 0) & (highest > 0)
    painted[casing] = inks[highest[casing]]


def fit(shape: tuple[int, ...], width: int, height: int) -> tuple[int, int]:
    """Give the largest ``(width, height)`` within a box that keeps the aspect of an array's shape.

    Examples:
        >>> fit((500, 3000, 3), 600, 600)
        (600, 100)
    """
    factor = min(width / shape[1], height / shape[0])
    return max(1, round(shape[1] * factor)), max(1, round(shape[0] * factor))


def resize(array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resize an image or a mask for looking at.

    Args:
        array: ``(H, W, C)`` image, of which averages are taken to shrink it; or ``(H, W)`` mask, whose
            values stay what they are.
        size: ``(width, height)`` in pixels.

    Returns:
        ``(height, width)`` and the bands of ``array``, in its dtype.
    """
    if array.ndim == 2:
        return np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_NEAREST_EXACT))
    how = cv2.INTER_AREA if size[0] < array.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(array, size, interpolation=how)).reshape(size[1], size[0], -1)


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    # Pillow's own font lacks even ä and é; matplotlib's is found without importing it, which takes a while.
    (home,) = find_spec("matplotlib").submodule_search_locations  # type: ignore[union-attr, misc]
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(home, "mpl-data", "fonts", "ttf", name), size)


def _shorten(string: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Leave out the middle, since names of images often differ at both ends only."""
    string = " ".join(string.split())
    shown, kept = string, len(string)
    while font.getlength(shown) > width and kept:
        kept -= 1
        shown = f"{string[: kept - kept // 2]}…{string[len(string) - kept // 2 :]}"
    return shown


def text(string: str, width: int, size: int, *, bold: bool = False, grey: int = 0) -> Picture:
    """Write a line of text, shortened with … where it is too long.

    Args:
        string: what to write.
        width: of the picture, in pixels.
        size: of the letters, in pixels.
        bold: in bold type.
        grey: of the letters, 0 (black) to 255.

    Returns:
        ``(1.5 size, width, 3) uint8``, white behind the letters.
    """
    font = _font(size, bold)
    canvas = Image.new("RGB", (width, size * 3 // 2), "white")
    line = _shorten(string, font, width)
    ImageDraw.Draw(canvas).text((0, canvas.height // 2), line, fill=(grey,) * 3, font=font, anchor="lm")
    return np.asarray(canvas)


def percent(share: float) -> str:
    """Write a share, 0 to 1, in a few digits: something never reads as 0%, nor less than all as 100%.

    Examples:
        >>> [percent(share) for share in (0, 0.00002, 0.00041, 0.123, 0.9987, 0.99999, 1)]
        ['0%', '<0.01%', '0.04%', '12.3%', '99.87%', '>99.99%', '100%']
    """
    if share in (0, 1):
        return f"{share:.0%}"
    if not 0.0001 <= share <= 0.9999:
        return "<0.01%" if share < 0.5 else ">99.99%"
    return f"{share:.1%}" if 0.01 <= share < 0.99 else f"{share:.2%}"


def swatch(class_id: int, classes: ClassMap, size: int, hatches: Sequence[int] | None = None) -> Picture:
    """Show how `paint` paints a class over grey: ``(size, 1.5 size, 3) uint8``."""
    mask = np.pad(np.full((size - 2, size * 3 // 2 - 2), class_id, np.uint8), 1)
    return paint(np.full((*mask.shape, 3), 170, np.uint8), mask, classes, 1.0, hatches=hatches)


def legend(entries: Sequence[tuple[Picture, str]], width: int, size: int) -> Picture:
    """Set swatches, each with its text, in as many lines as they need.

    Args:
        entries: swatch of the height of the letters, and text, which is shortened with … where a line
            cannot hold it.
        width: of the picture, in pixels.
        size: of the letters, in pixels.

    Returns:
        ``(H, width, 3) uint8``, white behind; 1.75 ``size`` for each line.
    """
    font, line, gap = _font(size), size * 7 // 4, size // 2
    places: list[tuple[int, int, Picture, str]] = []
    x = y = 0
    for picture, string in entries:
        shown = _shorten(string, font, width - picture.shape[1] - gap)
        length = picture.shape[1] + gap + ceil(font.getlength(shown))
        if x + length > width and x:
            x, y = 0, y + line
        places.append((x, y, picture, shown))
        x += length + 2 * size
    canvas = Image.new("RGB", (width, y + line), "white")
    draw = ImageDraw.Draw(canvas)
    for x, y, picture, shown in places:
        canvas.paste(Image.fromarray(picture), (x, y + (line - picture.shape[0]) // 2))
        draw.text((x + picture.shape[1] + gap, y + line // 2), shown, fill="black", font=font, anchor="lm")
    return np.asarray(canvas)


def beside(pictures: Sequence[Picture], gap: int) -> Picture:
    """Put pictures beside one another, tops aligned, on white.

    Examples:
        >>> beside([np.zeros((4, 2, 3), np.uint8), np.zeros((6, 3, 3), np.uint8)], gap=1).shape
        (6, 6, 3)
    """
    width = sum(picture.shape[1] for picture in pictures) + gap * (len(pictures) - 1)
    page = np.full((max(picture.shape[0] for picture in pictures), width, 3), 255, np.uint8)
    x = 0
    for picture in pictures:
        page[: picture.shape[0], x : x + picture.shape[1]] = picture
        x += picture.shape[1] + gap
    return page


def below(pictures: Sequence[Picture], gap: int) -> Picture:
    """Put pictures below one another, left edges aligned, on white.

    Examples:
        >>> below([np.zeros((4, 2, 3), np.uint8), np.zeros((6, 3, 3), np.uint8)], gap=1).shape
        (11, 3, 3)
    """
    return beside([picture.swapaxes(0, 1) for picture in pictures], gap).swapaxes(0, 1)
