"""Images with mask files in folders of any layout.

Either in two folders whose names differ in one word (``images`` and ``masks``, ``img`` and ``ann``, ``el_images_train``
and ``el_masks_train``), side by side or in folders such as ``train`` and ``val``; or side by side in one folder, as
``x.jpg`` and ``x_mask.png``.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, takewhile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.datasets.folder import UNFINISHED, classes_of, list_files, look_into_all
from solarseg.datasets.groups import find_groups
from solarseg.datasets.left_out import LeftOut
from solarseg.datasets.sample import Sample
from solarseg.datasets.walk import note_unused, walk_images
from solarseg.errors import DatasetError, MaskError
from solarseg.formats.source import Entry, Part
from solarseg.images import Pixels
from solarseg.masks import MaskLook, check_mask_size

__all__ = ["Glance", "Loaded", "Pair", "find_mask_classes", "find_pairs", "glance", "part_of"]

logger = logging.getLogger(__name__)

_IMAGE_WORDS = ("images", "image", "imgs", "img", "inputs", "input", "el")
_MASK_WORDS = ("masks", "mask", "labels", "label", "anns", "ann", "annotations", "gt")
_NNUNET = re.compile(r"(images|labels)(tr|ts)")
_WORD = re.compile(r"[^_\- ]+")
_MASK_ENDING = re.compile(r"(.*[^/])[_-](?:masks?|labels?|gt|seg(?:mentation)?)", re.IGNORECASE)
_IMAGE_ENDING = re.compile(r"(.*[^/])[_-](?:image|img|sat)", re.IGNORECASE)
_TIFF = {".tif", ".tiff"}
_ENOUGH_MASKS = 8
_ENOUGH_FILES = 20_000


@dataclass(frozen=True)
class Pair:
    """An image file and its mask file."""

    image: Path
    mask: Path


@dataclass(frozen=True)
class Glance:
    """A few of the files of a folder, to detect its format.

    Attributes:
        image: an image.
        masks: some masks, one at least.
    """

    image: Path
    masks: list[Path]


@dataclass(frozen=True)
class _Folders:
    """A folder of images and one of masks, and what comes before the names of their samples."""

    images: Path
    masks: Path
    prefix: str


def find_pairs(root: Path, left_out: LeftOut) -> dict[str, Pair]:
    """Find all images with their masks.

    Args:
        root: the folder.
        left_out: receives images and masks without counterpart.

    Returns:
        Name of the sample -> its files, sorted. Names are paths within the folder of images; where there are
        several such folders, the words that distinguish them come before.

    Raises:
        DatasetError: there are none, or two have one name.
    """
    folders = _find_folders(root) if root.is_dir() else []
    found: dict[str, Pair] = {}
    for each in folders:
        images, masks = (
            list_files(folder.parent, folder.name, left_out=left_out) for folder in (each.images, each.masks)
        )
        for name, pair in _match(images, _by_image(masks, images), left_out).items():
            full = each.prefix + name
            if full in found:
                raise DatasetError(
                    f"{pair.image}: same name as {found[full].image}; names must differ, rename one"
                )
            found[full] = pair
    if not folders:
        found = _match(*_side_by_side(walk_images(root, left_out), root), left_out)
    if not found:
        raise DatasetError(
            f"{root}: no images with masks; expected images/ and masks/, img/ and ann/, or x.png next to x_mask.png"
        )
    used = {file for pair in found.values() for file in (pair.image, pair.mask)} | left_out.files()
    note_unused(root, used, "image that is in no pair of image and mask", left_out)
    return dict(sorted(found.items()))


def glance(root: Path) -> Glance | None:
    """Look at the first pairs found, or give None where there are none."""
    try:
        folders = _find_folders(root)
        if folders:
            image = next(walk_images(folders[0].images), None)
            return (
                Glance(image, list(islice(walk_images(folders[0].masks), _ENOUGH_MASKS))) if image else None
            )
        images, masks = _side_by_side(islice(walk_images(root), _ENOUGH_FILES), root)
    except (OSError, DatasetError):
        return None
    both = [name for name in images if name in masks]
    return Glance(images[both[0]], [masks[name] for name in both[:_ENOUGH_MASKS]]) if both else None


def find_mask_classes(root: Path, masks: Sequence[Path], look: Callable[[Path], MaskLook]) -> ClassMap:
    """Find the classes from the masks that can be read; the others cost only their own samples.

    Args:
        root: the folder.
        masks: in it.
        look: finds the values of a mask, or raises `MaskError`.

    Raises:
        DatasetError: no mask can be read, or no sensible classes can be found.
    """
    try:
        return classes_of(root, look_into_all(root, masks, look))
    except MaskError as error:  # palettes that contradict each other
        raise DatasetError(str(error)) from error


class Loaded(NamedTuple):
    """An image, its mask of class ids, and which pixels show something (None where all do)."""

    image: Pixels
    mask: NDArray[np.uint8]
    valid: NDArray[np.bool_] | None = None


def part_of(
    root: Path,
    pairs: Mapping[str, Pair],
    load: Callable[[Pair], Loaded],
    keeps_file: Callable[[Pair], bool],
) -> Part:
    """Make a part of pairs, with the groups of ``groups.csv``.

    Args:
        root: the folder.
        pairs: name -> files.
        load: reads an image and its mask of class ids.
        keeps_file: whether the image file is what ``load`` gives.

    Raises:
        DatasetError: ``groups.csv`` is damaged or lacks a name.
    """
    groups = find_groups(root, list(pairs)) or {}

    def entries() -> Iterator[Entry]:
        for name, pair in pairs.items():
            group = groups.get(name)
            kept = keeps_file(pair)
            yield Entry(
                name,
                partial(_load, name, pair, group or name, load, kept),
                grid=None if kept or pair.image.suffix.lower() not in _TIFF else pair.image,
                group=group,
            )

    return Part(str(root), entries, len(pairs))


def _load(name: str, pair: Pair, group: str, load: Callable[[Pair], Loaded], kept: bool) -> Sample:
    image, mask, valid = load(pair)
    check_mask_size(pair.image, image.shape, pair.mask, mask.shape)
    return Sample(image, mask, name, group, valid, pair.image if kept else None)


def _find_folders(root: Path) -> list[_Folders]:
    """Folders of images next to folders of masks: in the folder itself, else in the folders in it."""
    here = list(_in_folder(root))
    found = here or [each for folder in _folders_in(root) for each in _in_folder(folder)]
    if len(found) == 1:
        return [_Folders(found[0].images, found[0].masks, "")]
    return [
        _Folders(each.images, each.masks, _prefix(each.images.parent.relative_to(root), each.prefix))
        for each in found
    ]


def _prefix(folder: Path, words: str) -> str:
    return "".join(f"{part}/" for part in (*folder.parts, words) if part)


def _in_folder(folder: Path) -> Iterator[_Folders]:
    # nnU-Net's imagesTr and labelsTr are taken for images_tr and labels_tr.
    neighbours = {_NNUNET.sub(r"\1_\2", each.name.lower()): each for each in _folders_in(folder)}
    for name, images in neighbours.items():
        for word in _WORD.finditer(name):
            if word[0] not in _IMAGE_WORDS:
                continue
            before, after = name[: word.start()], name[word.end() :]
            masks = [neighbours.get(before + other + after) for other in _MASK_WORDS]
            holding = next((each for each in masks if each and any(walk_images(each))), None)
            if holding:
                yield _Folders(images, holding, (before.rstrip("_- ") + after).strip("_- "))
                break


def _folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, without the dataset that a conversion may be making there."""
    found = (each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    return sorted(each for each in found if not (each / UNFINISHED).exists())


def _by_image(masks: Mapping[str, Path], images: Mapping[str, Path]) -> dict[str, Path]:
    """Name masks as their images are, where they are called like ``x_mask``."""
    found: dict[str, Path] = {}
    for name, file in masks.items():
        ending = _MASK_ENDING.fullmatch(name)
        _add(found, ending[1] if name not in images and ending and ending[1] in images else name, file)
    return found if found.keys() & images.keys() else _by_rest(found, images) or found


def _by_rest(masks: Mapping[str, Path], images: Mapping[str, Path]) -> dict[str, Path]:
    """Name masks as their images are, where all names have something in common before or after what differs.

    As ``mask_7`` and ``img_7``, or nnU-Net's ``pv_7`` and ``pv_7_0000``. What is in common has no digits but nnU-Net's,
    so that numbers stay whole.
    """
    image_of = {rest: name for name, rest in _rests(images).items()}
    found = {image_of[rest]: masks[name] for name, rest in _rests(masks).items() if rest in image_of}
    if found and len(image_of) == len(images):
        first = next(iter(found))
        logger.info("names differ: %s is taken for the mask of %s, and so on", found[first], images[first])
        return found
    return {}


def _rests(names: Iterable[str]) -> dict[str, str]:
    """Name -> what is left of it without what all have in common."""
    leaves = {name: name.rpartition("/")[2] for name in names}
    before = _common_start(list(leaves.values()))
    before = re.match(r"\D*", before)[0]  # type: ignore[index]
    if not all(leaf[len(before) :][:1].isdigit() for leaf in leaves.values()):
        before = re.match(r"(.*[_\- .])?", before)[0]  # type: ignore[index]
    backwards = _common_start([leaf[len(before) :][::-1] for leaf in leaves.values()])
    after = re.search(r"([_\- .]\D*|_0000)?$", backwards[::-1])[0]  # type: ignore[index]
    return {
        name: name[: len(name) - len(leaf)] + leaf[len(before) : len(leaf) - len(after)]
        for name, leaf in leaves.items()
    }


def _common_start(words: Sequence[str]) -> str:
    first, last = min(words, default=""), max(words, default="")  # what these share, all between them share
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(one for one, _ in same)


def _side_by_side(files: Iterable[Path], root: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Divide the files of one folder tree into images and masks by the endings of their names."""
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    others: dict[Path, str] = {}
    for file in files:
        name = file.relative_to(root).with_suffix("").as_posix()
        ending = _MASK_ENDING.fullmatch(name)
        if ending:
            _add(masks, ending[1], file)
        else:
            others[file] = name
    for file, name in others.items():
        ending = _IMAGE_ENDING.fullmatch(name)
        _add(images, ending[1] if name not in masks and ending and ending[1] in masks else name, file)
    return (images, masks) if masks else ({}, {})


def _add(files: dict[str, Path], name: str, file: Path) -> None:
    if name in files:
        raise DatasetError(f"{file}: same name as {files[name]}; names must differ, rename one")
    files[name] = file


def _match(images: Mapping[str, Path], masks: Mapping[str, Path], left_out: LeftOut) -> dict[str, Pair]:
    found = {name: Pair(image, masks[name]) for name, image in images.items() if name in masks}
    for have, lack, kind in ((images, masks, "mask"), (masks, images, "image")):
        alone = sorted(set(have) - set(lack))
        if not alone:
            continue
        if not found:
            more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
            if any(name.endswith("_0001") for name in have):
                raise DatasetError(
                    f"{have[alone[0]]}: nnU-Net has several files for the bands of an image; join them to one TIFF"
                )
            raise DatasetError(
                f"{have[alone[0]]}: has no {kind} of the same name{more}; add it or remove the file"
            )
        for name in alone:
            left_out.add(f"{'image' if kind == 'mask' else 'mask'} without {kind}", have[name])
    return found
