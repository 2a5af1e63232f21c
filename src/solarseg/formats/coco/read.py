"""COCO: one JSON file for many images, regions as polygons or run lengths (https://cocodataset.org/#format-data).

Images are found next to the file, or where CVAT, Roboflow, Label Studio and COCO itself put them (see `_folders`).
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PureWindowsPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from solarseg.datasets.left_out import LeftOut
from solarseg.datasets.sample import Sample
from solarseg.datasets.walk import note_unused, walk_images
from solarseg.errors import DatasetError, MaskError
from solarseg.extras import require
from solarseg.formats.annotations import (
    Text,
    check_size,
    class_map,
    find_inside,
    find_moved,
    is_file,
    json_files,
    looks_like,
    read_json,
    refuse_equal_names,
)
from solarseg.formats.polygons import Ring, as_points, draw_outline, is_thin, length, window
from solarseg.formats.source import Entry, Part, Reader, ReadOptions, Source
from solarseg.images import read_image

__all__ = ["READER"]

logger = logging.getLogger(__name__)

_Id = int | str
_HOMES = ("images", "data")
_ENOUGH_FILES = 200_000  # that are looked through for images that are not where they should be
_LONGEST = 1e7  # pixels around a polygon; pycocotools walks along it in fifths of a pixel


class _Image(BaseModel):
    id: _Id
    file_name: str
    width: int | None = None
    height: int | None = None


class _Category(BaseModel):
    id: _Id
    name: Text
    supercategory: Any = None


class _Annotation(BaseModel):
    image_id: _Id
    category_id: _Id
    segmentation: Any = None


class _Coco(BaseModel):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation] = Field(default_factory=list)


class _Outline(BaseModel):
    categories: Any = None


@dataclass(frozen=True)
class _File:
    path: Path
    name: str
    content: _Coco
    images: dict[_Id, Path]
    refused: dict[_Id, DatasetError]


def _detect(path: Path) -> bool:
    return any(map(_is_coco, islice(json_files(path), 50)))


def _is_coco(path: Path) -> bool:
    return looks_like(
        path,
        r'"(images|annotations|categories)"\s*:\s*\[',
        r'"(file_name|category_id|supercategory)"\s*:',
    )


def _open(path: Path, options: ReadOptions) -> Source:
    root = path.parent if path.is_file() else path
    root = root.parent if root.name == "annotations" else root
    left_out = LeftOut()
    files = [_read(file, root) for file in _files(path, left_out)]
    names = _category_names([file.content for file in files])
    classes, ids = class_map(names, path)
    named = _names(files, root)
    note_unused(path, named, "image that no COCO file lists", left_out)
    parts = [_part(file, named, ids, left_out) for file in files]
    return Source(path, classes, parts, left_out=left_out)


def _files(path: Path, left_out: LeftOut) -> list[Path]:
    if path.is_file():
        return [path]
    found = [file for file in sorted(json_files(path)) if _is_coco(file)]
    if not found:
        raise DatasetError(
            f"{path}: contains no COCO file; one is JSON with images, categories and annotations"
        )
    return _with_categories(found, left_out) if len(found) > 1 else found


def _with_categories(files: list[Path], left_out: LeftOut) -> list[Path]:
    """Those that name classes, unless none does; COCO's own captions, next to its instances, do not."""
    found = [file for file in files if read_json(file, _Outline).categories is not None]
    for file in files:
        if found and file not in found:
            left_out.add("COCO file without categories", file)
    return found or files


def _read(path: Path, root: Path) -> _File:
    content = read_json(path, _Coco)
    for kind, items in (("images", content.images), ("categories", content.categories)):
        _refuse_equal_ids(path, kind, [item.id for item in items])
    if not content.images:
        raise DatasetError(f"{path}: lists no images; export it again")
    _spell_alike(content)
    _refuse_strangers(path, content)
    name = path.relative_to(root).with_suffix("").as_posix()
    return _File(path, name, content, *_find_images(path, root, content.images))


def _refuse_equal_ids(path: Path, kind: str, ids: Sequence[_Id]) -> None:
    seen: set[_Id] = set()
    for i, each in enumerate(ids):
        if each in seen:
            raise DatasetError(f"{path}: {kind}.{i}: id {each} is there twice; each needs its own")
        seen.add(each)


def _spell_alike(content: _Coco) -> None:
    """Write the ids in annotations, which some tools write as text, as images and categories have them."""
    images = _spellings([image.id for image in content.images])
    categories = _spellings([category.id for category in content.categories])
    for each in content.annotations:
        each.image_id = images.get(each.image_id, images.get(str(each.image_id), each.image_id))
        each.category_id = categories.get(
            each.category_id, categories.get(str(each.category_id), each.category_id)
        )


def _spellings(ids: Sequence[_Id]) -> dict[_Id, _Id]:
    """Id, as it is and as text -> id; where 7 and "7" are both there, each is itself."""
    text: dict[_Id, _Id] = {str(each): each for each in ids}
    return text | {each: each for each in ids}


def _refuse_strangers(path: Path, content: _Coco) -> None:
    images = {image.id for image in content.images}
    if content.annotations and not any(each.image_id in images for each in content.annotations):
        raise DatasetError(
            f"{path}: annotations are of images such as {content.annotations[0].image_id!r}, and images have ids such "
            f"as {content.images[0].id!r}: none of them matches; export it again"
        )


def _find_images(
    path: Path, root: Path, images: list[_Image]
) -> tuple[dict[_Id, Path], dict[_Id, DatasetError]]:
    """Find the files of images; return also what is wrong with names that cannot be those of a file."""
    folders = _folders(path, root)
    stated: dict[_Id, Path] = {}
    refused: dict[_Id, DatasetError] = {}
    for i, image in enumerate(images):
        try:
            stated[image.id] = find_inside(image.file_name, Path(), Path(), f"{path}: images.{i}.file_name")
        except DatasetError as error:
            refused[image.id] = error
    homes = {
        image_id: home
        for image_id, name in stated.items()
        if (home := next((folder for folder in folders if is_file(folder / name)), None))
    }
    found = {image_id: home / stated[image_id] for image_id, home in homes.items()}
    lost = {image.id: image.file_name for image in images if image.id not in found}
    found |= _find_lost(lost, folders, root, set(found.values()))
    if not found and stated:
        raise DatasetError(
            f"{path}: none of its {len(images)} images is there, such as '{next(iter(stated.values()))}'; looked in "
            f"{', '.join(map(str, folders))}; put them into one of these folders"
        )
    if not found:
        raise next(iter(refused.values()))
    usual = Counter(homes.values()).most_common(1)[0][0] if homes else root
    missing = {image_id: usual / name for image_id, name in stated.items() if image_id not in found}
    return found | missing, {image_id: error for image_id, error in refused.items() if image_id not in found}


def _find_lost(lost: Mapping[_Id, str], folders: list[Path], root: Path, taken: set[Path]) -> dict[_Id, Path]:
    """Find images that were moved, by the end of their path, else by their name anywhere in the folder.

    Two images of one file are none: which of them it is cannot be known.
    """
    if not lost:
        return {}
    by_name: dict[str, list[Path]] = defaultdict(list)
    for file in islice(walk_images(root), _ENOUGH_FILES):
        by_name[file.name].append(file)
    found: dict[_Id, Path] = {}
    for image_id, name in lost.items():
        same = by_name[PureWindowsPath(name).name]
        moved = find_moved(name, folders) or (same[0] if len(same) == 1 else None)
        if moved is not None and moved not in taken:
            found[image_id] = moved
    counts = Counter(found.values())
    return {image_id: file for image_id, file in found.items() if counts[file] == 1}


def _folders(path: Path, root: Path) -> list[Path]:
    """Return where images may be, the most particular first.

    For ``annotations/instances_train.json`` these are ``images/train``, ``images``, ``train`` and ``data`` next to
    ``annotations``, and the same within it.
    """
    subset = path.stem.partition("_")[2]
    tops = [path.parent] if path.parent == root else [path.parent, path.parent.parent]
    places = (
        [top, top / "images" / subset, top / "images", top / subset, top / "data" / subset, top / "data"]
        for top in tops
    )
    return list(dict.fromkeys(chain.from_iterable(places)))


def _names(files: list[_File], root: Path) -> dict[Path, str]:
    """Name each image by its path in the source, without the first folder called ``images`` or ``data``."""
    names: dict[Path, str] = {}
    owners: dict[Path, Path] = {}
    for file in files:
        for image in file.images.values():
            if image in owners:
                raise DatasetError(
                    f"{file.path}: {image} is in {owners[image]} already; name it once, or give one file"
                )
            *folders, leaf = image.relative_to(root).with_suffix("").parts
            home = next((folder for folder in _HOMES if folder in folders), None)
            if home is not None:
                folders.remove(home)
            names[image] = "/".join([*folders, leaf])
            owners[image] = file.path
    refuse_equal_names(names)
    return names


def _category_names(contents: list[_Coco]) -> list[str]:
    """The names in the order of their ids, without Roboflow's first: a group that contains no annotations itself."""
    categories = [category for content in contents for category in sorted(content.categories, key=_order)]
    used: set[str] = set()
    for content in contents:
        ids = {annotation.category_id for annotation in content.annotations}
        used |= {category.name for category in content.categories if category.id in ids}
    groups = {str(each.supercategory) for each in categories if each.supercategory != each.name}
    return [each.name for each in categories if each.name in used or each.name not in groups]


def _order(category: _Category) -> tuple[bool, int, str]:
    return isinstance(category.id, str), category.id if isinstance(category.id, int) else 0, str(category.id)


_Numbered = tuple[int, _Annotation]


def _part(file: _File, named: dict[Path, str], ids: dict[str, int], left_out: LeftOut) -> Part:
    classes = {category.id: ids.get(category.name) for category in file.content.categories}
    annotations: dict[_Id, list[_Numbered]] = defaultdict(list)
    for i, annotation in enumerate(file.content.annotations):
        annotations[annotation.image_id].append((i, annotation))
    _note_counts(file, set(annotations), left_out)
    entries = [
        _entry(file, image, named[file.images[image.id]], classes, annotations.get(image.id, []), left_out)
        if image.id in file.images
        else _refused(f"{file.name}/images.{i}", str(file.refused[image.id]))
        for i, image in enumerate(file.content.images)
    ]
    return Part(str(file.path), lambda: iter(entries), len(entries))


def _note_counts(file: _File, annotated: set[_Id], left_out: LeftOut) -> None:
    images = {image.id for image in file.content.images}
    bare = len(images - annotated)
    if bare:
        logger.info("%s: %d of %d images have no annotation: all background", file.path, bare, len(images))
    for image_id in annotated - images:
        left_out.add("annotations of an image that is not listed", f"{file.path}: image {image_id}")


def _entry(
    file: _File,
    image: _Image,
    name: str,
    classes: dict[_Id, int | None],
    annotations: list[_Numbered],
    left_out: LeftOut,
) -> Entry:
    path = file.images[image.id]

    def load() -> Sample:
        pixels = read_image(path)
        check_size(pixels, image.height, image.width, f"{file.path}: image '{image.file_name}'")
        height, width = pixels.shape[:2]
        columns = np.zeros(width * height, dtype=np.uint8)  # one after another, as run lengths go
        outlines = 0.0
        for i, annotation in annotations:
            source = f"{file.path}: annotations.{i} (image '{image.file_name}')"
            class_id = classes.get(annotation.category_id)
            if class_id is None:
                raise MaskError(
                    f"{source}: no category has the id {annotation.category_id}; add it or remove this"
                )
            # Crowds are regions like any other: their pixels are of the class, whatever number of objects they show.
            outlines += _outline_length(annotation.segmentation)
            if outlines > _LONGEST:
                raise MaskError(
                    f"{source}: outlines of {outlines:,.0f} pixels; at most {_LONGEST:,.0f} are drawn; correct the file"
                )
            if not _draw(columns, annotation.segmentation, class_id, (height, width), source):
                left_out.add("annotation that draws no pixel", source)
        mask = np.ascontiguousarray(columns.reshape(width, height).T)
        return Sample(pixels, mask, name, name, file=path)

    return Entry(name, load)


def _refused(name: str, reason: str) -> Entry:
    def load() -> Sample:
        raise DatasetError(reason)

    return Entry(name, load)


def _paint(columns: NDArray[np.uint8], counts: list[int], class_id: int) -> None:
    """Paint every second run on ``columns`` itself."""
    bounds = np.cumsum([0, *counts]).tolist()
    for start, end in zip(bounds[1::2], bounds[2::2], strict=False):
        columns[start:end] = class_id


def _outline_length(segmentation: Any) -> float:
    """Return the length of the rings of a region, since pycocotools takes time and memory for each pixel."""
    rings = [_pairs(flat) for flat in segmentation] if isinstance(segmentation, list) else []
    try:
        return sum(length(as_points(ring, "")) for ring in rings)
    except MaskError:
        return 0.0


def _draw(
    columns: NDArray[np.uint8], segmentation: Any, class_id: int, size: tuple[int, int], source: str
) -> int:
    """Draw a region on ``columns`` itself, and return how many pixels it has.

    Of a polygon narrower than a pixel pycocotools may draw nothing, or parts. Then the pixels along its outline are
    drawn too, so that no crack vanishes.
    """
    height, width = size
    counts = _counts(segmentation, height, width, source)
    _paint(columns, counts, class_id)
    drawn = sum(counts[1::2])
    for flat in segmentation if isinstance(segmentation, list) else ():
        ring = as_points(_pairs(flat), source)
        if is_thin(ring) and not _is_whole(ring, size):
            drawn += draw_outline(columns.reshape(width, height).T, ring, class_id)
    return drawn


def _is_whole(ring: Ring, size: tuple[int, int]) -> bool:
    """Return whether pycocotools draws a ring in one piece and as long as it is."""
    rows, columns = window(ring, size)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if not height * width:
        return True  # outside of the image
    moved = ring - np.array([columns.start, rows.start])
    masks = require("pycocotools.mask", "data")
    drawn = masks.decode(masks.frPyObjects([moved.ravel().tolist()], height, width))[..., 0]
    count, _, found, _ = cv2.connectedComponentsWithStats(drawn, connectivity=8)
    sides = (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT)
    return count == 2 and all(
        found[1, side] > extent - 1 for side, extent in zip(sides, np.ptp(ring, axis=0), strict=True)
    )


def _counts(segmentation: Any, height: int, width: int, source: str) -> list[int]:
    """The run lengths of a region, which go down the columns and begin with background."""
    if isinstance(segmentation, dict):
        return _stated_counts(segmentation, height, width, source)
    if not isinstance(segmentation, list) or not segmentation:
        raise MaskError(
            f"{source}: has no segmentation, and a box or key points are no region; outline it, remove it, or export "
            "masks as Pascal VOC, since some tools write thin ones so"
        )
    rings = [as_points(_pairs(flat), source) for flat in segmentation]
    if sum(map(length, rings)) > _LONGEST:
        raise MaskError(f"{source}: outline of more than {_LONGEST:,.0f} pixels; correct or remove it")
    masks = require("pycocotools.mask", "data")
    joined = masks.merge(masks.frPyObjects([ring.ravel().tolist() for ring in rings], height, width))
    return _decode_counts(joined["counts"].decode("ascii")) or []


def _pairs(flat: Any) -> Any:
    if not isinstance(flat, list) or len(flat) % 2:
        return None
    return list(zip(flat[::2], flat[1::2], strict=True))


def _stated_counts(segmentation: dict[str, Any], height: int, width: int, source: str) -> list[int]:
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if size != [height, width]:
        raise MaskError(
            f"{source}: run lengths are of size {size}, the image of [{height}, {width}]; label it again"
        )
    counts = _decode_counts(counts) if isinstance(counts, str) else counts
    whole = isinstance(counts, list) and all(type(count) is int and count >= 0 for count in counts)
    if not isinstance(counts, list) or not whole or sum(counts) != height * width:
        raise MaskError(
            f"{source}: run lengths are damaged; they must be whole and cover the image; label it again"
        )
    return counts


def _decode_counts(text: str) -> list[int] | None:
    """Decode compressed counts; None where they are damaged.

    Not by pycocotools (2.0.11): it writes damaged strings into memory that is not its own, and leaves the rest of
    an image as it finds it where they are too short.

    Each character from "0" on encodes six bits, the lowest first: five of a number and one that says whether more
    follow. The fifth of the last one is the sign. From the fourth number on it is the difference to the last but one.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if bits < 32:
            value -= (bits >> 4 & 1) << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return None if shift else counts


READER = Reader("COCO JSON, also of CVAT, Roboflow and Label Studio", _detect, _open)
