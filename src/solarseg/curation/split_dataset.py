"""Split a dataset folder, and write the split next to it."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from rich.progress import track

from solarseg.datasets import FolderDataset, open_dataset
from solarseg.datasets.left_out import LeftOutItems
from solarseg.datasets.splits import (
    SPLIT_NAME,
    SPLITS,
    check_shares,
    folds_by_group,
    split_by_group,
    write_split,
)
from solarseg.duplicates.leakage import find_copies_in_dataset, join_groups
from solarseg.errors import ArgumentError, ExistsError, MaskError
from solarseg.files import check_folder
from solarseg.threads import count_cores, fan_out

__all__ = ["SplitDataset", "split_dataset"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class SplitDataset:
    """What `split_dataset` wrote.

    Attributes:
        files: ``split.csv``, or one file for each fold.
        counts: for each file, split -> its samples.
        class_counts: for each file, split -> class name -> its samples that show the class.
        groups: number of groups kept whole.
        largest: the largest of them, and its samples.
        joined: how many more there were before those that hold copies of one image were joined.
        left_out: why -> files of the dataset folder that are not taken for images.
    """

    files: tuple[Path, ...]
    counts: tuple[dict[str, int], ...]
    class_counts: tuple[dict[str, dict[str, int]], ...]
    groups: int
    largest: tuple[str, int]
    joined: int
    left_out: LeftOutItems

    def __repr__(self) -> str:
        counts = ", ".join(f"{split} {count}" for split, count in self.counts[0].items())
        return f"<SplitDataset {self.files[0]}: {len(self.files)} file(s), {self.groups} groups; {counts}>"


def split_dataset(
    dataset: FolderDataset | Path | str,
    *,
    by: Literal["groups", "images"] = "groups",
    val: float = 0.15,
    test: float | None = None,
    stratify: bool = False,
    folds: int | None = None,
    seed: int = 0,
    groups: Path | str | None = None,
    group_regex: str | None = None,
    search: bool = True,
    overwrite: bool = False,
    progress: bool = False,
) -> SplitDataset:
    """Split a dataset folder so that nothing leaks, and write ``split.csv``, which `train` uses.

    Groups are never divided, and groups with copies or near copies of one image stay together.

    Args:
        dataset: folder with ``images/`` and ``masks/``, or what `open_dataset` returned.
        by: ``"groups"``, or ``"images"`` to take each image for a group of its own.
        val: share of samples for validation; with folds, of what a fold does not test.
        test: share of samples for testing, by default 0.15; not with folds, since each tests its own part.
        stratify: give each split its share of the samples that show a class.
        folds: write so many splits for cross-validation as ``folds/fold1.csv`` and so on.
        seed: of the order among groups of equal size.
        groups: CSV of ``name,group``; by default ``groups.csv`` in the folder.
        group_regex: pattern that finds the group in a name.
        search: look for copies.
        overwrite: replace what an earlier call wrote.
        progress: show progress on the terminal.

    Raises:
        ArgumentError: shares, folds or groups that cannot be.
        DataError: the dataset cannot be read, or has too few groups.
        ExistsError: there is a split already.
        OutputError: the split could not be written.
    """
    if folds is not None and test is not None:
        raise ArgumentError(
            f"`test={test:g}`: not allowed with `folds`, since each fold tests its own part; leave it out"
        )
    share = 0 if folds is not None else 0.15 if test is None else test
    check_shares(val, share)
    data = open_dataset(dataset, groups=groups, group_regex=group_regex)
    if folds is not None and folds < 2:
        raise ArgumentError(f"`folds={folds}`: must be 2 or more")
    names = [f"folds/fold{number}.csv" for number in range(1, folds + 1)] if folds else [SPLIT_NAME]
    files = tuple(data.root / name for name in names)
    old = sorted((data.root / "folds").glob("fold*.csv")) if folds else []
    check_folder(data.root)
    _check_free((*files, *old), overwrite)
    group_of = data.group_of
    if by == "images":
        if groups or group_regex:
            raise ArgumentError("`by='images'`: not allowed with `groups` or `group_regex`; leave them out")
        group_of = {name: name for name in data.names}
    else:
        data.warn_if_ungrouped()
    joined = (
        join_groups(group_of, find_copies_in_dataset(data, progress=progress).pairs) if search else group_of
    )
    present = _present(data, progress)
    wanted = present if stratify else None
    if folds:
        splits = folds_by_group(joined, folds, val=val, seed=seed, present=wanted)
    else:
        splits = [split_by_group(joined, val=val, test=share, seed=seed, present=wanted)]
    for file in set(old) - set(files):  # of another division
        file.unlink()
    for file, split in zip(files, splits, strict=True):
        write_split(file, split, joined)
    return SplitDataset(
        files=files,
        counts=tuple(_count(split) for split in splits),
        class_counts=tuple(_count_classes(split, present, data) for split in splits),
        groups=len(set(joined.values())),
        largest=Counter(joined.values()).most_common(1)[0],
        joined=len(set(group_of.values())) - len(set(joined.values())),
        left_out=data.left_out,
    )


def _check_free(files: tuple[Path, ...], overwrite: bool) -> None:
    existing = [file for file in files if file.exists()]
    if existing and not overwrite:
        raise ExistsError(existing[0], "`overwrite=True` to replace it")


def _present(data: FolderDataset, progress: bool) -> dict[str, frozenset[int]]:
    """Class ids that each mask shows, the background left out; nothing where it cannot be read."""
    found = fan_out([lambda: data.names], partial(_look, data), count_cores())
    return dict(track(found, "reading masks", total=len(data), disable=not progress, transient=True))


def _look(data: FolderDataset, name: str) -> tuple[str, frozenset[int]]:
    try:
        shown = np.unique(data.read_mask(name)).tolist()
    except MaskError as error:
        logger.warning("%s", error)
        shown = []
    return name, frozenset(class_id for class_id in shown if 0 < class_id < len(data.classes))


def _count(split: Mapping[str, str]) -> dict[str, int]:
    counts = Counter(split.values())
    return {part: counts[part] for part in SPLITS}


def _count_classes(
    split: Mapping[str, str], present: Mapping[str, frozenset[int]], data: FolderDataset
) -> dict[str, dict[str, int]]:
    counts = Counter((split[name], class_id) for name, shown in present.items() for class_id in shown)
    return {
        part: {name: counts[part, class_id] for class_id, name in enumerate(data.classes.names) if class_id}
        for part in SPLITS
    }
