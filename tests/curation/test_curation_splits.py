from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solarseg.curation.splits import check_split, read_split, split_by_group, write_split
from solarseg.errors import ArgumentError, DatasetError

GROUPS = st.dictionaries(
    st.text(min_size=1, max_size=5), st.sampled_from("abcdefghij"), min_size=12, max_size=60
)


@given(GROUPS.filter(lambda groups: len(set(groups.values())) >= 3), st.integers(0, 3))
def test_no_group_is_cut_and_no_split_is_empty(groups, seed):
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


def test_a_split_may_be_left_out():
    assert set(split_by_group({"a": "1", "b": "2"}, val=0.0, test=0.5).values()) == {"train", "test"}


def test_too_few_groups_and_impossible_shares():
    with pytest.raises(DatasetError, match="2 group"):
        split_by_group({"a": "1", "b": "2"})
    with pytest.raises(ArgumentError, match="leave a share to train on"):
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
