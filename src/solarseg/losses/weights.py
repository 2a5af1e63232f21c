"""Class weights from how often classes occur."""

from collections.abc import Sequence

from solarseg.errors import ArgumentError

__all__ = ["class_weights_from_frequency"]


def class_weights_from_frequency(pixel_counts: Sequence[int]) -> list[float]:
    """Weigh classes by how rare they are, so that a rare one counts as much as a common one.

    Median-frequency balancing (Eigen & Fergus, Predicting depth, surface normals and semantic labels with a
    common multi-scale convolutional architecture, ICCV 2015) gives a class the weight median frequency /
    its own frequency. Two things differ here: frequency is a class's share of all pixels, not only of those
    in images where it occurs, and weights are scaled to a mean of 1 over the classes that occur. The latter
    cancels the median, which leaves::

        weight = (1 / count) / mean(1 / count)

    A class without pixels has weight 0: it has no frequency to invert, in cross-entropy no pixel could use
    its weight, and in a region loss its easily won zero would only dilute the mean of the others. Its false
    alarms still cost, in the classes whose pixels they take.

    Args:
        pixel_counts: pixels of each class in the train split, background first, ignored pixels not counted.

    Raises:
        ArgumentError: a count is negative, or none is positive.

    Examples:
        >>> [round(weight, 2) for weight in class_weights_from_frequency([900, 100, 0])]  # 1 : 9, mean 5
        [0.2, 1.8, 0.0]
    """
    if min(pixel_counts, default=0) < 0 or not any(pixel_counts):
        raise ArgumentError(
            f"pixel_counts: found {list(pixel_counts)}; give the number of pixels of each class, none "
            "negative and at least one positive"
        )
    inverse = [1 / count if count else 0.0 for count in pixel_counts]
    scale = sum(count > 0 for count in pixel_counts) / sum(inverse)
    return [weight * scale for weight in inverse]
