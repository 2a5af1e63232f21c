"""What a run folder contains: the one home of its file names, and of what is read from it without torch.

``train`` writes these files, in this order:

    config.yaml                 settings of the training, and facts needed to resume or repeat it
    leaks.csv                   images that have a copy in a split before their own, where copies were looked for
    split.csv                   split, group and digest of each image
    metrics.csv, curves.png     measures of each epoch
    checkpoints/                best.ckpt and last.ckpt
    tensorboard/                event files of TensorBoard
    model.onnx                  the model file; exports are next to it
    evaluation/                 scores of the test split; other evaluations are next to it
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from solarseg.datasets.splits import SPLIT_NAME, read_split
from solarseg.datasets.tables import read_table

if TYPE_CHECKING:
    from solarseg.duplicates.leakage import Leak

__all__ = ["MODEL_NAME", "RunFolder", "RunSplit"]

MODEL_NAME = "model.onnx"


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run.

    Attributes:
        path: the folder.

    Examples:
        >>> RunFolder(Path("runs/first")).best.as_posix()
        'runs/first/checkpoints/best.ckpt'
    """

    path: Path

    @classmethod
    def of_model(cls, model: Path) -> "RunFolder | None":
        """Return the run folder that a model file is in, or None where it is in another folder."""
        run = cls(model.parent)
        return run if run.config.is_file() else None

    @property
    def config(self) -> Path:
        """Settings of the training, and facts needed to resume or repeat it."""
        return self.path / "config.yaml"

    @property
    def split(self) -> Path:
        """Split, group and digest of each image."""
        return self.path / SPLIT_NAME

    @property
    def leaks(self) -> Path:
        """Images that have a copy in a split before their own."""
        return self.path / "leaks.csv"

    @property
    def metrics(self) -> Path:
        """Measures of each epoch."""
        return self.path / "metrics.csv"

    @property
    def curves(self) -> Path:
        """Picture of the measures."""
        return self.path / "curves.png"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Weights of the best epoch."""
        return self.checkpoints / "best.ckpt"

    @property
    def last(self) -> Path:
        """All that is needed to resume the training."""
        return self.checkpoints / "last.ckpt"

    @property
    def weights(self) -> Path:
        """The checkpoint that is exported: the best one, or the last where no val split says which is best."""
        return self.best if self.best.exists() else self.last

    @property
    def model(self) -> Path:
        """The model file."""
        return self.path / MODEL_NAME

    @property
    def is_free(self) -> bool:
        """Whether the folder is missing or empty."""
        return not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir()))

    def evaluation(self, model: Path | None = None, data: str = "") -> Path:
        """Return the folder of an evaluation.

        Args:
            model: the model file that was evaluated, which may be an export; by default the run's own.
            data: what was evaluated, for example ``"roofs-all"``; by default the run's test split.

        Examples:
            >>> run = RunFolder(Path("run"))
            >>> run.evaluation().name, run.evaluation(Path("run/model-int8.onnx"), "roofs-all").name
            ('evaluation', 'evaluation-model-int8-roofs-all')
        """
        export = "" if model is None or model.name == MODEL_NAME else f"-{model.stem}"
        return self.path / f"evaluation{export}{data and '-'}{data}"

    def read_split(self) -> "RunSplit | None":
        """Read the split that the run was trained with, or None where the folder has none.

        Raises:
            DatasetError: a table is damaged.
        """
        from solarseg.duplicates.leakage import read_leaks  # takes a while to import

        if not self.split.exists():
            return None
        return RunSplit(
            read_split(self.split),
            read_table(self.split, "name", "group", optional=True),
            read_table(self.split, "name", "digest", optional=True),
            read_leaks(self.leaks) if self.leaks.exists() else None,
        )


@dataclass(frozen=True)
class RunSplit:
    """The split that a run was trained with.

    Attributes:
        split: image -> ``"train"``, ``"val"`` or ``"test"``.
        groups: image -> group that the split does not divide.
        digests: image -> digest of its file.
        leaks: images that have a copy in a split before their own; None if copies were not searched for.
    """

    split: dict[str, str]
    groups: dict[str, str]
    digests: dict[str, str]
    leaks: "list[Leak] | None"

    def has_learnt_from(self, name: str) -> bool:
        """Say whether an image of this name is in the train or val split."""
        return self.split.get(name, "test") != "test"

    def related(self, digests: Mapping[str, str]) -> tuple[str, ...] | None:
        """Find the test images that have a copy in the train or val split.

        Args:
            digests: image -> digest of its file.

        Returns:
            Their names; None if copies were not searched for, or the run does not know one of the images.
        """
        if self.leaks is None or any(self.digests.get(name) != found for name, found in digests.items()):
            return None
        related = {leak.name for leak in self.leaks if leak.split == "test"}
        return tuple(name for name in digests if name in related)
