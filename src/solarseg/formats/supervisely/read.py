"""Supervisely: ``img/`` and ``ann/`` with a JSON file for each image, and ``meta.json`` above them.

See https://developer.supervisely.com/getting-started/supervisely-annotation-format. Annotations may also be in
``ann_json/``, next to masks in ``ann/``, and be named after the image without its suffix, as PV-Vision's data has it.
"""

import logging
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from solarseg.classes import ClassMap
from solarseg.datasets.left_out import LeftOut
from solarseg.datasets.sample import Sample
from solarseg.datasets.walk import is_image_name, note_unused, walk_folders
from solarseg.errors import DatasetError, MaskError
from solarseg.formats.annotations import (
    Text,
    check_size,
    class_map,
    decode_base64,
    decode_region_png,
    read_json,
    refuse_equal_names,
)
from solarseg.formats.polygons import Ring, Work, as_points, stroke, window
from solarseg.formats.source import Entry, Part, Reader, ReadOptions, Source
from solarseg.images import read_image

__all__ = ["FLAT", "NESTED", "READER"]

logger = logging.getLogger(__name__)

FLAT = "dataset"  # of samples whose names have no folder
NESTED = "datasets"  # folder of the datasets within a dataset

_ANNOTATIONS = ("ann_json", "ann")
_ENOUGH = 20_000  # folders that are looked at to detect the format
_NO_REGION = {"point", "graph"}
_PNG = b"\x89PNG"  # which some exports leave unpacked


class _Class(BaseModel):
    title: Text
    shape: str = ""
    color: str = ""


class _Meta(BaseModel):
    classes: list[_Class]


class _Bitmap(BaseModel):
    data: str
    origin: Any


class _Points(BaseModel):
    exterior: Any = None
    interior: list[Any] = Field(default_factory=list)


class _Object(BaseModel):
    classTitle: Text  # noqa: N815 - the format's own name
    geometryType: str  # noqa: N815
    bitmap: _Bitmap | None = None
    points: _Points | None = None


class _Size(BaseModel):
    height: int
    width: int


class _Annotation(BaseModel):
    size: _Size
    objects: list[_Object]


_Line = NDArray[np.int32]


def _detect(path: Path) -> bool:
    deeper = (folder for folder in islice(walk_folders(path), _ENOUGH) if folder.name == "img")
    return any(map(_annotations, chain(path.glob("img"), path.glob("*/img"), deeper)))


def _annotations(image_folder: Path) -> Path | None:
    """The folder of JSON files next to a folder of images."""
    places = [image_folder.with_name(name) for name in _ANNOTATIONS]
    return next((place for place in places if any(place.glob("*.json"))), None)


def _open(path: Path, options: ReadOptions) -> Source:
    folders = _folders(path)
    if not folders:
        raise DatasetError(
            f"{path}: contains no img/ with ann/ next to it; give the folder of a Supervisely project"
        )
    files = {folder: _shown(annotations.glob("*.json")) for folder, annotations in folders.items()}
    classes, ids = _classes(path, [file for each in files.values() for file in each])
    named = {folder: _pair(folder, each) for folder, each in files.items()}
    prefixes = {folder: _prefix(folder, path) for folder in folders}
    left_out = LeftOut()
    for folder, pairs in named.items():
        note_unused(folder / "img", set(pairs.values()), "image without annotation file", left_out)
    refuse_equal_names(
        {file: prefixes[f] + image.stem for f, pairs in named.items() for file, image in pairs.items()}
    )
    parts = [_part(folder, named[folder], prefixes[folder], ids, options, left_out) for folder in folders]
    return Source(path, classes, parts, left_out=left_out)


def _folders(path: Path) -> dict[Path, Path]:
    """Folders that hold ``img``, each with the folder of its annotations."""
    found = {folder.parent: _annotations(folder) for folder in walk_folders(path) if folder.name == "img"}
    return {folder: annotations for folder, annotations in found.items() if annotations is not None}


def _prefix(folder: Path, root: Path) -> str:
    """What comes before the names of a folder's samples, as `solarseg.formats.supervisely.write` spells it."""
    parts = [part for part in folder.relative_to(root).parts if part != NESTED]
    if parts == [FLAT]:
        return ""
    if parts and parts[0].rstrip("_") == FLAT:
        parts[0] = parts[0].removesuffix("_")
    return "".join(f"{part}/" for part in parts)


def _pair(folder: Path, files: list[Path]) -> dict[Path, Path]:
    """Give each annotation its image, ``a.png`` for ``a.png.json``, or whatever is called ``a`` for ``a.json``."""
    images = _images(folder)
    by_stem = {image.stem: image for image in images}
    whole = {image.name: image for image in images}
    return {
        file: whole.get(file.stem) or by_stem.get(file.stem) or folder / "img" / file.stem for file in files
    }


def _images(folder: Path) -> list[Path]:
    return [file for file in _shown((folder / "img").iterdir()) if is_image_name(file)]


def _shown(files: Iterable[Path]) -> list[Path]:
    return sorted(file for file in files if not file.name.startswith("."))


def _classes(path: Path, files: list[Path]) -> tuple[ClassMap, dict[str, int]]:
    meta = path / "meta.json"
    if not meta.exists():
        logger.warning("%s: has no meta.json; classes are those of its annotations, sorted by name", path)
        return class_map(sorted(_used(files)), path)
    classes = read_json(meta, _Meta).classes
    points = [each.title for each in classes if each.shape in _NO_REGION]
    if points:
        logger.warning("%s: classes of points are no regions and left out: %s", meta, ", ".join(points))
    colours = {each.title: _rgb(each.color) for each in classes if each.title not in points}
    known = {title: colour for title, colour in colours.items() if colour is not None}
    return class_map(colours, meta, colours=known if len(known) == len(colours) else None)


def _rgb(colour: str) -> tuple[int, int, int] | None:
    if not re.fullmatch("#[0-9a-fA-F]{6}", colour):
        return None
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def _used(files: list[Path]) -> set[str]:
    names = set()
    for file in files:
        try:
            objects = read_json(file, _Annotation).objects
        except DatasetError:
            continue  # said when this sample is loaded
        names |= {each.classTitle for each in objects if each.geometryType not in _NO_REGION}
    return names


def _part(
    folder: Path,
    pairs: dict[Path, Path],
    prefix: str,
    ids: dict[str, int],
    options: ReadOptions,
    left_out: LeftOut,
) -> Part:
    def entries() -> Iterator[Entry]:
        return (
            _entry(file, image, prefix + image.stem, ids, options, left_out) for file, image in pairs.items()
        )

    return Part(str(folder), entries, len(pairs))


def _entry(
    file: Path, image: Path, name: str, ids: dict[str, int], options: ReadOptions, left_out: LeftOut
) -> Entry:
    def load() -> Sample:
        annotation = read_json(file, _Annotation)
        pixels = read_image(image)
        check_size(pixels, annotation.size.height, annotation.size.width, str(file))
        mask = np.zeros(pixels.shape[:2], dtype=np.uint8)
        work = Work(mask.shape, str(file))
        for i, each in enumerate(annotation.objects):
            source = f"{file}: objects.{i}"
            if each.geometryType in _NO_REGION:
                left_out.add(f"{each.geometryType}, which is no region", source)
                continue
            if each.classTitle not in ids:
                raise MaskError(
                    f"{source}: meta.json names no class '{each.classTitle}'; add it or remove the object"
                )
            if not work.add(_box_of(each, mask.shape)):
                left_out.add("annotation that draws no pixel", source)
            _paint(mask, each, ids[each.classTitle], options.line_width, source)
        return Sample(pixels, mask, name, name, file=image)

    return Entry(name, load)


def _box_of(each: _Object, size: tuple[int, ...]) -> Ring:
    """Return the corners of what an object may change: of a bitmap the whole image, as it is not decoded yet."""
    try:
        return as_points((each.points or _Points()).exterior, "", least=1)
    except MaskError:
        return np.array([[0, 0], size[::-1]], dtype=np.float64)


def _paint(mask: NDArray[np.uint8], each: _Object, class_id: int, line_width: int, source: str) -> None:
    """Paint on ``mask`` itself as Supervisely's SDK does: points are pixels, and outlines belong to the region."""
    kind, points, size = each.geometryType, each.points or _Points(), mask.shape
    if kind == "bitmap" and each.bitmap is not None:
        _paint_bitmap(mask, each.bitmap, class_id, source)
    elif kind == "polygon":
        holes = [_pixels(hole, size, source, "hole", 3) for hole in points.interior]
        _paint_polygon(mask, _pixels(points.exterior, size, source, kind, 3), holes, class_id)
    elif kind == "rectangle":
        corners = _pixels(points.exterior, size, source, kind, 2)
        cv2.rectangle(mask, corners.min(0).tolist(), corners.max(0).tolist(), class_id, cv2.FILLED)
    elif kind == "line":
        stroke(mask, _pixels(points.exterior, size, source, kind, 2), class_id, line_width)
    else:
        raise MaskError(
            f"{source}: cannot draw a {kind}; bitmap, polygon, rectangle and line can be; convert it in Supervisely"
        )


def _paint_polygon(mask: NDArray[np.uint8], outer: _Line, holes: list[_Line], class_id: int) -> None:
    # Holes may reach beyond, and would be drawn otherwise where they are clipped.
    rows, columns = window(np.concatenate([outer, *holes]), mask.shape)
    place = mask[rows, columns]
    if not place.size:
        return
    corner = np.array([columns.start, rows.start], dtype=np.int32)
    drawn = cv2.fillPoly(np.zeros(place.shape, np.uint8), [outer - corner], 1)
    if holes:
        drawn = cv2.fillPoly(drawn, [hole - corner for hole in holes], 0)
    place[drawn > 0] = class_id


def _pixels(points: Any, size: tuple[int, int], source: str, kind: str, least: int) -> _Line:
    """The pixels that points lie in; one on the right or lower edge of the image counts as within."""
    exact = as_points(points, source, kind, least)
    edge = np.array(size[::-1])
    return np.where(exact == edge, edge - 1, np.floor(exact)).astype(np.int32)


def _paint_bitmap(mask: NDArray[np.uint8], bitmap: _Bitmap, class_id: int, source: str) -> None:
    region = decode_region_png(_inflate(bitmap.data, mask.size, source), mask.shape, source)
    x, y = np.floor(as_points([bitmap.origin], source, "origin", 1)[0]).astype(int).tolist()
    height, width = region.shape
    if min(x, y) < 0 or y + height > mask.shape[0] or x + width > mask.shape[1]:
        raise MaskError(
            f"{source}: bitmap of {width} x {height} pixels at {x}, {y} leaves the image; label it again or remove it"
        )
    mask[y : y + height, x : x + width][region] = class_id


def _inflate(data: str, pixels: int, source: str) -> bytes:
    packed = decode_base64(data, f"{source}: bitmap")
    if packed.startswith(_PNG):
        return packed
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(packed, 8 * pixels + 2**16)  # far more than a PNG of the image can have
    except zlib.error as error:
        raise MaskError(f"{source}: bitmap is damaged ({error}); label it again or remove it") from error
    if not inflater.eof:
        raise MaskError(
            f"{source}: bitmap is truncated or far larger than the image; label it again or remove it"
        )
    return content


READER = Reader(
    "Supervisely JSON: img/ and ann/, and meta.json above", _detect, _open, frozenset({"line_width"})
)
