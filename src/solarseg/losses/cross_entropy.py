"""The cross-entropy loss."""

from torch import Tensor

from solarseg.losses.base import PixelLoss

__all__ = ["CrossEntropyLoss"]


class CrossEntropyLoss(PixelLoss):
    """The mean negative log-likelihood of the true class, in nats.

    It equals torch's ``cross_entropy`` with its weighted mean, except that a batch without a valid pixel gives 0 and
    not NaN. (``SoftCrossEntropyLoss`` of segmentation-models-pytorch divides by the number of all pixels, including
    ignored ones, and has no class weights.)

    Examples:
        >>> import torch
        >>> logits = torch.tensor([0.0, 0.0, 3.0]).view(1, 1, 1, 3)
        >>> loss = CrossEntropyLoss(num_classes=2, ignore_index=255)
        >>> round(loss(logits, torch.tensor([[[0, 1, 255]]])).item(), 4)  # ln 2
        0.6931
    """

    def per_pixel(self, negative_log_likelihood: Tensor) -> Tensor:
        """Return the negative log-likelihood unchanged."""
        return negative_log_likelihood
