"""Pascal VOC: ``JPEGImages/`` and ``SegmentationClass/``, and ``labelmap.txt`` as CVAT writes it.

See http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/ and
https://docs.cvat.ai/docs/dataset_management/formats/format-smask/.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX, MAX_UNNAMED, ClassMap
from solarseg.datasets.folder import list_files
from solarseg.datasets.left_out import LeftOut
from solarseg.datasets.splits import SPLITS
from solarseg.errors import DatasetError, MaskError
from solarseg.formats.annotations import class_map
from solarseg.formats.pairs import Loaded, Pair, part_of
from solarseg.formats.source import Reader, ReadOptions, Source
from solarseg.images import read_image
from solarseg.masks import mask_palette, read_mask_colours, read_mask_values

__all__ = ["LABEL_MAP", "READER", "VOID", "VOID_LABELS", "voc_colours"]

logger = logging.getLogger(__name__)

Colour = tuple[int, int, int]
_Decode = Callable[[Path], NDArray[np.uint8]]

LABEL_MAP = "labelmap.txt"
VOID: Colour = (224, 224, 192)  # the colour of number 255, the border that VOC leaves out
VOID_LABELS = {"ignored", "void"}


def voc_colours(count: int) -> list[Colour]:
    """The colours of VOC's palette, which spreads the bits of a number over red, green and blue.

    Examples:
        >>> voc_colours(3)
        [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    """

    def level(number: int, first: int) -> int:
        return sum((number >> (3 * i + first) & 1) << (7 - i) for i in range(8))

    return [(level(i, 0), level(i, 1), level(i, 2)) for i in range(count)]


@dataclass(frozen=True)
class _Labels:
    """Lines of ``labelmap.txt``.

    Attributes:
        classes: background first.
        by_colour: class id of each colour, 255 for void.
        by_number: class id of each number a mask may hold, which counts the lines; 255 for void.
    """

    classes: ClassMap
    by_colour: Mapping[Colour, int]
    by_number: Mapping[int, int]


def _detect(path: Path) -> bool:
    return (path / "SegmentationClass").is_dir()


def _open(path: Path, options: ReadOptions) -> Source:
    if not (path / "JPEGImages").is_dir():
        raise DatasetError(f"{path}: has no folder 'JPEGImages'; export with images, or put them there")
    left_out = LeftOut()
    images, masks = (
        list_files(path, each, left_out=left_out) for each in ("JPEGImages", "SegmentationClass")
    )
    lists = _read_lists(path, images)
    names = _names(path, images, masks, lists, left_out)
    classes, decode = _classes(path, [masks[name] for name in names])
    pairs = {name: Pair(images[name], masks[name]) for name in names}
    part = part_of(path, pairs, partial(_load, decode), lambda pair: True)
    return Source(path, classes, [part], left_out=left_out, split=_find_split(lists))


def _names(
    path: Path,
    images: Mapping[str, Path],
    masks: Mapping[str, Path],
    lists: Mapping[str, list[str]],
    left_out: LeftOut,
) -> list[str]:
    """The samples that ``ImageSets`` lists, or all, where they have masks."""
    wanted = {name for names in lists.values() for name in names} if lists else {*images, *masks}
    unknown = sorted(wanted - set(images))
    if unknown:
        raise DatasetError(
            f"{path}: no image of '{unknown[0][:99]}' in JPEGImages{_more(unknown)}; export with images, or add it"
        )
    for name in wanted - set(masks):
        left_out.add("image without mask (add a black one if it shows nothing to label)", images[name])
    for name in {*images, *masks} - wanted:
        left_out.add("image that ImageSets does not list", images.get(name, masks.get(name)))
    return sorted(wanted & set(masks))


def _more(names: list[str]) -> str:
    return f" (and of {len(names) - 1} more)" if len(names) > 1 else ""


def _read_lists(path: Path, images: Mapping[str, Path]) -> dict[str, list[str]]:
    """Read the lists in ``ImageSets``: name of the list, such as ``"train"`` -> names of images."""
    files = sorted((path / "ImageSets" / "Segmentation").glob("*.txt"))
    try:
        lines = {file.stem: file.read_text(encoding="utf-8-sig").splitlines() for file in files}
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{path / 'ImageSets'}: cannot be read ({error}); a list is text, a name a line"
        ) from error
    return {title: list(_names_of(listed, images)) for title, listed in lines.items()}


def _names_of(lines: Sequence[str], images: Mapping[str, Path]) -> Iterator[str]:
    for line in lines:
        name = line if line in images else line.strip()  # a name may begin with # or end with a space
        if name in images or (name and not name.startswith("#")):
            yield name


def _find_split(lists: Mapping[str, list[str]]) -> dict[str, str] | None:
    """The split that lists state; None where train or another is missing, or an image is in two of them."""
    listed = [(name, split) for split in SPLITS for name in dict.fromkeys(lists.get(split, ()))]
    split = dict(listed)
    return (
        split
        if len(split) == len(listed) and "train" in split.values() and len({*split.values()}) > 1
        else None
    )


def _classes(path: Path, masks: list[Path]) -> tuple[ClassMap, _Decode]:
    if not masks:
        raise DatasetError(f"{path}: no image has a mask; label some and export again")
    if (path / LABEL_MAP).exists():
        labels = _read_labels(path / LABEL_MAP)
        return labels.classes, partial(_decode, labels)
    classes = _find_classes(path, masks)
    return classes, partial(
        _decode, _Labels(classes, {}, {i: i for i in (*range(len(classes)), IGNORE_INDEX)})
    )


def _read_labels(file: Path) -> _Labels:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{file}: cannot be read ({error}); its lines are name:red,green,blue::"
        ) from error
    written = [line.split(":") for line in map(str.strip, lines) if line and not line.startswith("#")]
    colours = {
        fields[0].strip(): _colour(file, fields, usual)
        for fields, usual in zip(written, voc_colours(len(written)), strict=True)
    }
    if len(colours) < len(written) or len(set(colours.values())) < len(written):
        raise DatasetError(f"{file}: two lines have one name or one colour; each class needs its own")
    named = {name: "background" if colour == (0, 0, 0) else name for name, colour in colours.items()}
    names = [name for name in named.values() if name.lower() not in VOID_LABELS]
    shown = {named[name]: colour for name, colour in colours.items()}
    classes, ids = class_map(names, file, colours=shown, ignore=True)
    ids_of = {name: ids.get(named[name], IGNORE_INDEX) for name in colours}
    return _Labels(
        classes,
        {VOID: IGNORE_INDEX} | {colours[name]: ids_of[name] for name in colours},
        {IGNORE_INDEX: IGNORE_INDEX} | dict(enumerate(ids_of.values())),
    )


def _colour(file: Path, fields: list[str], usual: Colour) -> Colour:
    """The colour of a line; one of VOC's where it has none."""
    if len(fields) < 2 or not fields[1].strip():
        return usual
    written = [level.strip() for level in fields[1].split(",")]
    levels = [int(level) if re.fullmatch(r"\d{1,3}", level, re.ASCII) else -1 for level in written]
    if len(levels) != 3 or not all(0 <= level <= 255 for level in levels):
        raise DatasetError(
            f"{file}: no colour in '{':'.join(fields)[:99]}'; write name:red,green,blue:: with 0 to 255"
        )
    return (levels[0], levels[1], levels[2])


def _find_classes(path: Path, masks: list[Path]) -> ClassMap:
    """Count the classes by the highest number that any mask contains, and take the colours of a palette."""
    highest, palette, reason = 0, None, ""
    for mask in masks:
        try:
            values = read_mask_values(mask)
            palette = palette or mask_palette(mask)
        except MaskError as error:  # it costs its own sample alone
            reason = reason or f"; {error}"
        else:
            highest = max(highest, int(values[values < IGNORE_INDEX].max(initial=0)))
    if highest == 0:
        raise DatasetError(f"{path}: no {LABEL_MAP}, and no mask that can be read shows a class{reason}")
    if highest >= MAX_UNNAMED:
        raise DatasetError(
            f"{path}: no {LABEL_MAP}, and masks have values up to {highest}; at most {MAX_UNNAMED - 1} classes are "
            "taken without names; add the file, with a line name:red,green,blue:: for each class"
        )
    names = ("background", *(f"class_{i}" for i in range(1, highest + 1)))
    logger.info("%s: no %s: classes are called by their numbers, 1 to %d", path, LABEL_MAP, highest)
    colours = tuple(palette[: highest + 1]) if palette and len(palette) > highest else ()
    return ClassMap(names, colours, ignore=True)


def _load(decode: _Decode, pair: Pair) -> Loaded:
    return Loaded(read_image(pair.image), decode(pair.mask))


def _decode(labels: _Labels, mask: Path) -> NDArray[np.uint8]:
    """Class ids of a mask of colours, of numbers, or of a palette, whose colours count first."""
    palette = mask_palette(mask)
    values = _read_colours(mask) if palette is None else read_mask_values(mask)
    coloured = values.ndim == 3
    if coloured:
        values = (values.astype(np.int32) << [16, 8, 0]).sum(axis=-1)
    found, places = np.unique(values, return_inverse=True)
    ids = [
        labels.by_colour.get(_levels(value)) if coloured else _class_of(value, labels, palette or [])
        for value in found.tolist()
    ]
    if None in ids:
        unknown = int(found[ids.index(None)])
        raise MaskError(
            f"{mask}: mask contains {_levels(unknown) if coloured else unknown}, which is no class; correct it, or "
            f"add it to {LABEL_MAP}"
        )
    return np.array(ids, dtype=np.uint8)[places.reshape(values.shape)]


def _read_colours(mask: Path) -> NDArray[Any]:
    """Read the colours of a mask, ``(H, W, 3)``, or its numbers, ``(H, W)``, where it has one band.

    What is transparent is black, the background.
    """
    found = read_mask_colours(mask)
    shown = found.colours if found.clear is None else np.where(found.clear[..., None], 0, found.colours)
    return shown[..., 0] if shown.shape[-1] == 1 else shown


def _levels(code: int) -> Colour:
    return (code >> 16, code >> 8 & 255, code & 255)


def _class_of(number: int, labels: _Labels, palette: list[Colour]) -> int | None:
    colour = palette[number] if number < len(palette) else None
    padded = number > 0 and colour == (0, 0, 0)  # palettes are often filled up with black
    if colour is not None and colour in labels.by_colour and not padded:
        return labels.by_colour[colour]
    return labels.by_number.get(number)


READER = Reader("Pascal VOC: JPEGImages/ and SegmentationClass/, also of CVAT", _detect, _open)
