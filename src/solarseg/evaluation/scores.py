"""Scores of segmentations, all computed from confusion matrices.

A confusion matrix counts pixels, rows by truth and columns by prediction. Except `confusion_matrix`, which
makes one, the functions here take ``(..., K, K)`` arrays of any number of leading axes: ``(K, K)`` for one
image, ``(N, K, K)`` for each of N images. The sum over images is the pooled matrix, and a score of it a
pooled score.

The convention for empty classes, the same everywhere:

- a class that is in neither truth nor prediction has no score: it is NaN, and left out of means;
- a class that is in only one of the two scores 0, be it missed altogether or a false alarm.

Hence precision is 0, not undefined, for a class that is there but never predicted, and recall is 0 for a
class that is predicted but never there. Means so defined equal scikit-learn's macro averages over the
labels it finds by itself, with ``zero_division=0``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError, DatasetError

__all__ = [
    "CONVENTION",
    "Counts",
    "check_matrices",
    "confusion_matrix",
    "dice",
    "image_iou_per_class",
    "iou",
    "mean_defined",
    "mean_image_iou",
    "mean_iou",
    "pixel_accuracy",
    "precision",
    "ratio",
    "recall",
    "support",
]

CONVENTION = (
    "A class in neither truth nor prediction has no score (null) and is left out of means; in only one of "
    "the two it scores 0. accuracy, iou, dice and mean_iou are pooled: pixels of all images are counted "
    "together first. image_iou is a class's IoU in each image, then the mean over images; mean_image_iou is "
    "the mean IoU over the classes of each image, then the mean over images."
)

_MAX_CELLS = 2**25  # 516 images of 255 classes, or half a million of 8

# Sums of counts may be float64: exact up to 2**53 pixels, and what fast matrix products return.
Counts = NDArray[np.int64 | np.float64]


def confusion_matrix(
    truth: NDArray[Any], prediction: NDArray[Any], num_classes: int, ignore_index: int | None = None
) -> NDArray[np.int64]:
    """Count pixels by their true and their predicted class.

    Args:
        truth: class ids of any shape and integer dtype, 0 to ``num_classes - 1``.
        prediction: the same for the prediction; what it says where truth is ignored does not matter.
        num_classes: K.
        ignore_index: pixels with this truth are left out.

    Returns:
        ``(K, K) int64`` pixel counts, rows = truth, columns = prediction.

    Raises:
        ArgumentError: unequal shapes, ids that are not integers, or an id out of range.

    Examples:
        >>> confusion_matrix(np.array([0, 0, 1, 255]), np.array([0, 1, 1, 0]), 2, ignore_index=255).tolist()
        [[1, 1], [0, 1]]
    """
    if truth.shape != prediction.shape:
        raise ArgumentError(
            f"prediction: shape {prediction.shape} differs from truth's {truth.shape}; "
            "predict at the size of the mask"
        )
    if ignore_index is not None:
        counted = truth != ignore_index
        truth, prediction = truth[counted], prediction[counted]
    rows = _checked_ids(truth, num_classes, "truth")
    columns = _checked_ids(prediction, num_classes, "prediction")
    counts = np.bincount(rows * num_classes + columns, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def _checked_ids(ids: NDArray[Any], num_classes: int, role: str) -> NDArray[np.int64]:
    if ids.dtype.kind not in "biu":
        raise ArgumentError(f"{role}: dtype {ids.dtype} is not for class ids; give integers")
    if ids.size:
        for found in (int(ids.min()), int(ids.max())):
            if not 0 <= found < num_classes:
                raise ArgumentError(
                    f"{role}: class id {found} is not among 0 to {num_classes - 1}; "
                    "give the right number of classes, or the ignore index of the masks"
                )
    return ids.ravel().astype(np.int64)


def check_matrices(images: int, classes: int) -> None:
    """Refuse an evaluation whose confusion matrices would fill the memory, before anything is computed.

    Args:
        images: N.
        classes: K; the matrices are ``(N, K, K)``.

    Raises:
        DatasetError: there are more than 33 million counts, which with the report take 2 GB.

    Examples:
        >>> check_matrices(100_000, 8)
    """
    cells = images * classes**2
    if cells > _MAX_CELLS:
        raise DatasetError(
            f"{images:,} images of {classes} classes have confusion matrices of {cells:,} counts; at most "
            f"{_MAX_CELLS:,} are evaluated at once; evaluate fewer images, or join classes that belong together"
        )


def ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> NDArray[np.float64]:
    """Divide, with NaN where the denominator is 0; both of one shape.

    Examples:
        >>> ratio(np.array([1, 0]), np.array([2, 0]))
        array([0.5, nan])
    """
    quotient = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=np.asarray(denominator) != 0)
    return quotient


def mean_defined(values: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Mean along an axis with NaN left out, and NaN (without a warning) where nothing is left.

    Examples:
        >>> mean_defined(np.array([[1.0, np.nan], [np.nan, np.nan]]))
        array([ 1., nan])
    """
    return ratio(np.nansum(values, axis=axis), np.sum(~np.isnan(values), axis=axis))


def support(matrices: Counts) -> Counts:
    """Count the pixels of each class in the truth.

    Args:
        matrices: ``(..., K, K)`` confusion matrices, rows = truth.

    Returns:
        ``(..., K)`` pixels.

    Examples:
        >>> support(np.array([[3, 1], [0, 4]])).tolist()
        [4, 4]
    """
    counts: Counts = matrices.sum(axis=-1)
    return counts


def _hits(matrices: Counts) -> Counts:
    return np.diagonal(matrices, axis1=-2, axis2=-1)


def _predicted(matrices: Counts) -> Counts:
    counts: Counts = matrices.sum(axis=-2)
    return counts


def iou(matrices: Counts) -> NDArray[np.float64]:
    """Intersection over union of each class (Jaccard index): TP / (TP + FP + FN).

    Args:
        matrices: ``(..., K, K)`` confusion matrices, rows = truth: the pooled one for pooled IoU, or one for
            each image for the IoU in each image.

    Returns:
        ``(..., K) float64``, 0 to 1, NaN for a class in neither truth nor prediction.

    Examples:
        >>> iou(np.array([[2, 1, 0], [1, 4, 0], [0, 0, 0]]))
        array([0.5       , 0.66666667,        nan])
    """
    hits = _hits(matrices)
    return ratio(hits, support(matrices) + _predicted(matrices) - hits)


def dice(matrices: Counts) -> NDArray[np.float64]:
    """Dice coefficient of each class (F1 score): 2 TP / (2 TP + FP + FN).

    Args:
        matrices: ``(..., K, K)`` confusion matrices, rows = truth.

    Returns:
        ``(..., K) float64``, 0 to 1, NaN for a class in neither truth nor prediction.

    Examples:
        >>> dice(np.array([[2, 1, 0], [1, 4, 0], [0, 0, 0]]))
        array([0.66666667, 0.8       ,        nan])
    """
    return ratio(2 * _hits(matrices), support(matrices) + _predicted(matrices))


def precision(matrices: Counts) -> NDArray[np.float64]:
    """Share of the pixels predicted as a class that are of it: TP / (TP + FP).

    Args:
        matrices: ``(..., K, K)`` confusion matrices, rows = truth.

    Returns:
        ``(..., K) float64``, 0 to 1; 0 for a class that is there but never predicted, NaN for a class in
        neither truth nor prediction.

    Examples:
        >>> precision(np.array([[2, 1, 0], [0, 0, 0], [0, 1, 0]]))
        array([1., 0., 0.])
    """
    predicted = _predicted(matrices)
    # Without predictions there are no hits either, and dividing 0 by the support gives 0, or NaN for none.
    return ratio(_hits(matrices), np.where(predicted == 0, support(matrices), predicted))


def recall(matrices: Counts) -> NDArray[np.float64]:
    """Share of a class's pixels that are predicted as it: TP / (TP + FN).

    Args:
        matrices: ``(..., K, K)`` confusion matrices, rows = truth.

    Returns:
        ``(..., K) float64``, 0 to 1; 0 for a class that is predicted but never there, NaN for a class in
        neither truth nor prediction.

    Examples:
        >>> recall(np.array([[3, 1, 0], [0, 0, 0], [0, 1, 0]]))
        array([0.75, 0.  , 0.  ])
    """
    return precision(np.swapaxes(matrices, -2, -1))  # recall is precision with truth and prediction exchanged


def pixel_accuracy(matrices: Counts) -> NDArray[np.float64]:
    """Share of all pixels that are given their true class.

    Args:
        matrices: ``(..., K, K)`` confusion matrices.

    Returns:
        ``(...) float64``, 0 to 1, NaN where there are no pixels.

    Examples:
        >>> float(pixel_accuracy(np.array([[3, 1], [0, 4]])))
        0.875
    """
    return ratio(_hits(matrices).sum(axis=-1), matrices.sum(axis=(-2, -1)))


def mean_iou(matrices: Counts) -> NDArray[np.float64]:
    """Mean over classes of `iou`, classes in neither truth nor prediction left out.

    Args:
        matrices: ``(..., K, K)`` confusion matrices, rows = truth: the pooled one for pooled mean IoU.

    Returns:
        ``(...) float64``, 0 to 1, NaN where there are no pixels.

    Examples:
        >>> round(float(mean_iou(np.array([[2, 1, 0], [1, 4, 0], [0, 0, 0]]))), 4)
        0.5833
    """
    return mean_defined(iou(matrices))


def mean_image_iou(matrices: Counts) -> float:
    """Mean over images of each image's mean IoU.

    First, in each image, the mean IoU over the classes in its truth or its prediction; then the mean of that
    over images. Every image weighs the same, however many pixels it has; an image without valid pixels is
    left out. It is not the pooled `mean_iou`, in which every pixel weighs the same.

    Args:
        matrices: ``(N, K, K)`` confusion matrix of each image, rows = truth.

    Returns:
        0 to 1, NaN where no image has a valid pixel.

    Examples:
        >>> perfect, half = np.diag([4, 0]), np.array([[1, 1], [1, 1]])
        >>> round(mean_image_iou(np.stack([perfect, half])), 4)  # the mean of 1 and 1/3
        0.6667
    """
    return float(mean_defined(mean_iou(matrices), axis=0))


def image_iou_per_class(matrices: Counts) -> NDArray[np.float64]:
    """Mean over images of each class's IoU in the image.

    An image where the class is in neither truth nor prediction is left out; one with false alarms only
    counts 0.

    Args:
        matrices: ``(N, K, K)`` confusion matrix of each image, rows = truth.

    Returns:
        ``(K,) float64``, 0 to 1, NaN for a class in no image.

    Examples:
        >>> image_iou_per_class(np.stack([np.diag([4, 0]), np.array([[1, 1], [1, 1]])])).round(4)
        array([0.6667, 0.3333])
    """
    return mean_defined(iou(matrices), axis=0)
