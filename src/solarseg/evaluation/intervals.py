"""How sure the scores are: bootstrap intervals and paired differences, by resampling groups.

Images of one group (a module, a site, a flight) resemble each other, so they are drawn together: whole
groups are resampled with replacement, as many as there are (the cluster bootstrap: Davison and Hinkley,
"Bootstrap Methods and their Application", 1997, section 3.8), each score is computed again on every
resample, and the interval runs between percentiles of the results (Efron and Tibshirani, "An Introduction
to the Bootstrap", 1993, chapter 13). Resamples in which a score is undefined, because none of the groups
drawn has the class, are left out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError
from solarseg.evaluation.scores import Counts, dice, iou, mean_iou, pixel_accuracy, ratio, support

__all__ = [
    "LEVEL",
    "RELIABLE_GROUPS",
    "RESAMPLES",
    "STATISTICS",
    "Difference",
    "Interval",
    "Statistic",
    "bootstrap_intervals",
    "bootstrap_weights",
    "paired_differences",
]

LEVEL = 0.95
RESAMPLES = 2000
# Of G groups only (2G - 1 over G) different resamples can be drawn: 126 of five, 462 of six; with fewer than
# six the 2.5th percentile rests on a handful of them. Six is a floor. In a simulation where groups alone make
# the spread, a 95% interval held the truth in 84% of cases with 6 groups, 90% with 12 and 92% with 20.
RELIABLE_GROUPS = 6
_CHUNK_CELLS = 4_000_000  # resamples x groups (or x cells) at a time: 32 MB an array


@dataclass(frozen=True)
class Interval:
    """A 95% interval.

    Attributes:
        low: lower end, NaN with fewer than two groups, since nothing can then be said.
        high: upper end, in the same form.
        groups: how many groups the score is defined in, and so what the interval rests on; for a rare class
            it is less than the number of groups scored.
    """

    low: float
    high: float
    groups: int

    @property
    def reliable(self) -> bool:
        """Whether it rests on at least `RELIABLE_GROUPS` groups; with fewer it is likely too narrow."""
        return self.groups >= RELIABLE_GROUPS


@dataclass(frozen=True)
class Difference:
    """A score of one run minus that of another.

    Attributes:
        value: the difference, -1 to 1.
        interval: its 95% interval.
        p_value: two-sided, of the difference being zero; NaN where the interval is.
    """

    value: float
    interval: Interval
    p_value: float


@dataclass(frozen=True)
class Statistic:
    """A score of a set of images, in a form that can be resampled: a function of sums over images.

    Attributes:
        score: ``(..., K, K)`` confusion matrices -> ``(...)`` or ``(..., K)``, as in `scores`.
        per_image: False scores the sum of the images' matrices (pooled); True scores each image, and takes
            the mean over the images where the score is defined.

    Examples:
        >>> matrices = np.stack([np.diag([4, 0]), np.array([[1, 1], [1, 1]])])
        >>> Statistic(iou)(matrices), Statistic(iou, per_image=True)(matrices)
        (array([0.71428571, 0.33333333]), array([0.66666667, 0.33333333]))
    """

    score: Callable[[Counts], NDArray[np.float64]]
    per_image: bool = False

    def __call__(self, matrices: Counts) -> NDArray[np.float64]:
        """Score the images of ``(N, K, K)`` matrices."""
        return self.finish(self.terms(matrices).sum(axis=0))

    def terms(self, matrices: Counts) -> Counts:
        """Give what is summed over images: the ``(N, K, K)`` matrices, or ``(N, ..., 2)`` score and count."""
        if not self.per_image:
            return matrices
        scores = self.score(matrices)
        return np.stack([np.nan_to_num(scores), ~np.isnan(scores)], axis=-1)

    def finish(self, sums: Counts) -> NDArray[np.float64]:
        """Turn sums of `terms`, with any leading axes, into the score."""
        return ratio(sums[..., 0], sums[..., 1]) if self.per_image else self.score(sums)


STATISTICS: Mapping[str, Statistic] = {
    "accuracy": Statistic(pixel_accuracy),
    "mean_iou": Statistic(mean_iou),
    "mean_image_iou": Statistic(mean_iou, per_image=True),
    "iou": Statistic(iou),
    "image_iou": Statistic(iou, per_image=True),
    "dice": Statistic(dice),
}


def bootstrap_weights(groups: int, resamples: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw resamples of groups.

    Returns:
        ``(resamples, groups) int64``: how often each group was drawn; each row sums to ``groups``.

    Examples:
        >>> bootstrap_weights(3, 2, np.random.default_rng(0)).tolist()
        [[0, 2, 1], [3, 0, 0]]
    """
    # Drawn row by row, so that the numbers do not depend on how many rows are asked for at a time.
    rows = (generator.integers(groups, size=groups) for _ in range(resamples))
    return np.stack([np.bincount(row, minlength=groups) for row in rows])


def bootstrap_intervals(
    matrices: Counts,
    groups: Sequence[str],
    statistics: Mapping[str, Statistic] = STATISTICS,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, list[Interval]]:
    """Find 95% percentile intervals of scores by resampling groups.

    Args:
        matrices: ``(N, K, K)`` confusion matrix of each image, rows = truth.
        groups: the group of each image.
        statistics: name -> score.
        resamples: how many to draw, at least 1.
        seed: of the drawing.

    Returns:
        name -> one interval for each value of the score: one for each class, or a single one.

    Raises:
        ArgumentError: no images, or not one group for each.

    Examples:
        >>> matrices = np.array([[[8, 2], [1, 9]], [[9, 1], [1, 9]], [[5, 5], [0, 10]]])
        >>> bootstrap_intervals(matrices, ["a", "b", "c"])["accuracy"]
        [Interval(low=0.75, high=0.9, groups=3)]
    """
    resampled = _resample(matrices, groups, statistics, resamples, seed)
    return {
        name: [_interval(each, drawn) for each, drawn in zip(alone.T, redrawn.T, strict=True)]
        for name, (alone, redrawn) in resampled.items()
    }


def paired_differences(
    matrices_a: Counts,
    matrices_b: Counts,
    groups: Sequence[str],
    statistics: Mapping[str, Statistic] = STATISTICS,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, list[Difference]]:
    """Compare two runs scored on the same images, drawing the same groups for both in each resample.

    The p value is twice the share of resamples on the far side of zero, one added to both counts so that it
    is never 0 (as Davison and Hinkley do, 1997, section 4.2)::

        p = min(1, 2 (1 + min(#{d* <= 0}, #{d* >= 0})) / (1 + #{d*}))

    Args:
        matrices_a: ``(N, K, K)`` confusion matrix of each image for the first run, rows = truth.
        matrices_b: the same images in the same order for the second.
        groups: the group of each image.
        statistics: name -> score.
        resamples: how many to draw, at least 1.
        seed: of the drawing.

    Returns:
        name -> first minus second, for each value of the score: one for each class, or a single one.

    Raises:
        ArgumentError: the runs were not scored on the same masks in the same order.

    Examples:
        >>> worse = np.array([[[8, 2], [1, 9]], [[9, 1], [1, 9]]])
        >>> better = np.array([[[9, 1], [0, 10]], [[10, 0], [0, 10]]])
        >>> round(paired_differences(better, worse, ["a", "b"])["accuracy"][0].value, 4)
        0.1
    """
    _check_same_images(matrices_a, matrices_b)
    first = _resample(matrices_a, groups, statistics, resamples, seed)
    second = _resample(matrices_b, groups, statistics, resamples, seed)
    return {
        name: [
            _difference(*columns)
            for columns in zip(
                np.atleast_1d(statistic(matrices_a) - statistic(matrices_b)),
                (first[name][0] - second[name][0]).T,
                (first[name][1] - second[name][1]).T,
                strict=True,
            )
        ]
        for name, statistic in statistics.items()
    }


def _check_same_images(matrices_a: Counts, matrices_b: Counts) -> None:
    if matrices_a.shape != matrices_b.shape:
        raise ArgumentError(
            f"matrices_b: shape {matrices_b.shape} differs from matrices_a's {matrices_a.shape}; "
            "score both runs on the same images and classes"
        )
    differs = (support(matrices_a) != support(matrices_b)).any(axis=-1)
    if differs.any():
        raise ArgumentError(
            f"matrices_b: the mask of image {int(differs.argmax())} has other pixels than in matrices_a; "
            "score both runs on the same images in the same order"
        )


def _resample(
    matrices: Counts, groups: Sequence[str], statistics: Mapping[str, Statistic], resamples: int, seed: int
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Score each group alone, ``(groups, values)``, and each resample of groups, ``(resamples, values)``."""
    if len(groups) != len(matrices) or not len(matrices):
        raise ArgumentError(
            f"groups: found {len(groups)} for {len(matrices)} images; give one group for each of at least one"
        )
    tabled = {_table_key(statistic): statistic for statistic in statistics.values()}
    tables = {key: _sum_by_group(statistic.terms(matrices), groups) for key, statistic in tabled.items()}
    alone = _finish(statistics, tables)
    chunks = [_finish(statistics, drawn) for drawn in _draw(tables, resamples, seed)]
    return {name: (alone[name], np.concatenate([chunk[name] for chunk in chunks])) for name in statistics}


def _table_key(statistic: Statistic) -> object:
    # All pooled scores are functions of the same sums, which are costly to resample: they share one table.
    return statistic.score if statistic.per_image else None


_Tables = dict[object, NDArray[np.float64]]


def _sum_by_group(terms: Counts, groups: Sequence[str]) -> NDArray[np.float64]:
    distinct, index = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.zeros((len(distinct), *terms.shape[1:]))  # float64, for the fast matrix product
    np.add.at(sums, index, terms)
    return sums


def _draw(tables: _Tables, resamples: int, seed: int) -> Iterator[_Tables]:
    generator = np.random.default_rng(seed)
    groups = len(next(iter(tables.values())))
    widest = max(groups, *(table[0].size for table in tables.values()))
    chunk = max(1, _CHUNK_CELLS // widest)
    for start in range(0, resamples, chunk):
        weights = bootstrap_weights(groups, min(chunk, resamples - start), generator).astype(np.float64)
        yield {key: np.tensordot(weights, table, axes=1) for key, table in tables.items()}


def _finish(statistics: Mapping[str, Statistic], tables: _Tables) -> dict[str, NDArray[np.float64]]:
    scores = {name: statistic.finish(tables[_table_key(statistic)]) for name, statistic in statistics.items()}
    return {name: values.reshape(len(values), -1) for name, values in scores.items()}


def _interval(alone: NDArray[np.float64], redrawn: NDArray[np.float64]) -> Interval:
    """Make an interval from one value for each group alone and one for each resample."""
    groups = int(np.sum(~np.isnan(alone)))
    if groups < 2:
        return Interval(nan, nan, groups)
    low, high = np.nanquantile(redrawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), groups)


def _difference(value: np.float64, alone: NDArray[np.float64], redrawn: NDArray[np.float64]) -> Difference:
    interval = _interval(alone, redrawn)
    if interval.groups < 2:
        return Difference(float(value), interval, nan)
    below, above = np.sum(redrawn <= 0), np.sum(redrawn >= 0)  # NaN is on neither side
    drawn = np.sum(~np.isnan(redrawn))
    return Difference(float(value), interval, min(1.0, float(2 * (1 + min(below, above)) / (1 + drawn))))
