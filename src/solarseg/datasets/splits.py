"""Splits into train, val and test that never divide a group."""

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solarseg.datasets.allocation import deal
from solarseg.datasets.tables import read_table
from solarseg.errors import ArgumentError, DatasetError
from solarseg.files import write_table

__all__ = [
    "SPLITS",
    "SPLIT_NAME",
    "check_shares",
    "check_split",
    "find_split_by_name",
    "folds_by_group",
    "read_split",
    "split_by_group",
    "write_split",
]

SPLITS = ("train", "val", "test")
SPLIT_NAME = "split.csv"  # of the table in a dataset folder and in a run folder
_FOLDERS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def split_by_group(
    groups: Mapping[str, str],
    *,
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    present: Mapping[str, Iterable[int]] | None = None,
) -> dict[str, str]:
    """Divide samples into train, val and test so that no group is in two of them.

    Groups are dealt out one by one, the largest first, and then moved and exchanged for as long as that brings
    the splits nearer to what was asked. With few or uneven groups they can only come near it.

    Args:
        groups: sample name -> group.
        val: share of samples for validation, 0 to 1 exclusive.
        test: share of samples for testing, 0 to 1 exclusive.
        seed: of the order among groups of equal size.
        present: sample name -> class ids on it, to give each split its share of the samples that show a class.

    Returns:
        sample name -> ``"train"``, ``"val"`` or ``"test"``.

    Raises:
        ArgumentError: shares that leave nothing to train on.
        DatasetError: fewer groups than splits.

    Examples:
        >>> split = split_by_group({"a1": "a", "a2": "a", "b": "b", "c": "c"}, val=0.25, test=0.25)
        >>> split["a1"] == split["a2"] == "train", sorted([split["b"], split["c"]])
        (True, ['test', 'val'])
    """
    check_shares(val, test)
    shares = {"train": 1 - val - test, "val": val, "test": test}
    wanted = [name for name in SPLITS if shares[name] > 0]
    placed = _deal(groups, [shares[name] for name in wanted], seed, present)
    return {name: wanted[placed[group]] for name, group in groups.items()}


def check_shares(val: float, test: float) -> None:
    """Raise `ArgumentError` if shares leave nothing to train on."""
    if not (val >= 0 and test >= 0 and val + test < 1):  # nor are they NaN
        raise ArgumentError(
            f"`val={val:g}` and `test={test:g}`: must be 0 or more and together less than 1, as in 0.15 for 15%"
        )


def folds_by_group(
    groups: Mapping[str, str],
    folds: int,
    *,
    val: float = 0.15,
    seed: int = 0,
    present: Mapping[str, Iterable[int]] | None = None,
) -> list[dict[str, str]]:
    """Divide samples for cross-validation: as many splits, each sample in ``test`` of exactly one.

    Args:
        groups: sample name -> group.
        folds: number of splits, 2 or more.
        val: share of what is not in ``test`` that is for validation, 0 to 1 exclusive.
        seed: as for `split_by_group`.
        present: as for `split_by_group`.

    Raises:
        ArgumentError: fewer than two folds.
        DatasetError: fewer groups than are needed.

    Examples:
        >>> splits = folds_by_group({"a": "1", "b": "2", "c": "3"}, 3, val=0.0)
        >>> sorted(name for split in splits for name in split if split[name] == "test")
        ['a', 'b', 'c']
    """
    if folds < 2:
        raise ArgumentError(f"`folds={folds}`: must be 2 or more")
    fold_of = _deal(groups, [1 / folds] * folds, seed, present)
    splits = []
    for fold in range(folds):
        rest = {name: group for name, group in groups.items() if fold_of[group] != fold}
        split = split_by_group(rest, val=val, test=0, seed=seed, present=present)
        splits.append({name: split.get(name, "test") for name in groups})
    return splits


def _deal(
    groups: Mapping[str, str], shares: Sequence[float], seed: int, present: Mapping[str, Iterable[int]] | None
) -> dict[str, int]:
    """Give each group the number of a split, so that the splits are near their shares."""
    order = sorted(set(groups.values()))
    if len(order) < len(shares):
        raise DatasetError(
            f"{len(order)} group(s) cannot make {len(shares)} splits; give finer groups, fewer `folds`, `val=0`, "
            "`test=0` or your own split.csv; groups with copies of one image were joined, unless `search=False`"
        )
    random.Random(seed).shuffle(order)
    counts = _count(groups, order, present)
    largest_first = np.argsort(-counts[:, 0], kind="stable")
    placed = deal(counts[largest_first], np.array(shares))
    return {order[group]: int(split) for group, split in zip(largest_first, placed, strict=True)}


def _count(
    groups: Mapping[str, str], order: Sequence[str], present: Mapping[str, Iterable[int]] | None
) -> NDArray[np.int64]:
    """Samples of each group ``(groups, 1 + classes)``: all, and those that show a class."""
    rows = {group: row for row, group in enumerate(order)}
    shown = {name: set(present[name]) if present else set() for name in groups}
    columns = {class_id: 1 + i for i, class_id in enumerate(sorted(set().union(*shown.values())))}
    counts = np.zeros((len(order), 1 + len(columns)), dtype=np.int64)
    for name, group in groups.items():
        counts[rows[group], [0, *(columns[class_id] for class_id in shown[name])]] += 1
    return counts


def check_split(split: Mapping[str, str], groups: Mapping[str, str], source: str = "split") -> None:
    """Raise `DatasetError` if a split leaves a sample out, names an unknown split, or divides a group."""
    missing = [name for name in groups if name not in split]
    if missing:
        raise DatasetError(f"{source}: says nothing of '{missing[0]}'; every image needs a line")
    home: dict[str, str] = {}
    for name, group in groups.items():
        if split[name] not in SPLITS:
            raise DatasetError(f"{source}: '{split[name]}' for '{name}'; allowed are {', '.join(SPLITS)}")
        if home.setdefault(group, split[name]) != split[name]:
            raise DatasetError(
                f"{source}: group '{group}' is in both {home[group]} and {split[name]}; "
                "keep a group in one split, or scores will be too good"
            )
    if "train" not in home.values():
        raise DatasetError(f"{source}: no image is in 'train'; give some")


def find_split_by_name(names: Iterable[str]) -> dict[str, str] | None:
    """Find the split that names state by their first folder, as exports with train/, valid/ and test/ have it.

    Args:
        names: of the samples, ``/`` between folders.

    Returns:
        Name -> split; None unless every name states one, and "train" and another are among them.

    Examples:
        >>> find_split_by_name(["train/a", "Valid/b"])
        {'train/a': 'train', 'Valid/b': 'val'}
        >>> find_split_by_name(["train/a", "b"]) is None
        True
    """
    found: dict[str, str] = {}
    for name in names:
        first, _, rest = name.partition("/")
        split = _FOLDERS.get(first.lower())
        if not rest or split is None:
            return None
        found[name] = split
    return found if "train" in found.values() and len(set(found.values())) > 1 else None


def read_split(path: Path) -> dict[str, str]:
    """Read ``name,split`` from CSV."""
    return read_table(path, "name", "split")


def write_split(path: Path, split: Mapping[str, str], groups: Mapping[str, str]) -> None:
    """Write ``name,split,group`` as CSV, in the order of ``groups``."""
    write_table(
        path, ("name", "split", "group"), ((name, split[name], group) for name, group in groups.items())
    )
