"""The Lovász-Softmax loss."""

import torch
from torch import Tensor

from solarseg.losses.base import RegionLoss

__all__ = ["LovaszLoss"]


class LovaszLoss(RegionLoss):
    """The Lovász extension of the Jaccard loss of each class: convex in the errors, exact for hard masks.

    The errors |g - p| of all valid pixels of the batch are sorted, largest first; each is weighted by how
    much the Jaccard loss grows when its pixel joins the wrong ones (Berman et al., The Lovász-Softmax loss,
    CVPR 2018, algorithm 1). Two classes use it on the sigmoid, and not the paper's hinge on logits, which has
    no upper bound and so would outweigh its partners in a sum.

    It is not segmentation-models-pytorch's ``LovaszLoss`` because that one leaves an absent class out
    (several classes) or gives its whole gradient to the single worst pixel (two classes), returns an empty
    tensor where no pixel is valid, knows no class weights and waits for the GPU at each class. Where all
    classes are present, its Lovász-Softmax agrees with this.

    A class absent from the batch is treated as in `JaccardLoss`, and likewise has the mean of p as its loss.

    Examples:
        >>> logits = torch.tensor([4.0, 1.0, 1.0, 0.25]).log().view(1, 1, 2, 2)  # p = 0.8, 0.5, 0.5, 0.2
        >>> loss = LovaszLoss(num_classes=2)(logits, torch.tensor([[[1, 1], [1, 0]]]))
        >>> round(loss.item(), 6)  # errors 0.5, 0.5, 0.2 inside, each worth 1/3, then 0.2 outside, worth 0
        0.4
    """

    def per_class(self, probability: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
        """Return the Lovász extension for each class."""
        # An ignored pixel has error 0: it weighs nothing, and comes after all errors that it could displace.
        error = (1 - probability) * inside + probability * outside
        region = torch.where(inside.any(dim=(0, 2, 3), keepdim=True), inside, outside)
        error, order = _by_class(error).sort(dim=1, descending=True)
        return (error * _jaccard_steps(_by_class(region).gather(1, order))).sum(dim=1)


def _by_class(values: Tensor) -> Tensor:
    """Reshape ``(N, C, H, W)`` to ``(C, N * H * W)``."""
    return values.transpose(0, 1).flatten(1)


def _jaccard_steps(region: Tensor) -> Tensor:
    """Return how much the Jaccard loss grows as each pixel, in this order, turns wrong.

    Args:
        region: ``(C, P) bool``, the pixels of each class.

    Returns:
        ``(C, P) float32``, each row with the sum 1 where the class has pixels.
    """
    # A pixel of the region leaves the intersection I, any other joins the union U. The steps of 1 - I/U are
    # written out: taking differences of neighbouring values, as the paper's code and the library do, cancels
    # in float32. With a million pixels, one in a thousand foreground, that gradient is 62 % off in total.
    intersection = region.sum(dim=1, keepdim=True) - region.cumsum(dim=1)
    union = region.sum(dim=1, keepdim=True) + (~region).cumsum(dim=1)
    return torch.where(region, 1 / union, intersection / (union * (union - 1)).clamp_min(1))
