"""What is wrong with the split of a dataset folder."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from solarseg.curation.problems import Problem
from solarseg.curation.survey import SampleFacts
from solarseg.datasets import FolderDataset
from solarseg.datasets.splits import SPLITS, read_split
from solarseg.datasets.tables import read_table, without_image_suffix

__all__ = ["find_split_problems"]


def find_split_problems(
    file: Path, data: FolderDataset, seen: Sequence[SampleFacts], known: Collection[str], *, own_groups: bool
) -> Iterator[Problem]:
    """Find what `train` would refuse in a split, and what may not be meant.

    Args:
        file: CSV of ``name,split`` and perhaps ``group``.
        data: the dataset.
        seen: the samples that could be read.
        known: names of all files of the dataset, paired or not.
        own_groups: whether the groups that the file names, where it does, are those to be kept whole.

    Raises:
        DatasetError: the file cannot be read.
    """
    split = read_split(file)
    for name in data.names:
        if split.get(name) not in SPLITS:
            found = f"'{split[name]}'" if name in split else "nothing"
            yield Problem("not in split", name, f"{found} is said of it; allowed are {', '.join(SPLITS)}")
    for name in sorted(
        set(map(without_image_suffix, split)) - set(known) - set(map(without_image_suffix, known))
    ):
        yield Problem("not in dataset", name, f"{file} names it; correct the name, or remove the line")
    if "train" not in map(split.get, data.names):
        yield Problem("nothing to train on", str(file), "no image is in train; give some")
    yield from _divided_groups(file, split, data, own_groups)
    for part in SPLITS:
        pixels = [one.pixels for one in seen if split.get(one.name) == part]
        for class_id, name in enumerate(data.classes.names):
            if pixels and np.sum(pixels, axis=0)[class_id] == 0:
                yield Problem("class missing", part, f"no image shows {name}")


def _divided_groups(
    file: Path, split: Mapping[str, str], data: FolderDataset, own_groups: bool
) -> Iterator[Problem]:
    """Groups in several splits; those of the dataset are only noted where the split names groups of its own."""
    named = read_table(file, "name", "group", optional=True) if own_groups else {}
    kept = _find_divided(
        split, {name: named.get(name, name) for name in data.names} if named else data.group_of
    )
    for group, where in kept.items():
        yield Problem("group in several splits", group, f"is in {where}; keep it in one")
    for group, where in _find_divided(split, data.group_of).items():
        if group not in kept:
            yield Problem("divided group", group, f"is in {where}, and {file} names other groups")


def _find_divided(split: Mapping[str, str], groups: Mapping[str, str]) -> dict[str, str]:
    homes: dict[str, set[str]] = defaultdict(set)
    for name, group in groups.items():
        homes[group].add(split.get(name, ""))
    found = {group: [part for part in SPLITS if part in parts] for group, parts in homes.items()}
    return {group: ", ".join(parts) for group, parts in found.items() if len(parts) > 1}
