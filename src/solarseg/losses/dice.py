"""The Dice loss."""

from collections.abc import Sequence

from solarseg.losses.tversky import TverskyLoss

__all__ = ["DiceLoss"]


class DiceLoss(TverskyLoss):
    """One minus the soft Dice coefficient (F1) of each class.

    With probabilities p and truth g in {0, 1}, summed over all valid pixels of the batch::

        loss = 1 - 2 sum(p g) / (sum(p) + sum(g))

    (Milletari et al., V-Net, 3DV 2016, which squares the terms of the denominator; the plain sums are those of
    segmentation-models-pytorch.) It is the Tversky loss with alpha = beta = 1/2. It ranks predictions of one class as
    `JaccardLoss` does, since J = D / (2 - D), but its values are lower. A class that is absent from the batch is
    treated as in `JaccardLoss`; with mean probability m its loss is m / (2 - m).

    Examples:
        >>> import torch
        >>> logits = torch.tensor([4.0, 1.0, 1.0, 0.25]).log().view(1, 1, 2, 2)  # p = 0.8, 0.5, 0.5, 0.2
        >>> round(DiceLoss(num_classes=2)(logits, torch.tensor([[[1, 1], [1, 0]]])).item(), 6)  # 1 - 3.6 / 5.0
        0.28
    """

    def __init__(
        self,
        num_classes: int,
        ignore_index: int | None = None,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(num_classes, ignore_index, class_weights, alpha=0.5, beta=0.5)
