"""The Tversky loss; Jaccard and Dice are special cases of it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from solarseg.errors import ArgumentError
from solarseg.losses.base import RegionLoss

__all__ = ["TverskyLoss"]


class TverskyLoss(RegionLoss):
    """One minus the soft Tversky index of each class, with separate weights for false positives and false negatives.

    With TP, FP and FN the soft counts over all valid pixels of the batch (Salehi et al., Tversky loss
    function for image segmentation using 3D fully convolutional deep networks, MLMI 2017)::

        loss = 1 - TP / (TP + alpha FP + beta FN)

    alpha = beta = 1 is `JaccardLoss`, alpha = beta = 1/2 is `DiceLoss`. The defaults are the best values of the paper,
    for small lesions: a missed pixel has a larger weight than a false one. (With the defaults of
    segmentation-models-pytorch, its Tversky loss is the Dice loss.)

    If a class is absent from the batch, the loss is that of its complement, with the same weights; see `JaccardLoss`
    for the reason::

        loss = 1 - TN / (TN + alpha FP)

    Args:
        num_classes: number of classes including background, at least 2.
        ignore_index: class id of ignored pixels, or ``None`` if there are none.
        class_weights: one weight per class, 0 or more, background first.
        alpha: weight of false positives, above 0.
        beta: weight of false negatives, above 0.

    Examples:
        >>> logits = torch.tensor([4.0, 1.0, 1.0, 0.25]).log().view(1, 1, 2, 2)  # p = 0.8, 0.5, 0.5, 0.2
        >>> loss = TverskyLoss(num_classes=2)(logits, torch.tensor([[[1, 1], [1, 0]]]))  # TP 1.8, FP 0.2, FN 1.2
        >>> round(loss.item(), 6)  # 1 - 1.8 / (1.8 + 0.06 + 0.84)
        0.333333
    """

    def __init__(
        self,
        num_classes: int,
        ignore_index: int | None = None,
        class_weights: Sequence[float] | None = None,
        *,
        alpha: float = 0.3,
        beta: float = 0.7,
    ) -> None:
        super().__init__(num_classes, ignore_index, class_weights)
        if not (alpha > 0 and beta > 0):
            raise ArgumentError(f"`alpha={alpha}`, `beta={beta}`: both must be above 0")
        self.alpha = alpha
        self.beta = beta

    def per_class(self, probability: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
        """Return one minus the Tversky index of each class."""
        pixels = (0, 2, 3)
        true_positive = (probability * inside).sum(pixels)
        false_positive = (probability * outside).sum(pixels)
        false_negative = inside.sum(pixels) - true_positive
        true_negative = outside.sum(pixels) - false_positive
        right = torch.where(inside.any(pixels), true_positive, true_negative)
        wrong = self.alpha * false_positive + self.beta * false_negative
        # Not written as 1 - right / (right + wrong), which rounds small losses to 0. The minimum applies only if no
        # pixel is valid: otherwise right + wrong is at least the smallest of alpha, beta and 1.
        return wrong / (right + wrong).clamp_min(torch.finfo(wrong.dtype).tiny)
