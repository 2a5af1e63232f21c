"""Splits into train, val and test that never cut a group."""

import csv
import io
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from solarseg.datasets.folder import read_table
from solarseg.errors import ArgumentError, DatasetError
from solarseg.files import write_text

__all__ = ["SPLITS", "check_split", "read_split", "split_by_group", "write_split"]

SPLITS = ("train", "val", "test")


def split_by_group(
    groups: Mapping[str, str], *, val: float = 0.15, test: float = 0.15, seed: int = 0
) -> dict[str, str]:
    """Divide samples into train, val and test so that no group is in two of them.

    Groups are dealt out from the largest to the smallest (equal ones in an order drawn from the seed),
    each to the split that is furthest below its asked size, relative to it. With few or uneven groups
    the sizes can only be near what was asked.

    Args:
        groups: sample name -> group.
        val: share of samples for validation, 0 to 1 exclusive.
        test: share of samples for testing, 0 to 1 exclusive.
        seed: of the order among groups of equal size.

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
    shares = {"train": 1 - val - test, "val": val, "test": test}
    if min(val, test) < 0 or shares["train"] <= 0:
        raise ArgumentError(f"val {val} and test {test}: must be 0 or more and leave a share to train on")
    wanted = [name for name in SPLITS if shares[name] > 0]
    sizes = Counter(groups.values())
    if len(sizes) < len(wanted):
        raise DatasetError(
            f"{len(sizes)} group(s) cannot make {len(wanted)} splits; give finer groups or your own split.csv"
        )
    placed = _deal(sizes, {name: shares[name] * len(groups) for name in wanted}, seed)
    return {name: placed[group] for name, group in groups.items()}


def _deal(sizes: Mapping[str, int], asked: Mapping[str, float], seed: int) -> dict[str, str]:
    order = sorted(sizes)
    random.Random(seed).shuffle(order)
    order.sort(key=lambda group: -sizes[group])
    filled = dict.fromkeys(asked, 0)
    placed: dict[str, str] = {}
    for position, group in enumerate(order):
        empty = [split for split in asked if not filled[split]]
        must_fill = len(order) - position <= len(empty)  # the last groups go to splits that still have none
        choices = empty if must_fill else list(asked)
        split = min(choices, key=lambda name: (filled[name] + sizes[group] / 2) / asked[name])
        placed[group] = split
        filled[split] += sizes[group]
    return placed


def check_split(split: Mapping[str, str], groups: Mapping[str, str], source: str = "split") -> None:
    """Raise `DatasetError` if a split leaves a sample out, names an unknown split, or cuts a group."""
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


def read_split(path: Path) -> dict[str, str]:
    """Read ``name,split`` from CSV."""
    return read_table(path, "name", "split")


def write_split(path: Path, split: Mapping[str, str], groups: Mapping[str, str]) -> None:
    """Write ``name,split,group`` as CSV, in the order of ``groups``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", "split", "group"))
    writer.writerows((name, split[name], group) for name, group in groups.items())
    write_text(path, text.getvalue())
