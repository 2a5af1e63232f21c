"""Masks with the images they belong to, and what the writers of labelling tools' formats are given."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.datasets.folder import FolderDataset, list_files, open_dataset, open_pairs
from solarseg.datasets.image_files import find_images, name_outputs
from solarseg.datasets.left_out import LeftOut
from solarseg.datasets.walk import walk_folders
from solarseg.errors import DatasetError, OutputError
from solarseg.formats.annotations import is_background

__all__ = ["Labelled", "Writer", "check_names", "open_labels", "open_masks"]


@dataclass(frozen=True)
class Labelled:
    """An image file and what is on it.

    Attributes:
        name: of the sample, without suffix, ``/`` between folders.
        image: the image file, which is upright as its EXIF orientation says.
        mask: ``(H, W) uint8`` class ids of the upright image, 255 where pixels are to be ignored.
    """

    name: str
    image: Path
    mask: NDArray[np.uint8]


# write(items, classes, folder, tolerance): writes whole files into a folder that is there and empty, image files
# copied where the format wants them next to the labels. Where it contains polygons, an outline may stray from the
# region's border by up to `tolerance` pixels; 0 is exact.
Writer = Callable[[Iterable[Labelled], ClassMap, Path, float], None]


def open_labels(root: Path, images: Path | None = None) -> FolderDataset:
    """Open a dataset folder, or what `predict` wrote.

    Args:
        root: folder with ``masks/``, and with ``images/`` or without.
        images: folder of the images, if they are elsewhere. Without any, a mask is its own image.

    Raises:
        DatasetError: there are no masks, or one has no image in that folder.
    """
    if images is None and (root / "images").is_dir():
        return open_dataset(root)
    return _pair(root, "masks", images)


def open_masks(folder: Path, images: Path | None = None) -> FolderDataset:
    """Open masks, with images or without.

    Args:
        folder: as `open_labels` takes; or a folder of masks, whose ``dataset.yaml`` is among them, or next to it
            where it is called ``masks``.
        images: as `open_labels` takes.

    Raises:
        DatasetError: there are no masks, or one has no image in that folder.
    """
    root = folder if folder.name else folder.absolute()  # what '.' is called
    if root.name == "masks" and not (root / "masks").is_dir():
        root = root.parent
    if not root.is_dir() or any(each.name in ("images", "masks") for each in walk_folders(root)):
        return open_labels(root, images)
    return _pair(root, ".", images)


def _pair(root: Path, kind: str, images: Path | None) -> FolderDataset:
    left_out = LeftOut()
    masks = list_files(root, kind, left_out=left_out)
    if images is None:
        pairs = {name: (mask, mask) for name, mask in masks.items()}
        return open_pairs(root, pairs, left_out=left_out.items())
    found = {name: file for file, name in name_outputs(find_images([images])).items()}
    left = [name for name in masks if name not in found]
    if left:
        raise DatasetError(
            f"{masks[left[0]]}: no image of this name in {images}; give the folder they came from"
        )
    pairs = {name: (found[name], mask) for name, mask in masks.items()}
    return open_pairs(root, pairs, left_out=left_out.items())


def check_names(classes: ClassMap) -> None:
    """Raise OutputError where a class would be taken for the background when it is read again.

    Examples:
        >>> check_names(ClassMap(("nothing", "crack", "Background")))
        Traceback (most recent call last):
        solarseg.errors.OutputError: class 2 is called 'Background', which is read as class 0; rename it in dataset.yaml
    """
    for class_id, name in enumerate(classes.names):
        if class_id and is_background(name):
            raise OutputError(
                f"class {class_id} is called '{name}', which is read as class 0; rename it in dataset.yaml"
            )
