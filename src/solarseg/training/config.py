"""The settings of a training."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from solarseg.datasets.splits import check_shares
from solarseg.errors import ArgumentError, RunError, reason_of
from solarseg.files import write_text
from solarseg.preprocessing import check_image_size

__all__ = ["Machine", "TrainConfig", "make_config", "read_config", "write_config"]


@dataclass(frozen=True)
class Machine:
    """Where a training runs and what it shows; nothing of this changes what is learnt on one process.

    Attributes:
        devices: processes on this machine: GPUs, or processes on CPU.
        num_nodes: machines; each runs the same command, under torchrun or SLURM.
        accelerator: ``"auto"``, ``"cpu"`` or ``"gpu"``.
        workers: processes that read images; 0 reads in this one, which is best while they fit in memory.
        checkpoint_seconds: least time between two writings of ``last.ckpt``.
        progress: show progress on the terminal.
    """

    devices: int = 1
    num_nodes: int = 1
    accelerator: str = "auto"
    workers: int = 0
    checkpoint_seconds: float = 60.0
    progress: bool = True

    def __post_init__(self) -> None:
        for name, least in (("devices", 1), ("num_nodes", 1), ("workers", 0), ("checkpoint_seconds", 0)):
            if getattr(self, name) < least:
                raise ArgumentError(f"`{name}={getattr(self, name)}`: must be {least} or more")
        if self.accelerator not in ("auto", "cpu", "gpu"):
            raise ArgumentError(f"`accelerator='{self.accelerator}'`: must be auto, cpu or gpu")


class TrainConfig(BaseModel):
    """The settings of a training; the defaults are a good start.

    Attributes:
        encoder: ``resnet34``, ``vgg16``, ``vgg16_bn``, ``inceptionv3``, ``efficientnet-lite0`` or any encoder of
            segmentation-models-pytorch, by its name there.
        encoder_weights: ``"imagenet"``, ``"none"`` for random weights, or a file of weights.
        loss: name of a loss, or a sum such as ``"jaccard+0.5*focal"``.
        class_weights: one a class, background first, or ``"frequency"`` for weights from how rare each
            class is.
        epochs: how often each image is seen.
        bands: names of the bands to train on, as ``dataset.yaml`` has them, or their numbers from 1; None for all.
        image_size: side in pixels to which images are resized, a multiple of 32.
        batch_size: images in a step, for each process.
        learning_rate: at the top of the schedule.
        weight_decay: of AdamW.
        warmup: share of all steps over which the learning rate rises.
        accumulate: batches whose gradients are added up before a step.
        augment: ``"standard"``; ``"outdoor"``, which adds glare on what is segmented, for photographs of
            panels in sunlight; ``"light"`` (flips and quarter turns) or ``"none"``.
        patience: epochs without a better val IoU after which training stops, 0 to never stop early.
        val: share of images for validation, where no split is given.
        test: share of images for testing, where no split is given.
        seed: of weights, order, augmentation and split.
        precision: ``"auto"`` computes in bfloat16 where the processor has it and in float32 elsewhere.
        groups: CSV of ``name,group``.
        group_regex: pattern that finds the group in a name.
        split: CSV of ``name,split``.
        search: look for copies and near copies before a split is made or used.
        allow_leak: train also where copies of an image are in several splits.
    """

    model_config = ConfigDict(extra="forbid")

    encoder: str = "resnet34"
    encoder_weights: str = "imagenet"
    loss: str = "jaccard"
    class_weights: Literal["frequency"] | tuple[float, ...] | None = None
    epochs: int = Field(100, ge=1)
    bands: tuple[str, ...] | None = None
    image_size: int = 256
    batch_size: int = Field(8, ge=1)
    learning_rate: float = Field(5e-4, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1)
    accumulate: int = Field(1, ge=1)
    augment: Literal["standard", "outdoor", "light", "none"] = "standard"
    patience: int = Field(30, ge=0)
    val: float = Field(0.15, ge=0, lt=1)
    test: float = Field(0.15, ge=0, lt=1)
    seed: int = Field(0, ge=0)
    precision: Literal["auto", "32", "bf16", "16"] = "auto"
    groups: str | None = None
    group_regex: str | None = None
    split: str | None = None
    search: bool = True
    allow_leak: bool = False

    @field_validator("image_size")
    @classmethod
    def _image_size(cls, value: int) -> int:
        try:
            return check_image_size(value)
        except ArgumentError as error:
            raise ValueError(str(error).partition(": ")[2]) from error  # `make_config` names option and value

    @field_validator("bands")
    @classmethod
    def _bands(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and not all(map(str.strip, value or ("",))):
            raise ValueError("name each band, as in B4,B3,B2, or leave the option out for all")
        return value and tuple(map(str.strip, value))

    @field_validator("groups", "split", "encoder_weights")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        """A run is resumed from whatever folder one happens to be in."""
        return str(Path(value).absolute()) if value and Path(value).is_file() else value


def make_config(**options: Any) -> TrainConfig:
    """Check options and fill in defaults.

    Raises:
        ArgumentError: an option is unknown or out of range.

    Examples:
        >>> make_config(epochs=0)
        Traceback (most recent call last):
        solarseg.errors.ArgumentError: `epochs=0`: input should be greater than or equal to 1
    """
    given = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    try:
        config = TrainConfig.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]) if first["loc"] else "options"
        if first["type"] == "extra_forbidden":
            known = ", ".join(TrainConfig.model_fields)
            raise ArgumentError(f"unknown option '{option}'; known are {known}") from error
        message = re.sub(r"^Value error, ", "", first["msg"])
        message = message[0].lower() + message[1:]
        raise ArgumentError(f"`{option}={first['input']!r}`: {message}") from error
    check_shares(config.val, config.test)
    return config


def write_config(path: Path, config: TrainConfig, facts: dict[str, Any]) -> None:
    """Write the settings, and facts needed to repeat the training, as YAML."""
    write_text(path, yaml.safe_dump({"train": config.model_dump(mode="json"), **facts}, sort_keys=False))


def read_config(path: Path) -> tuple[TrainConfig, dict[str, Any]]:
    """Read the settings and facts that `write_config` wrote.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        facts = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TrainConfig.model_validate(facts.pop("train")), facts
    except FileNotFoundError as error:
        raise RunError(
            f"{path.parent}: has files, but no run to resume; give another folder, or empty it"
        ) from error
    except (
        yaml.YAMLError,
        ValidationError,
        AttributeError,
        TypeError,
        KeyError,
        UnicodeDecodeError,
    ) as error:
        raise RunError(f"{path}: damaged ({reason_of(error, path)}); train into another folder") from error
