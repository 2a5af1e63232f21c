import pytest
from PIL import Image

from solarseg.datasets import open_dataset
from solarseg.datasets.groups import find_groups, find_original
from solarseg.datasets.splits import split_by_group


def version(original, number):
    return f"{original}_png.rf.{number:032x}"


def test_versions_of_one_image_are_a_group_in_a_folder_of_ones_own(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        for original in range(5):
            for number in range(3):
                picture = Image.new("L", (8, 8))
                picture.putpixel((0, 0), 255)
                picture.save(tmp_path / kind / f"{version(f'tile{original}', original + 5 * number)}.png")
    data = open_dataset(tmp_path)
    assert data.grouped
    assert set(data.groups) == {f"tile{original}_png" for original in range(5)}
    split = split_by_group(data.group_of, val=0.2, test=0.2)
    homes = {(group, split[name]) for name, group in data.group_of.items()}
    assert len(homes) == 5


def test_a_table_and_a_pattern_count_more_than_names(tmp_path):
    names = [version("a", 1), version("a", 2)]
    assert find_groups(tmp_path, names) == dict.fromkeys(names, "a_png")
    assert find_groups(tmp_path, names, group_regex=r"(\d)$") == {names[0]: "1", names[1]: "2"}
    (tmp_path / "groups.csv").write_text(f"name,group\n{names[0]},x\n{names[1]},y\n")
    assert find_groups(tmp_path, names) == {names[0]: "x", names[1]: "y"}


def test_names_that_are_no_versions_are_no_groups(tmp_path):
    assert find_groups(tmp_path, ["a", "b.rf", "c.rf."]) is None


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("x_jpg.rf.0123456789abcdef0123456789abcdef", "x_jpg"),
        ("train/x_jpg.rf.Ab-9_", "x_jpg"),
        ("a.rf.b_png.rf.0123", "a.rf.b_png"),
        ("x_jpg", None),
        ("x.rf.01.png", None),
        (".rf.01", None),
    ],
)
def test_originals_of_versions(name, original):
    assert find_original(name) == original
