"""The cross-entropy loss."""

from torch import Tensor

from solarseg.losses.base import PixelLoss

__all__ = ["CrossEntropyLoss"]


class CrossEntropyLoss(PixelLoss):
    """The mean negative log-likelihood of the true class, in nats.

    It is torch's ``cross_entropy``, weighted mean included, except that a batch without a valid pixel gives
    0, not NaN. (segmentation-models-pytorch's ``SoftCrossEntropyLoss`` divides by the number of all pixels,
    ignored ones too, and takes no weights.)

    Examples:
        >>> import torch
        >>> logits = torch.tensor([0.0, 0.0, 3.0]).view(1, 1, 1, 3)
        >>> loss = CrossEntropyLoss(num_classes=2, ignore_index=255)
        >>> round(loss(logits, torch.tensor([[[0, 1, 255]]])).item(), 4)  # ln 2
        0.6931
    """

    def per_pixel(self, negative_log_likelihood: Tensor) -> Tensor:
        """Return it unchanged."""
        return negative_log_likelihood
