"""Images with masks that show classes by colours, and a table of the colours."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations
from pathlib import Path
from threading import Event

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.datasets.description import read_description
from solarseg.datasets.left_out import LeftOut
from solarseg.datasets.tables import read_rows
from solarseg.errors import ArgumentError, DatasetError, MaskError, reason_of
from solarseg.formats.pairs import Loaded, Pair, find_pairs, glance, part_of
from solarseg.formats.source import Reader, ReadOptions, Source
from solarseg.images import read_image
from solarseg.masks import mask_palette, read_mask_colours

__all__ = ["READER"]

logger = logging.getLogger(__name__)

_Colour = tuple[int, int, int]

_LEVELS = (("red", "r"), ("green", "g"), ("blue", "b"))
_HEXADECIMAL = ("hex", "colour", "color", "rgb")
_NAMES = ("name", "desc", "description", "class", "label")
_FORM = "its first line must be name,red,green,blue"
_MAX_LINES = 10_000
_NEAR = 5  # width in pixels of the neighbourhood in which an edge's two colours are looked for
_OFF = 4  # levels that each of red, green and blue may be off a class's, by profiles and resampling
_STRAY = 8.0  # levels a mixture may be off the line between its two colours, by rounding and sharpening


@dataclass(frozen=True)
class _Table:
    """The classes and their colours.

    Attributes:
        classes: background first.
        rows: the class id of each line of the file.
    """

    file: Path
    classes: ClassMap
    rows: tuple[int, ...]

    @cached_property
    def class_of(self) -> NDArray[np.uint8]:
        """Class id of every colour there can be, 24 bits, 255 where it is no class's."""
        table = np.full(1 << 24, IGNORE_INDEX, dtype=np.uint8)
        table[_codes(np.array(self.classes.colours, dtype=np.uint8))] = np.arange(len(self.classes))
        return table


def _codes(colours: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Make one number of red, green and blue, the last axis."""
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    return red << 16 | green << 8 | blue


def _detect(path: Path) -> bool:
    found = glance(path)
    return found is not None and (bool(_tables(path)) or any(map(_is_coloured, found.masks)))


def _tables(root: Path) -> list[Path]:
    return [file for file in sorted(root.glob("*.csv")) if _is_table(file)]


def _is_table(file: Path) -> bool:
    try:
        rows = read_rows(file, _FORM, limit=_MAX_LINES)
        return bool(rows) and bool(_colour(file, rows[0]))
    except DatasetError:
        return False


def _is_coloured(mask: Path) -> bool:
    try:
        if mask_palette(mask) is not None:  # whose numbers are class ids
            return False
        pixels = read_mask_colours(mask).colours
    except MaskError:
        return False
    return bool((pixels != pixels[..., :1]).any())


def _open(path: Path, options: ReadOptions) -> Source:
    left_out = LeftOut()
    pairs = find_pairs(path, left_out)
    table = _read_table(options.colours or _find_table(path))
    description, _ = read_description(path)
    said = Event()
    part = part_of(path, pairs, partial(_load, table, options.max_unknown, said), lambda pair: True)
    return Source(path, table.classes, [part], description, left_out=left_out)


def _find_table(root: Path) -> Path:
    found = _tables(root)
    if len(found) != 1:
        what = (
            f"several tables of colours ({', '.join(file.name for file in found)})"
            if found
            else "no table of colours"
        )
        raise DatasetError(f"{root}: contains {what}; give one as `colours`, {_FORM}")
    return found[0]


def _read_table(file: Path) -> _Table:
    """Read a table of colours.

    Raises:
        DatasetError: it is not one, or names a class or a colour twice.
    """
    rows = read_rows(file, _FORM, limit=_MAX_LINES)
    names, colours = _column_of_names(file, rows), [_colour(file, row) for row in rows]
    if len(set(colours)) < len(colours):
        twice = next(colour for i, colour in enumerate(colours) if colour in colours[:i])
        raise DatasetError(f"{file}: gives {_spell(twice)} to two classes; each needs its own colour")
    background = next((i for i, name in enumerate(names) if name.strip("_").casefold() == "background"), None)
    if background is None:
        if (0, 0, 0) not in colours:
            names, colours = [*names, "background"], [*colours, (0, 0, 0)]
        background = colours.index((0, 0, 0))
    order = sorted(range(len(names)), key=lambda i: i != background)
    try:
        classes = ClassMap(tuple(names[i] for i in order), tuple(colours[i] for i in order), ignore=True)
    except ArgumentError as error:
        raise DatasetError(f"{file}: {error}") from error
    return _Table(file, classes, tuple(order.index(i) for i in range(len(rows))))


def _column_of_names(file: Path, rows: Sequence[dict[str, str]]) -> list[str]:
    """The first column that may hold names whose entries are all different, and not numbers."""
    for heading in _NAMES:
        names = [row.get(heading, "") for row in rows]
        if names and all(names) and len(set(names)) == len(names) and not all(map(str.isdecimal, names)):
            return names
    reason = reason_of(ValueError("has no column of names that differ"), file)
    raise DatasetError(f"{file}: {reason}; {_FORM}")


def _colour(file: Path, row: dict[str, str]) -> _Colour:
    written = [next((row[name] for name in names if row.get(name)), "") for names in _LEVELS]
    digits = next((row[name] for name in _HEXADECIMAL if row.get(name)), "").removeprefix("#")
    try:
        levels = [int(level) for level in written] if any(written) else list(bytes.fromhex(digits))
    except ValueError:
        levels = []
    if len(levels) != 3 or not all(0 <= level <= 255 for level in levels):
        raise DatasetError(
            f"{file}: no colour in the line {str(list(row.values()))[:99]}; red, green and blue are 0 to 255"
        )
    return (levels[0], levels[1], levels[2])


def _spell(colour: Sequence[int]) -> str:
    return f"#{bytes(colour).hex()}"


def _load(table: _Table, max_unknown: float, said: Event, pair: Pair) -> Loaded:
    image, colours = read_image(pair.image), _read_colours(table, pair.mask)
    mask = _decode(table, colours, pair.mask)
    unknown = mask == IGNORE_INDEX
    if unknown.any():
        count, share = int(unknown.sum()), float(unknown.mean())
        codes, counts = np.unique(
            _codes(np.broadcast_to(colours, (*mask.shape, 3))[unknown]), return_counts=True
        )
        commonest, often = int(codes[counts.argmax()]), int(counts.max())
        found = (
            f"{pair.mask}: {count:,} of {mask.size:,} pixels ({share:.2%}) have a colour of no class, most often "
            f"{_spell(commonest.to_bytes(3, 'big'))} ({often:,} pixels)"
        )
        if share > max_unknown:
            raise MaskError(
                f"{found}; correct the mask, add it to {table.file}, or allow more by `max_unknown`"
            )
        logger.log(
            logging.DEBUG if said.is_set() else logging.WARNING,
            "%s; they are ignored, here and in others",
            found,
        )
        said.set()
    return Loaded(image, mask)


def _read_colours(table: _Table, file: Path) -> NDArray[np.uint8]:
    """Read the colours of a mask, ``(H, W, 3)``, or its numbers, ``(H, W, 1)``, where it is not coloured.

    What is transparent has the colour of the background, whatever was painted there before.
    """
    found = read_mask_colours(file)
    if found.clear is None:
        return found.colours
    background = np.array(table.classes.colours[0], dtype=np.uint8)
    return np.where(found.clear[..., None], background, found.colours)


def _decode(table: _Table, colours: NDArray[np.uint8], file: Path) -> NDArray[np.uint8]:
    """Class ids of colours; 255 where they are no class's.

    A mask of one band may also hold the numbers of the table's lines, as published sets have both kinds.

    Raises:
        MaskError: it may be either, with another outcome.
    """
    shown = np.broadcast_to(colours, (*colours.shape[:2], 3))
    mask = table.class_of[_codes(shown)]
    is_coloured = bool((mask != IGNORE_INDEX).all())
    if colours.shape[-1] == 1 and colours.max() < len(table.rows):
        numbered = np.array(table.rows, dtype=np.uint8)[colours[..., 0]]
        if is_coloured and (mask != numbered).any():
            raise MaskError(
                f"{file}: its grey levels are colours of {table.file} and numbers of its lines as well, which mean "
                "different classes; save the mask as RGB, or put the background on the table's first line"
            )
        return numbered
    if is_coloured:
        return mask
    levels = np.array(table.classes.colours, dtype=np.float32)
    return _settle_edges(shown, _take_nearly_equal(shown, mask, levels), levels)


def _take_nearly_equal(
    shown: NDArray[np.uint8], mask: NDArray[np.uint8], colours: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Give pixels whose colour is a few levels off that of one class this class, unless another is as near."""
    unknown = mask == IGNORE_INDEX
    found, places = np.unique(_codes(shown[unknown]), return_inverse=True)
    levels = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=-1)
    taken = np.full(len(found), IGNORE_INDEX, dtype=np.uint8)
    least, tied = np.full(len(found), _OFF + 1.0), np.zeros(len(found), dtype=np.bool_)
    for class_id, colour in enumerate(colours):
        off = np.abs(levels - colour).max(axis=-1)
        tied = (tied & (off >= least)) | (off == least)
        taken[off < least] = class_id
        least = np.minimum(least, off)
    taken[tied] = IGNORE_INDEX
    result = mask.copy()
    result[unknown] = taken[places]
    return result


def _settle_edges(
    shown: NDArray[np.uint8], mask: NDArray[np.uint8], colours: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Give anti-aliased pixels the nearer of the two colours they are mixed of, where both are near by."""
    rows, columns = np.nonzero(mask == IGNORE_INDEX)
    mixed = shown[rows, columns].astype(np.float32)
    present = [class_id for class_id in np.unique(mask).tolist() if class_id != IGNORE_INDEX]
    square = np.ones((_NEAR, _NEAR), dtype=np.uint8)
    near = {
        class_id: cv2.dilate((mask == class_id).astype(np.uint8), square)[rows, columns] > 0
        for class_id in present
    }
    least = np.full(len(rows), _STRAY, dtype=np.float32)
    settled = np.full(len(rows), IGNORE_INDEX, dtype=np.uint8)
    for one, other in combinations(present, 2):
        chosen = np.flatnonzero(near[one] & near[other])
        way = colours[other] - colours[one]
        offset = mixed[chosen] - colours[one]
        share = (offset @ way / (way @ way)).clip(0, 1)
        stray = np.linalg.norm(offset - share[:, None] * way, axis=1)
        better = stray < least[chosen]
        least[chosen[better]] = stray[better]
        settled[chosen[better]] = np.where(share[better] < 0.5, one, other)
    result = mask.copy()
    result[rows, columns] = settled
    return result


READER = Reader(
    "images with colour-coded masks and a table of colours",
    _detect,
    _open,
    frozenset({"colours", "max_unknown"}),
)
