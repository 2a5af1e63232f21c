"""Paint masks on images, draw text and legends, and arrange images on a page.

Images here are ``(H, W, 3) uint8`` RGB. No function changes its arguments.
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
    "check_same_size",
    "class_hatches",
    "contrasting_ink",
    "draw_legend",
    "draw_swatch",
    "draw_text",
    "fit_size",
    "format_percent",
    "paint_mask",
    "resize_for_display",
    "stack_horizontally",
    "stack_vertically",
]

RgbImage = NDArray[np.uint8]

_IGNORED = (128, 128, 128)
_SLOPES = ((), (1,), (-1,), (1, -1))  # of the stripes, for each hatch
_MIDDLE_LUMINANCE = 0.179  # relative luminance with the same contrast (4.6:1) to black and to white


def contrasting_ink(colours: ArrayLike) -> RgbImage:
    """Return black or white, whichever is easier to read on a colour (WCAG relative luminance).

    Args:
        colours: ``(..., 3)`` RGB, 0 to 255.

    Returns:
        ``(..., 3) uint8``, all 0 or all 255; the contrast is at least 4.5:1.

    Examples:
        >>> contrasting_ink([(255, 255, 0), (0, 0, 139)]).tolist()
        [[0, 0, 0], [255, 255, 255]]
    """
    level = np.asarray(colours) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    dark = linear @ np.array([0.2126, 0.7152, 0.0722]) < _MIDDLE_LUMINANCE
    return np.repeat(dark[..., None], 3, axis=-1).astype(np.uint8) * 255


def class_hatches(classes: ClassMap) -> tuple[int, ...]:
    """Return a hatch for each class: 0 (none), or 1, 2, 3 if earlier classes have the same colour.

    Examples:
        >>> red, blue = (255, 0, 0), (0, 0, 255)
        >>> class_hatches(ClassMap(("background", "a", "b", "c"), colours=((0, 0, 0), red, blue, red)))
        (0, 0, 0, 1)
    """
    earlier = (classes.colours[:i].count(colour) for i, colour in enumerate(classes.colours))
    return tuple(count % len(_SLOPES) for count in earlier)


def check_same_size(image: NDArray[Any], mask: NDArray[np.uint8]) -> None:
    """Raise `ArgumentError` if an ``(H, W, C)`` image and an ``(H, W)`` mask differ in size."""
    if image.shape[:2] != mask.shape:
        raise ArgumentError(
            f"`mask`: has shape {mask.shape}, its image {image.shape[:2]}; give the mask of this image"
        )


def paint_mask(
    image: RgbImage,
    mask: NDArray[np.uint8],
    classes: ClassMap,
    alpha: float,
    width: int = 1,
    hatches: Sequence[int] | None = None,
) -> RgbImage:
    """Paint all classes except background on an image, with outlines.

    The outline is a line in the colour of the class inside the region, and a line in black or white outside of it, so
    that one of them is visible on any image. Background farther than ``width`` from a region is not changed. Ignored
    pixels are hatched in grey.

    Args:
        image: ``(H, W, 3) uint8``.
        mask: ``(H, W) uint8`` class ids, 255 = ignored.
        classes: class colours.
        alpha: opacity of the class colour, 0 to 1.
        width: width of the lines, pixels.
        hatches: 0 to 3 for each class id; by default `class_hatches`.

    Returns:
        ``(H, W, 3) uint8``.

    Raises:
        ArgumentError: image and mask differ in size.
    """
    check_same_size(image, mask)
    colours = np.full((256, 3), _IGNORED, np.uint8)
    colours[: len(classes)] = classes.colours
    inks = contrasting_ink(colours)
    # OpenCV's table is ten times as fast as indexing.
    coloured = cv2.LUT(cv2.merge((mask,) * 3), colours[None])
    painted = np.asarray(cv2.addWeighted(image, 1 - alpha, coloured, alpha, 0), np.uint8)
    patterns = {IGNORE_INDEX: 1} | dict(enumerate(class_hatches(classes) if hatches is None else hatches))
    for slope in (1, -1):
        ids = [i for i, hatch in patterns.items() if slope in _SLOPES[hatch]]
        hatched = np.isin(mask, ids)
        if hatched.any():
            striped = hatched & _stripes(mask.shape, slope, width)
            painted[striped] = painted[striped] // 2 + inks[mask[striped]] // 2
    cv2.copyTo(image, (mask == 0).astype(np.uint8), painted)
    _outline(painted, np.where(mask == IGNORE_INDEX, 0, mask).astype(np.uint8), colours, inks, width)
    return painted


def _stripes(shape: tuple[int, ...], slope: int, width: int) -> NDArray[np.bool_]:
    y, x = np.ogrid[: shape[0], : shape[1]]
    stripes: NDArray[np.bool_] = (x + slope * y) % (8 * width) < width
    return stripes


def _outline(
    painted: RgbImage, ids: NDArray[np.uint8], colours: RgbImage, inks: RgbImage, width: int
) -> None:
    """Draw outlines in place."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    highest = cv2.dilate(ids, kernel)
    # A border is near if the highest and the lowest id around a pixel differ.
    line = (ids > 0) & (highest != cv2.erode(ids, kernel))
    painted[line] = colours[ids[line]]
    casing = (ids == 0) & (highest > 0)
    painted[casing] = inks[highest[casing]]


def fit_size(shape: tuple[int, ...], width: int, height: int) -> tuple[int, int]:
    """Return the largest ``(width, height)`` in a box with the aspect ratio of an array.

    Examples:
        >>> fit_size((500, 3000, 3), 600, 600)
        (600, 100)
    """
    factor = min(width / shape[1], height / shape[0])
    return max(1, round(shape[1] * factor)), max(1, round(shape[0] * factor))


def resize_for_display(array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resize an image or a mask for display.

    Args:
        array: ``(H, W, C)`` image, which is averaged when it shrinks, or ``(H, W)`` mask, with values that do not
            change.
        size: ``(width, height)``, pixels.

    Returns:
        ``(height, width, C)`` or ``(height, width)`` in the dtype of ``array``.
    """
    if array.ndim == 2:
        return np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_NEAREST_EXACT))
    interpolation = cv2.INTER_AREA if size[0] < array.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(array, size, interpolation=interpolation)).reshape(size[1], size[0], -1)


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    # Pillow's default font lacks ä and é. matplotlib's font is found without importing matplotlib, which is slow.
    (home,) = find_spec("matplotlib").submodule_search_locations  # type: ignore[union-attr, misc]
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(home, "mpl-data", "fonts", "ttf", name), size)


def _shorten(string: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Leave out the middle, since names of images often differ at the ends."""
    string = " ".join(string.split())
    shown, kept = string, len(string)
    while font.getlength(shown) > width and kept:
        kept -= 1
        shown = f"{string[: kept - kept // 2]}…{string[len(string) - kept // 2 :]}"
    return shown


def draw_text(string: str, width: int, size: int, *, bold: bool = False, grey: int = 0) -> RgbImage:
    """Draw a line of text, shortened with … if it is too long.

    Args:
        string: text.
        width: width of the image, pixels.
        size: font size, pixels.
        bold: use a bold font.
        grey: grey level of the text, 0 (black) to 255.

    Returns:
        ``(1.5 size, width, 3) uint8`` with a white background.
    """
    font = _font(size, bold)
    canvas = Image.new("RGB", (width, size * 3 // 2), "white")
    line = _shorten(string, font, width)
    ImageDraw.Draw(canvas).text((0, canvas.height // 2), line, fill=(grey,) * 3, font=font, anchor="lm")
    return np.asarray(canvas)


def format_percent(share: float) -> str:
    """Format a share, 0 to 1, as a percentage; only 0 gives 0%, and only 1 gives 100%.

    Examples:
        >>> [format_percent(share) for share in (0, 0.00002, 0.00041, 0.123, 0.9987, 0.99999, 1)]
        ['0%', '<0.01%', '0.04%', '12.3%', '99.87%', '>99.99%', '100%']
    """
    if share in (0, 1):
        return f"{share:.0%}"
    if not 0.0001 <= share <= 0.9999:
        return "<0.01%" if share < 0.5 else ">99.99%"
    return f"{share:.1%}" if 0.01 <= share < 0.99 else f"{share:.2%}"


def draw_swatch(
    class_id: int, classes: ClassMap, size: int, hatches: Sequence[int] | None = None
) -> RgbImage:
    """Draw a sample of how `paint_mask` paints a class, ``(size, 1.5 size, 3) uint8``."""
    mask = np.pad(np.full((size - 2, size * 3 // 2 - 2), class_id, np.uint8), 1)
    return paint_mask(np.full((*mask.shape, 3), 170, np.uint8), mask, classes, 1.0, hatches=hatches)


def draw_legend(entries: Sequence[tuple[RgbImage, str]], width: int, size: int) -> RgbImage:
    """Draw swatches with their texts, in as many lines as needed.

    Args:
        entries: swatches of the height of the font, and texts, which are shortened with … if they are longer than a
            line.
        width: width of the image, pixels.
        size: font size, pixels.

    Returns:
        ``(H, width, 3) uint8`` with a white background; each line has a height of 1.75 ``size``.
    """
    font, line, gap = _font(size), size * 7 // 4, size // 2
    placed: list[tuple[int, int, RgbImage, str]] = []
    x = y = 0
    for swatch, string in entries:
        label = _shorten(string, font, width - swatch.shape[1] - gap)
        length = swatch.shape[1] + gap + ceil(font.getlength(label))
        if x + length > width and x:
            x, y = 0, y + line
        placed.append((x, y, swatch, label))
        x += length + 2 * size
    canvas = Image.new("RGB", (width, y + line), "white")
    draw = ImageDraw.Draw(canvas)
    for x, y, swatch, label in placed:
        canvas.paste(Image.fromarray(swatch), (x, y + (line - swatch.shape[0]) // 2))
        draw.text((x + swatch.shape[1] + gap, y + line // 2), label, fill="black", font=font, anchor="lm")
    return np.asarray(canvas)


def stack_horizontally(images: Sequence[RgbImage], gap: int) -> RgbImage:
    """Place images next to each other, aligned at the top, on white.

    Examples:
        >>> stack_horizontally([np.zeros((4, 2, 3), np.uint8), np.zeros((6, 3, 3), np.uint8)], gap=1).shape
        (6, 6, 3)
    """
    width = sum(image.shape[1] for image in images) + gap * (len(images) - 1)
    page = np.full((max(image.shape[0] for image in images), width, 3), 255, np.uint8)
    x = 0
    for image in images:
        page[: image.shape[0], x : x + image.shape[1]] = image
        x += image.shape[1] + gap
    return page


def stack_vertically(images: Sequence[RgbImage], gap: int) -> RgbImage:
    """Place images below each other, aligned at the left, on white.

    Examples:
        >>> stack_vertically([np.zeros((4, 2, 3), np.uint8), np.zeros((6, 3, 3), np.uint8)], gap=1).shape
        (11, 3, 3)
    """
    return stack_horizontally([image.swapaxes(0, 1) for image in images], gap).swapaxes(0, 1)
