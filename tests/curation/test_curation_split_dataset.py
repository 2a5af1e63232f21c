from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from solarseg.curation.split_dataset import split_dataset
from solarseg.datasets import open_dataset
from solarseg.datasets.splits import check_split, read_split
from solarseg.errors import ArgumentError, OutputError


def test_the_split_is_where_train_looks_for_it(squares):
    done = split_dataset(squares, val=0.25, test=0.25)
    data, split = open_dataset(squares), read_split(squares / "split.csv")
    check_split(split, data.group_of)
    assert done.files == (squares / "split.csv",)
    assert done.counts == (dict(Counter(split.values())),)
    # Of 6, 3 and 3 asked for, groups of two allow this.
    assert done.counts[0]["train"] == 6
    assert sorted(done.counts[0].values()) == [2, 4, 6]
    assert (done.groups, done.largest[1]) == (6, 2)
    assert done.class_counts == ({part: {"foreground": count} for part, count in done.counts[0].items()},)


def test_folds_are_next_to_each_other(squares):
    done = split_dataset(squares, folds=3, val=0.3)
    assert [file.relative_to(squares).as_posix() for file in done.files] == [
        "folds/fold1.csv", "folds/fold2.csv", "folds/fold3.csv",
    ]  # fmt: skip
    tested = Counter(name for file in done.files for name, part in read_split(file).items() if part == "test")
    assert tested == Counter(open_dataset(squares).names)


def test_stratified_splits_say_what_they_show(squares):
    for i in range(6):
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(squares / "masks" / f"im{i:02}.png")
    (squares / "groups.csv").write_text("name,group\n" + "".join(f"im{i:02},g{i}\n" for i in range(12)))
    done = split_dataset(squares, val=1 / 3, test=1 / 3, stratify=True)
    assert done.class_counts == ({part: {"foreground": 2} for part in ("train", "val", "test")},)
    assert done.counts == ({"train": 4, "val": 4, "test": 4},)


def test_each_image_for_itself(squares, caplog):
    done = split_dataset(squares, by="images")
    assert done.groups == 12
    with pytest.raises(ArgumentError, match="`by='images'`: not allowed with `groups` or `group_regex`"):
        split_dataset(squares, by="images", group_regex="im", overwrite=True)


def test_an_earlier_split_is_kept_by_default(squares):
    split_dataset(squares, seed=1)
    before = (squares / "split.csv").read_text()
    with pytest.raises(OutputError, match="exists already"):
        split_dataset(squares, seed=2)
    assert (squares / "split.csv").read_text() == before
    split_dataset(squares, seed=2, overwrite=True)
    assert (squares / "split.csv").read_text() != before


def test_groups_that_hold_copies_of_one_image_stay_together(squares):
    (squares / "groups.csv").unlink()
    for number in range(1, 6):
        for kind in ("images", "masks"):
            turned = np.rot90(np.array(Image.open(squares / kind / "im00.png")), number)
            Image.fromarray(turned).save(squares / kind / f"im{number:02}.png")
    done = split_dataset(squares, val=0.25, test=0.25)
    assert (done.groups, done.joined) == (7, 5)
    split = read_split(squares / "split.csv")
    assert len({split[f"im{number:02}"] for number in range(6)}) == 1
    done = split_dataset(squares, val=0.25, test=0.25, search=False, overwrite=True)
    assert (done.groups, done.joined) == (12, 0)


def test_folds_of_another_division_do_not_stay(squares):
    split_dataset(squares, folds=4, val=0.2)
    with pytest.raises(OutputError, match=r"fold1\.csv: exists already"):
        split_dataset(squares, folds=3, val=0.3)
    split_dataset(squares, folds=3, val=0.3, overwrite=True)
    assert sorted(file.name for file in (squares / "folds").iterdir()) == [
        "fold1.csv",
        "fold2.csv",
        "fold3.csv",
    ]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"folds": 0}, "`folds=0`: must be 2 or more"),
        ({"folds": 1}, "`folds=1`: must be 2 or more"),
        (
            {"folds": 3, "test": 0.2},
            "`test=0.2`: not allowed with `folds`, since each fold tests its own part",
        ),
        (
            {"val": 15},
            "`val=15` and `test=0.15`: must be 0 or more and together less than 1, as in 0.15 for 15%",
        ),
        ({"val": float("nan")}, "`val=nan` and `test=0.15`: must be 0 or more"),
    ],
)
def test_numbers_that_make_no_split(squares, options, match):
    with pytest.raises(ArgumentError, match=match):
        split_dataset(squares, **options)
    assert not (squares / "split.csv").exists()


def test_wrong_shares_are_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ArgumentError, match="`val=15` and `test=0`"):
        split_dataset(tmp_path / "nowhere", val=15, folds=5)


def test_the_largest_group_is_named_and_a_damaged_mask_costs_only_its_own_count(squares, caplog):
    names = [f"im{i:02}" for i in range(12)]
    (squares / "groups.csv").write_text(
        "name,group\n" + "".join(f"{name},{'big' if i < 5 else name}\n" for i, name in enumerate(names))
    )
    (squares / "dataset.yaml").write_text("classes: {0: background, 255: panel}\n")
    Image.new("L", (64, 64)).save(squares / "masks" / "im07.png")
    (squares / "masks" / "im08.png").write_bytes(b"nonsense")
    done = split_dataset(squares, search=False)
    assert done.largest == ("big", 5)
    assert sum(shown["panel"] for shown in done.class_counts[0].values()) == 10
    assert sum(done.counts[0].values()) == 12
    assert "im08.png" in caplog.text


def test_images_that_cannot_be_read_are_said_and_cost_only_themselves(squares, caplog):
    for name in ("im03", "im08"):
        (squares / "images" / f"{name}.png").write_bytes(b"nonsense")
    (squares / "masks" / "im05.png").write_bytes(b"nonsense")
    done = split_dataset(squares)
    assert sum(done.counts[0].values()) == 12
    said = [record.getMessage() for record in caplog.records if "cannot be read" in record.getMessage()]
    assert sorted(Path(line.partition(": ")[0]).relative_to(squares).as_posix() for line in said) == [
        *("images/im03.png", "images/im08.png", "masks/im05.png"),
    ]
