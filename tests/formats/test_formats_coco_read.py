import json
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from pycocotools import mask as masks
from pycocotools.coco import COCO

from solarseg.errors import DataError, DatasetError, ImageError, MaskError
from solarseg.formats import Source, open_source
from solarseg.formats.coco.read import READER, _counts, _decode_counts, _paint

SQUARE = [2, 1, 5, 1, 5, 4, 2, 4]  # columns 2 to 4, rows 1 to 3
PIXELS = [(y, x) for y in (1, 2, 3) for x in (2, 3, 4)]


def content(**changes: Any) -> dict[str, Any]:
    """One image of 8 x 6 pixels with a square."""
    return {
        "images": [{"id": 7, "file_name": "a.png", "width": 8, "height": 6}],
        "categories": [{"id": 1, "name": "crack"}, {"id": 2, "name": "busbar"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "segmentation": [SQUARE], "iscrowd": 0}],
    } | changes


def write(folder: Path, file: str = "labels.json", images: str = "", **changes: Any) -> Path:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    made = content(**changes)
    path.write_text(json.dumps(made))
    for image in made["images"]:
        target = folder / images / image["file_name"]
        if ".." not in image["file_name"] and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 6), "red").save(target)
    return folder


def annotation(segmentation: Any, category: int = 1, image: Any = 7) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "segmentation": segmentation}


def read(path: Path) -> Source:
    return open_source(path, "coco")


def only(source: Source) -> np.ndarray:
    [sample] = source
    return sample.mask


def region_of(segmentation: Any, size: tuple[int, ...]) -> np.ndarray:
    height, width = size
    columns = np.zeros(height * width, np.uint8)
    _paint(columns, _counts(segmentation, height, width, "x"), 1)
    return columns.reshape(width, height).T > 0


THIN = {
    "a line and back": [20, 20, 200, 90, 20, 20],
    "narrow": [20, 20.1, 200, 20.1, 200, 20.45, 20, 20.45],
    "narrow and upright": [20.6, 20, 20.95, 20, 20.95, 200, 20.6, 200],
    "narrow and slanting": [20, 20, 200, 90, 200, 90.5, 20, 20.5],
    "less than a pixel": [50.1, 60.1, 50.3, 60.1, 50.3, 60.3],
    "on the edge": [256, 0, 256, 100, 256, 0],
}


@pytest.mark.parametrize("case", THIN)
def test_polygons_thinner_than_a_pixel_are_the_pixels_along_them(tmp_path: Path, case: str) -> None:
    write(tmp_path, annotations=[annotation([THIN[case]])])
    size = {"width": 256, "height": 256}
    images = [{"id": 7, "file_name": "a.png"} | size]
    (tmp_path / "labels.json").write_text(
        json.dumps(content(images=images, annotations=[annotation([THIN[case]])]))
    )
    Image.new("L", (256, 256)).save(tmp_path / "a.png")
    mask = only(read(tmp_path))
    points = np.array(THIN[case]).reshape(-1, 2)
    longer = np.ptp(np.minimum(np.floor(points), 255), axis=0).max()
    assert longer + 1 <= mask.sum() <= 2 * longer + 2  # connected, at most two pixels wide
    assert cv2.connectedComponents(mask, connectivity=8)[0] == 2
    y, x = np.nonzero(mask)
    for px, py in zip(x, y, strict=True):
        near = cv2.pointPolygonTest(points.astype(np.float32), (float(px) + 0.5, float(py) + 0.5), True)
        assert abs(near) <= 1


def test_annotations_that_draw_nothing_are_named(tmp_path: Path) -> None:
    nothing = [[[20, 20, 30, 20, 30, 30]], {"size": [6, 8], "counts": [48]}]
    write(tmp_path, annotations=[annotation([SQUARE]), *map(annotation, nothing)])
    source = read(tmp_path)
    assert only(source).sum() == len(PIXELS)
    place = f"{tmp_path / 'labels.json'}: annotations.{{}} (image 'a.png')"
    assert source.left_out.items() == {"annotation that draws no pixel": (place.format(1), place.format(2))}


def test_names_that_are_numbers_or_booleans_are_text(tmp_path: Path) -> None:
    categories = [{"id": 1, "name": 7}, {"id": 2, "name": False}, {"id": 3, "name": 3.5}]
    source = read(write(tmp_path, categories=categories))
    assert source.classes.names == ("background", "7", "false", "3.5")


def test_a_polygon_becomes_the_pixels_within(tmp_path: Path) -> None:
    source = read(write(tmp_path))
    [sample] = source
    expected = np.zeros((6, 8), np.uint8)
    expected[tuple(zip(*PIXELS, strict=True))] = 1
    assert np.array_equal(sample.mask, expected)
    assert (sample.name, sample.group, sample.image.shape) == ("a", "a", (6, 8, 3))
    assert source.classes.names == ("background", "crack", "busbar")
    [entry] = source.parts[0].entries()
    assert entry.load().file == tmp_path / "a.png"
    assert source.parts[0].count == 1


polygons = st.lists(
    st.lists(st.tuples(st.floats(-5, 30), st.floats(-5, 30)), min_size=3, max_size=6), min_size=1, max_size=3
)


@given(shapes=polygons)
@settings(deadline=None)
def test_polygons_are_filled_as_pycocotools_fills_them(
    shapes: list[list[tuple[float, float]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    flat = [[number for point in shape for number in point] for shape in shapes]
    file = tmp_path_factory.getbasetemp() / "polygons.json"
    file.write_text(json.dumps(content(annotations=[annotation(flat) | {"id": 3}])))
    reference = COCO(str(file))
    assert np.array_equal(region_of(flat, (6, 8)), reference.annToMask(reference.anns[3]) > 0)


@given(region=hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)))
@settings(deadline=None)
@example(region=np.ones((3, 1), bool))
@example(region=np.zeros((300, 200), bool))
def test_run_lengths_are_what_pycocotools_wrote(region: np.ndarray) -> None:
    packed = masks.encode(np.asfortranarray(region.astype(np.uint8)))
    text = packed["counts"].decode()
    assert np.array_equal(region_of({"size": packed["size"], "counts": text}, region.shape), region)
    counts = _decode_counts(text)
    assert np.array_equal(region_of({"size": packed["size"], "counts": counts}, region.shape), region)


@given(text=st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=40) | st.text(max_size=10))
@settings(deadline=None, max_examples=500)
@example(text="P" * 30)
@example(text="o" * 1000 + "0")
def test_damaged_run_lengths_are_refused_or_whole(text: str) -> None:
    try:
        assert region_of({"size": [5, 4], "counts": text}, (5, 4)).shape == (5, 4)
    except MaskError as error:
        assert "run lengths are damaged" in str(error)


def test_run_lengths_that_break_off_are_refused() -> None:
    text = masks.encode(np.asfortranarray(np.eye(5, 4, dtype=np.uint8)))["counts"].decode()
    assert region_of({"size": [5, 4], "counts": text}, (5, 4)).sum() == 4
    for damaged in (text + "P", text[:-1], text + "0" + "1"):
        with pytest.raises(MaskError, match="run lengths are damaged"):
            region_of({"size": [5, 4], "counts": damaged}, (5, 4))


def test_later_annotations_lie_over_earlier_ones_and_crowds_count(tmp_path: Path) -> None:
    everything = {"size": [6, 8], "counts": [0, 48]}
    shapes = [annotation(everything, 2) | {"iscrowd": 1}, annotation([SQUARE], 1)]
    mask = only(read(write(tmp_path, annotations=shapes)))
    assert mask[2, 3] == 1
    assert (mask == 2).sum() == 48 - len(PIXELS)


def test_classes_are_in_the_order_of_their_ids_and_background_is_class_0(tmp_path: Path) -> None:
    categories = [{"id": 9, "name": "busbar"}, {"id": 3, "name": "_BACKGROUND_"}, {"id": 5, "name": "crack"}]
    shapes = [annotation([SQUARE], 9), annotation([[2, 1, 5, 1, 5, 2, 2, 2]], 3)]
    source = read(write(tmp_path, categories=categories, annotations=shapes))
    assert source.classes.names == ("background", "crack", "busbar")
    assert np.unique(only(source)).tolist() == [0, 2]
    assert (only(source) == 2).sum() == 6  # the upper of three rows was made background again


def test_images_without_annotation_are_background_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "b.png"}]
    shapes = [annotation([SQUARE]), annotation([SQUARE], image=99)]
    with caplog.at_level(logging.INFO):
        write(tmp_path)
        (tmp_path / "labels.json").write_text(json.dumps(content(images=images, annotations=shapes)))
        Image.new("RGB", (8, 6)).save(tmp_path / "b.png")
        source = read(tmp_path)
    assert [sample.mask.any() for sample in source] == [True, False]
    assert "1 of 2 images have no annotation" in caplog.text
    listed = f"{tmp_path / 'labels.json'}: image 99"
    assert source.left_out.items() == {"annotations of an image that is not listed": (listed,)}


@pytest.mark.parametrize("as_text", ["images", "categories", "image_id", "category_id"])
def test_ids_may_be_numbers_here_and_text_there(tmp_path: Path, as_text: str) -> None:
    made = content()
    for each in made["annotations"] if as_text.endswith("id") else made[as_text]:
        key = as_text if as_text.endswith("id") else "id"
        each[key] = str(each[key])
    (write(tmp_path) / "labels.json").write_text(json.dumps(made))
    assert (only(read(tmp_path)) == 1).sum() == len(PIXELS)


@pytest.mark.parametrize("name", ["a" * 300 + ".png", "../a.png"])
def test_a_name_that_can_be_of_no_file_costs_its_sample_alone(tmp_path: Path, name: str) -> None:
    images = [{"id": 8, "file_name": name}, {"id": 7, "file_name": "a.png"}]
    (write(tmp_path, "x/labels.json", "x") / "x/labels.json").write_text(json.dumps(content(images=images)))
    bad, good = read(tmp_path).parts[0].entries()
    with pytest.raises(DatasetError, match=r"labels\.json: images\.0\.file_name: '"):
        bad.load()
    assert bad.name == "x/labels/images.0"
    assert good.load().mask.any()


@pytest.mark.parametrize("turn", [1, -1])
def test_a_number_and_its_text_are_two_ids_where_both_are_there(tmp_path: Path, turn: int) -> None:
    images = [{"id": 7, "file_name": "a.png"}, {"id": "7", "file_name": "b.png"}]
    made = content(images=images[::turn], annotations=[annotation([SQUARE], image="7")])
    (write(tmp_path) / "labels.json").write_text(json.dumps(made))
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    assert {sample.name: bool(sample.mask.any()) for sample in read(tmp_path)} == {"a": False, "b": True}


def test_annotations_of_other_images_alone_are_refused(tmp_path: Path) -> None:
    write(tmp_path, annotations=[annotation([SQUARE], image="a.png")])
    with pytest.raises(
        DatasetError,
        match=r"labels\.json: annotations are of images such as 'a\.png', .* ids such as 7: none",
    ):
        read(tmp_path)


def test_captions_next_to_instances_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "annotations/instances_train.json", "train")
    captions = content(annotations=[{"id": 1, "image_id": 7, "caption": "A cracked cell."}])
    del captions["categories"]
    file = tmp_path / "annotations" / "captions_train.json"
    file.write_text(json.dumps(captions))
    source = read(tmp_path)
    assert only(source).sum() == len(PIXELS)
    assert source.left_out.items() == {"COCO file without categories": (str(file),)}
    with pytest.raises(DatasetError, match=r"captions_train\.json: categories: field required"):
        read(file)


@pytest.mark.parametrize(
    ("file", "images", "name"),
    [
        ("labels.json", "", "a"),
        ("labels.json", "images", "a"),
        ("_annotations.coco.json", "", "a"),  # Roboflow
        ("train/_annotations.coco.json", "train", "train/a"),
        ("result.json", "", "a"),  # Label Studio, whose names begin with images/
        ("annotations/instances_default.json", "images", "a"),  # CVAT
        ("annotations/instances_train.json", "images/train", "train/a"),
        ("annotations/instances_train2017.json", "train2017", "train2017/a"),  # COCO
        ("annotations/labels.json", "", "a"),
    ],
)
def test_images_are_found_where_tools_put_them(tmp_path: Path, file: str, images: str, name: str) -> None:
    write(tmp_path, file, images)
    for path in (tmp_path, tmp_path / file):
        assert READER.detect(path)
        [entry] = read(path).parts[0].entries()
        assert entry.load().mask.sum() == len(PIXELS)
        assert entry.load().file == tmp_path / images / "a.png"
        inside = path.is_file() and path.parent.name == "train"
        assert entry.name == ("a" if inside else name)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("C:\\Users\\me\\pics\\a.png", "a.png"),
        ("/home/me/set/data/a.png", "data/a.png"),
        ("../../label-studio/data/media/upload/1/a.png", "images/a.png"),
        ("/data/local-files/?d=roof/1/a.png", "images/roof/1/a.png"),
        ("somewhere/a.png", "pictures/of/2024/a.png"),
        ("http://host/bucket/a.png", "data/a.png"),
    ],
)
def test_images_that_were_moved_are_found_by_the_end_of_their_path(
    tmp_path: Path, name: str, file: str
) -> None:
    (tmp_path / "set" / file).parent.mkdir(parents=True)
    Image.new("RGB", (8, 6)).save(tmp_path / "set" / file)
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")  # outside
    images = [{"id": 7, "file_name": name}]
    (tmp_path / "set" / "labels.json").write_text(json.dumps(content(images=images)))
    [sample] = read(tmp_path / "set")
    assert sample.file == tmp_path / "set" / file
    assert sample.mask.sum() == len(PIXELS)


def test_of_images_of_one_name_none_is_taken_for_another(tmp_path: Path) -> None:
    images = [{"id": i, "file_name": f"{folder}/a.png"} for i, folder in ((7, "x"), (8, "y"), (9, "z"))]
    for folder in (tmp_path, tmp_path / "y"):
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (8, 6)).save(folder / "a.png")
    (tmp_path / "labels.json").write_text(json.dumps(content(images=images)))
    found = {}
    for entry in read(tmp_path).parts[0].entries():
        try:
            found[entry.name] = entry.load().file
        except ImageError as error:
            found[entry.name] = str(error).partition(": ")[2]
    missing = "no such file; check the path"
    assert found == {"x/a": missing, "y/a": tmp_path / "y" / "a.png", "z/a": missing}


def test_names_keep_the_folders_of_the_file(tmp_path: Path) -> None:
    image = {"id": 7, "file_name": "images\\roof 1\\a.b.png"}
    write(tmp_path)
    (tmp_path / "images" / "roof 1").mkdir(parents=True)
    (tmp_path / "a.png").rename(tmp_path / "images" / "roof 1" / "a.b.png")
    (tmp_path / "labels.json").write_text(json.dumps(content(images=[image])))
    [sample] = read(tmp_path)
    assert sample.name == "roof 1/a.b"


def test_several_files_are_parts_of_one_source(tmp_path: Path) -> None:
    write(tmp_path, "train/_annotations.coco.json", "train")
    swapped = [{"id": 1, "name": "busbar"}, {"id": 2, "name": "crack"}, {"id": 3, "name": "dark"}]
    write(tmp_path, "valid/_annotations.coco.json", "valid", categories=swapped)
    source = read(tmp_path)
    assert source.classes.names == ("background", "crack", "busbar", "dark")
    assert len(source.parts) == 2
    assert {sample.name: int(sample.mask.max()) for sample in source} == {"train/a": 1, "valid/a": 2}


def test_versions_of_one_image_by_roboflow_are_a_group(tmp_path: Path) -> None:
    name = "roof_jpg.rf.0a1b2c.png"
    images = [{"id": 7, "file_name": name}]
    write(tmp_path)
    (tmp_path / "a.png").rename(tmp_path / name)
    categories = [{"id": 0, "name": "defects", "supercategory": "none"}]
    categories += [{"id": 1, "name": "crack", "supercategory": "defects"}]
    (tmp_path / "labels.json").write_text(json.dumps(content(images=images, categories=categories)))
    source = read(tmp_path)
    [entry] = source.parts[0].entries()
    assert (entry.group, entry.load().group) == ("roof_jpg", "roof_jpg")
    assert source.classes.names == ("background", "crack")  # the group of classes is none


def test_a_group_of_classes_that_is_used_stays(tmp_path: Path) -> None:
    categories = [{"id": 1, "name": "defect", "supercategory": ["nonsense"]}]
    categories += [{"id": 2, "name": "crack", "supercategory": "defect"}]
    source = read(write(tmp_path, categories=categories))
    assert source.classes.names == ("background", "defect", "crack")


def test_sizes_are_of_the_upright_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # turn by 90 degrees
    Image.new("RGB", (6, 8)).save(tmp_path / "a.jpg", exif=exif)
    image = {"id": 7, "file_name": "a.jpg", "width": 8, "height": 6}
    (tmp_path / "labels.json").write_text(json.dumps(content(images=[image])))
    assert only(read(tmp_path)).shape == (6, 8)


@pytest.mark.parametrize(
    ("segmentation", "match"),
    [
        ([], "has no segmentation, and a box or key points are no region; outline it, .* as Pascal VOC"),
        (None, "has no segmentation"),
        ("nonsense", "has no segmentation"),
        ([[1, 2, 3, 4]], "polygon of 2 points; at least 3"),
        ([[1, 2, 3, 4, 5]], "not pairs of x and y"),
        ([SQUARE, [1, 2, 3, 4, 5, "x"]], "not pairs of x and y"),
        ([[0, 0, 1e300, 0, 0, 1e300]], "not pairs of x and y"),
        ([[0, 0, 1e6, 1e6, 0, 9] * 10], "at most 10,000,000 are drawn"),
        ({"size": [8, 6], "counts": [48]}, r"run lengths are of size \[8, 6\], the image of \[6, 8\]"),
        ({"counts": [48]}, "run lengths are of size None"),
        ({"size": [6, 8], "counts": [40]}, "run lengths are damaged"),
        ({"size": [6, 8], "counts": [50]}, "run lengths are damaged"),
        ({"size": [6, 8], "counts": [-2, 50]}, "run lengths are damaged"),
        ({"size": [6, 8], "counts": [24.0, 24.0]}, "run lengths are damaged"),
        ({"size": [6, 8], "counts": [10**30]}, "run lengths are damaged"),
        ({"size": [6, 8], "counts": "PPP"}, "run lengths are damaged"),
        ({"size": [6, 8], "counts": None}, "run lengths are damaged"),
    ],
)
def test_a_bad_annotation_costs_its_sample_alone(tmp_path: Path, segmentation: Any, match: str) -> None:
    images = [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "b.png"}]
    shapes = [annotation([SQUARE]), annotation(segmentation), annotation([SQUARE], image=8)]
    write(tmp_path)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "labels.json").write_text(json.dumps(content(images=images, annotations=shapes)))
    bad, good = read(tmp_path).parts[0].entries()
    with pytest.raises(MaskError, match=rf"labels\.json: annotations\.1 \(image 'a\.png'\): .*{match}"):
        bad.load()
    assert good.load().mask.sum() == len(PIXELS)


def test_an_unknown_category_and_another_size_cost_their_sample_alone(tmp_path: Path) -> None:
    [entry] = read(write(tmp_path, annotations=[annotation([SQUARE], 5)])).parts[0].entries()
    with pytest.raises(MaskError, match=r"annotations\.0 .*no category has the id 5"):
        entry.load()
    Image.new("RGB", (9, 6)).save(tmp_path / "a.png")
    with pytest.raises(
        MaskError, match=r"image 'a\.png': made for an image of 8 x 6 pixels, but it has 9 x 6"
    ):
        entry.load()
    (tmp_path / "a.png").unlink()
    with pytest.raises(ImageError, match=r"a\.png: no such file"):
        entry.load()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"images": "x"}, r"labels\.json: images: .*valid array"),
        ({"images": []}, r"labels\.json: lists no images"),
        ({"images": [{"id": 7}]}, r"labels\.json: images\.0\.file_name: field required"),
        ({"images": [{"id": 7, "file_name": ""}]}, r"images\.0\.file_name: '' leads out"),
        ({"images": [{"id": 7, "file_name": "../b.png"}]}, r"images\.0\.file_name: '\.\./b\.png' leads out"),
        ({"images": [{"id": 7, "file_name": "x/../../b.png"}]}, "leads out of the folder"),
        ({"images": [{"id": 7, "file_name": "/etc/b.png"}]}, "leads out of the folder"),
        ({"images": [{"id": 7, "file_name": "C:\\b.png"}]}, "leads out of the folder"),
        ({"images": [{"id": 7, "file_name": "..\\b.png"}]}, "leads out of the folder"),
        (
            {"images": [{"id": 7, "file_name": "none.png"}]},
            r"none of its 1 images is there, such as 'none\.png'",
        ),
        ({"images": [{"id": 7, "file_name": "a.png"}] * 2}, r"images\.1: id 7 is there twice"),
        ({"images": [{"id": i, "file_name": "a.png"} for i in (7, 8)]}, r"a\.png is in .* already"),
        ({"categories": [{"id": 1, "name": "a"}] * 2}, r"categories\.1: id 1 is there twice"),
        ({"categories": [{"id": 1, "name": ["a"]}]}, r"categories\.0\.name: .*string"),
        ({"categories": []}, "names no class"),
        ({"categories": [{"id": 1, "name": "background"}]}, "names no class"),
        ({"categories": [{"id": i, "name": f"c{i}"} for i in range(300)]}, "classes: found 301"),
        ({"annotations": [{"image_id": 7}]}, r"annotations\.0\.category_id: field required"),
        ({"annotations": [None]}, r"annotations\.0: "),
    ],
)
def test_what_is_no_coco_is_said_with_its_place(tmp_path: Path, changes: dict[str, Any], match: str) -> None:
    write(tmp_path)
    (tmp_path / "labels.json").write_text(json.dumps(content(**changes)))
    with pytest.raises(DatasetError, match=match) as caught:
        read(tmp_path / "labels.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]", '"\\ud800"', "\xff"])
def test_what_is_no_json_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.json").write_bytes(text.encode("latin1"))
    with pytest.raises(DatasetError, match=r"labels\.json: the file(: | is empty)[^\n]*$"):
        read(tmp_path / "labels.json")
    with pytest.raises(DatasetError, match="contains no COCO file"):
        read(tmp_path)


def test_equal_names_and_images_in_two_files_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "one.json")
    write(tmp_path, "two.json")
    with pytest.raises(DataError, match=r"two\.json: .*a\.png is in .*one\.json already"):
        read(tmp_path)
    (tmp_path / "two.json").unlink()
    images = [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "a.jpg"}]
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "one.json").write_text(json.dumps(content(images=images)))
    with pytest.raises(DatasetError, match=r"a\.jpg: same name as .*a\.png"):
        read(tmp_path)


def test_files_above_the_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    monkeypatch.setattr("solarseg.formats.annotations._MAX_BYTES", 100)
    with pytest.raises(DatasetError, match=r"labels\.json: \d+ bytes; JSON is read up to 100"):
        read(tmp_path)


def test_a_byte_order_mark_and_unknown_keys_do_no_harm(tmp_path: Path) -> None:
    write(tmp_path, info={"year": 2024}, videos=[1, 2])
    file = tmp_path / "labels.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert only(read(tmp_path)).sum() == len(PIXELS)


def test_an_image_that_is_missing_is_looked_for_where_the_others_are(tmp_path: Path) -> None:
    listed = [{"id": number, "file_name": f"{number}.png", "width": 6, "height": 4} for number in (7, 8, 9)]
    path = tmp_path / "annotations" / "instances_default.json"
    for folder in (path.parent, tmp_path / "images"):
        folder.mkdir()
    path.write_text(json.dumps(content(images=listed)))
    for number in (8, 9):
        Image.new("RGB", (6, 4)).save(tmp_path / "images" / f"{number}.png")
    entries = {entry.name: entry for part in open_source(path).parts for entry in part.entries()}
    assert sorted(entries) == ["7", "8", "9"]
    with pytest.raises(ImageError, match=rf"^{tmp_path}/images/7\.png: "):
        entries["7"].load()


@pytest.mark.parametrize("text", ["", "{", '{"info": {"year": 2024}, "licenses": [', '{"a": 1}}', "\0"])
@pytest.mark.parametrize("place", ["labels.json", "annotations/instances.json"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str, place: str) -> None:
    file = tmp_path / place
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    Image.new("RGB", (6, 4)).save(tmp_path / "a.png")
    for path in (tmp_path, file):
        with pytest.raises(
            DatasetError,
            match=rf"^{file}: the file( is empty; export it|: invalid JSON: .*export the file) again",
        ):
            open_source(path)
    file.write_text('{"a": 1}')
    with pytest.raises(DatasetError, match="contains images but no masks or annotations that are read"):
        open_source(tmp_path)
