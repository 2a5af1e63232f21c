"""The focal loss."""

from collections.abc import Sequence

import torch
from torch import Tensor

from solarseg.errors import ArgumentError
from solarseg.losses.base import PixelLoss

__all__ = ["FocalLoss"]


class FocalLoss(PixelLoss):
    """Cross-entropy with a smaller weight for pixels that are already right.

    With p the probability of a pixel's true class (Lin et al., Focal loss for dense object detection, ICCV 2017; its
    alpha corresponds to the class weights)::

        loss = mean(-(1 - p)^gamma ln p)

    ``FocalLoss`` of segmentation-models-pytorch is not used for three reasons. For more than two classes it takes the
    sigmoid of each channel for p, although the output of the network is a softmax; it gives NaN if no pixel is valid;
    and for two classes it has no class weights. For two classes without weights both losses are equal.

    Args:
        num_classes: number of classes including background, at least 2.
        ignore_index: class id of ignored pixels, or ``None`` if there are none.
        class_weights: one weight per class, 0 or more, background first.
        gamma: 1 or more; below 1 the gradient is unbounded as p approaches 1.

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
            raise ArgumentError(f"`gamma={gamma}`: must be 1 or more; for gamma 0 use 'cross_entropy'")
        self.gamma = gamma

    def per_pixel(self, negative_log_likelihood: Tensor) -> Tensor:
        """Return the focal loss of each pixel."""
        wrong = -torch.expm1(-negative_log_likelihood)  # 1 - p, accurate also for p near 1
        return wrong**self.gamma * negative_log_likelihood
