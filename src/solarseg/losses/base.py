"""What the losses share: their arguments, ignored pixels, and how one number is made of many.

There are two families. A `PixelLoss` is a mean over pixels, a `RegionLoss` a mean over classes; a loss says
only what it makes of one pixel or of one class.
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

    Ignored pixels are cut off at the start: their logits are replaced by zeros, so that no value there, not
    even NaN, reaches the loss or receives a gradient. (Multiplying by a mask, as segmentation-models-pytorch
    does, turns a NaN in an ignored pixel into a NaN of everything.) All is done with masks of fixed shape:
    selecting the valid pixels would make a GPU wait for their number.

    Args:
        num_classes: background included, at least 2.
        ignore_index: class id of pixels that must influence nothing, or None where there are none.
        class_weights: one for each class, background first, none negative; only their ratios matter.
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
        weights = _checked_weights(num_classes, class_weights)
        # A buffer follows the module to its device; it is an argument, not a state to keep in checkpoints.
        self.register_buffer("class_weights", torch.tensor(weights), persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss, a scalar; 0 with zero gradients where no pixel is valid.

        Args:
            logits: ``(N, C, H, W)`` floats of any precision. C is 1 for two classes, the logit of the
                foreground (sigmoid), else the number of classes (softmax).
            target: ``(N, H, W)`` integer class ids, 0 being background, or ``ignore_index``.
        """
        self._check_shapes(logits, target)
        # int64 first: compared to uint8, an ignore index such as 256 wraps around and means class 0.
        target = target.long()
        everywhere = torch.ones_like(target, dtype=torch.bool)
        valid = everywhere if self.ignore_index is None else target != self.ignore_index
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return self.compute(logits.masked_fill(~valid[:, None], 0), target.masked_fill(~valid, 0), valid)

    def compute(self, logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """Return the loss, given ``valid (N, H, W) bool``; logits and target are 0 where it is False."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Show the arguments that differ from their defaults."""
        ignore = "" if self.ignore_index is None else f", ignore_index={self.ignore_index}"
        return f"num_classes={self.num_classes}{ignore}"

    def _check_shapes(self, logits: Tensor, target: Tensor) -> None:
        # Broadcasting would make a number, and a wrong one, of a target (N, 1, H, W).
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
        ):  # softmax of (0, z) is sigmoid of z: two classes are as any number of classes
            logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
        pixels = self.per_pixel(F.cross_entropy(logits, target, reduction="none"))
        weights = self.class_weights[target] * valid
        # torch's own mean is 0/0 = NaN where nothing is valid, or where only classes of weight 0 are.
        return (pixels * weights).sum() / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)

    def per_pixel(self, negative_log_likelihood: Tensor) -> Tensor:
        """Return the loss of each pixel.

        Args:
            negative_log_likelihood: ``(N, H, W)``, -ln of the probability given to the pixel's true class.
        """
        raise NotImplementedError


class RegionLoss(SegmentationLoss):
    """A mean over classes of how badly predicted and true region overlap, each class's loss in [0, 1].

    For two classes only the foreground counts; otherwise all classes do, background included, by their
    weights. (One class's weight cancels out of its weighted mean: with two classes weights change nothing.)

    Regions are pooled over the batch, as in segmentation-models-pytorch: a defect of five pixels alone in its
    image would swing the ratio of that image between 0 and 1 and drown the rest, and pooled IoU is also what
    evaluation reports first.
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
            outside: ``(N, C, H, W) bool``, all other valid pixels; an ignored pixel is in neither.
        """
        raise NotImplementedError


def _checked_weights(num_classes: int, class_weights: Sequence[float] | None) -> list[float]:
    if num_classes < 2:
        raise ArgumentError(f"num_classes: found {num_classes}; at least 2 are needed, background included")
    if class_weights is None:
        return [1.0] * num_classes
    weights = [float(weight) for weight in class_weights]
    usable = all(0 <= weight < math.inf for weight in weights) and sum(weights) > 0
    if len(weights) != num_classes or not usable:
        raise ArgumentError(
            f"class_weights: found {weights}; give {num_classes} numbers, one for each class with the "
            "background first, none negative and at least one positive"
        )
    return weights
