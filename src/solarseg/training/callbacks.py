"""What happens around the training loop: checkpoints, history, progress."""

import io
import math
import time
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback, Checkpoint, ProgressBar
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from solarseg.csv_files import CsvWriter
from solarseg.errors import RunError
from solarseg.files import atomic_path, write_text

__all__ = [
    "AtomicCheckpointIO",
    "BestCheckpoint",
    "Diverged",
    "History",
    "LastCheckpoint",
    "TimeLeft",
]


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write checkpoints whole or not at all, so that a full disk leaves the last good one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write to a temporary name and rename."""
        with atomic_path(Path(path)) as temporary:
            try:
                torch.save(checkpoint, temporary)
            except RuntimeError as error:  # how torch reports that the disk is full
                raise OSError(str(error).splitlines()[0]) from error

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
        """Read tensors and plain values only; a checkpoint never runs code."""
        return torch.load(path, map_location=map_location or "cpu", weights_only=True)


class BestCheckpoint(Checkpoint):
    """Keep the weights of the best epoch as ``best.ckpt``.

    Lightning's own forgets the best score where the run folder has been moved between two parts of a
    training, and then replaces the best weights by worse ones.
    """

    def __init__(self, path: Path, monitor: str, mode: str) -> None:
        self._path = path
        self._monitor = monitor
        self._sign = 1.0 if mode == "max" else -1.0
        self._best = -math.inf  # of sign times value

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write if no epoch was better; the measure is the same in all processes."""
        value = self._sign * float(trainer.callback_metrics[self._monitor])
        if value > self._best:
            self._best = value
            trainer.save_checkpoint(self._path, weights_only=True)

    def state_dict(self) -> dict[str, Any]:
        """The best measure so far."""
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the best measure of a checkpoint."""
        self._best = float(state_dict["best"])


class LastCheckpoint(Checkpoint):
    """Keep all that is needed to resume as ``last.ckpt``, at most once in so many seconds.

    Weights and two moments of each make it three times the size of the weights; written after every short
    epoch it would take a good part of the time.

    Lightning runs early stopping after other callbacks and checkpoints after that, in the order given; put
    last, this one saves what all the others know of the epoch.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._written = time.monotonic()
        self._ended = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Do not train on what was stopped early."""
        trainer.should_stop = self._ended

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write if it is time."""
        self._ended = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        # Saving involves every process, so one of them decides for all.
        due = trainer.strategy.broadcast(self._ended or time.monotonic() - self._written >= self._seconds)
        if due:
            trainer.save_checkpoint(self._path)
            self._written = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Whether training had come to its end."""
        return {"ended": self._ended}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Know of a checkpoint whether it is the end."""
        self._ended = bool(state_dict["ended"])


class Diverged(Callback):
    """Stop a training whose weights are NaN; they do not recover, and must not be saved."""

    def __init__(self, learning_rate: float, precision: str) -> None:
        self._settings = f"`learning_rate={learning_rate:g}`, `precision='{precision}'`"

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Raise `RunError` if so; checkpoints are written after this."""
        if not all(value.isfinite().all() for value in pl_module.state_dict().values()):
            raise RunError(
                f"{self._settings}: the training diverged in epoch {trainer.current_epoch + 1}, weights are no longer "
                "finite; train again into another folder with a smaller learning rate, or `precision='32'`"
            )


class History(Callback):
    """One row an epoch in ``metrics.csv``, kept in checkpoints so that a resumed run continues it."""

    COLUMNS = (
        "epoch", "learning_rate", "loss", "val_loss", "accuracy", "val_accuracy", "iou", "val_iou", "seconds",
    )  # fmt: skip

    def __init__(self, path: Path) -> None:
        self.rows: list[dict[str, float]] = []
        self._path = path
        self._began = time.monotonic()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note the time."""
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Add a row."""
        seen = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {
            "epoch": trainer.current_epoch + 1,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            **seen,
            "seconds": time.monotonic() - self._began,
        }
        self.rows.append({name: row[name] for name in self.COLUMNS if name in row})
        if trainer.is_global_zero:
            self._write()

    def _write(self) -> None:
        text = io.StringIO()
        writer = CsvWriter(text)
        writer.add(self.COLUMNS)
        for row in self.rows:
            writer.add(f"{row[name]:.6g}" if name in row else "" for name in self.COLUMNS)
        write_text(self._path, text.getvalue())

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the rows of a checkpoint."""
        self.rows = list(state_dict["rows"])


class TimeLeft(ProgressBar):
    """One bar for the whole training, with the time left and the latest scores."""

    def __init__(self) -> None:
        super().__init__()
        # Where the terminal is narrow, as 80 characters are, it is the bar that gives way.
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            TextColumn("left"),
            TextColumn("{task.fields[scores]}"),
            expand=True,
        )
        self._task = self._progress.add_task("training", scores="")
        self._enabled = True

    def disable(self) -> None:
        """Called in every process but the first."""
        self._enabled = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the bar."""
        batches = int(trainer.num_training_batches)
        total = batches * (trainer.max_epochs or 1)
        self._progress.update(self._task, total=total, completed=batches * trainer.current_epoch)
        if self._enabled:
            self._progress.start()

    def on_train_batch_end(self, *args: Any) -> None:
        """Go one step on."""
        self._progress.advance(self._task)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the scores of the epoch."""
        seen = trainer.callback_metrics
        shown = [
            f"{name} {float(seen[name]):.3f}" for name in ("loss", "val_loss", "val_iou") if name in seen
        ]
        epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        self._progress.update(self._task, description=epoch, scores="  ".join(shown))

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave the bar as it is."""
        self._progress.stop()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Leave the terminal usable."""
        self._progress.stop()
