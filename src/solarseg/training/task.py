"""What Lightning trains: the network, its loss, its optimiser and what is measured on the way."""

import math

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassConfusionMatrix

from solarseg.networks.network import Network
from solarseg.preprocessing import DEPTH_SCALE, Depth
from solarseg.training.augmentation import Augmentation
from solarseg.training.config import TrainConfig

__all__ = ["ForegroundIoU", "PixelAccuracy", "Task", "ValueRange", "warmup_cosine"]

Batch = tuple[Tensor, Tensor]
ValueRange = tuple[tuple[float, ...], tuple[float, ...]]  # lowest and highest value of each band


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """Return the share of the top learning rate at a step.

    Rises linearly over the first share ``warmup`` of all steps, then falls as a half cosine to zero
    (Loshchilov & Hutter, SGDR, 2017, without restarts).

    Examples:
        >>> [round(warmup_cosine(step, 10, 0.2), 3) for step in (0, 1, 2, 6, 10)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))


class PixelAccuracy(MulticlassConfusionMatrix):
    """Share of pixels that are right."""

    def compute(self) -> Tensor:
        """Return a number from 0 to 1."""
        matrix = super().compute()
        return matrix.trace() / matrix.sum().clamp(min=1)


class ForegroundIoU(MulticlassConfusionMatrix):
    """Pooled IoU, mean over the classes but the background that are in truth or prediction."""

    def compute(self) -> Tensor:
        """Return a number from 0 to 1; 0 where there is no such class."""
        matrix = super().compute()
        hits = matrix.diagonal()
        union = matrix.sum(0) + matrix.sum(1) - hits
        present = union[1:] > 0
        return (hits[1:] / union[1:].clamp(min=1)).sum() / present.sum().clamp(min=1)


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
        value_range: ValueRange = ((0.0,), (1.0,)),
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self._config = config
        self._scale = DEPTH_SCALE[depth]
        self._augment = Augmentation(config.augment, *value_range)
        metrics = MetricCollection(
            {
                "accuracy": PixelAccuracy(num_classes, ignore_index=ignore_index, validate_args=False),
                "iou": ForegroundIoU(num_classes, ignore_index=ignore_index, validate_args=False),
            }
        )
        self._train_metrics, self._val_metrics = metrics, metrics.clone(prefix="val_")

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of an augmented batch.

        Everything random is seeded here, also what the encoder itself draws (dropout, stochastic depth), so
        that a resumed epoch draws what the unbroken one would have.
        """
        seed = self._seed(batch_idx)
        torch.manual_seed(seed)
        images, masks = self._augment(*self._scaled(batch), seed)
        return self._measure(self._train_metrics, "loss", images, masks)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure a batch as it is."""
        self._measure(self._val_metrics, "val_loss", *self._scaled(batch))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with a warm-up and a cosine, set at every step."""
        config, steps = self._config, int(self.trainer.estimated_stepping_batches)
        optimizer = torch.optim.AdamW(
            self.network.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        scheduler = LambdaLR(optimizer, lambda step: warmup_cosine(step, steps, config.warmup))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _scaled(self, batch: Batch) -> Batch:
        return batch[0].to(torch.float32) / self._scale, batch[1]

    def _measure(self, metrics: MetricCollection, name: str, images: Tensor, masks: Tensor) -> Tensor:
        logits = self.network(images.contiguous(memory_format=torch.channels_last))
        loss: Tensor = self.loss(logits, masks)
        chosen = logits.argmax(dim=1) if logits.shape[1] > 1 else (logits[:, 0] > 0).long()
        metrics.update(chosen, masks.long())
        self.log_dict(metrics, on_step=False, on_epoch=True)
        self.log(name, loss, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(images))
        return loss

    def _seed(self, draw: int) -> int:
        key = (self._config.seed, self.current_epoch, draw, self.global_rank)
        return int(np.random.SeedSequence(key).generate_state(1)[0])
