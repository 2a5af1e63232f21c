"""What a training finds in its run folder, and leaves there before it begins."""

import hashlib
import logging
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import nn

from solarseg._version import __version__
from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.datasets import FolderDataset
from solarseg.datasets.splits import check_split, read_split, split_by_group
from solarseg.datasets.tables import read_table
from solarseg.duplicates.leakage import (
    LEAKS_NAME,
    Leak,
    find_copies,
    find_leaks,
    join_groups,
    write_leaks,
)
from solarseg.errors import ArgumentError, DatasetError, RunError
from solarseg.files import digest, write_table
from solarseg.inference.model_file import MODEL_NAME
from solarseg.preprocessing import Preprocessing
from solarseg.training.config import TrainConfig, read_config, write_config

__all__ = ["Division", "Facts", "Fingerprint", "RunFolder", "fingerprint"]

logger = logging.getLogger(__name__)

Facts = dict[str, Any]

_ANEW = "remove the run folder and train anew"


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run.

    Attributes:
        path: the folder itself.
    """

    path: Path

    @property
    def config(self) -> Path:
        """Settings and facts needed to repeat the training."""
        return self.path / "config.yaml"

    @property
    def split(self) -> Path:
        """Which image is in which split, its group, and what names its content."""
        return self.path / "split.csv"

    @property
    def leaks(self) -> Path:
        """Images of which a copy was learnt from."""
        return self.path / LEAKS_NAME

    @property
    def checkpoints(self) -> Path:
        """Folder of ``best.ckpt`` and ``last.ckpt``."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Weights of the best val IoU."""
        return self.checkpoints / "best.ckpt"

    @property
    def last(self) -> Path:
        """All that is needed to go on."""
        return self.checkpoints / "last.ckpt"

    @property
    def model(self) -> Path:
        """The model file."""
        return self.path / MODEL_NAME

    @property
    def is_free(self) -> bool:
        """Whether nothing stands there yet."""
        return not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir()))

    def check_new(self) -> None:
        """Raise `RunError` if something is in the way."""
        if not self.is_free:
            if self.config.exists():
                raise RunError(
                    f"{self.path}: exists already; give another --out, --resume to go on with it, or remove it to "
                    "train anew"
                )
            raise RunError(f"{self.path}: holds files, but no run; give another folder, or empty it")

    def stored(self, asked: TrainConfig) -> tuple[TrainConfig, Facts]:
        """Return the settings and facts of a run to resume.

        Raises:
            RunError: the folder holds something else than a run.
            ArgumentError: an option was given that contradicts the settings.
        """
        stored, facts = read_config(self.config)
        for name in asked.model_fields_set:
            if getattr(asked, name) != getattr(stored, name):
                raise ArgumentError(
                    f"--{name.replace('_', '-')} {getattr(asked, name)}: the run to resume has "
                    f"{getattr(stored, name)}; leave the option out, or train into another folder"
                )
        return stored, facts

    def stored_preprocessing(self, config: TrainConfig, facts: Facts) -> Preprocessing:
        """Return the preprocessing that `begin` wrote down.

        Raises:
            RunError: it is not there.
        """
        try:
            mean, std, picked = (tuple(facts[name]) for name in ("mean", "std", "picked"))
            size, bands, depth = config.image_size, facts["bands"], facts["depth"]
            return Preprocessing(size, bands, depth, mean, std, picked, facts["picked_from"])
        except (KeyError, TypeError, ArgumentError) as error:
            raise RunError(f"{self.config}: holds no usable normalisation ({error}); {_ANEW}") from error

    def check_facts(self, facts: Facts, data: FolderDataset, content: "Fingerprint", machine: Facts) -> None:
        """Raise `RunError` if the dataset or what computes has changed since a run began."""
        for name, value in machine.items():
            if facts.get(name) != value:
                raise RunError(
                    f"{self.path}: was begun with {name} {facts.get(name)}, now it would be {value}; resume on "
                    "such a machine with the same --devices and --num-nodes, or train into another folder"
                )
        if facts.get("classes") != _spelled(data.classes):
            raise RunError(
                f"{self.path}: was begun with the classes {facts.get('classes')}, those of {data.root} are "
                f"{_spelled(data.classes)}; put them back, or train into another folder"
            )
        if facts.get("dataset_fingerprint") != content.whole:
            raise RunError(
                f"{self.path}: its dataset {facts.get('dataset')} is not the one given, or has changed since; "
                "resume with the same images and masks, or train into another folder"
            )

    def check_checkpoints(self, network: nn.Module, has_best: bool) -> None:
        """Raise `RunError` if a checkpoint of a run to resume is missing, damaged, or does not fit the network."""
        needed = _shapes(network.state_dict())
        for file in [self.last, *[self.best] * has_best]:
            try:
                found = _shapes(torch.load(file, map_location="cpu", weights_only=True)["state_dict"])
            except Exception as error:  # damaged archives raise whatever they like
                reason = " ".join(str(error).split())[:120] or type(error).__name__
                raise RunError(f"{file}: damaged checkpoint ({reason}); {_ANEW}") from error
            for name in needed | found:
                if found.get(name) != needed.get(name):
                    raise RunError(
                        f"{file}: checkpoint of another network (holds {found.get(name, 'nothing')} for {name}, needed "
                        f"is {needed.get(name, 'nothing')}); {_ANEW}"
                    )

    def clear_temporary(self) -> None:
        """Remove what a process that was killed while writing has left."""
        for file in self.checkpoints.glob(".*"):
            file.unlink(missing_ok=True)

    def find_split(self, data: FolderDataset, config: TrainConfig, progress: bool) -> "Division":
        """Return the run's own split, else the one given, else the dataset's, else a new one.

        Raises:
            DatasetError: a split leaves images out, cuts a group, or has copies of an image in several splits,
                unless that is allowed.
        """
        if self.split.exists():
            return Division(read_split(self.split), data.group_of)
        given = Path(config.split) if config.split else data.root / "split.csv"
        found = _read(given, data, config) if config.split or given.exists() else None
        if found is not None:
            _check_shares_unused(given, config)
        if found is None or len(set(found.groups.values())) == len(data):
            data.warn_if_ungrouped()
        copies = find_copies(data, progress=progress).pairs if config.search else ()
        if found is None:
            groups = join_groups(data.group_of, copies)
            _say_joined(data.group_of, groups)
            found = Division(
                split_by_group(groups, val=config.val, test=config.test, seed=config.seed), groups
            )
        leaks = find_leaks(found.split, copies)
        if leaks and not config.allow_leak:
            raise DatasetError(_refusal(given, leaks, data.root, config))
        return replace(found, leaks=leaks if config.search else None)

    def begin(
        self,
        data: FolderDataset,
        division: "Division",
        config: TrainConfig,
        preprocessing: Preprocessing,
        content: "Fingerprint",
        machine: Facts,
    ) -> None:
        """Write settings, leaks, and at last the split, by which it is known that nothing is missing."""
        facts: Facts = {
            "dataset": str(data.root.resolve()),
            "dataset_fingerprint": content.whole,
            "classes": _spelled(data.classes),
            "bands": preprocessing.bands,
            "depth": preprocessing.depth,
            "mean": list(preprocessing.mean),
            "std": list(preprocessing.std),
            "picked": list(preprocessing.picked),
            "picked_from": preprocessing.picked_from,
            **machine,
            "versions": {
                "solarseg": __version__,
                "torch": str(torch.__version__),
                "lightning": L.__version__,
            },
        }
        write_config(self.config, config, facts)
        if division.leaks is not None:
            write_leaks(self.leaks, division.leaks)
        rows = [
            (name, division.split[name], group, content.images[name])
            for name, group in division.groups.items()
        ]
        write_table(self.split, ("name", "split", "group", "digest"), rows)


@dataclass(frozen=True)
class Division:
    """Which image is in which split.

    Attributes:
        split: image -> split.
        groups: image -> group that the split keeps whole.
        leaks: images of which a copy is in another split; None if nobody has looked.
    """

    split: dict[str, str]
    groups: dict[str, str]
    leaks: list[Leak] | None = None


def _read(file: Path, data: FolderDataset, config: TrainConfig) -> Division:
    """Read a split with the groups it keeps whole: those asked for, else those it names, else the dataset's."""
    split, groups = read_split(file), data.group_of
    named = read_table(file, "name", "group", optional=True)
    if named and not config.groups and not config.group_regex:
        groups = {name: named.get(name, name) for name in data.names}
        _warn_if_cut(file, split, data)
    check_split(split, groups, _shown(file))
    return Division(split, groups)


def _warn_if_cut(file: Path, split: Mapping[str, str], data: FolderDataset) -> None:
    homes = {(group, split.get(name)) for name, group in data.group_of.items()}
    cut = [group for group, times in Counter(group for group, _ in homes).items() if times > 1]
    if cut:
        logger.warning(
            "%s: cuts %d group(s) of the dataset, such as %s, as it names groups of its own; scores may be too good",
            file,
            len(cut),
            cut[0],
        )


def _say_joined(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    fewer = len(set(before.values())) - len(set(after.values()))
    if fewer:
        logger.info(
            "%d group(s) joined to others, because they hold copies of one image; solarseg data check lists them",
            fewer,
        )


def _check_shares_unused(file: Path, config: TrainConfig) -> None:
    for name in ("val", "test"):
        value = getattr(config, name)
        if value != TrainConfig.model_fields[name].default:
            raise ArgumentError(
                f"--{name} {value:g}: has no effect, since {_shown(file)} says which image is in which split; leave "
                "the option out, or move that file away"
            )


def _refusal(file: Path, leaks: Sequence[Leak], root: Path, config: TrainConfig) -> str:
    first, own = leaks[0], root / "split.csv"
    asked = [
        ("--groups", config.groups and _shown(Path(config.groups))),
        ("--group-regex", config.group_regex),
    ]
    groups = [word for option, value in asked if value for word in (option, value)]
    listed = ["check", str(root), *groups, *([] if file == own else ["--split", _shown(file)])]
    mended = ["split", str(root), *groups, *(["--overwrite"] if own.exists() else [])]
    listing, mending = (shlex.join(["solarseg", "data", *words]) for words in (listed, mended))
    without = "" if file == own else " and training without --split"
    return (
        f"{_shown(file)}: {len(leaks)} image(s) have a copy or near copy in a split that is learnt from, such as "
        f"{first.name} ({first.split}) and {first.relative} ({first.relative_split}), and scores would be too good; "
        f"`{listing}` lists them, `{mending}`{without} keeps copies together, --allow-leak trains all the same"
    )


def _shown(file: Path) -> str:
    """Write a path as one would type it here."""
    return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)


@dataclass(frozen=True)
class Fingerprint:
    """What names the content of a dataset.

    Attributes:
        whole: 16 hexadecimal digits over names, images and masks.
        images: digest of each image file by name.
    """

    whole: str
    images: dict[str, str]


def _shapes(state: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}


def _spelled(classes: ClassMap) -> dict[int, str]:
    """What each value of a mask file means."""
    return dict(zip(classes.values, classes.names, strict=True)) | (
        {IGNORE_INDEX: "ignored"} if classes.ignore else {}
    )


def fingerprint(data: FolderDataset) -> Fingerprint:
    """Read every file of a dataset once and name its content."""
    images = {name: digest(data.image_path(name)) for name in data.names}
    whole = hashlib.blake2b(digest_size=8)
    for name, image in images.items():
        whole.update(f"{name} {image} {digest(data.mask_path(name))}\n".encode())
    return Fingerprint(whole.hexdigest(), images)
