"""What Lightning trains: the network, its loss, its optimiser and what is measured on the way."""

import math

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics.classification import MulticlassConfusionMatrix

from solarseg.evaluation.scores import iou, pixel_accuracy
from solarseg.networks.network import Network
from solarseg.preprocessing import DEPTH_SCALE, Depth
from solarseg.training.augmentation import Augmentation
from solarseg.training.config import TrainConfig

__all__ = ["Task", "warmup_cosine"]

Batch = tuple[Tensor, Tensor]


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """Return the share of the top learning rate at a step.

    Rises linearly over the first share ``warmup`` of all steps, then falls as a half cosine to zero
    (Loshchilov & Hutter, SGDR, 2017, without restarts).

    >>> [round(warmup_cosine(step, 10, 0.2), 3) for step in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))


class Task(L.LightningModule):
    """Train a network on batches of ``(images (N, C, H, W), masks (N, H, W) uint8)``."""

    def __init__(
        self,
        network: Network,
        loss: nn.Module,
        config: TrainConfig,
        *,
        num_classes: int,
        ignore_index: int | None,
        depth: Depth,
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self._config = config
        self._scale = DEPTH_SCALE[depth]
        self._augment = Augmentation(config.augment)
        self._train_confusion, self._val_confusion = (
            MulticlassConfusionMatrix(num_classes, ignore_index=ignore_index, validate_args=False)
            for _ in range(2)
        )

    def on_train_epoch_start(self) -> None:
        """Seed what the encoder itself may draw (dropout), so that a resumed epoch draws the same."""
        torch.manual_seed(self._seed(0))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of an augmented batch."""
        images, masks = self._augment(*self._scaled(batch), self._seed(1 + batch_idx))
        return self._measure("", images, masks)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure a batch as it is."""
        self._measure("val_", *self._scaled(batch))

    def on_train_epoch_end(self) -> None:
        """Log accuracy and IoU of the epoch's augmented batches."""
        self._log_scores("")

    def on_validation_epoch_end(self) -> None:
        """Log accuracy and IoU of the val split."""
        self._log_scores("val_")

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with a warm-up and a cosine, set anew at every step."""
        config, steps = self._config, int(self.trainer.estimated_stepping_batches)
        optimizer = torch.optim.AdamW(
            self.network.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        scheduler = LambdaLR(optimizer, lambda step: warmup_cosine(step, steps, config.warmup))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _scaled(self, batch: Batch) -> Batch:
        return batch[0].to(torch.float32) / self._scale, batch[1]

    def _measure(self, stage: str, images: Tensor, masks: Tensor) -> Tensor:
        logits = self.network(images.contiguous(memory_format=torch.channels_last))
        loss: Tensor = self.loss(logits, masks)
        chosen = logits.argmax(dim=1) if logits.shape[1] > 1 else (logits[:, 0] > 0).long()
        self._confusion(stage).update(chosen, masks.long())
        self.log(f"{stage}loss", loss, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(images))
        return loss

    def _log_scores(self, stage: str) -> None:
        confusion = self._confusion(stage)
        matrix = confusion.compute().cpu().numpy()
        confusion.reset()
        foreground = iou(matrix)[1:]
        seen = foreground[~np.isnan(foreground)]
        self.log(f"{stage}accuracy", float(np.nan_to_num(pixel_accuracy(matrix))))
        self.log(f"{stage}iou", float(seen.mean()) if len(seen) else 0.0)

    def _confusion(self, stage: str) -> MulticlassConfusionMatrix:
        return self._val_confusion if stage else self._train_confusion

    def _seed(self, draw: int) -> int:
        key = (self._config.seed, self.current_epoch, draw, self.global_rank)
        return int(np.random.SeedSequence(key).generate_state(1)[0])
