import shutil

import numpy as np
import pytest
from PIL import Image

from solarseg.curation.check import check
from solarseg.curation.splits import write_split
from solarseg.datasets import open_dataset
from solarseg.errors import DatasetError


def found(squares, **options):
    return {(problem.kind, problem.where) for problem in check(squares, **options).problems}


def test_a_sound_dataset_has_no_problems(squares):
    result = check(squares)
    assert (result.problems, result.samples, result.errors, result.empty) == ((), 12, 0, 0)


def test_every_file_that_is_wrong_is_named_once_and_costs_only_itself(squares):
    images, masks = squares / "images", squares / "masks"
    (masks / "im00.png").unlink()
    (images / "im01.png").unlink()
    (images / "im02.png").write_bytes((images / "im02.png").read_bytes()[:200])
    (masks / "im03.png").write_bytes(b"nonsense")
    Image.new("L", (20, 30)).save(masks / "im04.png")
    Image.new("RGB", (64, 64), (9, 9, 9)).save(images / "im05.png")
    Image.new("L", (64, 64), 255).save(masks / "im06.png")
    Image.new("L", (64, 64), 0).save(masks / "im07.png")
    result = check(squares)
    assert [(problem.kind, problem.where) for problem in result.problems] == [
        ("no mask", str(images / "im00.png")),
        ("no image", str(masks / "im01.png")),
        ("bad image", str(images / "im02.png")),
        ("bad mask", str(masks / "im03.png")),
        ("bad mask", str(masks / "im04.png")),
        ("constant image", str(images / "im05.png")),
        ("full mask", str(masks / "im06.png")),
    ]
    assert (result.errors, result.samples, result.empty) == (5, 7, 1)
    assert "mask is 20 x 30 pixels, its image 64 x 64" in result.problems[4].what
    assert result.problems[5].what == "every pixel is 9, 9, 9"
    assert result.problems[6].what == "every pixel is foreground"


def test_a_value_of_no_class_is_named(squares):
    (squares / "dataset.yaml").write_text("classes: {0: background, 255: panel}\nignore_index: null\n")
    mask = np.array(Image.open(squares / "masks" / "im03.png"))
    mask[0, 0] = 7
    Image.fromarray(mask).save(squares / "masks" / "im03.png")
    (problem,) = check(squares).problems
    assert problem.kind == "bad mask"
    assert problem.what.startswith("mask holds unknown value 7; allowed are 0, 255")


def test_a_mask_of_which_nothing_counts(squares):
    (squares / "dataset.yaml").write_text("classes: [background, panel]\nignore_index: 255\n")
    for file in (squares / "masks").iterdir():
        Image.fromarray(np.array(Image.open(file)) // 255).save(file)
    Image.new("L", (64, 64), 255).save(squares / "masks" / "im05.png")
    assert found(squares) == {("all ignored", str(squares / "masks" / "im05.png"))}


def test_a_split_that_cuts_groups_forgets_samples_or_lacks_a_class(squares):
    data = open_dataset(squares)
    for name in data.names[4:6]:
        Image.new("L", (64, 64)).save(squares / "masks" / f"{name}.png")
    parts = {name: "val" if name in data.names[4:6] else "train" for name in data.names}
    parts |= {data.names[0]: "test", data.names[1]: "exam"}
    write_split(squares / "split.csv", parts, data.group_of)
    assert found(squares) == {
        ("not in split", data.names[1]),
        ("group in several splits", "g0"),  # im00 is in test, im06 in train
        ("group in several splits", "g4"),
        ("group in several splits", "g5"),
        ("class missing", "val"),
    }


def test_other_groups_and_another_split_may_be_given(squares, tmp_path):
    data = open_dataset(squares)
    half = {name: "train" if i < 6 else "test" for i, name in enumerate(data.names)}
    write_split(tmp_path / "half.csv", half, data.group_of)
    assert len(found(squares, split=tmp_path / "half.csv")) == 6
    assert found(squares, split=tmp_path / "half.csv", group_regex=r"im\d\d") == set()


def test_a_folder_that_is_no_dataset_is_refused(squares, tmp_path):
    with pytest.raises(DatasetError, match="has no folder 'images'"):
        check(tmp_path)
    for file in (squares / "masks").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DatasetError, match="holds no image with a mask"):
        check(squares)


def test_bands_that_do_not_fit_their_names(squares):
    (squares / "dataset.yaml").write_text("bands: [red, green]\n")
    problems = check(squares).problems
    assert len(problems) == 12
    assert problems[0].what == "has 3 bands, dataset.yaml names 2; correct its bands"
    assert problems[0].is_error


def test_copies_are_noted_and_those_in_another_split_must_be_mended(squares):
    data, images = open_dataset(squares), squares / "images"
    shutil.copy(images / "im00.png", images / "im01.png")
    Image.fromarray(np.fliplr(np.array(Image.open(images / "im02.png")))).save(images / "im04.png")
    parts = {name: "test" if group in ("g4", "g5") else "train" for name, group in data.group_of.items()}
    write_split(squares / "split.csv", parts, data.group_of)
    leak, exact, near = check(squares).problems
    assert (leak.kind, leak.where, leak.is_error) == ("copy in another split", str(images / "im04.png"), True)
    assert leak.what == "is in test, its copy im02 in train; keep them in one"
    assert (exact.kind, exact.where, exact.is_error) == ("copy", str(images / "im01.png"), False)
    assert exact.what == "is im00 again, pixel by pixel"
    assert near.what.startswith("is a near copy of im02, mirrored left to right (correlation 1.0")
    assert check(squares, search=False).problems == ()
