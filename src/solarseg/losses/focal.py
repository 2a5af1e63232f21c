"""The focal loss."""

from collections.abc import Sequence

import torch
from torch import Tensor

from solarseg.errors import ArgumentError
from solarseg.losses.base import PixelLoss

__all__ = ["FocalLoss"]


class FocalLoss(PixelLoss):
    """Cross-entropy that turns away from pixels already right.

    With p the probability of a pixel's true class (Lin et al., Focal loss for dense object detection, ICCV
    2017, whose alpha is here the class weights)::

        loss = mean(-(1 - p)^gamma ln p)

    It is not segmentation-models-pytorch's ``FocalLoss`` because that one, for several classes, takes each
    channel's own sigmoid for p, while the network answers with their softmax; gives NaN where no pixel is
    valid; and for two classes knows no class weights. Without weights, for two classes, it agrees with this.

    Args:
        num_classes: background included, at least 2.
        ignore_index: class id of pixels that must influence nothing, or None where there are none.
        class_weights: one for each class, background first, none negative.
        gamma: 1 or more; below it the gradient has no bound as p comes near 1.

    Examples:
        >>> logits = torch.tensor([4.0, 1.0]).log().view(1, 1, 1, 2)  # probabilities 0.8 and 0.5
        >>> loss = FocalLoss(num_classes=2)(logits, torch.tensor([[[1, 1]]]))
        >>> round(loss.item(), 4)  # (0.04 * 0.2231 + 0.25 * 0.6931) / 2
        0.0911
    """

    def __init__(
        self,
        num_classes: int,
        ignore_index: int | None = None,
        class_weights: Sequence[float] | None = None,
        *,
        gamma: float = 2.0,
    ) -> None:
        super().__init__(num_classes, ignore_index, class_weights)
        if not gamma >= 1:
            raise ArgumentError(f"gamma: found {gamma}; 1 or more is allowed, and cross_entropy is gamma 0")
        self.gamma = gamma

    def per_pixel(self, negative_log_likelihood: Tensor) -> Tensor:
        """Return the focal loss of each pixel."""
        wrong = -torch.expm1(-negative_log_likelihood)  # 1 - p, exact also where p is near 1
        return wrong**self.gamma * negative_log_likelihood
