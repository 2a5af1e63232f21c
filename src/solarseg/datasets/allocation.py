"""Dealing out groups of unequal sizes so that each split comes near its share.

How near is the sum, over splits and over what is counted, of the squared differences between the share a split
has and the share it should have. The first thing counted weighs as much as all others together. Finding the best
is a partition problem: of a few groups all ways are tried, of more, dealing greedily and then moving and exchanging
groups finds a good one.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

__all__ = ["deal", "distance"]

_WAYS = 5000  # of dealing that are all tried: seven groups to three splits
_STEPS = 1000  # moves or exchanges at most
_EXCHANGED = 300  # groups between which exchanges are tried, which takes their number squared


def deal(counts: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Deal out groups.

    Args:
        counts: ``(G, F)`` what each group contains; groups are dealt in this order, so the largest should be first.
        shares: ``(S,)`` share of each split, adding up to 1; S <= G.

    Returns:
        ``(G,)`` split of each group, 0 to S - 1; each split has at least one group.

    Examples:
        >>> deal(np.array([[6], [3], [2], [1]]), np.array([0.5, 0.5])).tolist()
        [0, 1, 1, 1]
    """
    scaled = _scale(counts)
    if len(shares) ** len(counts) <= _WAYS:
        return _try_all(scaled, shares)
    placed = _deal_greedily(scaled, shares)
    for _ in range(_STEPS):
        if not (_move(scaled, shares, placed) or _exchange(scaled, shares, placed)):
            break
    return placed


def distance(counts: NDArray[np.int64], shares: NDArray[np.float64], placed: NDArray[np.int64]) -> float:
    """How far splits are from their shares, 0 being just as asked."""
    return float(np.square(_missing(_scale(counts), shares, placed)).sum())


def _scale(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    weights = np.full(counts.shape[1], 1 / max(1, counts.shape[1] - 1))
    weights[0] = 1
    return counts / np.maximum(1, counts.sum(axis=0)) * np.sqrt(weights)


def _missing(
    scaled: NDArray[np.float64], shares: NDArray[np.float64], placed: NDArray[np.int64]
) -> NDArray[np.float64]:
    """``(S, F)`` what each split still lacks; negative where it has too much."""
    missing = np.outer(shares, scaled.sum(axis=0))
    np.subtract.at(missing, placed, scaled)
    return missing


def _try_all(scaled: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    ways = np.array(list(product(range(len(shares)), repeat=len(scaled))))
    members = ways[..., None] == np.arange(len(shares))  # (ways, G, S)
    missing = np.outer(shares, scaled.sum(axis=0)) - np.einsum("wgs,gf->wsf", members, scaled)
    distances = np.square(missing).sum(axis=(1, 2))
    distances[~members.any(axis=1).all(axis=1)] = np.inf  # a split without group
    return ways[distances.argmin()]


def _deal_greedily(scaled: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    missing = np.outer(shares, scaled.sum(axis=0))
    empty = np.ones(len(shares), dtype=bool)
    placed = np.zeros(len(scaled), dtype=np.int64)
    for position, group in enumerate(scaled):
        # Of the squared distance, what the group changes in each split.
        change = (group * (group - 2 * missing)).sum(axis=1)
        if len(scaled) - position <= empty.sum():  # the last groups go to splits that still have none
            change[~empty] = np.inf
        split = int(change.argmin())
        placed[position], empty[split] = split, False
        missing[split] -= group
    return placed


def _move(scaled: NDArray[np.float64], shares: NDArray[np.float64], placed: NDArray[np.int64]) -> bool:
    """Move the group to another split that brings most, if any does."""
    missing = _missing(scaled, shares, placed)
    squares = np.square(scaled).sum(axis=1)
    leaves = squares + 2 * (scaled * missing[placed]).sum(axis=1)
    change = leaves[:, None] + squares[:, None] - 2 * scaled @ missing.T
    change[np.arange(len(placed)), placed] = 0
    change[np.bincount(placed, minlength=len(shares))[placed] == 1] = 0  # no split may become empty
    group, split = np.unravel_index(change.argmin(), change.shape)
    if change[group, split] > -1e-12:
        return False
    placed[group] = split
    return True


def _exchange(scaled: NDArray[np.float64], shares: NDArray[np.float64], placed: NDArray[np.int64]) -> bool:
    """Exchange the two groups whose exchange brings most, if any does."""
    few = slice(0, _EXCHANGED)
    groups, home = scaled[few], placed[few]
    missing = _missing(scaled, shares, placed)[home]
    between = groups[:, None] - groups[None]  # what the first's split loses by the exchange
    change = 2 * (between * (between + missing[:, None] - missing[None])).sum(axis=2)
    change[home[:, None] == home[None]] = 0
    first, second = np.unravel_index(change.argmin(), change.shape)
    if change[first, second] > -1e-12:
        return False
    placed[first], placed[second] = home[second], home[first]
    return True
