"""The Lovász-Softmax loss."""

import torch
from torch import Tensor

from solarseg.losses.base import RegionLoss

__all__ = ["LovaszLoss"]


class LovaszLoss(RegionLoss):
    """The Lovász extension of the Jaccard loss of each class: convex in the errors, exact for hard masks.

    The errors |g - p| of all valid pixels of the batch are sorted in descending order. The weight of an error is the
    increase of the Jaccard loss when its pixel becomes wrong (Berman et al., The Lovász-Softmax loss, CVPR 2018,
    algorithm 1). For two classes the errors are those of the sigmoid. The paper's hinge on logits has no upper bound
    and would outweigh other losses in a sum.

    ``LovaszLoss`` of segmentation-models-pytorch is not used: it leaves out absent classes (more than two classes) or
    gives the whole gradient to the worst pixel (two classes), returns an empty tensor if no pixel is valid, has no
    class weights, and waits for the GPU at each class. If all classes are present, its Lovász-Softmax equals this loss.

    The loss of a class that is absent from the batch is the mean of p, as in `JaccardLoss`.

    Examples:
        >>> logits = torch.tensor([4.0, 1.0, 1.0, 0.25]).log().view(1, 1, 2, 2)  # p = 0.8, 0.5, 0.5, 0.2
        >>> loss = LovaszLoss(num_classes=2)(logits, torch.tensor([[[1, 1], [1, 0]]]))
        >>> round(loss.item(), 6)  # errors 0.5, 0.5, 0.2 inside, each worth 1/3, then 0.2 outside, worth 0
        0.4
    """

    def per_class(self, probability: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
        """Return the Lovász extension for each class."""
        # An ignored pixel has error 0: it adds nothing, and is sorted after all errors above 0.
        error = (1 - probability) * inside + probability * outside
        region = torch.where(inside.any(dim=(0, 2, 3), keepdim=True), inside, outside)
        error, order = _by_class(error).sort(dim=1, descending=True)
        return (error * _jaccard_steps(_by_class(region).gather(1, order))).sum(dim=1)


def _by_class(values: Tensor) -> Tensor:
    """Reshape ``(N, C, H, W)`` to ``(C, N * H * W)``."""
    return values.transpose(0, 1).flatten(1)


def _jaccard_steps(region: Tensor) -> Tensor:
    """Return the increase of the Jaccard loss as the pixels become wrong, one after another.

    Args:
        region: ``(C, P) bool``, the pixels of each class.

    Returns:
        ``(C, P) float32``; a row sums to 1 if its class has pixels.
    """
    # A wrong pixel of the region leaves the intersection I, any other wrong pixel enters the union U. The steps of
    # 1 - I/U are computed directly: differences of consecutive values, as in the paper's code and the library, lose
    # precision in float32. With a million pixels, 0.1 % of them foreground, the sum of that gradient is 62 % off.
    intersection = region.sum(dim=1, keepdim=True) - region.cumsum(dim=1)
    union = region.sum(dim=1, keepdim=True) + (~region).cumsum(dim=1)
    return torch.where(region, 1 / union, intersection / (union * (union - 1)).clamp_min(1))
