from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from solarseg.datasets.allocation import distance
from solarseg.datasets.splits import (
    check_split,
    find_split_by_name,
    folds_by_group,
    read_split,
    split_by_group,
    write_split,
)
from solarseg.errors import ArgumentError, DatasetError

GROUPS = st.dictionaries(
    st.text(min_size=1, max_size=5), st.sampled_from("abcdefghij"), min_size=12, max_size=60
)


@given(GROUPS.filter(lambda groups: len(set(groups.values())) >= 3), st.integers(0, 3))
def test_no_group_is_divided_and_no_split_is_empty(groups, seed):
    split = split_by_group(groups, seed=seed)
    assert split.keys() == groups.keys()
    assert set(split.values()) == {"train", "val", "test"}
    for group in set(groups.values()):
        assert len({split[name] for name in groups if groups[name] == group}) == 1
    check_split(split, groups)


@pytest.mark.parametrize("seed", range(5))
def test_sizes_are_near_what_was_asked_for_many_small_groups(seed):
    groups = {f"i{i}": f"g{i // 3}" for i in range(300)}
    sizes = Counter(split_by_group(groups, val=0.2, test=0.1, seed=seed).values())
    assert abs(sizes["val"] - 60) <= 3
    assert abs(sizes["test"] - 30) <= 3


def test_the_seed_decides_and_repeats():
    groups = {f"i{i}": f"g{i}" for i in range(40)}
    assert split_by_group(groups, seed=1) == split_by_group(groups, seed=1) != split_by_group(groups, seed=2)


def test_too_few_groups_say_that_copies_join_them_and_how_not_to_look():
    with pytest.raises(DatasetError, match=r"copies of one image were joined, unless `search=False`"):
        split_by_group({"a": "1", "b": "1", "c": "1"})
    with pytest.raises(
        DatasetError, match=r"2 group\(s\) cannot make 3 splits; give finer groups, fewer `folds`"
    ):
        folds_by_group({"a": "1", "b": "2"}, 3)


def test_a_split_may_be_left_out():
    assert set(split_by_group({"a": "1", "b": "2"}, val=0.0, test=0.5).values()) == {"train", "test"}


def test_too_few_groups_and_impossible_shares():
    with pytest.raises(DatasetError, match="2 group"):
        split_by_group({"a": "1", "b": "2"})
    with pytest.raises(ArgumentError, match="must be 0 or more and together less than 1"):
        split_by_group({"a": "1"}, val=0.5, test=0.5)


@pytest.mark.parametrize(
    ("split", "match"),
    [
        ({"a": "train"}, "says nothing of 'b'"),
        ({"a": "train", "b": "exam"}, "'exam'"),
        ({"a": "train", "b": "test"}, "group 'g' is in both train and test"),
        ({"a": "test", "b": "test"}, "no image is in 'train'"),
    ],
)
def test_bad_splits_are_refused(split, match):
    with pytest.raises(DatasetError, match=match):
        check_split(split, {"a": "g", "b": "g"})


def test_a_split_comes_back_as_written(tmp_path):
    split = {"b": "train", "a,1": "test"}
    write_split(tmp_path / "split.csv", split, {"a,1": "g", "b": "h"})
    assert read_split(tmp_path / "split.csv") == split


PRESENT = st.lists(st.tuples(st.integers(0, 7), st.sets(st.integers(0, 2))), min_size=10, max_size=40)


@given(PRESENT, st.integers(2, 4), st.integers(0, 3))
def test_folds_test_every_sample_once_and_divide_no_group(samples, folds, seed):
    groups = {f"i{i}": f"g{group}" for i, (group, _) in enumerate(samples)}
    present = {f"i{i}": shown for i, (_, shown) in enumerate(samples)}
    assume(len(set(groups.values())) > folds)
    splits = folds_by_group(groups, folds, val=0.0, seed=seed, present=present)
    assert Counter(name for split in splits for name in split if split[name] == "test") == Counter(
        list(groups)
    )
    for split in splits:
        check_split(split, groups)


def test_classes_are_spread_as_the_samples_are():
    rng = np.random.default_rng(0)
    groups = {f"i{i}": f"g{i // 4}" for i in range(400)}
    rare = set(rng.choice(100, 10, replace=False).tolist())
    present = {name: {0, 1} if int(group[1:]) in rare else {0} for name, group in groups.items()}
    split = split_by_group(groups, val=0.2, test=0.2, present=present)
    counts = Counter(split[name] for name in groups if 1 in present[name])
    assert counts == {"train": 24, "val": 8, "test": 8}
    plain = Counter(split.values())
    assert (plain["train"], plain["val"], plain["test"]) == (240, 80, 80)


@pytest.mark.parametrize("seed", range(10))
def test_folds_are_nearer_to_equal_than_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    group_of = rng.integers(0, 30, 300)
    shows = rng.random(300) < rng.random(30)[group_of] * 0.5
    groups = {f"i{i}": f"g{group}" for i, group in enumerate(group_of)}
    present = {f"i{i}": {1} if show else set() for i, show in enumerate(shows)}
    ours = np.zeros(300, dtype=int)
    for fold, split in enumerate(folds_by_group(groups, 5, seed=seed, present=present)):
        ours[[split[f"i{i}"] == "test" for i in range(300)]] = fold
    theirs = np.zeros(300, dtype=int)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    for fold, (_, tested) in enumerate(folds.split(shows, shows, group_of)):
        theirs[tested] = fold
    counts = np.stack([np.ones(300, dtype=int), shows.astype(int)], axis=1)
    shares = np.full(5, 0.2)
    assert distance(counts, shares, ours) <= distance(counts, shares, theirs)


def test_one_fold_is_none():
    with pytest.raises(ArgumentError, match="`folds=1`: must be 2 or more"):
        folds_by_group({"a": "1"}, 1)


GROUPED = st.lists(st.integers(1, 6), min_size=10, max_size=30)  # samples of each group


def grouped(sizes):
    return {f"g{group}-{i}": f"g{group}" for group, size in enumerate(sizes) for i in range(size)}


@settings(max_examples=40)
@given(GROUPED, st.sampled_from([(0.15, 0.15), (0.3, 0.1), (0.2, 0.0), (0.0, 0.4)]), st.integers(0, 5))
def test_no_split_is_further_from_its_share_than_the_largest_group(sizes, shares, seed):
    val, test = shares
    groups = grouped(sizes)
    split = split_by_group(groups, val=val, test=test, seed=seed)
    assert split.keys() == groups.keys()
    counts = Counter(split.values())
    wanted = {"train": 1 - val - test, "val": val, "test": test}
    assert counts.keys() == {name for name, share in wanted.items() if share > 0}
    for name, share in wanted.items():
        assert abs(counts[name] - share * len(groups)) <= max(sizes)


@settings(max_examples=40)
@given(GROUPED, st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_order_of_names_does_not_matter(sizes, seed, random):
    groups = grouped(sizes)
    present = {name: {len(name) % 3} for name in groups}
    shuffled = dict(random.sample(list(groups.items()), len(groups)))
    for options in ({}, {"present": present}):
        assert split_by_group(shuffled, seed=seed, **options) == split_by_group(groups, seed=seed, **options)
        one, other = (folds_by_group(some, 3, seed=seed, val=0.0, **options) for some in (shuffled, groups))
        assert one == other
    assert list(split_by_group(shuffled, seed=seed)) == list(shuffled)


def some_classes(last):
    """Strategy for the classes of each sample of each group."""
    return st.lists(st.lists(st.sets(st.integers(0, last)), min_size=1, max_size=6), min_size=5, max_size=6)


@settings(max_examples=60)
@given(st.integers(0, 2).flatmap(some_classes))
def test_few_groups_are_split_as_well_as_they_can_be(shown):
    """``shown`` has the classes of each sample of each group; all ways are tried with counts made by hand."""
    groups = {f"g{group}-{i}": f"g{group}" for group, some in enumerate(shown) for i in range(len(some))}
    present = {f"g{group}-{i}": ids for group, some in enumerate(shown) for i, ids in enumerate(some)}
    ids = sorted(set().union(*present.values()))
    counts = np.array([[len(some), *(sum(n in one for one in some) for n in ids)] for some in shown])
    split = split_by_group(groups, val=0.2, test=0.2, present=present)
    found = np.array([("train", "val", "test").index(split[f"g{group}-0"]) for group in range(len(shown))])
    shares = np.array([0.6, 0.2, 0.2])
    every = (np.array(way) for way in product(range(3), repeat=len(shown)) if len(set(way)) == 3)
    best = min(distance(counts, shares, way) for way in every)
    assert distance(counts, shares, found) == pytest.approx(best, abs=1e-12)


@settings(max_examples=40)
@given(GROUPED, st.integers(0, 5))
def test_other_class_numbers_give_the_same_split(sizes, seed):
    groups = grouped(sizes)
    present = {name: {i % 3, i % 5} for i, name in enumerate(groups)}
    renumbered = {name: {10 * class_id + 7 for class_id in some} for name, some in present.items()}
    split = split_by_group(groups, seed=seed, present=present)
    assert split == split_by_group(groups, seed=seed, present=renumbered)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 3), min_size=8, max_size=30), st.integers(2, 4), st.integers(0, 5))
def test_folds_are_as_large_as_one_another_and_leave_val_its_share(sizes, folds, seed):
    groups = grouped(sizes)
    for split in folds_by_group(groups, folds, val=0.25, seed=seed):
        counts = Counter(split.values())
        assert counts.keys() == {"train", "val", "test"}
        assert abs(counts["test"] - len(groups) / folds) <= max(sizes)
        assert abs(counts["val"] - 0.25 * (len(groups) - counts["test"])) <= max(sizes)
        check_split(split, groups)


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["train/a", "train/b"],  # nothing to validate on
        ["val/a", "test/b"],  # nothing to train on
        ["train/a", "val/b", "other/c"],
        ["train/a", "val/b", "test"],  # a file of that name, in no folder
        ["images/train/a", "images/val/b"],  # not the first folder
    ],
)
def test_names_that_do_not_state_a_split_each(names):
    assert find_split_by_name(names) is None


def test_names_state_splits_by_their_first_folder():
    found = find_split_by_name(["TRAINING/a", "validation/x/test/b", "testing/c"])
    assert found == {"TRAINING/a": "train", "validation/x/test/b": "val", "testing/c": "test"}
