"""The Jaccard loss, the default."""

from collections.abc import Sequence

from solarseg.losses.tversky import TverskyLoss

__all__ = ["JaccardLoss"]


class JaccardLoss(TverskyLoss):
    """One minus the soft Jaccard index (intersection over union, IoU) of each class.

    With probabilities p and truth g in {0, 1}, summed over all valid pixels of the batch::

        loss = 1 - sum(p g) / (sum(p) + sum(g) - sum(p g))

    (Rahman & Wang, Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation, ISVC
    2016.) It is the Tversky loss with alpha = beta = 1.

    **If a class is absent from the batch**, this ratio is not useful: the loss is 1 unless the prediction is exactly
    empty, and its gradient is 0 everywhere. There are three ways to handle this:

    - segmentation-models-pytorch multiplies the loss of an absent class by 0. If a batch without defects is predicted
      as all defect, its loss is 0, and the network learns nothing from the false alarms.
    - A constant in numerator and denominator gives a gradient that decreases with the square of the falsely predicted
      area: the worse the prediction, the weaker the correction.
    - Here the loss is that of the complement of the class. The complement covers every valid pixel, so its Jaccard loss
      is the mean of p over the valid pixels: 0 if nothing is predicted, 1 if everything is, with a gradient of 1/pixels
      everywhere. (A comment in segmentation-models-pytorch mentions ``mean(y_pred)`` as a better workaround.)

    If every class is present, this loss equals that of segmentation-models-pytorch.

    Examples:
        >>> import torch
        >>> loss = JaccardLoss(num_classes=2)
        >>> logits = torch.tensor([4.0, 1.0, 1.0, 0.25]).log().view(1, 1, 2, 2)  # p = 0.8, 0.5, 0.5, 0.2
        >>> round(loss(logits, torch.tensor([[[1, 1], [1, 0]]])).item(), 6)  # 1 - 1.8 / (2.0 + 3 - 1.8)
        0.4375
        >>> round(loss(logits, torch.zeros(1, 2, 2, dtype=torch.uint8)).item(), 6)  # no foreground: mean of p
        0.5
    """

    def __init__(
        self,
        num_classes: int,
        ignore_index: int | None = None,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(num_classes, ignore_index, class_weights, alpha=1.0, beta=1.0)
