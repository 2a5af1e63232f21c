"""Class weights from class frequencies."""

from collections.abc import Sequence

from solarseg.errors import ArgumentError

__all__ = ["class_weights_from_frequency"]


def class_weights_from_frequency(pixel_counts: Sequence[int]) -> list[float]:
    """Return class weights inversely proportional to frequency, so that rare and common classes count the same.

    In median-frequency balancing (Eigen & Fergus, Predicting depth, surface normals and semantic labels with a common
    multi-scale convolutional architecture, ICCV 2015) the weight of a class is the median frequency divided by its
    frequency. There are two differences: here the frequency is the share of all pixels, not only of pixels in images
    that contain the class; and weights are scaled to a mean of 1 over the classes that occur, which cancels the
    median::

        weight = (1 / count) / mean(1 / count)

    A class without pixels has weight 0. Cross-entropy has no pixel that would use its weight, and in a region loss its
    loss near 0 would only dilute the mean of the others. False alarms of that class still increase the losses of the
    classes that the pixels belong to.

    Args:
        pixel_counts: number of pixels of each class in the train split, background first, without ignored pixels.

    Raises:
        ArgumentError: a count is negative, or none is positive.

    Examples:
        >>> [round(weight, 2) for weight in class_weights_from_frequency([900, 100, 0])]  # 1 : 9, mean 5
        [0.2, 1.8, 0.0]
    """
    if min(pixel_counts, default=0) < 0 or not any(pixel_counts):
        raise ArgumentError(
            f"`pixel_counts={list(pixel_counts)}`: give the number of pixels of each class, 0 or more, at least one "
            "of them above 0"
        )
    inverse = [1 / count if count else 0.0 for count in pixel_counts]
    scale = sum(count > 0 for count in pixel_counts) / sum(inverse)
    return [weight * scale for weight in inverse]
