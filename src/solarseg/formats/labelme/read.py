"""LabelMe: a JSON file next to each image (https://github.com/wkentaro/labelme).

Classes are in the order of ``labels.txt``, LabelMe's own list of them, or else sorted by name.

Shapes are drawn with Pillow, as LabelMe's own ``shapes_to_label`` draws them.
"""

import logging
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from solarseg.classes import IGNORE_INDEX
from solarseg.datasets.left_out import LeftOut
from solarseg.datasets.sample import Sample
from solarseg.datasets.walk import note_unused, walk
from solarseg.errors import DatasetError, ImageError, MaskError
from solarseg.formats.annotations import (
    Text,
    check_size,
    class_map,
    decode_base64,
    decode_region_png,
    find_inside,
    find_moved,
    is_file,
    json_files,
    looks_like,
    read_json,
    read_lines,
)
from solarseg.formats.polygons import Ring, Work, as_points, draw, stroke
from solarseg.formats.source import Entry, Part, Reader, ReadOptions, Source
from solarseg.images import IMAGE_SUFFIXES, Pixels, as_rgb, decode_image, read_image

__all__ = ["IGNORE", "LABELS", "READER"]

logger = logging.getLogger(__name__)

IGNORE = "__ignore__"  # LabelMe's own name for pixels to leave out
LABELS = "labels.txt"  # LabelMe's own name for the list of classes, one a line

_ALIKE = 8.0  # levels of 255, on average, that JPEG may change
_ENOUGH = 20_000  # files that are looked at to detect the format

_NO_REGION = {"point", "points"}


class _Kind(BaseModel):
    label: Text
    shape_type: str | None = None

    @property
    def kind(self) -> str:
        return self.shape_type or "polygon"  # which old versions do not say


class _Shape(_Kind):
    points: Any = None
    mask: str | None = None


class _Summary(BaseModel):
    shapes: list[_Kind]
    imagePath: str = ""  # noqa: N815 - the format's own name


class _Labels(_Summary):
    shapes: list[_Shape]  # type: ignore[assignment]
    imageData: str | None = None  # noqa: N815
    imageHeight: int | None = None  # noqa: N815
    imageWidth: int | None = None  # noqa: N815


def _detect(path: Path) -> bool:
    deeper = (file for file in islice(walk(path), _ENOUGH) if file.suffix.lower() == ".json")
    found = chain(islice(json_files(path), 50), islice(deeper, 50))
    return any(map(_is_labelme, found))


def _is_labelme(path: Path) -> bool:
    return looks_like(path, r'"shapes"\s*:\s*\[', r'"(imagePath|shape_type|points)"\s*:')


def _open(path: Path, options: ReadOptions) -> Source:
    root = path.parent if path.is_file() else path
    left_out = LeftOut()
    files = [path] if path.is_file() else _files(path, left_out)
    if not files:
        raise DatasetError(f"{path}: contains no LabelMe file; one is JSON with shapes and imagePath")
    images: dict[Path, Path | None] = {}
    kinds: list[_Kind] = []
    errors: list[DatasetError] = []
    for file in files:
        try:
            summary = read_json(file, _Summary)
            images[file] = _find_image(file, summary.imagePath, root)
            kinds += summary.shapes
        except DatasetError as error:  # said when the sample is loaded
            images[file] = _find_by_stem(file)
            errors.append(error)
    if len(errors) == len(files):
        raise errors[0]
    note_unused(path, {image for image in images.values() if image}, "image without JSON file", left_out)
    labels = {each.label for each in kinds if each.kind not in _NO_REGION}
    names = [name for name in _in_order(labels, root / LABELS) if name != IGNORE]
    classes, ids = class_map(names, path, ignore=IGNORE in labels)
    ids[IGNORE] = IGNORE_INDEX
    entries = [_entry(file, root, ids, options, left_out) for file in images]
    return Source(path, classes, [Part(str(path), lambda: iter(entries), len(entries))], left_out=left_out)


def _files(path: Path, left_out: LeftOut) -> list[Path]:
    """What looks like LabelMe's, or has an image next to it, and may be damaged."""
    found = [file for file in walk(path, left_out) if file.suffix.lower() == ".json"]
    return [file for file in found if _is_labelme(file) or _find_by_stem(file)]


def _in_order(labels: set[str], file: Path) -> list[str]:
    """The labels that a file lists, used or not, and behind them those that it does not."""
    listed = read_lines(file, "a class a line") if file.is_file() else []
    others = sorted(labels - {*listed, IGNORE})
    if listed and others:
        logger.warning("%s: does not list %s; added behind those it lists", file, ", ".join(others))
    return [*listed, *others]


def _find_image(file: Path, name: str, root: Path) -> Path | None:
    """Find the image of a JSON file, within the folder.

    ``imagePath`` is out of date as soon as a set is moved or divided. After the path itself come: as much of its end
    as is found next to the JSON file, the JSON file's own stem, and the end of the path within the folder.
    """
    try:
        stated = find_inside(name, file.parent, root, "imagePath")
    except DatasetError:
        stated = None
    if stated is not None and is_file(stated):
        return stated
    return find_moved(name, [file.parent]) or _find_by_stem(file) or find_moved(name, [root], least=2)


def _find_by_stem(file: Path) -> Path | None:
    suffixes = sorted({*IMAGE_SUFFIXES, *map(str.upper, IMAGE_SUFFIXES)})
    return next((image for suffix in suffixes if is_file(image := file.with_suffix(suffix))), None)


def _entry(file: Path, root: Path, ids: dict[str, int], options: ReadOptions, left_out: LeftOut) -> Entry:
    name = file.relative_to(root).with_suffix("").as_posix()

    def load() -> Sample:
        labels = read_json(file, _Labels)
        pixels, image = _read_image(labels, file, root)
        check_size(pixels, labels.imageHeight, labels.imageWidth, str(file))
        mask = np.zeros(pixels.shape[:2], dtype=np.uint8)
        work = Work(mask.shape, str(file))
        for i, shape in enumerate(labels.shapes):
            source = f"{file}: shapes.{i}"
            if shape.kind in _NO_REGION:
                left_out.add(f"{shape.kind}, which is no region", source)
            elif not _paint(mask, shape, _class_id(shape, ids, source), options.line_width, source, work):
                left_out.add("annotation that draws no pixel", source)
        return Sample(pixels, mask, name, name, file=image)

    return Entry(name, load)


def _read_image(labels: _Labels, file: Path, root: Path) -> tuple[Pixels, Path | None]:
    """Read the image that was labelled, and return the file with just these pixels, if there is one.

    As in LabelMe an image within the JSON file counts more than a file of its name. LabelMe writes it again, though, as
    PNG or JPEG of 8 bits: a file that shows the same is taken instead.
    """
    image = _find_image(file, labels.imagePath, root)
    if labels.imageData:
        source = f"{file}: imageData"
        inside = decode_image(decode_base64(labels.imageData, source), source)
        return (inside, None) if image is None else _choose(inside, image)
    if image is None:
        raise ImageError(
            f"{file}: its image '{labels.imagePath[:99]}' is neither next to it nor within it; put it there, or "
            "give the folder that contains both"
        )
    return read_image(image), image


def _choose(inside: Pixels, image: Path) -> tuple[Pixels, Path | None]:
    try:
        pixels = read_image(image)
    except ImageError:
        return inside, None
    return (pixels, image) if _show_the_same(pixels, inside) else (inside, None)


def _show_the_same(one: Pixels, other: Pixels) -> bool:
    """Return whether two images are the same but for depth and compression."""
    if one.shape[:2] != other.shape[:2]:
        return False
    if one.dtype == other.dtype and _difference(one, other) > _ALIKE:
        return False
    return _difference(one.astype(np.float32), other.astype(np.float32)) <= _ALIKE


def _difference(one: Pixels, other: Pixels) -> float:
    """Return the mean difference in levels of 255; floats are stretched, so that depth does not matter."""
    return float(np.abs(as_rgb(one).astype(np.int16) - as_rgb(other)).mean())


def _class_id(shape: _Shape, ids: dict[str, int], source: str) -> int:
    if shape.label not in ids:
        raise MaskError(f"{source}: label '{shape.label}' is new; open the folder again")
    return ids[shape.label]


def _paint(
    mask: NDArray[np.uint8], shape: _Shape, class_id: int, line_width: int, source: str, work: Work
) -> bool:
    """Paint on ``mask`` itself, and return whether any of the shape is in the image."""
    kind = shape.kind
    if kind == "mask":
        work.add(np.array([[0, 0], mask.shape[::-1]]))
        return _paint_mask(mask, shape, class_id, source)
    least = {"polygon": 3, "oriented_rectangle": 4, "rectangle": 2, "circle": 2, "line": 2, "linestrip": 2}
    if kind not in least:
        raise MaskError(
            f"{source}: cannot draw a {kind}; mask, {', '.join(least)} can be; label it again as one"
        )
    points = as_points(shape.points, source, kind, least[kind])
    is_within = work.add(points)
    if kind in ("line", "linestrip"):
        stroke(mask, points, class_id, line_width)
    elif kind == "circle":
        box = _box_of_circle(points, mask.shape, source)
        draw(mask, box, class_id, lambda canvas, moved: canvas.ellipse(moved, fill=1, outline=1))
    elif kind == "rectangle":
        corners = np.stack([points.min(axis=0), points.max(axis=0)])
        draw(mask, corners, class_id, lambda canvas, moved: canvas.rectangle(moved, fill=1, outline=1))
    else:
        draw(mask, points, class_id, lambda canvas, moved: canvas.polygon(moved, fill=1, outline=1))
    return is_within or kind == "circle"


def _box_of_circle(points: Ring, size: tuple[int, ...], source: str) -> Ring:
    centre, on_it = points[:2]
    radius = np.hypot(*(on_it - centre))
    if radius > np.hypot(size[0], size[1]):  # which LabelMe does not draw, and Pillow takes long to
        raise MaskError(
            f"{source}: circle of radius {radius:.0f} is larger than the image; correct or remove it"
        )
    return np.stack([centre - radius, centre + radius])


def _paint_mask(mask: NDArray[np.uint8], shape: _Shape, class_id: int, source: str) -> bool:
    region = decode_region_png(decode_base64(shape.mask or "", f"{source}: mask"), mask.shape, source)
    box = as_points(shape.points, source, "mask", 2)[:2]
    extent = (box[1] - box[0] + 1)[::-1]
    # Corners between pixels are those of a mask that was moved: its extent is what counts.
    if (box == np.trunc(box)).all() and extent.tolist() != list(region.shape):
        raise MaskError(
            f"{source}: mask is of {region.shape[::-1]} pixels, its corners say otherwise; label it again"
        )
    x, y = box[0].round().astype(int).tolist()
    height, width = region.shape
    above, left = max(0, -y), max(0, -x)  # which is outside
    place = mask[y + above : max(0, y + height), x + left : max(0, x + width)]
    shown = region[above:, left:][: place.shape[0], : place.shape[1]]
    place[shown] = class_id
    return bool(shown.any())


READER = Reader("LabelMe JSON next to images", _detect, _open, frozenset({"line_width"}))
