"""Calibration of probabilities: reliability and expected calibration error.

Pixels are sorted into 15 bins by their confidence, the probability of the predicted class. In each bin the mean
confidence should equal the share of correct pixels (Guo et al. 2017, arXiv:1706.04599).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.evaluation.intervals import Interval, Statistic, bootstrap_intervals
from solarseg.evaluation.scores import Counts, ratio

__all__ = ["BINS", "Bins", "Reliability", "count_bins", "expected_calibration_error", "without_temperature"]

BINS = 15

Bins = Counts


def count_bins(
    probabilities: NDArray[np.float32], truth: NDArray[np.uint8], ignore_index: int | None = None
) -> Bins:
    """Count the pixels of an image in bins of confidence.

    Args:
        probabilities: ``(H, W, K)``, with a sum of 1 over the classes.
        truth: ``(H, W)`` class ids.
        ignore_index: class id of ignored pixels in the truth.

    Returns:
        ``(15, 3)``: number of pixels, sum of their confidences, and number of correct pixels.

    Examples:
        >>> probabilities = np.array([[[0.9, 0.1], [0.9, 0.1], [0.3, 0.7]]], np.float32)
        >>> bins = count_bins(probabilities, np.array([[0, 1, 1]], np.uint8))
        >>> bins[[10, 13]].round(2).tolist()
        [[1.0, 0.7, 1.0], [2.0, 1.8, 1.0]]
    """
    confidence = probabilities.max(axis=-1).astype(np.float64)
    correct = probabilities.argmax(axis=-1) == truth
    if ignore_index is not None:
        confidence, correct = confidence[truth != ignore_index], correct[truth != ignore_index]
    numbers = np.clip(np.ceil(confidence.ravel() * BINS).astype(int) - 1, 0, BINS - 1)
    weights = (None, confidence.ravel(), correct.ravel().astype(np.float64))
    return np.stack([np.bincount(numbers, weight, BINS) for weight in weights], axis=-1).astype(np.float64)


def expected_calibration_error(bins: Bins) -> NDArray[np.float64]:
    """Return the mean difference of confidence and share of correct pixels, weighted by pixels.

    Args:
        bins: ``(..., 15, 3)`` from `count_bins`, or a sum of them over images.

    Returns:
        ``(...)``, 0 to 1; NaN without pixels.

    Examples:
        >>> bins = np.zeros((15, 3))
        >>> bins[10], bins[13] = (1, 0.7, 1), (2, 1.8, 1)
        >>> round(float(expected_calibration_error(bins)), 4)  # (|0.7 - 1| + |1.8 - 1|) / 3
        0.3667
    """
    return ratio(np.abs(bins[..., 1] - bins[..., 2]).sum(axis=-1), bins[..., 0].sum(axis=-1))


def without_temperature(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Return the probabilities of a network without dividing its logits by a temperature.

    If softmax of the logits ``z / T`` is ``p``, softmax of ``z`` is ``p`` to the power of ``T``, normalised to a sum of
    1. This is exact at the size of the network's output, and approximate after resizing or blending.

    Args:
        probabilities: ``(..., K)``.
        temperature: above 0.

    Examples:
        >>> without_temperature(np.array([0.25, 0.75], np.float32), 2).round(3).tolist()
        [0.10000000149011612, 0.8999999761581421]
    """
    if temperature == 1:
        return probabilities
    logarithm = temperature * np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    powers = np.exp(logarithm - logarithm.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Reliability:
    """The confidence bins of N images, with and without the temperature of the model.

    Attributes:
        bins: ``(N, 15, 3)`` with temperature.
        bins_before: ``(N, 15, 3)`` without temperature.
        temperature: temperature of the model.
        groups: group of each image.
    """

    bins: Bins
    bins_before: Bins
    temperature: float
    groups: tuple[str, ...]

    @property
    def error(self) -> float:
        """Expected calibration error over all pixels, with temperature."""
        return float(expected_calibration_error(self.bins.sum(axis=0)))

    @property
    def error_before(self) -> float:
        """Expected calibration error over all pixels, without temperature."""
        return float(expected_calibration_error(self.bins_before.sum(axis=0)))

    def intervals(self) -> tuple[Interval, Interval]:
        """Return 95% intervals of `error` and `error_before`, by resampling groups."""
        statistic = {"error": Statistic(expected_calibration_error)}
        after, before = (
            bootstrap_intervals(bins, self.groups, statistic)["error"][0]
            for bins in (self.bins, self.bins_before)
        )
        return after, before

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON: plain numbers, and ``None`` for NaN."""
        after, before = self.intervals()
        return {
            "temperature": self.temperature,
            "expected_calibration_error": _with_interval(self.error, after),
            "expected_calibration_error_before": _with_interval(self.error_before, before),
            "bins": {
                name: {
                    "pixels": pooled[:, 0].astype(int).tolist(),
                    "confidence": _plain(ratio(pooled[:, 1], pooled[:, 0])),
                    "right": _plain(ratio(pooled[:, 2], pooled[:, 0])),
                }
                for name, pooled in (
                    ("after", self.bins.sum(axis=0)),
                    ("before", self.bins_before.sum(axis=0)),
                )
            },
        }


def _with_interval(value: float, interval: Interval) -> dict[str, Any]:
    low, high = _plain([interval.low, interval.high])
    return {"value": _plain([value])[0], "low": low, "high": high, "groups": interval.groups}


def _plain(values: Sequence[float] | NDArray[np.float64]) -> list[float | None]:
    return [round(float(value), 6) if np.isfinite(value) else None for value in values]
