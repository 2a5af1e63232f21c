"""What a training writes to its run folder before it begins, and checks there before it is resumed."""

from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from torch import nn

from solarseg._version import __version__
from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.datasets import FolderDataset
from solarseg.datasets.digests import DatasetDigests
from solarseg.duplicates.leakage import write_leaks
from solarseg.errors import ArgumentError, ExistsError, RunError, reason_of
from solarseg.files import write_table
from solarseg.preprocessing import Preprocessing
from solarseg.runs import RunFolder
from solarseg.training.config import TrainConfig, read_config, write_config
from solarseg.training.division import Division

__all__ = [
    "Facts",
    "check_checkpoints",
    "check_content",
    "check_new",
    "check_settings",
    "clear_temporary",
    "read_preprocessing",
    "read_settings",
    "write_beginning",
]

Facts = dict[str, Any]

_REMEDY = "remove the run folder and train again"


def check_new(run: RunFolder) -> None:
    """Raise `ExistsError` or `RunError` if the folder of a new run is not free."""
    if run.is_free:
        return
    if run.config.exists():
        raise ExistsError(run.path, "another `out`", "`resume=True` to resume this run")
    raise RunError(f"{run.path}: has files, but no run; give another `out`, or empty the folder")


def read_settings(run: RunFolder, asked: TrainConfig) -> tuple[TrainConfig, Facts]:
    """Read the settings and facts of a run to resume.

    Args:
        run: the run.
        asked: settings given now; those that were not given are taken from the run.

    Raises:
        RunError: the folder has no run.
        ArgumentError: a setting given now differs from that of the run.
    """
    stored, facts = read_config(run.config)
    for name in asked.model_fields_set:
        if getattr(asked, name) != getattr(stored, name):
            raise ArgumentError(
                f"`{name}={getattr(asked, name)!r}`: the run to resume has {getattr(stored, name)!r}; leave the option "
                "out, or train into another folder"
            )
    return stored, facts


def read_preprocessing(run: RunFolder, config: TrainConfig, facts: Facts) -> Preprocessing:
    """Return the preprocessing that `write_beginning` wrote.

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        mean, std, picked = (tuple(facts[name]) for name in ("mean", "std", "picked"))
        size, bands, depth = config.image_size, facts["bands"], facts["depth"]
        return Preprocessing(size, bands, depth, mean, std, picked, facts["picked_from"])
    except (KeyError, TypeError, ArgumentError) as error:
        raise RunError(f"{run.config}: has no usable normalisation ({error}); {_REMEDY}") from error


def check_settings(run: RunFolder, facts: Facts, data: FolderDataset, machine: Facts) -> None:
    """Raise `RunError` if what computes, or the classes of the dataset, changed since a run began."""
    for name, value in machine.items():
        if facts.get(name) != value:
            raise RunError(
                f"{run.path}: began with {name} {facts.get(name)}, now found {value}; resume on such a machine with "
                "the same `devices` and `num_nodes`, or train into another folder"
            )
    if facts.get("classes") != _spell(data.classes):
        raise RunError(
            f"{run.path}: began with the classes {facts.get('classes')}, {data.root} has {_spell(data.classes)}; "
            "restore them, or train into another folder"
        )


def check_content(run: RunFolder, facts: Facts, digests: DatasetDigests) -> None:
    """Raise `RunError` if the files of the dataset changed since a run began."""
    if facts.get("dataset_fingerprint") != digests.whole:
        raise RunError(
            f"{run.path}: its dataset {facts.get('dataset')} is not the one given, or has changed since; resume with "
            "the same images and masks, or train into another folder"
        )


def check_checkpoints(run: RunFolder, network: nn.Module, has_best: bool) -> None:
    """Raise `RunError` if a checkpoint of a run to resume is missing, damaged, or of another network."""
    needed = _shapes(network.state_dict())
    for file in [run.last, *[run.best] * has_best]:
        try:
            found = _shapes(torch.load(file, map_location="cpu", weights_only=True)["state_dict"])
        except Exception as error:  # damaged archives raise whatever they like
            raise RunError(f"{file}: damaged checkpoint ({reason_of(error, file)}); {_REMEDY}") from error
        for name in needed | found:
            if found.get(name) != needed.get(name):
                raise RunError(
                    f"{file}: checkpoint of another network ({name} is {found.get(name, 'missing')}, expected "
                    f"{needed.get(name, 'nothing')}); {_REMEDY}"
                )


def clear_temporary(run: RunFolder) -> None:
    """Remove what a process that was killed while writing has left."""
    for file in run.checkpoints.glob(".*"):
        file.unlink(missing_ok=True)


def write_beginning(
    run: RunFolder,
    data: FolderDataset,
    division: Division,
    config: TrainConfig,
    preprocessing: Preprocessing,
    digests: DatasetDigests,
    machine: Facts,
) -> None:
    """Write settings, leaks and split. The split comes last: a run without it is begun again when it is resumed."""
    facts: Facts = {
        "dataset": str(data.root.resolve()),
        "dataset_fingerprint": digests.whole,
        "classes": _spell(data.classes),
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
    write_config(run.config, config, facts)
    if division.leaks is not None:
        write_leaks(run.leaks, division.leaks)
    rows = [
        (name, division.split[name], group, digests.images[name]) for name, group in division.groups.items()
    ]
    write_table(run.split, ("name", "split", "group", "digest"), rows)


def _shapes(state: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}


def _spell(classes: ClassMap) -> dict[int, str]:
    """What each value of a mask file means."""
    return dict(zip(classes.values, classes.names, strict=True)) | (
        {IGNORE_INDEX: "ignored"} if classes.ignore else {}
    )
