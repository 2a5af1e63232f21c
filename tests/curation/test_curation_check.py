import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from solarseg.curation.check import check
from solarseg.curation.split_dataset import split_dataset
from solarseg.curation.survey import survey_dataset
from solarseg.datasets import open_dataset
from solarseg.datasets.splits import read_split, write_split
from solarseg.errors import DatasetError, ImageError, MaskError
from solarseg.images import write_bands
from solarseg.runs import RunFolder
from solarseg.training.config import TrainConfig
from solarseg.training.datamodule import find_preprocessing
from solarseg.training.division import find_division


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
        ("empty mask", str(masks / "im07.png")),
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
    assert problem.what.startswith(
        "mask has unknown value 7 (1 pixels have unknown values); allowed are 0, 255"
    )


def test_a_mask_of_which_nothing_counts(squares):
    (squares / "dataset.yaml").write_text("classes: [background, panel]\nignore_index: 255\n")
    for file in (squares / "masks").iterdir():
        Image.fromarray(np.array(Image.open(file)) // 255).save(file)
    Image.new("L", (64, 64), 255).save(squares / "masks" / "im05.png")
    assert found(squares) == {("all ignored", str(squares / "masks" / "im05.png"))}


def test_a_split_that_divides_groups_forgets_samples_or_lacks_a_class(squares):
    data = open_dataset(squares)
    for name in data.names[4:6]:
        Image.new("L", (64, 64)).save(squares / "masks" / f"{name}.png")
    parts = {name: "val" if name in data.names[4:6] else "train" for name in data.names}
    parts |= {data.names[0]: "test", data.names[1]: "exam"}
    write_split(squares / "split.csv", parts, data.group_of)
    assert (
        found(squares)
        == {
            ("not in split", data.names[1]),
            ("group in several splits", "g0"),  # im00 is in test, im06 in train
            ("group in several splits", "g4"),
            ("group in several splits", "g5"),
            ("class missing", "val"),
            *(("empty mask", str(data.mask_path(name))) for name in data.names[4:6]),
        }
    )


def test_other_groups_and_another_split_may_be_given(squares, tmp_path):
    data = open_dataset(squares)
    half = {name: "train" if i < 6 else "test" for i, name in enumerate(data.names)}
    write_split(tmp_path / "half.csv", half, data.group_of)
    assert len(found(squares, split=tmp_path / "half.csv")) == 6
    assert found(squares, split=tmp_path / "half.csv", group_regex=r"im\d\d") == set()


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="has no folder 'images'"):
        check(tmp_path)


def test_a_folder_in_which_no_mask_can_be_used_is_gone_through_all_the_same(squares):
    for file in (squares / "masks").iterdir():
        file.write_bytes(b"")
    result = check(squares)
    assert (result.samples, result.errors) == (0, 12)
    assert {problem.kind for problem in result.problems} == {"bad mask"}


def test_bands_that_do_not_fit_their_names(squares):
    (squares / "dataset.yaml").write_text("bands: [red, green]\n")
    problems = check(squares).problems
    assert len(problems) == 12
    assert problems[0].what == "has 3 bands, dataset.yaml names 2; correct its bands"
    assert problems[0].is_error


def test_copies_are_noted_and_those_in_another_split_must_be_fixed(squares):
    data, images = open_dataset(squares), squares / "images"
    for kind in ("images", "masks"):
        shutil.copy(squares / kind / "im00.png", squares / kind / "im01.png")
    for kind in ("images", "masks"):
        flipped = np.fliplr(np.array(Image.open(squares / kind / "im02.png")))
        Image.fromarray(flipped).save(squares / kind / "im04.png")
    parts = {name: "test" if group in ("g4", "g5") else "train" for name, group in data.group_of.items()}
    write_split(squares / "split.csv", parts, data.group_of)
    leak, exact, near = check(squares).problems
    assert (leak.kind, leak.where, leak.is_error) == ("copy in another split", str(images / "im04.png"), True)
    assert leak.what == "is in test, its copy im02 in train; keep them in one"
    assert (exact.kind, exact.where, exact.is_error) == ("copy", str(images / "im01.png"), False)
    assert exact.what == "is im00 again, pixel by pixel"
    assert near.what.startswith("is a near copy of im02, flipped left to right (correlation 1.0")
    assert check(squares, search=False).problems == ()


def test_images_that_are_alike_but_not_their_masks(squares):
    images = squares / "images"
    Image.fromarray(np.fliplr(np.array(Image.open(images / "im02.png")))).save(images / "im04.png")
    (problem,) = check(squares).problems
    assert (problem.kind, problem.where, problem.is_error) == (
        "near copy with another mask",
        str(images / "im04.png"),
        False,
    )
    assert problem.what.startswith("looks like im02, flipped left to right, but their masks differ")


def test_what_train_would_refuse_in_a_split(squares):
    data = open_dataset(squares)
    (squares / "groups.csv").unlink()
    lines = [
        f"{name},{'val' if i % 2 else 'test'},{'b' if i < 2 else i}" for i, name in enumerate(data.names)
    ]
    split = squares / "split.csv"
    split.write_text("\n".join(["name,split,group", *lines, "gone.png,train,c"]) + "\n")
    assert found(squares) == {
        ("nothing to train on", str(split)),
        ("not in dataset", "gone"),
        ("group in several splits", "b"),
    }
    for problem in check(squares).problems:
        assert problem.is_error == (problem.kind != "not in dataset")
    with pytest.raises(DatasetError, match="group 'b' is in both"):
        _find_split(squares)
    split.write_text(split.read_text().replace(",b", ",c").replace("im01,val", "im01,test"))
    with pytest.raises(DatasetError, match="no image is in 'train'"):
        _find_split(squares)


def _find_split(dataset):
    config = TrainConfig(search=False)
    survey = survey_dataset(open_dataset(dataset))
    return find_division(RunFolder(dataset / "run"), survey, config, progress=False)


def test_names_in_a_split_may_carry_suffixes(squares):
    data = open_dataset(squares)
    for kind in ("images", "masks"):
        (squares / kind / "im00.png").rename(squares / kind / "im00.jpg.png")
    (squares / "groups.csv").unlink()
    names = ["im00.jpg", *(f"{name}.png" for name in data.names[1:])]
    (squares / "split.csv").write_text("name,split\n" + "".join(f"{name},train\n" for name in names))
    assert found(squares) == set()


def test_a_split_with_groups_of_its_own_that_divides_those_of_the_dataset_is_noted_as_train_does(squares):
    split_dataset(squares, by="images", search=False)
    parts, groups = read_split(squares / "split.csv"), open_dataset(squares).group_of
    divided = {
        group
        for group in groups.values()
        if len({parts[name] for name in groups if groups[name] == group}) > 1
    }
    assert divided
    assert found(squares) == {("divided group", group) for group in divided}
    assert check(squares).errors == 0
    _find_split(squares)  # does not refuse it either
    (squares / "own.csv").write_bytes((squares / "groups.csv").read_bytes())
    own = check(squares, groups=squares / "own.csv").problems
    assert {(problem.kind, problem.where) for problem in own} == {
        ("group in several splits", one) for one in divided
    }


def test_images_that_train_does_not_take_together(squares):
    images = squares / "images"
    colours = np.array(Image.open(images / "im00.png"))
    Image.open(images / "im01.png").convert("L").save(images / "im01.png")
    for name, image in (
        ("im02", np.dstack([colours, colours[..., :1]])),
        ("im03", colours.astype(np.uint16)),
        ("im04", colours.astype(np.float32)),
    ):
        (images / f"{name}.png").unlink()
        write_bands(images / f"{name}.tif", image)
    result = check(squares, search=False)
    assert [(problem.kind, problem.where) for problem in result.problems] == [
        ("other bands", str(images / "im02.tif")),
        ("other numbers", str(images / "im04.tif")),
        ("other depth", str(images / "im03.tif")),
    ]
    assert [problem.what for problem in result.problems] == [
        "has 4 band(s), most images 3; save all with the same bands",
        "is float32, most images uint8; save all in one type",
        "is uint16, most images uint8; train scales them alike",
    ]
    assert result.errors == 2
    survey = survey_dataset(open_dataset(squares))
    for name, refused in (("im01", False), ("im02", True), ("im03", False), ("im04", True)):
        if refused:
            with pytest.raises(ImageError):
                find_preprocessing(survey, ["im00", name], 32, None)
        else:
            find_preprocessing(survey, ["im00", name], 32, None)


def test_equal_images_with_different_masks_are_an_error_that_names_both(squares):
    shutil.copy(squares / "images" / "im00.png", squares / "images" / "im06.png")
    (problem,) = check(squares).problems
    assert (problem.kind, problem.where) == ("copy with another mask", str(squares / "masks" / "im06.png"))
    masks = [np.array(Image.open(squares / "masks" / f"im0{i}.png")) for i in (0, 6)]
    count = (masks[0] != masks[1]).sum()
    assert problem.is_error
    assert problem.what.startswith(f"differs from {squares / 'masks' / 'im00.png'} in {count} pixel(s)")
    shutil.copy(squares / "masks" / "im00.png", squares / "masks" / "im06.png")
    assert found(squares) == {("copy", str(squares / "images" / "im06.png"))}


def test_masks_that_do_not_go_with_the_others_are_named_and_the_rest_is_checked(squares):
    masks = squares / "masks"
    stray = np.array(Image.open(masks / "im01.png"))
    stray[0, :2] = 7, 9
    Image.fromarray(stray).save(masks / "im01.png")
    Image.fromarray(np.array(Image.open(masks / "im02.png")) // 255).save(masks / "im02.png")
    blurred = Image.open(masks / "im03.png")
    (masks / "im03.png").unlink()
    blurred.save(masks / "im03.jpg")
    Image.new("L", (64, 64)).save(masks / "im04.png")
    (squares / "images" / "im05.png").write_bytes(b"nonsense")
    result = check(squares, search=False)
    assert [(problem.kind, problem.where) for problem in result.problems] == [
        ("bad image", str(squares / "images" / "im05.png")),
        ("bad mask", str(masks / "im01.png")),
        ("bad mask", str(masks / "im02.png")),
        ("bad mask", str(masks / "im03.jpg")),
        ("empty mask", str(masks / "im04.png")),
    ]
    what = [problem.what for problem in result.problems]
    assert what[1].startswith("contains 7, 9, others contain 0, 255; correct the mask")
    assert what[2].startswith("contains 1, others contain 0, 255; correct the mask")
    assert what[3].startswith(
        "has 32 values, and JPEG changes mask values; save masks as PNG, or write `threshold: 128`"
    )
    assert (result.samples, result.empty) == (8, 1)


def test_jpeg_masks_are_named_as_such_where_dataset_yaml_names_the_classes_too(squares):
    (squares / "dataset.yaml").write_text("classes: {0: background, 255: panel}\n")
    with Image.open(squares / "masks" / "im03.png") as mask:
        mask.save(squares / "masks" / "im03.jpg")
    (squares / "masks" / "im03.png").unlink()
    (problem,) = check(squares).problems
    assert (problem.kind, problem.where) == ("bad mask", str(squares / "masks" / "im03.jpg"))
    assert problem.what.endswith(
        "JPEG changes mask values: save masks as PNG, or write `threshold: 128` into dataset.yaml"
    )


def test_masks_of_which_none_shows_anything_are_checked_and_train_is_said_to_refuse_them(squares):
    for file in (squares / "masks").iterdir():
        Image.new("L", (64, 64)).save(file)
    result = check(squares)
    assert Counter(problem.kind for problem in result.problems) == {"no classes": 1, "empty mask": 12}
    assert (result.samples, result.errors) == (12, 1)
    with pytest.raises(DatasetError, match="classes cannot be found"):
        open_dataset(squares)


def test_a_palette_unlike_the_others_is_named(squares):
    for file in sorted((squares / "masks").iterdir()):
        mask = Image.fromarray(np.array(Image.open(file)) // 255)
        mask.putpalette([0, 0, 0, 255, 0, 0] if file.name != "im00.png" else [0, 0, 0, 0, 0, 255])
        mask.save(file)
    with pytest.raises(MaskError, match="palette gives 1"):
        open_dataset(squares)
    (problem,) = check(squares).problems
    assert (problem.kind, problem.where) == ("bad mask", str(squares / "masks" / "im00.png"))
    assert problem.what.startswith("palette gives 1 the colour (0, 0, 255), other masks (255, 0, 0)")


def test_where_nothing_names_groups_or_splits_it_is_said_what_may_leak(squares, caplog):
    check(squares)
    assert "each image is its own group" not in caplog.text
    (squares / "groups.csv").unlink()
    check(squares)
    assert "each image is its own group" in caplog.text


def test_whether_copies_were_looked_for_is_kept(squares):
    assert check(squares).searched
    assert not check(squares, search=False).searched
