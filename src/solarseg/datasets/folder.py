"""A dataset folder: ``images/`` and ``masks/`` with equal stems.

Optional files next to them are ``dataset.yaml`` (see `Description`) and ``groups.csv`` (``name,group``).
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX, ClassMap, few, find_classes
from solarseg.datasets.description import Description, read_description
from solarseg.datasets.groups import find_groups
from solarseg.datasets.image_files import name_objection
from solarseg.datasets.left_out import LeftOut, LeftOutItems, describe_left_out
from solarseg.datasets.sample import Sample
from solarseg.datasets.walk import is_image_name, note_unread, walk
from solarseg.errors import ArgumentError, DatasetError, MaskError
from solarseg.images import IMAGE_SUFFIXES, read_picture
from solarseg.masks import MaskLook, check_mask_size, inspect_mask, read_mask, spell_alike

__all__ = [
    "UNFINISHED",
    "FolderDataset",
    "classes_of",
    "folder_of",
    "list_files",
    "look_into_all",
    "open_dataset",
    "open_pairs",
    "read_pairs",
]

logger = logging.getLogger(__name__)

# What GIS programs and Windows write next to images.
_COMPANIONS = frozenset({".xml", ".ovr", ".tfw", ".pgw", ".jgw", ".wld", ".prj", "thumbs.db", "desktop.ini"})

UNFINISHED = ".conversion.json"  # in a folder that `convert` writes, until it is complete


@dataclass(frozen=True)
class _Files:
    image: Path
    mask: Path
    group: str


class FolderDataset:
    """Images with masks, read from disk when asked for.

    Attributes:
        root: the folder.
        classes: the classes of the masks.
        names: names of the samples, sorted.
        groups: group of each sample, in the order of ``names``.
        grouped: whether anything says which images belong together; if not, each is its own group.
        description: what ``dataset.yaml`` says.
        left_out: why -> files in ``images/`` and ``masks/`` that are not taken for images.
    """

    def __init__(
        self,
        root: Path,
        classes: ClassMap,
        files: Mapping[str, _Files],
        *,
        grouped: bool,
        description: Description,
        left_out: LeftOutItems | None = None,
    ) -> None:
        self.root = root
        self.classes = classes
        self.grouped = grouped
        self.description = description
        self.left_out = left_out or {}
        self._files = dict(sorted(files.items()))
        self.names = list(self._files)
        self.groups = [entry.group for entry in self._files.values()]

    def __repr__(self) -> str:
        grouped = f"{len(set(self.groups))} groups" if self.grouped else "no groups"
        return f"<FolderDataset {self.root}: {len(self)} samples, {grouped}; {few(self.classes.names)}>"

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Sample]:
        return (self[name] for name in self.names)

    def __getitem__(self, name: str) -> Sample:
        """Read one sample.

        Raises:
            DataError: a file is damaged, the sizes differ, or the mask contains an unknown value.
        """
        entry = self._files[name]
        picture, mask = read_picture(entry.image), self.read_mask(name)
        image, valid = picture.pixels, picture.valid
        check_mask_size(entry.image, image.shape, entry.mask, mask.shape)
        if valid is not None:
            mask = np.where(valid, mask, np.uint8(IGNORE_INDEX))
        return Sample(image, mask, name, entry.group, valid, entry.image, picture.facts)

    def read_mask(self, name: str) -> NDArray[np.uint8]:
        """Read the mask of one sample alone: ``(H, W) uint8`` class ids.

        Raises:
            MaskError: the file is damaged, or contains an unknown value.
        """
        return read_mask(self._files[name].mask, self.classes)

    def image_path(self, name: str) -> Path:
        """Return the image file of a sample."""
        return self._files[name].image

    def mask_path(self, name: str) -> Path:
        """Return the mask file of a sample."""
        return self._files[name].mask

    def warn_if_ungrouped(self) -> None:
        """Say what may leak where nothing says which images belong together."""
        if not self.grouped:
            logger.warning(
                "nothing says which images belong together: each image is its own group; if several images show one "
                "module, site or place, give groups.csv or `group_regex`, or scores will be too good"
            )

    def warn_if_left_out(self) -> None:
        """Log which files of the folder are not taken for images."""
        for line in describe_left_out(self.left_out):
            logger.warning("%s: left out: %s", self.root, line)

    @cached_property
    def group_of(self) -> dict[str, str]:
        """Group of each sample by name."""
        return dict(zip(self.names, self.groups, strict=True))


def folder_of(dataset: "FolderDataset | Path | str") -> Path:
    """Give the folder of a dataset, opened or not."""
    return dataset.root if isinstance(dataset, FolderDataset) else Path(dataset)


def open_dataset(
    path: FolderDataset | Path | str,
    *,
    groups: Path | str | None = None,
    group_regex: str | None = None,
    expected: ClassMap | None = None,
) -> FolderDataset:
    """Open a dataset folder.

    Args:
        path: a folder with ``images/`` and ``masks/``; or what this function returned, which is given back.
        groups: CSV file of ``name,group``; by default ``groups.csv`` in the folder, where there is one.
        group_regex: pattern searched for in each name, whose first group (or whole match) is its group.
        expected: the classes of the model to be scored, which masks without ``dataset.yaml`` are taken to
            hold where their values allow it; a folder without a single defect does not show them.

    Raises:
        ArgumentError: ``groups`` and ``group_regex`` are both given, or the pattern is not valid.
        DatasetError: something is missing in the folder, or images and masks do not pair.
    """
    if isinstance(path, FolderDataset):
        for name, value in (("groups", groups), ("group_regex", group_regex)):
            if value is not None:
                raise ArgumentError(f"`{name}`: not allowed with an opened dataset; give it to open_dataset")
        return path
    root, left_out = Path(path), LeftOut()
    pairs = read_pairs(root, left_out=left_out)
    return open_pairs(
        root, pairs, groups=groups, group_regex=group_regex, expected=expected, left_out=left_out.items()
    )


def open_pairs(
    root: Path,
    pairs: Mapping[str, tuple[Path, Path]],
    *,
    groups: Path | str | None = None,
    group_regex: str | None = None,
    expected: ClassMap | None = None,
    left_out: LeftOutItems | None = None,
) -> FolderDataset:
    """Open the pairs of a dataset folder that are named; see `open_dataset`."""
    description, stated = read_description(root)
    classes = stated or _find_classes(root, [mask for _, mask in pairs.values()], expected)
    found = find_groups(root, list(pairs), groups, group_regex)
    files = {
        name: _Files(image, mask, found[name] if found else name) for name, (image, mask) in pairs.items()
    }
    return FolderDataset(
        root, classes, files, grouped=found is not None, description=description, left_out=left_out
    )


def read_pairs(
    root: Path, *, unfinished: bool = False, left_out: LeftOut | None = None
) -> dict[str, tuple[Path, Path]]:
    """Pair the images and masks of a dataset folder by name; see `list_files`."""
    images, masks = (
        list_files(root, kind, unfinished=unfinished, left_out=left_out) for kind in ("images", "masks")
    )
    for have, lack, kind in ((images, masks, "mask"), (masks, images, "image")):
        alone = sorted(set(have) - set(lack))
        if alone:
            more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
            raise DatasetError(
                f"{have[alone[0]]}: has no {kind} of the same name{more}; add {root / (kind + 's')}/"
                f"{alone[0]}.png or remove the file"
            )
    return {name: (images[name], masks[name]) for name in images}


def list_files(
    root: Path, kind: str, *, unfinished: bool = False, left_out: LeftOut | None = None
) -> dict[str, Path]:
    """List the files of a dataset folder by name.

    Args:
        root: the dataset folder.
        kind: ``"images"`` or ``"masks"``, or ``"."`` if the folder itself contains them.
        unfinished: list also what an unfinished conversion wrote.
        left_out: receives the files that are not images, and what `walk` leaves out.

    Raises:
        DatasetError: there is no such folder, or nothing in it, or two files of one name; or a conversion has not
            come to its end.
    """
    if not root.exists():
        raise DatasetError(f"{root}: no such folder; check the path")
    if not unfinished and (root / UNFINISHED).exists():
        raise DatasetError(f"{root}: unfinished conversion; run the same convert command again")
    folder = root / kind
    if not folder.is_dir():
        raise DatasetError(f"{root}: has no folder '{kind}'; a dataset is a folder with images/ and masks/")
    _check_readable(folder)
    found: dict[str, Path] = {}
    for file in walk(folder, left_out):
        if not is_image_name(file):
            if left_out is not None:
                _note_other(file, left_out)
            continue
        objection = name_objection(file)
        if objection is not None:
            raise DatasetError(objection)
        # macOS writes é as e and an accent, others as one letter.
        name = normalize("NFC", file.relative_to(folder).with_suffix("").as_posix())
        if name in found:
            raise DatasetError(f"{file}: same name as {found[name].name}; names must differ, rename one")
        found[name] = file
    if not found:
        raise DatasetError(f"{folder}: contains no images; allowed are {', '.join(sorted(IMAGE_SUFFIXES))}")
    return found


def _note_other(file: Path, left_out: LeftOut) -> None:
    suffix = file.suffix.lower()
    if not note_unread(file, left_out) and suffix not in _COMPANIONS and file.name.lower() not in _COMPANIONS:
        left_out.add(f"not an image ({suffix or 'no suffix'})", file)


def _check_readable(folder: Path) -> None:
    """Raise DatasetError if a folder cannot be listed, which a walk would hide."""
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise DatasetError(
            f"{folder}: cannot be read ({error.strerror or error}); check its permissions"
        ) from error


def _find_classes(root: Path, masks: list[Path], expected: ClassMap | None) -> ClassMap:
    folder = root / "masks"
    return classes_of(folder if folder.is_dir() else root, look_into_all(root, masks), expected)


def look_into_all(
    root: Path, masks: Iterable[Path], look: Callable[[Path], MaskLook] = inspect_mask
) -> Iterator[MaskLook]:
    """Inspect the masks that can be read; reading the samples of the others raises `MaskError`.

    Args:
        root: the folder, for the message.
        masks: in it.
        look: finds the values of a mask, or raises `MaskError`.

    Raises:
        DatasetError: no mask can be read, or all of them leave out every pixel.
    """
    reason = "all pixels are ignored"
    silent = True
    for mask in masks:
        try:
            found = look(mask)
        except MaskError as error:
            reason = str(error)
            continue
        if found.values:
            silent = False
            yield found
    if silent:
        raise DatasetError(f"{root}: no mask says anything; {reason}")


def classes_of(folder: Path, looks: Iterable[MaskLook], expected: ClassMap | None = None) -> ClassMap:
    """Find the classes of masks that nothing names, and say them.

    Args:
        folder: contains the masks, or folders of masks.
        looks: one of each mask, and at least one.
        expected: the classes to be taken where the values allow it, see `open_dataset`.

    Raises:
        DatasetError: no sensible classes can be found.
        MaskError: a palette gives a number another colour than the palette of another mask.
    """
    holders: dict[int, list[Path]] = {}
    palette: _Palette = {}
    spare: list[tuple[int, int, int]] | None = None
    for look in spell_alike(list(looks)):
        for value in look.values:
            holders.setdefault(value, []).append(look.file)
        _add_palette(palette, look)
        spare = (look.palette or []) if spare is None else spare
    values = set(holders)
    if expected is not None and (known := _as_expected(values, expected)) is not None:
        return known
    colours = [
        palette.get(value, spare[value] if spare and value < len(spare) else (0, 0, 0))
        for value in range(256)
    ]
    rarest = min(values, key=lambda value: (len(holders[value]), -value))
    source = f"{folder} ({rarest} in {holders[rarest][0].relative_to(folder)})"
    classes = find_classes(values, colours if palette else None, source)
    if len(classes) > 2 and not values >= set(range(len(classes))):
        absent = min(set(range(len(classes))) - values)
        logger.warning("no mask contains %d, but %d is in %s", absent, rarest, holders[rarest][0])
    spelled = few([f"{value} = {name}" for value, name in zip(classes.values, classes.names, strict=True)])
    ignored = "; 255 = ignored" if classes.ignore else ""
    logger.info("classes found from the masks: %s%s; name them in dataset.yaml", spelled, ignored)
    return classes


_Palette = dict[int, tuple[int, int, int]]


def _add_palette(palette: _Palette, look: MaskLook) -> None:
    """Add the colours of a mask's values, or raise `MaskError` where another mask had others."""
    colours = look.palette or []
    for value in look.values:
        if value < len(colours) and palette.setdefault(value, colours[value]) != colours[value]:
            raise MaskError(
                f"{look.file}: palette gives {value} the colour {colours[value]}, another mask {palette[value]}, so "
                "numbers may not mean the same; save all with one palette, or name the classes in dataset.yaml"
            )


def _as_expected(values: set[int], expected: ClassMap) -> ClassMap | None:
    """The classes expected, spelled as ids or as 0/255, where masks could be just that; else None."""
    if len(expected) == 2 and values <= {0, 255}:
        return replace(expected, values=(0, 255), ignore=False)
    # 255 with 0 and 1 may be a second spelling of 1.
    unclear = IGNORE_INDEX in values and len(expected) == 2 and not expected.ignore
    if values - {IGNORE_INDEX} <= set(range(len(expected))) and values != {0, IGNORE_INDEX} and not unclear:
        return replace(expected, values=tuple(range(len(expected))), ignore=IGNORE_INDEX in values)
    return None
