"""What is wrong with a dataset folder, file by file."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from solarseg.classes import ClassMap
from solarseg.curation.odd_masks import find_odd
from solarseg.curation.problems import KINDS, Problem
from solarseg.curation.split_problems import find_split_problems
from solarseg.curation.survey import SampleFacts, survey_dataset
from solarseg.datasets import FolderDataset
from solarseg.datasets.description import read_description
from solarseg.datasets.folder import folder_of, list_files, open_pairs
from solarseg.datasets.left_out import LeftOut
from solarseg.datasets.splits import SPLIT_NAME, read_split
from solarseg.duplicates.leakage import Leak, find_leaks
from solarseg.duplicates.perceptual_hash import SYMMETRIES
from solarseg.duplicates.search import DuplicatePair
from solarseg.errors import DataError, ImageError, MaskError
from solarseg.files import write_table
from solarseg.masks import MaskLook, inspect_mask

__all__ = ["Check", "check"]

Value = TypeVar("Value")


@dataclass(frozen=True, repr=False)
class Check:
    """What `check` found.

    Attributes:
        dataset: the folder.
        samples: that could be read.
        empty: samples whose masks show nothing but background.
        searched: whether copies and near copies were looked for.
        problems: in the order of `solarseg.curation.problems.KINDS`, then of files.
    """

    dataset: Path
    samples: int
    empty: int
    searched: bool
    problems: tuple[Problem, ...]

    def __repr__(self) -> str:
        found = f"{len(self.problems)} problems, {self.errors} of them errors"
        return f"<Check {self.dataset}: {self.samples} samples, {found}>"

    def rows(self) -> list[dict[str, Any]]:
        """Give a row a problem, as ``pandas.DataFrame`` takes them: kind, error, where, what."""
        return [
            {"kind": one.kind, "error": one.is_error, "where": one.where, "what": one.what}
            for one in self.problems
        ]

    @property
    def errors(self) -> int:
        """How many problems must be fixed."""
        return sum(problem.is_error for problem in self.problems)

    def save(self, path: Path) -> None:
        """Write all problems as CSV."""
        rows = ((one.kind, "yes" if one.is_error else "no", one.where, one.what) for one in self.problems)
        write_table(path, ("kind", "error", "where", "what"), rows)


def check(
    dataset: FolderDataset | Path | str,
    *,
    groups: Path | str | None = None,
    group_regex: str | None = None,
    split: Path | str | None = None,
    search: bool = True,
    progress: bool = False,
) -> Check:
    """Look through a dataset folder for all that is wrong with it.

    Args:
        dataset: folder with ``images/`` and ``masks/``, or what `open_dataset` returned.
        groups: CSV of ``name,group``; by default ``groups.csv`` in the folder.
        group_regex: pattern that finds the group in a name.
        split: CSV of ``name,split``; by default ``split.csv`` in the folder.
        search: look for copies and near copies.
        progress: show progress on the terminal.

    Raises:
        DatasetError: the folder is no dataset, or its tables cannot be read.
    """
    root = folder_of(dataset)
    left_out = LeftOut()
    images, masks = (list_files(root, kind, left_out=left_out) for kind in ("images", "masks"))
    pairs = {name: (images[name], masks[name]) for name in images if name in masks}
    problems = [*_unpaired(images, masks)]
    problems += [Problem("left out", file, why) for why, what in left_out.items().items() for file in what]
    expected = None
    if read_description(root)[1] is None:  # classes are then found from the masks, which must go together
        odd, expected = _sort_out(root / "masks", [mask for _, mask in pairs.values()])
        problems += odd
        bad = {problem.where for problem in odd}
        pairs = {name: pair for name, pair in pairs.items() if str(pair[1]) not in bad}
    if not pairs:
        return _sum_up(root, [], problems, searched=search)
    data = open_pairs(root, pairs, groups=groups, group_regex=group_regex, expected=expected)
    survey = survey_dataset(data, copies=search, progress=progress)
    seen = survey.samples
    problems += [_unreadable(data, name, error) for name, error in survey.unreadable.items()]
    problems += [problem for one in seen for problem in _contents(data, one)]
    problems += _unlike_most(data, seen)
    copies: tuple[DuplicatePair, ...] = ()
    if search:
        found = survey.find_copies(progress=progress)
        copies = found.pairs
        problems += [_copy(data, pair) for pair in (*copies, *found.different_masks)]
    file = Path(split) if split is not None else root / SPLIT_NAME
    if split is not None or file.exists():
        known, own_groups = images.keys() | masks.keys(), groups is None and group_regex is None
        problems += find_split_problems(file, data, seen, known, own_groups=own_groups)
        problems += [_leak(data, leak) for leak in find_leaks(read_split(file), copies)]
    else:
        data.warn_if_ungrouped()
    return _sum_up(root, seen, problems, searched=search)


def _sum_up(root: Path, seen: Sequence[SampleFacts], problems: Iterable[Problem], *, searched: bool) -> Check:
    order = list(KINDS)
    return Check(
        dataset=root,
        samples=len(seen),
        empty=sum(int(one.pixels[1:].sum()) == 0 for one in seen),
        searched=searched,
        problems=tuple(sorted(problems, key=lambda problem: (order.index(problem.kind), problem.where))),
    )


def _unpaired(images: Mapping[str, Path], masks: Mapping[str, Path]) -> Iterator[Problem]:
    for name in images.keys() - masks.keys():
        yield Problem("no mask", str(images[name]), f"add masks/{name}.png")
    for name in masks.keys() - images.keys():
        yield Problem("no image", str(masks[name]), f"add images/{name}.png")


def _sort_out(folder: Path, masks: Iterable[Path]) -> tuple[list[Problem], ClassMap | None]:
    """Masks that cannot be read or do not go with the others; the classes, where the rest show none."""
    looks: list[MaskLook] = []
    problems = []
    for mask in masks:
        try:
            looks.append(inspect_mask(mask))
        except MaskError as error:
            problems.append(Problem("bad mask", str(mask), _reason(error, mask)))
    odd = find_odd(looks)
    problems += [Problem("bad mask", str(mask), why) for mask, why in odd.items()]
    rest = [look for look in looks if look.file not in odd]
    if not rest or any(look.values != [0] for look in rest):
        return problems, None
    what = "all masks contain only 0, so classes cannot be found; name them in dataset.yaml"
    return [*problems, Problem("no classes", str(folder), what)], ClassMap(("background", "foreground"))


def _unreadable(data: FolderDataset, name: str, error: DataError) -> Problem:
    is_image = isinstance(error, ImageError)
    file = data.image_path(name) if is_image else data.mask_path(name)
    return Problem("bad image" if is_image else "bad mask", str(file), _reason(error, file))


def _reason(error: DataError, file: Path) -> str:
    return str(error).removeprefix(f"{file}: ")


def _contents(data: FolderDataset, one: SampleFacts) -> Iterator[Problem]:
    """What is wrong, and what may be meant, but rarely is."""
    image, mask = str(data.image_path(one.name)), str(data.mask_path(one.name))
    named, found = data.description.bands, len(one.low)
    if named and len(named) != found:
        yield Problem(
            "bad image", image, f"has {found} bands, dataset.yaml names {len(named)}; correct its bands"
        )
    if one.shown and (one.low == one.high).all():
        values = ", ".join(f"{value:g}" for value in one.low)
        yield Problem("constant image", image, f"every pixel is {values}")
    kept = int(one.pixels.sum())
    if not one.shown:
        yield Problem("all ignored", image, "every pixel is nodata or transparent")
    elif kept == 0:
        yield Problem("all ignored", mask, "the mask leaves out every pixel")
    elif kept == one.pixels[0]:
        yield Problem("empty mask", mask, f"every pixel is {data.classes.names[0]}")
    elif kept == one.pixels.max():
        yield Problem("full mask", mask, f"every pixel is {data.classes.names[int(one.pixels.argmax())]}")


def _unlike_most(data: FolderDataset, seen: Sequence[SampleFacts]) -> Iterator[Problem]:
    """Images that a training does not take together, or scales."""
    if not seen:
        return
    bands, depth = _commonest(len(one.low) for one in seen), _commonest(one.depth for one in seen)
    for one in seen:
        image, found = str(data.image_path(one.name)), len(one.low)
        if (
            not data.description.bands and found != bands and {found, bands} != {1, 3}
        ):  # grey among RGB is RGB
            what = f"has {found} band(s), most images {bands}; save all with the same bands"
            yield Problem("other bands", image, what)
        if one.depth != depth and "float32" in (one.depth, depth):
            yield Problem(
                "other numbers", image, f"is {one.depth}, most images {depth}; save all in one type"
            )
        elif one.depth != depth:
            yield Problem(
                "other depth", image, f"is {one.depth}, most images {depth}; train scales them alike"
            )


def _commonest(values: Iterable[Value]) -> Value:
    return Counter(values).most_common(1)[0][0]


def _copy(data: FolderDataset, pair: DuplicatePair) -> Problem:
    if pair.kind == "exact":
        other = int((data.read_mask(pair.first) != data.read_mask(pair.second)).sum())
        if other:
            first, second = data.mask_path(pair.first), data.mask_path(pair.second)
            what = (
                f"differs from {first} in {other:,} pixel(s), and their images are equal; keep the right one"
            )
            return Problem("copy with another mask", str(second), what)
    kind = "near copy with another mask" if pair.kind == "different masks" else "copy"
    return Problem(kind, str(data.image_path(pair.second)), _likeness(pair))


def _likeness(pair: DuplicatePair) -> str:
    if pair.kind == "exact":
        return f"is {pair.first} again, pixel by pixel"
    turned = f", {SYMMETRIES[pair.symmetry]}" if pair.symmetry else ""
    if pair.kind == "different masks":
        return f"looks like {pair.first}{turned}, but their masks differ; correct one if it is a copy"
    return f"is a near copy of {pair.first}{turned} (correlation {pair.correlation:.4f})"


def _leak(data: FolderDataset, leak: Leak) -> Problem:
    what = f"is in {leak.split}, its copy {leak.relative} in {leak.relative_split}; keep them in one"
    return Problem("copy in another split", str(data.image_path(leak.name)), what)
