import shutil
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from solarseg.datasets import open_dataset
from solarseg.duplicates.leakage import (
    Leak,
    find_copies_in_dataset,
    find_leaks,
    join_groups,
    read_leaks,
    write_leaks,
)
from solarseg.duplicates.search import DuplicatePair
from solarseg.errors import DatasetError

NAMES = [f"im{number}" for number in range(8)]
SPLITS = ("train", "val", "test")
pairs_of = st.lists(
    st.sampled_from(list(combinations(NAMES, 2))).map(lambda ends: DuplicatePair(*ends, "near", 0, 1.0)),
    max_size=6,
)


def reach(pairs, name):
    """Return all copies of an image and copies of copies, by brute force."""
    known, new = set(), {name}
    while new:
        known |= new
        new = {
            end for pair in pairs for end in (pair.first, pair.second) if {pair.first, pair.second} & known
        }
        new -= known
    return known - {name}


@given(pairs_of, st.lists(st.sampled_from(SPLITS), min_size=8, max_size=8))
def test_a_leak_is_an_image_with_a_relative_in_an_earlier_split(pairs, parts):
    split = dict(zip(NAMES, parts, strict=True))
    found = {leak.name: leak for leak in find_leaks(split, pairs)}
    for name in NAMES:
        earliest = min(
            (SPLITS.index(split[relative]) for relative in reach(pairs, name)), default=len(SPLITS)
        )
        assert (name in found) == (earliest < SPLITS.index(split[name]))
        if name in found:
            leak = found[name]
            assert leak.relative in reach(pairs, name)
            assert (leak.split, leak.relative_split) == (split[name], SPLITS[earliest])
            assert split[leak.relative] == leak.relative_split


@given(pairs_of, st.lists(st.sampled_from("abcd"), min_size=8, max_size=8))
def test_joined_groups_are_whole_and_share_no_copies(pairs, groups):
    before = dict(zip(NAMES, groups, strict=True))
    after = join_groups(before, pairs)
    assert list(after) == NAMES
    assert all(after[pair.first] == after[pair.second] for pair in pairs)
    assert all(after[a] == after[b] for a, b in combinations(NAMES, 2) if before[a] == before[b])
    # And only groups with copies are joined.
    links = [DuplicatePair(before[pair.first], before[pair.second], "near", 0, 1.0) for pair in pairs]
    for a, b in combinations(NAMES, 2):
        if after[a] == after[b]:
            assert before[a] == before[b] or before[b] in reach(links, before[a])


def test_a_leak_names_a_direct_copy_if_there_is_one():
    pairs = [DuplicatePair("a", "b", "near", 0, 1.0), DuplicatePair("b", "c", "near", 0, 1.0)]
    assert find_leaks({"a": "train", "b": "train", "c": "test"}, pairs) == [Leak("c", "test", "b", "train")]
    assert find_leaks({"a": "train", "b": "other", "c": "test"}, pairs) == [Leak("c", "test", "a", "train")]


def test_copies_are_found_in_a_folder(squares):
    images = squares / "images"
    shutil.copy(images / "im02.png", images / "im07.png")
    for kind in ("images", "masks"):
        rotate_file(squares / kind / "im03.png", squares / kind / "im09.png")
    (images / "im11.png").write_bytes(b"nonsense")
    found = find_copies_in_dataset(open_dataset(squares))
    assert [(pair.first, pair.second, pair.kind, pair.symmetry) for pair in found.pairs] == [
        ("im02", "im07", "exact", 0),
        ("im03", "im09", "near", 1),
    ]
    assert list(found.unreadable) == ["im11"]
    assert find_copies_in_dataset(open_dataset(squares), ["im02", "im03", "im04"]).pairs == ()


def rotate_file(file, into):
    Image.fromarray(np.rot90(np.array(Image.open(file)))).save(into)


def test_near_copies_with_different_masks_do_not_count_and_are_reported(squares, caplog):
    rotate_file(squares / "images" / "im03.png", squares / "images" / "im09.png")
    shutil.copy(squares / "images" / "im02.png", squares / "images" / "im07.png")
    found = find_copies_in_dataset(open_dataset(squares))
    assert [(pair.first, pair.second) for pair in found.pairs] == [
        ("im02", "im07")
    ]  # equal images always count
    assert [(pair.first, pair.second, pair.symmetry) for pair in found.different_masks] == [
        ("im03", "im09", 1)
    ]
    assert "1 pair(s) of images look the same but have different masks, such as im03 and im09" in caplog.text
    # A mask that cannot be read counts as one that agrees.
    (squares / "dataset.yaml").write_text("classes: {0: background, 255: square}\n")
    (squares / "masks" / "im09.png").write_bytes(b"nonsense")
    assert len(find_copies_in_dataset(open_dataset(squares)).pairs) == 2


def test_leaks_are_read_as_written(tmp_path):
    leaks = [Leak("a,b", "test", 'c"d', "train"), Leak("x", "val", "y", "train")]
    for some in (leaks, []):
        write_leaks(tmp_path / "leaks.csv", some)
        assert read_leaks(tmp_path / "leaks.csv") == some
    (tmp_path / "leaks.csv").write_text("name,group\na,b\n")
    with pytest.raises(DatasetError, match=r"leaks\.csv: not a table of leaks"):
        read_leaks(tmp_path / "leaks.csv")
