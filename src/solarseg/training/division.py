"""Which image of a dataset is in which split of a training."""

import logging
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from solarseg.curation.survey import Survey
from solarseg.datasets import FolderDataset
from solarseg.datasets.splits import SPLIT_NAME, check_split, read_split, split_by_group
from solarseg.datasets.tables import read_table
from solarseg.duplicates.leakage import Leak, find_leaks, join_groups
from solarseg.errors import ArgumentError, DatasetError
from solarseg.runs import RunFolder
from solarseg.training.config import TrainConfig

__all__ = ["Division", "find_division", "read_given_split"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Division:
    """Which image is in which split.

    Attributes:
        split: image -> split.
        groups: image -> group that the split does not divide.
        leaks: images that have a copy in a split before their own; None if copies were not searched for.
    """

    split: dict[str, str]
    groups: dict[str, str]
    leaks: list[Leak] | None = None


def find_division(run: RunFolder, survey: Survey, config: TrainConfig, progress: bool) -> Division:
    """Return the run's own split, else the one given, else the dataset's, else a new one.

    Args:
        run: the run.
        survey: of the dataset; with copies if the settings ask for a search, unless the run has its split.
        config: the settings.
        progress: show progress on the terminal.

    Raises:
        DatasetError: a split leaves images out, divides a group, or has copies of an image in several splits, unless
            that is allowed.
    """
    data = survey.data
    if run.split.exists():
        return Division(read_split(run.split), data.group_of)
    found = read_given_split(data, config)
    if found is not None:
        _warn_if_divided(found, data, config)
    if found is None or len(set(found.groups.values())) == len(data):
        data.warn_if_ungrouped()
    copies = survey.find_copies(progress=progress).pairs if config.search else ()
    if found is None:
        groups = join_groups(data.group_of, copies)
        _log_joined(data.group_of, groups)
        found = Division(split_by_group(groups, val=config.val, test=config.test, seed=config.seed), groups)
    leaks = find_leaks(found.split, copies)
    if leaks and not config.allow_leak:
        raise DatasetError(_refusal(_given_file(data, config), leaks, data.root, config))
    return replace(found, leaks=leaks if config.search else None)


def read_given_split(data: FolderDataset, config: TrainConfig) -> Division | None:
    """Read the split of the settings, else the dataset's, with the groups it does not divide; None if there is none.

    These groups are those of the settings, else those that the split names, else the dataset's.

    Raises:
        ArgumentError: the settings also have shares.
        DatasetError: the split leaves images out, or divides a group.
    """
    file = _given_file(data, config)
    if not config.split and not file.exists():
        return None
    split, groups = read_split(file), data.group_of
    named = read_table(file, "name", "group", optional=True)
    if named and not config.groups and not config.group_regex:
        groups = {name: named.get(name, name) for name in data.names}
    check_split(split, groups, _shown(file))
    _check_shares_unused(file, config)
    return Division(split, groups)


def _given_file(data: FolderDataset, config: TrainConfig) -> Path:
    return Path(config.split) if config.split else data.root / SPLIT_NAME


def _warn_if_divided(found: Division, data: FolderDataset, config: TrainConfig) -> None:
    homes = {(group, found.split.get(name)) for name, group in data.group_of.items()}
    divided = [group for group, times in Counter(group for group, _ in homes).items() if times > 1]
    if divided:
        logger.warning(
            "%s: divides %d group(s) of the dataset, such as %s, because it names other groups; scores may be too good",
            _given_file(data, config),
            len(divided),
            divided[0],
        )


def _log_joined(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    fewer = len(set(before.values())) - len(set(after.values()))
    if fewer:
        logger.info(
            "%d group(s) joined to others, because they have copies of one image; solarseg data check lists them",
            fewer,
        )


def _check_shares_unused(file: Path, config: TrainConfig) -> None:
    for name in ("val", "test"):
        value = getattr(config, name)
        if value != TrainConfig.model_fields[name].default:
            raise ArgumentError(
                f"`{name}={value:g}`: has no effect, because {_shown(file)} says which image is in which split; leave "
                "the option out, or move that file away"
            )


def _refusal(file: Path, leaks: Sequence[Leak], root: Path, config: TrainConfig) -> str:
    first, own = leaks[0], root / SPLIT_NAME
    asked = [
        ("--groups", config.groups and _shown(Path(config.groups))),
        ("--group-regex", config.group_regex),
    ]
    groups = [word for option, value in asked if value for word in (option, value)]
    listed = ["check", str(root), *groups, *([] if file == own else ["--split", _shown(file)])]
    fixed = ["split", str(root), *groups, *(["--overwrite"] if own.exists() else [])]
    listing, fixing = (shlex.join(["solarseg", "data", *words]) for words in (listed, fixed))
    without = "" if file == own else " and training without `split`"
    return (
        f"{_shown(file)}: {len(leaks)} image(s) have a copy or near copy in a split that is learnt from, such as "
        f"{first.name} ({first.split}) and {first.relative} ({first.relative_split}), so scores would be too good; "
        f"`{listing}` lists them, `{fixing}`{without} keeps copies together, `allow_leak=True` trains anyway"
    )


def _shown(file: Path) -> str:
    """Write a path as one would type it here."""
    return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)
