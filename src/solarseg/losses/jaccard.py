"""The Jaccard loss, solarseg's default."""

from collections.abc import Sequence

from solarseg.losses.tversky import TverskyLoss

__all__ = ["JaccardLoss"]


class JaccardLoss(TverskyLoss):
    """One minus the soft Jaccard index (intersection over union, IoU) of each class.

    With probabilities p and truth g in {0, 1}, summed over all valid pixels of the batch::

        loss = 1 - sum(p g) / (sum(p) + sum(g) - sum(p g))

    (Rahman & Wang, Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation, ISVC
    2016.) It is the Tversky loss with alpha = beta = 1.

    **Where a class is absent from the batch** that ratio says nothing: the loss is 1 unless the prediction is
    exactly empty, and its gradient is 0 everywhere. Three things are done about it in the field:

    - segmentation-models-pytorch multiplies the loss of an absent class by 0. A batch without defects that is
      predicted all defect then scores 0.0, and nothing is learned from its false alarms.
    - A constant added above and below gives a gradient, but one that falls with the square of the area
      falsely predicted: the worse the prediction, the weaker the correction.
    - Here the loss is that of the class's complement. Its truth is every valid pixel, so its Jaccard loss is
      simply the mean of p over the valid pixels: 0 where nothing is predicted, 1 where everything is, with
      the same gradient of 1/pixels for each of them. (A comment in segmentation-models-pytorch names this
      ``mean(y_pred)`` the better workaround.)

    Where every class is present, the library and this agree.

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
