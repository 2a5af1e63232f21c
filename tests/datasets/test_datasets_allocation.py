import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solarseg.datasets.allocation import deal, distance

COUNTS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=3, max_size=7)


@given(COUNTS)
def test_of_few_groups_the_best_way_is_found(rows):
    counts = np.array(sorted(rows, reverse=True))
    shares = np.array([0.6, 0.2, 0.2])
    found = deal(counts, shares)
    assert set(found) == {0, 1, 2}
    every = (np.array(way) for way in itertools.product(range(3), repeat=len(rows)) if len(set(way)) == 3)
    best = min(distance(counts, shares, way) for way in every)
    assert distance(counts, shares, found) == pytest.approx(best, abs=1e-12)


SHARES = st.sampled_from([(0.6, 0.2, 0.2), (0.96, 0.02, 0.02), (0.02, 0.49, 0.49), (0.25, 0.25, 0.5)])
MANY = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40)), min_size=9, max_size=30)


@given(MANY, SHARES)
def test_of_many_groups_no_move_and_no_exchange_is_better(rows, asked):
    counts, shares = np.array(sorted(rows, reverse=True)), np.array(asked)
    found = deal(counts, shares)
    reached = distance(counts, shares, found)
    assert set(found) == {0, 1, 2}
    for group, split in itertools.product(range(len(counts)), range(3)):
        moved = found.copy()
        moved[group] = split
        assert len(set(moved)) < 3 or distance(counts, shares, moved) >= reached - 1e-9
    for one, other in itertools.combinations(range(len(counts)), 2):
        exchanged = found.copy()
        exchanged[[one, other]] = found[[other, one]]
        assert distance(counts, shares, exchanged) >= reached - 1e-9


def test_distance_by_hand():
    counts = np.array([[3, 1], [1, 0]])
    # Of the samples 3/4 and 1/4, of those that show the class all and none; half of each was asked.
    assert distance(counts, np.array([0.5, 0.5]), np.array([0, 1])) == pytest.approx(2 * (1 / 16 + 1 / 4))
    # Three classes weigh as much as one.
    counts = np.array([[3, 1, 1, 1], [1, 0, 0, 0]])
    assert distance(counts, np.array([0.5, 0.5]), np.array([0, 1])) == pytest.approx(2 * (1 / 16 + 1 / 4))


def test_groups_are_exchanged_where_no_single_move_helps():
    counts = np.array([[8], [7], [6], [5], [4]])
    found = deal(counts, np.array([0.5, 0.5]))
    assert distance(counts, np.array([0.5, 0.5]), found) == pytest.approx(0)


def test_many_single_samples_are_dealt_out_exactly():
    found = deal(np.ones((10_000, 1), dtype=np.int64), np.array([0.7, 0.2, 0.1]))
    assert np.bincount(found).tolist() == [7000, 2000, 1000]
