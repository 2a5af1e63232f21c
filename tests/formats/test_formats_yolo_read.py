import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from solarseg.errors import DatasetError, ImageError, MaskError
from solarseg.formats import open_source
from solarseg.formats.source import Entry, Source
from solarseg.formats.yolo.read import READER

NAMES = "names: [cell, crack]\n"
SQUARE = "1 0.2 0.2 0.6 0.2 0.6 0.6 0.2 0.6\n"


def add(folder: Path, image: str, label: str | None = SQUARE, size: tuple[int, int] = (10, 20)) -> Path:
    """An image of height and width, and the text file that belongs to it."""
    file = folder / image
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros(size, np.uint8)).save(file)
    if label is not None:
        *above, last = Path(image).parts
        text = folder.joinpath(*["labels" if part == "images" else part for part in above], last).with_suffix(
            ".txt"
        )
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text(label)
    return folder


def state(folder: Path, text: str = f"train: images\nval: images\n{NAMES}", name: str = "data.yaml") -> Path:
    (folder / name).write_text(text)
    return folder


def entries_of(source: Source) -> list[Entry]:
    return [entry for part in source.parts for entry in part.entries()]


def names_of(folder: Path) -> list[str]:
    return [entry.name for entry in entries_of(open_source(folder))]


def test_class_ids_are_one_more_than_yolos(tmp_path):
    source = open_source(state(add(tmp_path, "images/a.jpg")))
    assert source.classes.names == ("background", "cell", "crack")
    [entry] = entries_of(source)
    assert entry.load().file == tmp_path / "images" / "a.jpg"
    expected = np.zeros((10, 20), int)
    expected[2:7, 4:13] = 2  # 0.2 to 0.6 of 20 and of 10, the border included
    assert entry.load().mask.tolist() == expected.tolist()


def turned_box(centre, size, angle, image=(40, 60)):
    """A line of Ultralytics' oriented boxes, for an image of height and width."""
    box = cv2.boxPoints((centre, size, angle)) / np.array(image[::-1])
    return "0 " + " ".join(f"{number:.6f}" for number in box.ravel()) + "\n"


def test_oriented_boxes_are_refused_by_what_they_are(tmp_path):
    for name, angle in (("a", 0), ("b", 31)):
        add(tmp_path, f"images/{name}.jpg", turned_box((30, 20), (20, 9), angle) * 2, (40, 60))
    with pytest.raises(DatasetError, match=r"exact rotated rectangles.*these are oriented boxes"):
        open_source(state(tmp_path))


@pytest.mark.parametrize(
    "other",
    [SQUARE, "0 0.1 0.1 0.5 0.15 0.6 0.6 0.1 0.55\n", "0 0.1 0.1 0.5 0.15 0.6 0.6\n", "0 0.5 0.5 0.1 0.1\n"],
)
def test_regions_of_four_corners_are_not_taken_for_oriented_boxes(tmp_path, other):
    """Upright rectangles, as of panels seen from above; and rotated ones among other outlines."""
    add(tmp_path, "images/a.jpg", other, (40, 60))
    add(tmp_path, "images/b.jpg", SQUARE if other == SQUARE else turned_box((30, 20), (20, 9), 31), (40, 60))
    assert open_source(state(tmp_path)).classes.names == ("background", "cell", "crack")


@pytest.mark.parametrize(
    "text", ["names: {0: cell, 1: crack}", "names:\n- cell\n- crack", "nc: 2\nnames: [cell, crack]"]
)
def test_names_are_a_list_or_numbered(text, tmp_path):
    assert open_source(state(add(tmp_path, "images/a.png"), text)).classes.names == (
        "background",
        "cell",
        "crack",
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("[0, 1]", ["0", "1"]),
        ("[no, yes]", ["no", "yes"]),
        ("[null_, 007, 1e3, 2024-01-01, 1:30, 0x1F]", ["null_", "007", "1e3", "2024-01-01", "1:30", "0x1F"]),
        ("{0: 12, 1: 3.50}", ["12", "3.50"]),
        ("{0: 'no', 1: \"null\"}", ["no", "null"]),
        ("\n- Off\n- ~a", ["Off", "~a"]),
        ("crack", ["crack"]),
        ("3", ["3"]),
    ],
)
def test_names_are_text_as_the_file_has_it(names, expected, tmp_path):
    add(tmp_path, "images/a.png", SQUARE.replace("1 ", "0 ", 1))
    source = open_source(state(tmp_path, f"names: {names}"))
    assert list(source.classes.names) == ["background", *expected]
    assert next(iter(source)).mask.max() == 1


def test_a_background_of_its_own_is_the_background(tmp_path):
    folder = state(
        add(tmp_path, "images/a.png", f"0 0 0 1 0 1 1 0 1\n{SQUARE}"), "names: [background, crack]"
    )
    source = open_source(folder)
    assert source.classes.names == ("background", "crack")
    assert entries_of(source)[0].load().mask.sum() == 5 * 9


PLACES = {
    "Ultralytics": (
        "path: ../datasets/panels\ntrain: images/train\nval: images/val\n",
        "images/train/a images/val/b",
    ),
    "all in one": ("path: .\ntrain: images/train\nval: images/train\n", "images/train/a"),
    "below a path": ("path: data\ntrain: images/train\n", "data/images/train/a"),
    "several folders": ("train: [images/one, images/two]\n", "images/one/a images/two/a"),
    # Next to the file, but written as if above it, and splits that are not there.
    "Roboflow": (
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n",
        "train/images/a valid/images/a",
    ),
    # A root that is on another machine, and no images for testing.
    "elsewhere": ("path: /data/panels\ntrain: images/train\ntest: images/test\n", "images/train/a"),
    "above": ("path: ../panels\ntrain: images/train\ntest: images/test\n", "images/train/a"),
    "on Windows": ("path: C:\\panels\ntrain: images\\train\ntest: images\\test\n", "images/train/a"),
    "nothing said": ("", "images/b images/train/a"),
    "nothing there": ("train: elsewhere\n", "train/images/a"),
    "labels next to images": ("train: photos\n", "photos/a"),
}


@pytest.mark.parametrize("case", PLACES)
def test_places_of_images(case, tmp_path):
    text, images = PLACES[case]
    for image in images.split():
        add(tmp_path, f"{image}.png")
    assert names_of(state(tmp_path, text + NAMES)) == [name.replace("images/", "") for name in images.split()]
    assert all(sample.mask.any() for sample in open_source(tmp_path))


def test_only_what_is_listed_is_read(tmp_path):
    for image in ("images/train/a.png", "images/other/b.png"):
        add(tmp_path, image)
    source = open_source(state(tmp_path, f"train: images/train\nval: images/val\n{NAMES}"))
    assert [entry.name for entry in entries_of(source)] == ["train/a"]
    assert source.left_out.items() == {
        "image in no folder of data.yaml": (str(tmp_path / "images/other/b.png"),),
        "label file without image": (str(tmp_path / "labels/other/b.txt"),),
        "listed folder that is not there": (f"{tmp_path / 'data.yaml'}: images/val",),
    }


def test_lists_of_images_as_cvat_writes_them(tmp_path):
    for name in ("a", "b", "c"):
        add(tmp_path, f"images/train/{name}.png")
    (tmp_path / "train.txt").write_text("images/train/a.png\n./images/train/b.png\nimages/train/gone.png\n\n")
    source = open_source(state(tmp_path, f"path: ./\ntrain: train.txt\n{NAMES}"))
    assert [entry.name for entry in entries_of(source)] == ["train/a", "train/b"]
    left_out = source.left_out.items()
    assert left_out["listed image that is not there"] == (
        f"{tmp_path / 'train.txt'}: {tmp_path / 'images/train/gone.png'}",
    )
    assert left_out["label file without image"] == (str(tmp_path / "labels/train/c.txt"),)


@pytest.mark.parametrize("place", ["{above}/other", "images/../../other", "C:/other", "x" * 300])
def test_nothing_is_read_outside_the_folder(place, tmp_path):
    add(tmp_path, "other/b.png")
    place = place.format(above=tmp_path)
    folder = tmp_path / "data"
    state(add(folder, "images/a.png"), f'train: "{place}"\n{NAMES}')
    assert [entry.name for entry in entries_of(open_source(folder))] == ["a"]
    (folder / "train.txt").write_text(f"{place}/b.png\n")
    state(folder, f"train: train.txt\n{NAMES}")
    with pytest.raises(DatasetError, match=r"train\.txt: .* (leads out of the folder|is longer than names)"):
        open_source(folder)


@pytest.mark.parametrize(
    "place", ["/content/set/images/train", "D:\\set\\images\\train", "../../images/train"]
)
def test_paths_of_another_computer_are_found_by_their_ends(place, tmp_path):
    add(add(tmp_path, "images/train/a.png"), "images/val/b.png")
    state(tmp_path, f"train: {place}\n{NAMES}")
    assert names_of(tmp_path) == ["train/a"]
    (tmp_path / "train.txt").write_text(f"{place}/a.png\n")
    state(tmp_path, f"train: {place.replace('images/train', '').replace('images', '')}/train.txt\n{NAMES}")
    assert names_of(tmp_path) == ["train/a"]


def test_a_line_that_can_be_no_file_costs_itself_alone(tmp_path):
    add(tmp_path, "images/a.png")
    (tmp_path / "train.txt").write_text(f"images/{'b' * 300}.png\nimages/a.png\n", encoding="utf-8-sig")
    source = open_source(state(tmp_path, f"train: train.txt\n{NAMES}"))
    assert [entry.name for entry in entries_of(source)] == ["a"]
    [line] = source.left_out.items()["listed image that is not there"]
    assert line.endswith("is longer than names of files can be; shorten it")


def test_a_byte_order_mark_does_no_harm(tmp_path):
    state(add(tmp_path, "images/a.png"))
    (tmp_path / "labels" / "a.txt").write_text(SQUARE, encoding="utf-8-sig")
    [sample] = open_source(tmp_path)
    assert (sample.mask == 2).sum() == 5 * 9
    (tmp_path / "train.txt").write_text("images/a.png\n", encoding="utf-8-sig")
    assert names_of(state(tmp_path, f"train: train.txt\n{NAMES}")) == ["a"]


def test_images_without_polygons_are_background_and_counted(tmp_path, caplog):
    add(add(add(tmp_path, "images/a.png"), "images/b.png", ""), "images/c.png", None)
    samples = list(open_source(state(tmp_path)))
    assert [bool(sample.mask.any()) for sample in samples] == [True, False, False]
    assert "1 of 3 images have no label file and 1 an empty one: all background" in caplog.text


def test_versions_of_an_image_by_roboflow_are_one_group(tmp_path):
    for version in ("1f3a", "9c2b"):
        add(tmp_path, f"images/cell_jpg.rf.{version}.png")
    add(tmp_path, "images/other.png")
    assert [entry.group for entry in entries_of(open_source(state(tmp_path)))] == [
        "cell_jpg",
        "cell_jpg",
        None,
    ]


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("0 0.5 0.5 0.2 0.2", r"a\.txt, line 2: is a box, and a box is no region; outline what is in it"),
        ("0 0.5 0.5 0.2", "line 2: 4 numbers; expected a class, and x and y of 3 points or more"),
        ("0 0.5 0.5 0.2 0.2 0.1 0.1 0.9", "line 2: 8 numbers; expected"),
        ("2 0 0 1 0 1 1", r"line 2: class 2; data\.yaml names 0 to 1"),
        ("-1 0 0 1 0 1 1", "line 2: class -1; data"),
        ("0.5 0 0 1 0 1 1", r"line 2: class 0\.5; data"),
        ("0 0 0 1 0 1 1.02", "line 2: a point lies outside the image"),
        ("0 0 0 1 0 1 -0.02", "line 2: a point lies outside the image"),
        ("0 0 0 1 0 1 nan", "line 2: contains something other than numbers"),
        ("0 0 0 1 0 1 one", "line 2: contains something other than numbers"),
        ("\xff", "cannot be read"),
    ],
)
def test_lines_that_are_no_polygons_cost_the_sample(line, match, tmp_path):
    state(add(add(tmp_path, "images/a.png"), "images/b.png"))
    (tmp_path / "labels" / "a.txt").write_bytes(f"{SQUARE}{line}\n".encode("latin-1"))
    first, second = entries_of(open_source(tmp_path))
    with pytest.raises(MaskError, match=match):
        first.load()
    assert second.load().mask.any()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("nc: 2", r"contains no data\.yaml with 'names'"),
        ("names: {a: b}", r"data\.yaml: names\.a\.\[key\]: input should be a valid integer"),
        ("names: [a]\nkpt_shape: [4, 2]", "has kpt_shape: labels are boxes and key points, no regions"),
        ("names: [[a]]", r"data\.yaml: names\.0: input should be a valid string"),
        ("names:", r"data\.yaml: names: input should be a valid dictionary"),
        ("names: {1: a, 2: b}", r"data\.yaml: names are numbered \[1, 2\]; number them from 0 on"),
        ("names: []", "names no class"),
        ("names: [a]\ntrain: {a: b}", r"data\.yaml: train"),
        ("names: [", r"contains no data\.yaml with 'names'"),
    ],
)
def test_yaml_that_says_something_else(text, match, tmp_path):
    with pytest.raises(DatasetError, match=match) as error:
        open_source(state(add(tmp_path, "images/a.png"), text), "yolo")
    assert "\n" not in str(error.value)


def test_what_is_missing_is_said(tmp_path):
    state(add(tmp_path, "images/a.png", None))
    with pytest.raises(DatasetError, match=r"no image has a label file, such as .*labels/a\.txt"):
        open_source(tmp_path)
    (tmp_path / "images" / "a.png").unlink()
    with pytest.raises(DatasetError, match="contains no images; export with images"):
        open_source(tmp_path)
    assert READER.detect(tmp_path)


def test_images_of_one_name_are_refused(tmp_path):
    state(add(add(tmp_path, "images/a.png"), "images/a.jpg"))
    with pytest.raises(DatasetError, match=r"a\.png: same name as .*a\.jpg"):
        open_source(tmp_path)


def test_a_damaged_image_costs_its_own_sample(tmp_path):
    state(add(add(tmp_path, "images/a.png"), "images/b.png"))
    (tmp_path / "images" / "a.png").write_bytes(b"nothing")
    first, second = entries_of(open_source(tmp_path))
    with pytest.raises(ImageError):
        first.load()
    assert second.load().mask.any()


def test_memory_is_that_of_the_image_however_many_polygons(tmp_path):
    state(add(tmp_path, "images/a.png", "1 0 0 1 0 1 1 0 1\n" * 200, size=(1000, 1000)))
    [entry] = entries_of(open_source(tmp_path))
    tracemalloc.start()
    entry.load()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 10**6  # all of them at a time would be 200 MB


def test_smaller_polygons_lie_on_larger_ones(tmp_path):
    add(tmp_path, "images/a.png", "1 0.4 0.4 0.5 0.4 0.5 0.5 0.4 0.5\n0 0 0 1 0 1 1 0 1\n")
    [sample] = open_source(state(tmp_path))
    assert sample.mask[5, 9] == 2
    assert sample.mask[0, 0] == 1


def reference(polygons: list[tuple[int, list[float]]], height: int, width: int) -> np.ndarray:
    """What Ultralytics draws: each polygon on a mask of its own, the larger ones first."""
    drawn = []
    for class_id, shares in polygons:
        points = np.array(shares, np.float32).reshape(-1, 2) * np.array([width, height], np.float32)
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [points.astype(np.int32)], 1)
        drawn.append((class_id + 1, mask > 0))
    result = np.zeros((height, width), np.uint8)
    for class_id, mask in sorted(drawn, key=lambda each: -each[1].sum()):
        result[mask] = class_id
    return result


share = st.one_of(st.floats(0, 1), st.integers(-2, 202).map(lambda number: number / 200))
polygon = st.tuples(
    st.integers(0, 1), st.lists(share, min_size=6, max_size=14).filter(lambda each: len(each) % 2 == 0)
)


@settings(deadline=None)
@given(
    polygons=st.lists(polygon, min_size=1, max_size=5), height=st.integers(1, 40), width=st.integers(1, 40)
)
def test_polygons_are_filled_as_ultralytics_fills_them(polygons, height, width, tmp_path_factory):
    lines = [" ".join(map(str, [class_id, *shares])) for class_id, shares in polygons]
    folder = add(tmp_path_factory.mktemp("yolo"), "images/a.png", "\n".join(lines), (height, width))
    [sample] = open_source(state(folder))
    assert np.array_equal(sample.mask, reference(polygons, height, width))
