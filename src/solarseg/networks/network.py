"""The network as it is trained, and as the model file contains it."""

import torch
from torch import Tensor, nn

from solarseg.networks.unet import build_unet
from solarseg.preprocessing import DEPTH_SCALE, Preprocessing

__all__ = ["Network", "SelfContained", "build_network"]


class Network(nn.Module):
    """Normalisation followed by a U-Net.

    It takes images scaled to [0, 1] and gives logits, so that augmentation works on unnormalised images, and no other
    code needs mean and deviation.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, unet: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.unet = unet
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(preprocessing.std).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``(N, K, H, W)``, or ``(N, 1, H, W)`` for two classes.

        Args:
            images: ``(N, C, H, W)`` floats in [0, 1].
        """
        logits: Tensor = self.unet((images - self.mean) / self.std)
        return logits


def build_network(
    encoder: str, num_classes: int, preprocessing: Preprocessing, encoder_weights: str | None = None
) -> Network:
    """Build a network with an encoder, for a number of classes and a preprocessing.

    Args:
        encoder: name of an encoder; see `solarseg.networks.encoders`.
        num_classes: number of classes including background; two classes share one logit.
        preprocessing: number of bands, mean and standard deviation.
        encoder_weights: ``None`` for random weights, ``"imagenet"``, or a file.
    """
    unet = build_unet(encoder, num_classes, preprocessing.bands, encoder_weights)
    return Network(unet, preprocessing)


class SelfContained(nn.Module):
    """The graph of the model file: from images as they are in the image file to probabilities.

    Input ``(N, H, W, C)`` of the preprocessing's depth, output ``(N, H, W, K) float32`` that sums to 1 over the
    classes, background included, also if the network has one logit for two classes. Logits are divided by a
    temperature, which calibrates the probabilities (`solarseg.training.calibration`).
    """

    def __init__(self, network: Network, preprocessing: Preprocessing, temperature: float = 1.0) -> None:
        super().__init__()
        self.network = network
        self.scale = DEPTH_SCALE[preprocessing.depth]
        self.temperature = temperature

    def forward(self, images: Tensor) -> Tensor:
        """Return probabilities ``(N, H, W, K)``."""
        scaled = images.to(self.network.mean.dtype).permute(0, 3, 1, 2) / self.scale
        logits = self.network(scaled) / self.temperature
        if logits.shape[1] == 1:
            logits = torch.cat([torch.zeros_like(logits), logits], dim=1)  # softmax of (0, z) is sigmoid of z
        probabilities: Tensor = logits.softmax(dim=1).permute(0, 2, 3, 1)
        return probabilities
