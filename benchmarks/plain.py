"""The peer of the training benchmarks: a plain script with segmentation-models-pytorch.

ResNet34 U-Net without pretrained weights, the library's Jaccard loss, flips and quarter turns, AdamW at 3e-4
with a cosine schedule, batches of 8, float32.
"""

import math
import random
from collections.abc import Iterator, Sequence

import numpy as np
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from torch import Tensor

from solarseg.datasets import FolderDataset

BATCH = 8


def load(dataset: FolderDataset, names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Read images (N, 3, H, W) in [0, 1] and masks (N, 1, H, W) of 0 and 1."""
    images = [np.asarray(Image.open(dataset.image_path(name)).convert("RGB")) for name in names]
    masks = [np.asarray(Image.open(dataset.mask_path(name))) > 0 for name in names]
    return (
        torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255,
        torch.from_numpy(np.stack(masks))[:, None].float(),
    )


class Plain:
    """Network, loss and optimiser of the plain script."""

    def __init__(self, images: Tensor, masks: Tensor, epochs: int, seed: int = 0) -> None:
        torch.manual_seed(seed)
        random.seed(seed)
        self.network = smp.Unet("resnet34", encoder_weights=None, in_channels=3, classes=1)
        self.loss = smp.losses.JaccardLoss("binary")
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=3e-4)
        self.mean = images.mean((0, 2, 3), keepdim=True)
        self.std = images.std((0, 2, 3), keepdim=True)
        self.images, self.masks = (images - self.mean) / self.std, masks
        steps = epochs * math.ceil(len(images) / BATCH)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of one epoch, each image flipped and turned at random."""
        order = torch.randperm(len(self.images))
        for first in range(0, len(order), BATCH):
            turned = [self._turn(self.images[i], self.masks[i]) for i in order[first : first + BATCH]]
            yield torch.stack([image for image, _ in turned]), torch.stack([mask for _, mask in turned])

    @staticmethod
    def _turn(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        axes = [axis for axis in (1, 2) if random.random() < 0.5]
        turns = random.randrange(4)
        return tuple(torch.rot90(part.flip(axes), turns, (1, 2)) for part in (image, mask))

    def step(self, images: Tensor, masks: Tensor) -> float:
        """Train one step and return the loss."""
        self.network.train()
        self.optimizer.zero_grad()
        loss = self.loss(self.network(images), masks)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    def epoch(self) -> None:
        """Train one epoch."""
        for images, masks in self.batches():
            self.step(images, masks)

    @torch.no_grad()
    def predict(self, images: Tensor) -> np.ndarray:
        """Return masks (N, H, W) uint8 of images in [0, 1]."""
        self.network.eval()
        parts = [self.network((part - self.mean) / self.std) > 0 for part in images.split(BATCH)]
        return torch.cat(parts)[:, 0].numpy().astype(np.uint8)
