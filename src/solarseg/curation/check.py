"""What is wrong with a dataset folder, file by file."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from solarseg.curation.inspection import Inspection, inspect_all
from solarseg.curation.leakage import Leak, find_copies, find_leaks
from solarseg.curation.near_duplicates import Pair
from solarseg.curation.perceptual_hash import SYMMETRIES
from solarseg.curation.splits import SPLITS, read_split
from solarseg.datasets import FolderDataset
from solarseg.datasets.description import read_description
from solarseg.datasets.folder import list_files, open_pairs
from solarseg.errors import DataError, DatasetError, ImageError, MaskError
from solarseg.files import write_table
from solarseg.images import read_mask_values

__all__ = ["KINDS", "Check", "Problem", "check"]

# kind -> whether it is an error, which must be mended, or something to know of.
KINDS: Mapping[str, bool] = {
    "no mask": True,
    "no image": True,
    "bad image": True,
    "bad mask": True,
    "not in split": True,
    "group in several splits": True,
    "copy in another split": True,
    "constant image": False,
    "full mask": False,
    "all ignored": False,
    "copy": False,
    "class missing": False,
}


@dataclass(frozen=True)
class Problem:
    """Something wrong, or to know of.

    Attributes:
        kind: one of `KINDS`.
        where: the file, the group or the split.
        what: what is wrong, in a few words.
    """

    kind: str
    where: str
    what: str

    @property
    def is_error(self) -> bool:
        """Whether it must be mended before a training."""
        return KINDS[self.kind]


@dataclass(frozen=True)
class Check:
    """What `check` found.

    Attributes:
        dataset: the folder.
        samples: that could be read.
        empty: samples whose masks show nothing but background.
        problems: in the order of `KINDS`, then of files.
    """

    dataset: Path
    samples: int
    empty: int
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> int:
        """How many problems must be mended."""
        return sum(problem.is_error for problem in self.problems)

    def save(self, path: Path) -> None:
        """Write all problems as CSV."""
        rows = ((one.kind, "yes" if one.is_error else "no", one.where, one.what) for one in self.problems)
        write_table(path, ("kind", "error", "where", "what"), rows)


def check(
    dataset: Path | str,
    *,
    groups: Path | str | None = None,
    group_regex: str | None = None,
    split: Path | str | None = None,
    search: bool = True,
    progress: bool = False,
) -> Check:
    """Look through a dataset folder for all that is wrong with it.

    Args:
        dataset: folder with ``images/`` and ``masks/``.
        groups: CSV of ``name,group``; by default ``groups.csv`` in the folder.
        group_regex: pattern that finds the group in a name.
        split: CSV of ``name,split``; by default ``split.csv`` in the folder.
        search: look for copies and near copies.
        progress: show progress on the terminal.

    Raises:
        DatasetError: the folder is no dataset, its tables cannot be read, or nothing in it can.
    """
    root = Path(dataset)
    pairs, problems = _pair(root)
    data = open_pairs(root, pairs, groups=groups, group_regex=group_regex)
    seen, unreadable = inspect_all(data, progress=progress)
    problems += [_unreadable(data, name, error) for name, error in unreadable.items()]
    problems += [problem for one in seen for problem in _contents(data, one)]
    copies = find_copies(data, [one.name for one in seen], progress=progress).pairs if search else ()
    problems += [Problem("copy", str(data.image_path(pair.second)), _likeness(pair)) for pair in copies]
    file = Path(split) if split is not None else root / "split.csv"
    if split is not None or file.exists():
        parts = read_split(file)
        problems += _of_split(parts, data, seen)
        problems += [_leak(data, leak) for leak in find_leaks(parts, copies)]
    order = list(KINDS)
    return Check(
        dataset=root,
        samples=len(seen),
        empty=sum(int(one.pixels[1:].sum()) == 0 for one in seen),
        problems=tuple(sorted(problems, key=lambda problem: (order.index(problem.kind), problem.where))),
    )


def _pair(root: Path) -> tuple[dict[str, tuple[Path, Path]], list[Problem]]:
    """The pairs of images and masks that can be opened, and what stands alone or has no mask one can read."""
    images, masks = list_files(root, "images"), list_files(root, "masks")
    problems = [
        Problem("no mask", str(images[name]), f"add masks/{name}.png")
        for name in images.keys() - masks.keys()
    ]
    problems += [
        Problem("no image", str(masks[name]), f"add images/{name}.png")
        for name in masks.keys() - images.keys()
    ]
    pairs = {name: (images[name], masks[name]) for name in images if name in masks}
    if (
        read_description(root)[1] is None
    ):  # classes are then found from the masks, of which each must be readable
        for name, (_, mask) in list(pairs.items()):
            try:
                read_mask_values(mask)
            except MaskError as error:
                problems.append(Problem("bad mask", str(mask), _reason(error, mask)))
                del pairs[name]
    if not pairs:
        raise DatasetError(f"{root}: holds no image with a mask; {problems[0].where}: {problems[0].what}")
    return pairs, problems


def _unreadable(data: FolderDataset, name: str, error: DataError) -> Problem:
    is_image = isinstance(error, ImageError)
    file = data.image_path(name) if is_image else data.mask_path(name)
    return Problem("bad image" if is_image else "bad mask", str(file), _reason(error, file))


def _reason(error: DataError, file: Path) -> str:
    return str(error).removeprefix(f"{file}: ")


def _contents(data: FolderDataset, one: Inspection) -> Iterator[Problem]:
    """What is wrong, and what may be meant, but seldom is."""
    named, found = data.description.bands, len(one.low)
    if named and len(named) != found:
        what = f"has {found} bands, dataset.yaml names {len(named)}; correct its bands"
        yield Problem("bad image", str(data.image_path(one.name)), what)
    if (one.low == one.high).all():
        values = ", ".join(f"{value:g}" for value in one.low)
        yield Problem("constant image", str(data.image_path(one.name)), f"every pixel is {values}")
    kept = int(one.pixels.sum())
    if kept == 0:
        yield Problem("all ignored", str(data.mask_path(one.name)), "no pixel counts")
    elif kept == one.pixels[1:].max():
        what = f"every pixel is {data.classes.names[int(one.pixels.argmax())]}"
        yield Problem("full mask", str(data.mask_path(one.name)), what)


def _likeness(pair: Pair) -> str:
    if pair.kind == "exact":
        return f"is {pair.first} again, pixel by pixel"
    turned = f", {SYMMETRIES[pair.symmetry]}" if pair.symmetry else ""
    return f"is a near copy of {pair.first}{turned} (correlation {pair.correlation:.4f})"


def _leak(data: FolderDataset, leak: Leak) -> Problem:
    what = f"is in {leak.split}, its copy {leak.relative} in {leak.relative_split}; keep them in one"
    return Problem("copy in another split", str(data.image_path(leak.name)), what)


def _of_split(split: Mapping[str, str], data: FolderDataset, seen: Sequence[Inspection]) -> Iterator[Problem]:
    for name in data.names:
        if split.get(name) not in SPLITS:
            found = f"'{split[name]}'" if name in split else "nothing"
            yield Problem("not in split", name, f"{found} is said of it; allowed are {', '.join(SPLITS)}")
    homes: dict[str, set[str]] = defaultdict(set)
    for name, group in data.group_of.items():
        homes[group].add(split.get(name, ""))
    for group, parts in homes.items():
        if len(parts & set(SPLITS)) > 1:
            where = ", ".join(part for part in SPLITS if part in parts)
            yield Problem("group in several splits", group, f"is in {where}; keep it in one")
    for part in SPLITS:
        pixels = [one.pixels for one in seen if split.get(one.name) == part]
        for class_id, name in enumerate(data.classes.names):
            if pixels and np.sum(pixels, axis=0)[class_id] == 0:
                yield Problem("class missing", part, f"no image shows {name}")
