"""The Tversky loss, of which Jaccard and Dice are two cases."""

from collections.abc import Sequence

import torch
from torch import Tensor

from solarseg.errors import ArgumentError
from solarseg.losses.base import RegionLoss

__all__ = ["TverskyLoss"]


class TverskyLoss(RegionLoss):
    """One minus the soft Tversky index of each class: false alarms and misses have prices of their own.

    With TP, FP and FN the soft counts over all valid pixels of the batch (Salehi et al., Tversky loss
    function for image segmentation using 3D fully convolutional deep networks, MLMI 2017)::

        loss = 1 - TP / (TP + alpha FP + beta FN)

    alpha = beta = 1 is `JaccardLoss`, alpha = beta = 1/2 is `DiceLoss`. The defaults are the paper's best,
    for small lesions: a missed pixel costs more than a false one. (segmentation-models-pytorch's defaults
    make its Tversky loss the Dice loss.)

    Where a class is absent from the batch, what was rightly left alone stands for what was rightly found::

        loss = 1 - TN / (TN + alpha FP)

    which is the loss of the class's complement, each error keeping its price; see `JaccardLoss` for why.

    Args:
        num_classes: background included, at least 2.
        ignore_index: class id of pixels that must influence nothing, or None where there are none.
        class_weights: one for each class, background first, none negative.
        alpha: price of a false positive, above 0.
        beta: price of a false negative, above 0.

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
            raise ArgumentError(f"alpha and beta: found {alpha} and {beta}; both must be above 0")
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
        # Written without "1 -", which would round small losses away. The floor acts only where no pixel is
        # valid: otherwise right + wrong is at least the smallest of alpha, beta and 1.
        return wrong / (right + wrong).clamp_min(torch.finfo(wrong.dtype).tiny)
