"""Base classes of losses: their arguments, ignored pixels, and the reduction to a scalar.

There are two families: a `PixelLoss` is a mean over pixels, a `RegionLoss` a mean over classes. A subclass computes
the loss of each pixel or of each class.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from solarseg.errors import ArgumentError

__all__ = ["PixelLoss", "RegionLoss", "SegmentationLoss"]


class SegmentationLoss(nn.Module):
    """A loss of logits against class ids, computed in float32 or, for float64 logits, in float64.

    The logits of ignored pixels are replaced by zeros first, so that no value there, not even NaN, reaches the loss or
    receives a gradient. (segmentation-models-pytorch multiplies by a mask, which turns a NaN in an ignored pixel into
    a loss of NaN.) Masks have a fixed shape: selecting the valid pixels would make a GPU wait for their number.

    Args:
        num_classes: number of classes including background, at least 2.
        ignore_index: class id of ignored pixels, or ``None`` if there are none.
        class_weights: one weight per class, 0 or more, background first; only their ratios matter.
    """

    class_weights: Tensor

    def __init__(
        self,
        num_classes: int,
        ignore_index: int | None = None,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        weights = _check_weights(num_classes, class_weights)
        # A buffer moves to the device with the module. It is an argument and is not saved in checkpoints.
        self.register_buffer("class_weights", torch.tensor(weights), persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss, a scalar; 0 with zero gradients if no pixel is valid.

        Args:
            logits: ``(N, C, H, W)`` floats of any precision. C is 1 for two classes (the logit of the foreground, for
                a sigmoid), otherwise the number of classes (for a softmax).
            target: ``(N, H, W)`` integer class ids, with 0 for background, or ``ignore_index``.
        """
        self._check_shapes(logits, target)
        # Convert to int64 first: compared with uint8, an ignore index of 256 would wrap around to class 0.
        target = target.long()
        all_pixels = torch.ones_like(target, dtype=torch.bool)
        valid = all_pixels if self.ignore_index is None else target != self.ignore_index
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return self.compute(logits.masked_fill(~valid[:, None], 0), target.masked_fill(~valid, 0), valid)

    def compute(self, logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """Return the loss; ``valid`` is ``(N, H, W) bool``, and logits and target are 0 where it is false."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Show the arguments that differ from their defaults."""
        ignore = "" if self.ignore_index is None else f", ignore_index={self.ignore_index}"
        return f"num_classes={self.num_classes}{ignore}"

    def _check_shapes(self, logits: Tensor, target: Tensor) -> None:
        # With broadcasting, a target (N, 1, H, W) would give a wrong loss.
        channels = 1 if self.num_classes == 2 else self.num_classes
        if logits.ndim != 4 or logits.shape[1] != channels or target.shape != logits[:, 0].shape:
            raise ArgumentError(
                f"logits {tuple(logits.shape)} and target {tuple(target.shape)}: {self.num_classes} classes "
                f"need (N, {channels}, H, W) and (N, H, W)"
            )


class PixelLoss(SegmentationLoss):
    """A mean over the valid pixels, each weighted by the weight of its true class."""

    def compute(self, logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """Return the weighted mean over pixels."""
        if (
            self.num_classes == 2
        ):  # softmax of (0, z) is sigmoid of z, so two classes are computed as any number
            logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
        pixels = self.per_pixel(F.cross_entropy(logits, target, reduction="none"))
        weights = self.class_weights[target] * valid
        # torch's own mean is 0/0 = NaN if no pixel is valid, or if all valid pixels have weight 0.
        return (pixels * weights).sum() / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)

    def per_pixel(self, negative_log_likelihood: Tensor) -> Tensor:
        """Return the loss of each pixel.

        Args:
            negative_log_likelihood: ``(N, H, W)``, -ln of the probability of the pixel's true class.
        """
        raise NotImplementedError


class RegionLoss(SegmentationLoss):
    """A mean over classes of a loss in [0, 1] that measures how badly the predicted and the true region overlap.

    For two classes only the foreground counts, so that class weights have no effect. For more classes it is a weighted
    mean over all of them, including background.

    Regions are pooled over the batch, as in segmentation-models-pytorch. The loss of a single image with a defect of
    five pixels could jump between 0 and 1 and outweigh the rest of the batch. Pooled IoU is also the main score of
    evaluation.
    """

    def compute(self, logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """Return the weighted mean over classes."""
        binary = self.num_classes == 2
        probability = logits.sigmoid() if binary else logits.softmax(dim=1)
        classes = torch.arange(1 if binary else 0, self.num_classes, device=target.device).view(1, -1, 1, 1)
        inside = (target[:, None] == classes) & valid[:, None]
        losses = self.per_class(probability, inside, valid[:, None] & ~inside)
        if binary:
            return losses.squeeze(0)
        return (losses * self.class_weights).sum() / self.class_weights.sum()

    def per_class(self, probability: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
        """Return the loss of each class, ``(C,)``.

        Args:
            probability: ``(N, C, H, W)`` in [0, 1].
            inside: ``(N, C, H, W) bool``, the pixels of each class.
            outside: ``(N, C, H, W) bool``, all other valid pixels. Ignored pixels are in neither.
        """
        raise NotImplementedError


def _check_weights(num_classes: int, class_weights: Sequence[float] | None) -> list[float]:
    if num_classes < 2:
        raise ArgumentError(f"`num_classes={num_classes}`: must be 2 or more, including background")
    if class_weights is None:
        return [1.0] * num_classes
    weights = [float(weight) for weight in class_weights]
    usable = all(0 <= weight < math.inf for weight in weights) and sum(weights) > 0
    if len(weights) != num_classes or not usable:
        raise ArgumentError(
            f"`class_weights={weights}`: give {num_classes} numbers of 0 or more, one per class with background "
            "first, at least one of them above 0"
        )
    return weights
