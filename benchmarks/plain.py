"""The peer: what one writes in an afternoon with segmentation-models-pytorch.

ResNet34 U-Net from scratch, the library's Jaccard loss, flips and quarter turns, AdamW at 3e-4 with a
cosine, batches of 8, float32.
"""

import math
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from torch import Tensor

BATCH = 8


def load(dataset: Path, names: list[str]) -> tuple[Tensor, Tensor]:
    """Images (N, 3, H, W) in [0, 1] and masks (N, 1, H, W) of 0 and 1."""
    images = [np.asarray(Image.open(dataset / "images" / f"{name}.png").convert("RGB")) for name in names]
    masks = [np.asarray(Image.open(dataset / "masks" / f"{name}.png")) > 0 for name in names]
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
        """One epoch, each image flipped and turned at random."""
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
        """One training step; returns the loss."""
        self.network.train()
        self.optimizer.zero_grad()
        loss = self.loss(self.network(images), masks)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    def epoch(self) -> None:
        """One pass over the training images."""
        for images, masks in self.batches():
            self.step(images, masks)

    @torch.no_grad()
    def predict(self, images: Tensor) -> np.ndarray:
        """Masks (N, H, W) uint8 of images in [0, 1]."""
        self.network.eval()
        parts = [self.network((part - self.mean) / self.std) > 0 for part in images.split(BATCH)]
        return torch.cat(parts)[:, 0].numpy().astype(np.uint8)
