"""YOLO's polygons, as Ultralytics, Roboflow and CVAT write them: ``data.yaml``, and a text file for each image.

See https://docs.ultralytics.com/datasets/segment/.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ValidationError

from solarseg.datasets.left_out import LeftOut
from solarseg.datasets.sample import Sample
from solarseg.datasets.walk import note_unused, walk, walk_images
from solarseg.datasets.yaml_file import read_yaml
from solarseg.errors import DatasetError, MaskError, reason_of
from solarseg.formats.annotations import (
    class_map,
    find_inside,
    find_moved,
    is_file,
    read_lines,
    refuse_equal_names,
)
from solarseg.formats.polygons import Work
from solarseg.formats.source import Entry, Part, Reader, ReadOptions, Source
from solarseg.images import read_image

__all__ = ["READER", "label_file"]

logger = logging.getLogger(__name__)

_MAX_LABELS = 2**28  # bytes
_LISTS = ("classes.txt", "obj.names")
_ENOUGH = 20  # YAML files that are looked at to find data.yaml
_LOOKED_AT = 50  # label files that are looked at to detect oriented boxes
_EXACT, _TURNED = 0.002, 0.005  # shares of the image: rounding to pixels, and the least slant
_OUTSIDE = 0.01  # share of the image that a point may lie outside, as Ultralytics allows


def _number_names(names: Any) -> Any:
    """Give numbers to names that have none: those of a list, or one name alone."""
    listed = [names] if isinstance(names, str) else names
    return dict(enumerate(listed)) if isinstance(listed, list) else listed


class _Data(BaseModel):
    names: Annotated[dict[int, str], BeforeValidator(_number_names)]
    kpt_shape: Any = None
    path: str | None = None
    train: str | list[str] | None = None
    val: str | list[str] | None = None
    test: str | list[str] | None = None

    def places(self) -> list[str]:
        """Folders and lists of images."""
        given = [each for each in (self.train, self.val, self.test) if each]
        return [place for each in given for place in ([each] if isinstance(each, str) else each)]


def _detect(path: Path) -> bool:
    return path.is_dir() and _find_names(path) is not None


def _find_names(path: Path) -> Path | None:
    """Find the file that names the classes: ``data.yaml``, or next to ``labels/`` that of Label Studio or Darknet."""
    listed = [path / name for name in _LISTS] if (path / "labels").is_dir() else []
    return _find_yaml(path) or next(filter(is_file, listed), None)


def _find_yaml(path: Path) -> Path | None:
    """The file that names classes as YOLO does."""
    files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")], key=lambda file: (file.stem != "data", file))
    return next((file for file in files[:_ENOUGH] if "names" in _load_yaml(file)), None)


def _load_yaml(file: Path) -> dict[str, Any]:
    """What a small YAML file says; nothing where it cannot be read."""
    try:
        content = read_yaml(file)
    except DatasetError:
        return {}
    return content if isinstance(content, dict) else {}


def _open(path: Path, options: ReadOptions) -> Source:
    file = _find_names(path)
    if file is None:
        raise DatasetError(f"{path}: contains no data.yaml with 'names'; give the folder that contains it")
    data = _read_data(file)
    if data.kpt_shape is not None:
        raise DatasetError(
            f"{file}: has kpt_shape: labels are boxes and key points, no regions; outline what they show"
        )
    names, left_out = _names(file, data), LeftOut()
    classes, ids = class_map(names, file)
    images = {
        image: _sample_name(image.relative_to(path)) for image in _find_images(path, file, data, left_out)
    }
    refuse_equal_names(images)
    note_unused(path, images, f"image in no folder of {file.name}", left_out)
    labels = {image: path / label_file(image.relative_to(path)) for image in images}
    _note_missing(path, list(labels.values()), left_out)
    _refuse_oriented_boxes(path, list(labels.values()))
    class_ids = [ids[name] for name in names]
    entries = [_entry(name, image, labels[image], class_ids) for image, name in images.items()]
    return Source(path, classes, [Part(str(path), lambda: iter(entries), len(entries))], left_out=left_out)


def _read_data(file: Path) -> _Data:
    if file.name in _LISTS:
        return _Data(names=dict(enumerate(read_lines(file, "a class a line"))))
    try:
        return _Data.model_validate(_load_yaml(file))
    except ValidationError as error:
        raise DatasetError(f"{file}: {reason_of(error)}; export it again, or correct it") from error


def _names(file: Path, data: _Data) -> list[str]:
    if sorted(data.names) != list(range(len(data.names))):
        raise DatasetError(f"{file}: names are numbered {sorted(data.names)}; number them from 0 on")
    return [data.names[i] for i in range(len(data.names))]


def _find_images(path: Path, file: Path, data: _Data, left_out: LeftOut) -> list[Path]:
    """The images of all splits, or of all folders called ``images`` where the file says nothing that is there."""
    places = [_find_place(path, file, data, place) for place in data.places()]
    lost = [place for place, found in zip(data.places(), places, strict=True) if found is None]
    found = {image for place in places if place for image in _images_of(path, place, left_out)}
    if not found:
        found = {
            image
            for folder in ("images", "*/images")
            for each in path.glob(folder)
            for image in walk_images(each, left_out)
        }
    elif lost:
        for place in lost:
            left_out.add("listed folder that is not there", f"{file}: {place}")
    if not found:
        raise DatasetError(f"{path}: contains no images; export with images, or put them into images/")
    return sorted(found)


def _find_place(path: Path, file: Path, data: _Data, place: str) -> Path | None:
    """Where a folder or list is; Roboflow writes ``../train/images`` for what is next to ``data.yaml``."""
    within = re.sub(r"^(\.\./)+", "", place.replace("\\", "/"))
    # A root elsewhere is that of another machine, or of Ultralytics' own settings.
    root = re.sub(r"^(\w:)?(\.{0,2}/)+", "", (data.path or "").replace("\\", "/"))
    for top in ("", root):
        try:
            found = find_inside(str(PurePosixPath(top, within)), path, path, f"{file}")
        except DatasetError:
            continue
        if found.exists():
            return found
    return find_moved(place, [path], kind=Path.exists)


def _images_of(path: Path, place: Path, left_out: LeftOut) -> Iterator[Path]:
    if place.is_dir():
        return walk_images(place, left_out)
    try:
        lines = place.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{place}: cannot be read ({error}); a list of images is text, a path a line"
        ) from error
    listed: list[Path] = []
    refused: list[DatasetError] = []
    for line in filter(None, map(str.strip, lines)):
        moved = find_moved(line, [place.parent, path])
        try:
            listed.append(moved or find_inside(line, place.parent, path, f"{place}"))
        except DatasetError as error:
            refused.append(error)
    if refused and not listed:
        raise refused[0]
    there = [image for image in listed if image.is_file()]
    for missing in [*refused, *(f"{place}: {image}" for image in listed if not image.is_file())]:
        left_out.add("listed image that is not there", missing)
    return iter(there)


def _sample_name(image: Path) -> str:
    """The image's path without suffix, and without the first folder called ``images``."""
    folders = list(image.parent.parts)
    if "images" in folders:
        folders.remove("images")
    return "/".join([*folders, image.stem])


def label_file(image: Path) -> Path:
    """Return the text file of an image: ``labels`` instead of the last ``images``, or next to it.

    Examples:
        >>> label_file(Path("train/images/a.jpg")).as_posix()
        'train/labels/a.txt'
    """
    folders = list(image.parent.parts)
    if "images" in folders:
        folders[len(folders) - 1 - folders[::-1].index("images")] = "labels"
    return Path(*folders, f"{image.stem}.txt")


def _note_missing(path: Path, labels: Sequence[Path], left_out: LeftOut) -> None:
    missing = sum(not label.is_file() for label in labels)
    empty = sum(label.is_file() and not label.stat().st_size for label in labels)
    if missing == len(labels):
        raise DatasetError(f"{path}: no image has a label file, such as {labels[0]}; export with labels")
    if missing or empty:
        logger.warning(
            "%s: %d of %d images have no label file and %d an empty one: all background",
            path,
            missing,
            len(labels),
            empty,
        )
    known = set(labels)
    for file in walk(path):
        if file.suffix == ".txt" and "labels" in file.relative_to(path).parts[:-1] and file not in known:
            left_out.add("label file without image", file)


def _refuse_oriented_boxes(path: Path, labels: Sequence[Path]) -> None:
    """Raise DatasetError if all outlines are exact rotated rectangles, which no hand draws.

    Such a line has a class and four corners, as the outline of a region with four corners has.
    """
    written = [label for label in labels if label.is_file() and 0 < label.stat().st_size < _MAX_LABELS]
    try:
        lines = [
            line for label in written[:_LOOKED_AT] for line in label.read_text(encoding="utf-8").splitlines()
        ]
        shapes = np.array([line.split()[1:] for line in lines if line.strip()], dtype=np.float64)
    except (OSError, ValueError):  # other numbers of corners; what cannot be read is named with its image
        return
    if shapes.ndim != 2 or shapes.shape[1] != 8:
        return
    first, second, third, fourth = (shapes[:, at : at + 2] for at in (0, 2, 4, 6))
    # Shares of an image that is not square keep parallelograms, and not right angles.
    closes = np.abs(first - second + third - fourth).max() < _EXACT
    is_turned = np.abs(first - second).min(axis=-1) > _TURNED
    if closes and is_turned.any():
        raise DatasetError(
            f"{path}: all outlines are exact rotated rectangles, such as {written[0]}; these are oriented boxes, and a "
            "box is no region; outline what is in it, or export as segmentation"
        )


def _entry(name: str, image: Path, label: Path, class_ids: Sequence[int]) -> Entry:
    def load() -> Sample:
        pixels = read_image(image)
        polygons = _read_polygons(label, pixels.shape[:2], class_ids) if label.is_file() else []
        return Sample(pixels, _draw(polygons, pixels.shape[:2], str(label)), name, name, file=image)

    return Entry(name, load)


_Polygon = tuple[int, NDArray[np.int32]]


def _read_polygons(file: Path, size: tuple[int, ...], class_ids: Sequence[int]) -> list[_Polygon]:
    """Read class ids and points, in whole pixels."""
    try:
        if file.stat().st_size > _MAX_LABELS:
            raise MaskError(
                f"{file}: {file.stat().st_size:,} bytes; at most {_MAX_LABELS:,} are read; correct it"
            )
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MaskError(f"{file}: cannot be read ({error}); export it again") from error
    return [
        _polygon(line.split(), size, class_ids, f"{file}, line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]


def _polygon(fields: list[str], size: tuple[int, ...], class_ids: Sequence[int], source: str) -> _Polygon:
    try:
        numbers = np.array(fields, dtype=np.float64)
    except ValueError:
        numbers = np.full(1, np.nan)
    if not np.isfinite(numbers).all():
        raise MaskError(f"{source}: contains something other than numbers; export it again")
    if len(numbers) == 5:
        raise MaskError(
            f"{source}: is a box, and a box is no region; outline what is in it, or export as segmentation"
        )
    if len(numbers) < 7 or len(numbers) % 2 == 0:
        what = "; these may be key points, which are no region" if len(numbers) > 5 else ""
        raise MaskError(
            f"{source}: {len(numbers)} numbers; expected a class, and x and y of 3 points or more{what}"
        )
    if numbers[0] not in range(len(class_ids)):
        raise MaskError(
            f"{source}: class {fields[0]}; data.yaml names 0 to {len(class_ids) - 1}; add it there"
        )
    shares = numbers[1:].reshape(-1, 2)
    if shares.min() < -_OUTSIDE or shares.max() > 1 + _OUTSIDE:
        raise MaskError(
            f"{source}: a point lies outside the image; x and y are shares of its size, 0 to 1; correct it"
        )
    # In single precision and truncated, as Ultralytics does it.
    points = shares.astype(np.float32) * np.array(size[::-1], dtype=np.float32)
    return class_ids[int(numbers[0])], points.astype(np.int32)


def _draw(polygons: Sequence[_Polygon], size: tuple[int, ...], source: str) -> NDArray[np.uint8]:
    """Fill polygons, the larger ones first, so that smaller ones lie on them, as Ultralytics does."""
    mask = np.zeros(size, dtype=np.uint8)
    work = Work(size, source)
    for _, points in polygons:
        work.add(points)
    # Filled twice, since all that is filled at a time may be many times the image.
    areas = [np.count_nonzero(_fill(points, size)[1]) for _, points in polygons]
    for i in np.argsort(-np.array(areas, dtype=np.int64), kind="stable"):
        class_id, points = polygons[i]
        (x, y), pixels = _fill(points, size)
        mask[y : y + pixels.shape[0], x : x + pixels.shape[1]][pixels] = class_id
    return mask


def _fill(points: NDArray[np.int32], size: tuple[int, ...]) -> tuple[tuple[int, int], NDArray[np.bool_]]:
    """Fill a polygon, its border included: the first column and row it touches, and its pixels from there on."""
    first = points.min(axis=0).clip(0, np.array(size[::-1]) - 1)
    last = points.max(axis=0).clip(first, np.array(size[::-1]) - 1)
    width, height = (last - first + 1).tolist()
    pixels = np.zeros((height, width), dtype=np.uint8)
    cv2.fillPoly(pixels, [points - first], 1)
    x, y = first.tolist()
    return (x, y), pixels > 0


READER = Reader("YOLO polygons with data.yaml, also of Ultralytics, Roboflow and CVAT", _detect, _open)
