import base64
import io
import json
import logging
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pytest
from PIL import Image

from solarseg.errors import DatasetError, ImageError, MaskError
from solarseg.formats import ReadOptions, Source, open_source
from solarseg.formats.labelme.read import READER


def png(array: np.ndarray) -> str:
    content = io.BytesIO()
    Image.fromarray(array).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


def shape(points: Any, kind: Any = "polygon", label: Any = "crack", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}} | more


def write(folder: Path, *shapes: Any, name: str = "a", image: str | None = "a.png", **changes: Any) -> Path:
    """A file, and an image of 10 x 8 pixels where it is to be."""
    file = folder / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": image or "none.png",
        "imageData": None,
        "imageHeight": 8,
        "imageWidth": 10,
    }
    file.write_text(json.dumps(content | changes))
    if image is not None:
        Image.new("RGB", (10, 8), "blue").save(file.parent / image)
    return folder


def read(path: Path, **options: Any) -> Source:
    return open_source(path, "labelme", ReadOptions(**options))


def only(path: Path, **options: Any) -> np.ndarray:
    [sample] = read(path, **options)
    return sample.mask


def drawn(*rows: str) -> np.ndarray:
    return np.array([[int(pixel) for pixel in row] for row in rows], np.uint8)


SQUARE = [[1.2, 1.9], [4.0, 1.0], [4.7, 3.1], [1.5, 3.5]]  # pixels 1 to 4, 1 to 3
FILLED = drawn(
    "0000000000",
    "0111100000",
    "0111100000",
    "0111100000",
    "0000000000",
    "0000000000",
    "0000000000",
    "0000000000",
)


def test_polygons_belong_to_the_pixels_their_points_are_in(tmp_path: Path) -> None:
    source = read(write(tmp_path, shape(SQUARE)))
    [sample] = source
    assert np.array_equal(sample.mask, FILLED)
    assert (sample.name, sample.group, sample.image.shape) == ("a", "a", (8, 10, 3))
    assert source.classes.names == ("background", "crack")
    [entry] = source.parts[0].entries()
    assert (entry.load().file, source.parts[0].count) == (tmp_path / "a.png", 1)
    for kind in (None, "oriented_rectangle"):
        assert np.array_equal(only(write(tmp_path, shape(SQUARE, kind))), FILLED)


def test_rectangles_include_both_corners(tmp_path: Path) -> None:
    for corners in ([[1.2, 1.9], [4.7, 3.5]], [[4.7, 3.5], [1.2, 1.9]], [[4.7, 1.9], [1.2, 3.5]]):
        assert np.array_equal(only(write(tmp_path, shape(corners, "rectangle"))), FILLED)


def test_circles_have_their_second_point_on_them(tmp_path: Path) -> None:
    Image.new("L", (100, 90)).save(tmp_path / "big.png")
    write(tmp_path, shape([[50, 40], [50, 70]], "circle"), image="big.png", imageHeight=90, imageWidth=100)
    Image.new("L", (100, 90)).save(tmp_path / "big.png")
    mask = only(tmp_path)
    y, x = np.mgrid[:90, :100]
    distance = np.hypot(x - 50, y - 40)
    assert mask[distance < 29.5].all()
    assert not mask[distance > 31].any()


@pytest.mark.parametrize("kind", ["line", "linestrip"])
def test_lines_are_as_wide_as_asked(tmp_path: Path, kind: str) -> None:
    write(tmp_path, shape([[0, 4], [9, 4]], kind))
    for width in (1, 3, 5):
        mask = only(tmp_path, line_width=width)
        assert np.flatnonzero(mask.all(axis=1)).tolist() == list(range(4 - width // 2, 5 + width // 2))
    assert READER.options == {"line_width"}


@pytest.mark.parametrize("scale", [1, 255, True])
def test_masks_are_exact(tmp_path: Path, scale: Any) -> None:
    region = np.array([[0, 1, 0], [1, 0, 1]])
    values = region.astype(bool) if scale is True else (region * scale).astype(np.uint8)
    mask = only(write(tmp_path, shape([[4.0, 5.0], [6.0, 6.0]], "mask", mask=png(values))))
    assert np.array_equal(mask[5:7, 4:7], region)
    assert mask.sum() == 3


def test_a_mask_moved_between_pixels_or_over_the_edge_keeps_its_extent(tmp_path: Path) -> None:
    values = np.ones((2, 3), bool)
    mask = only(write(tmp_path, shape([[3.6, 5.3], [5.4, 6.1]], "mask", mask=png(values))))
    assert np.argwhere(mask).tolist() == [[y, x] for y in (5, 6) for x in (4, 5, 6)]
    mask = only(write(tmp_path, shape([[-1, 7], [1, 8]], "mask", mask=png(values))))
    assert np.argwhere(mask).tolist() == [[7, 0], [7, 1]]
    for corner in ([-6, 2], [20, 2], [2, -6], [2, 20]):
        box = [corner, [corner[0] + 2, corner[1] + 1]]
        assert not only(write(tmp_path, shape(box, "mask", mask=png(values)))).any()


def test_classes_are_sorted_and_background_and_ignore_are_known(tmp_path: Path) -> None:
    whole = [[0, 0], [9, 7]]
    write(tmp_path, *(shape(whole, "rectangle", label) for label in ("finger", "crack")))
    write(
        tmp_path,
        shape([[0, 0], [0, 7]], "rectangle", "_background_"),
        shape([[2, 0], [2, 7]], "rectangle", "__ignore__"),
        name="b",
        image="b.png",
    )
    source = read(tmp_path)
    assert source.classes.names == ("background", "crack", "finger")
    assert source.classes.ignore
    first, second = source
    assert (first.mask == 1).all()  # the later shape lies above
    assert (second.mask[:, 2] == 255).all()
    assert (second.mask != 0).sum() == 8


def test_classes_are_in_the_order_of_labels_txt(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    corners = [[0, 0], [9, 7]]
    write(tmp_path, shape(corners, "rectangle", "busbar"), shape([[0, 0], [0, 0]], "rectangle", "new"))
    write(tmp_path, name="b", image="b.png")
    lines = "\ufeff__ignore__\r\n_background_\r\nfinger\r\n\r\n  busbar \r\ncrack"
    (tmp_path / "labels.txt").write_text(lines, encoding="utf-8")
    for path in (tmp_path, tmp_path / "a.json"):
        source = read(path)
        assert source.classes.names == ("background", "finger", "busbar", "crack", "new")
        assert not source.classes.ignore  # listed, but on no image
        assert next(iter(source)).mask[0].tolist() == [4, *[2] * 9]
    assert "labels.txt: does not list new; added behind those it lists" in caplog.text
    assert read(tmp_path / "b.json").classes.names == ("background", "finger", "busbar", "crack")


@pytest.mark.parametrize(
    ("content", "match"), [(b"\xff\xfe", "cannot be read"), (b"crack\n" * 10**6, "more than 1,048,576 bytes")]
)
def test_a_labels_txt_that_is_none_is_said(tmp_path: Path, content: bytes, match: str) -> None:
    write(tmp_path, shape(SQUARE))
    (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(DatasetError, match=rf"labels\.txt: {match}"):
        read(tmp_path)


def test_points_are_left_out_and_named(tmp_path: Path) -> None:
    write(tmp_path, shape(SQUARE), shape([[1, 1]], "point", "corner"), shape([[1, 1]], "points", "corner"))
    assert read(tmp_path).classes.names == ("background", "crack")
    assert np.array_equal(only(tmp_path), FILLED)
    source = read(tmp_path)
    list(source)
    assert source.left_out.items() == {
        "point, which is no region": (f"{tmp_path / 'a.json'}: shapes.1",),
        "points, which is no region": (f"{tmp_path / 'a.json'}: shapes.2",),
    }


def test_images_without_json_are_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, shape(SQUARE))
    assert len(list(read(tmp_path))) == 1
    assert not read(tmp_path).left_out.items()
    for name in ("b.png", "sub/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (10, 8)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path, Path(), Path("../") / tmp_path.name):
        source = read(path)
        assert [sample.name for sample in source] == ["a"]
        expected = (str(path / "b.png"), str(path / "sub" / "c.jpg"))
        assert source.left_out.items() == {"image without JSON file": expected}


def test_folders_and_images_elsewhere(tmp_path: Path) -> None:
    write(tmp_path, shape(SQUARE), name="roof/one", image="one.png")
    write(tmp_path, shape(SQUARE), name="labels/two", image=None, imagePath="..\\images\\two.png")
    (tmp_path / "images").mkdir()
    Image.new("L", (10, 8)).save(tmp_path / "images" / "two.png")
    assert [sample.name for sample in read(tmp_path)] == ["labels/two", "roof/one"]
    [entry] = read(tmp_path / "roof" / "one.json").parts[0].entries()
    assert (entry.name, entry.load().file) == ("one", tmp_path / "roof" / "one.png")
    [entry] = READER.open(tmp_path / "roof", ReadOptions()).parts[0].entries()
    assert entry.load().name == "one"
    # From the folder of labels alone, the image is outside.
    with pytest.raises(
        ImageError, match=r"its image '\.\.\\images\\two\.png' is neither next to it nor within"
    ):
        list(read(tmp_path / "labels"))


def test_shapes_outside_of_the_image_are_left_out_and_named(tmp_path: Path) -> None:
    far = [[20, 20], [30, 20], [30, 30]]
    nothing = shape([[1, 1], [2, 2]], "mask", mask=png(np.zeros((2, 2), bool)))
    write(tmp_path, shape(SQUARE), shape(far), nothing)
    source = read(tmp_path)
    [sample] = source
    assert np.array_equal(sample.mask, FILLED)
    places = tuple(f"{tmp_path / 'a.json'}: shapes.{i}" for i in (1, 2))
    assert source.left_out.items() == {"annotation that draws no pixel": places}


OUTSIDE = [
    "../b.png",
    "{above}/b.png",
    "C:\\b.png",
    "x/../../b.png",
    "..\\..\\b.png",
    "b" * 300,
    "b.png\0",
    "",
    ".",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_never_leave_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "data"
    write(folder, shape(SQUARE), name="good", image="good.png")
    write(folder, shape(SQUARE), image=None, imagePath=name.format(above=tmp_path))
    Image.new("L", (10, 8)).save(tmp_path / "b.png")
    bad, good = read(folder).parts[0].entries()
    with pytest.raises(
        ImageError, match=r"a\.json: its image '.*' is neither next to it nor within it; put it"
    ):
        bad.load()
    assert np.array_equal(good.load().mask, FILLED)


@pytest.mark.parametrize("name", [*OUTSIDE, "C:\\Users\\me\\pics\\b.png", "IMG_0001.png"])
@pytest.mark.parametrize(
    ("file", "least"), [("data/a.png", 0), ("data/A.JPG", 9), ("data/b.png", 1), ("data/pics/b.png", 2)]
)
def test_images_of_a_set_that_was_moved_are_found(tmp_path: Path, name: str, file: str, least: int) -> None:
    folder = tmp_path / "data"
    parts = [part for part in PureWindowsPath(name.replace("{above}", "above")).parts if part]
    agrees = parts[-least:] == list(Path(file).parts)[-least:] if least else True
    write(folder, shape(SQUARE), image=None, imagePath=name.format(above=tmp_path))
    (tmp_path / file).parent.mkdir(exist_ok=True)
    Image.new("L", (10, 8)).save(tmp_path / file)
    [entry] = read(folder).parts[0].entries()
    if agrees:
        assert entry.load().file == tmp_path / file
    else:
        with pytest.raises(ImageError, match="is neither next to it nor within it"):
            entry.load()


def test_the_longest_end_of_a_path_that_is_there_counts(tmp_path: Path) -> None:
    write(tmp_path, shape(SQUARE), name="labels/a", image=None, imagePath="D:\\set\\images\\n\\1.png")
    for value, file in enumerate(("images/n/1.png", "labels/a.png", "labels/1.png", "labels/n/1.png")):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (10, 8), value).save(tmp_path / file)
        [sample] = read(tmp_path)
        assert sample.file == tmp_path / file
        assert (sample.image == value).all()


def test_an_image_within_the_json_counts_more_than_a_file_that_shows_something_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    inside = np.kron(rng.integers(0, 256, (2, 2), dtype=np.uint8), np.ones((5, 5), np.uint8))[:8]
    write(tmp_path, shape(SQUARE), image=None, imageData=png(inside))
    Image.fromarray(255 - inside).save(tmp_path / "a.png")
    [sample] = read(tmp_path)
    assert sample.file is None
    assert np.array_equal(sample.image[..., 0], inside)
    Image.fromarray(inside[:4]).save(tmp_path / "a.png")
    assert np.array_equal(next(iter(read(tmp_path))).image[..., 0], inside)
    (tmp_path / "a.png").write_bytes(b"damaged")
    assert np.array_equal(next(iter(read(tmp_path))).image[..., 0], inside)
    # LabelMe writes 8 bits again; the file that shows the same has what it was made of.
    deep = inside.astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "a.png")
    [sample] = read(tmp_path)
    assert sample.file == tmp_path / "a.png"
    assert np.array_equal(sample.image[..., 0], deep)


def test_images_within_the_json_are_used_where_there_is_no_file(tmp_path: Path) -> None:
    inside = np.arange(80, dtype=np.uint8).reshape(8, 10)
    write(tmp_path, shape(SQUARE), image=None, imageData=png(inside))
    [sample] = read(tmp_path)
    assert np.array_equal(sample.image[..., 0], inside)
    assert np.array_equal(sample.mask, FILLED)
    [entry] = read(tmp_path).parts[0].entries()
    assert entry.load().file is None
    deep = np.arange(80, dtype=np.uint16).reshape(8, 10) * 700
    write(tmp_path, shape(SQUARE), image=None, imageData=png(deep))
    assert np.array_equal(entry.load().image[..., 0], deep)
    for data, match in (("@", "imageData: is no base64"), ("AAAA", r"a\.json: imageData: cannot be read")):
        write(tmp_path, shape(SQUARE), image=None, imageData=data)
        with pytest.raises((ImageError, MaskError), match=match):
            entry.load()


@pytest.mark.parametrize(
    ("thing", "match"),
    [
        (shape([[0, 0], [1, 1]]), "polygon of 2 points; at least 3"),
        (shape([[0, 0], [1, "x"], [2, 2]]), "polygon is not pairs of x and y"),
        (shape(None), "polygon is not pairs"),
        (shape([[], []], "rectangle"), "rectangle is not pairs"),
        (shape([[], [], []]), "polygon is not pairs"),
        (shape([[0, 0]], "rectangle"), "rectangle of 1 points; at least 2"),
        (shape([[0, 0]], "circle"), "circle of 1 points"),
        (shape([[5, 5], [5, 100]], "circle"), "circle of radius 95 is larger than the image"),
        (shape([[0, 0]], "linestrip"), "linestrip of 1 points"),
        (shape([[0, 0], [1, 1], [2, 2]], "oriented_rectangle"), "oriented_rectangle of 3 points"),
        (shape(SQUARE, "cuboid"), "cannot draw a cuboid; mask, polygon, "),
        (shape([[0, 0], [1, 1]], "mask"), "mask is no PNG that can be read"),
        (shape([[0, 0], [1, 1]], "mask", mask="@"), "mask: is no base64"),
        (
            shape([[0, 0], [1, 1]], "mask", mask=png(np.ones((3, 2), bool))),
            r"mask is of \(2, 3\) pixels, its corn",
        ),
        (shape([[0, 0], [9, 8]], "mask", mask=png(np.ones((9, 10), bool))), "more than its image of 10 x 8"),
        (shape(None, "mask", mask=png(np.ones((3, 2), bool))), "mask is not pairs"),
    ],
)
def test_a_bad_shape_costs_its_sample_alone(tmp_path: Path, thing: dict[str, Any], match: str) -> None:
    write(tmp_path, shape(SQUARE), thing)
    write(tmp_path, shape(SQUARE), name="b", image="b.png")
    bad, good = read(tmp_path).parts[0].entries()
    with pytest.raises(MaskError, match=rf"a\.json: shapes\.1.*: .*{match}"):
        bad.load()
    assert np.array_equal(good.load().mask, FILLED)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "the file is empty"),
        ('{"imagePath": "a.png"}', "shapes: field required"),
        ('{"shapes": {}, "imagePath": "a.png"}', "shapes: "),
        ('{"shapes": [{"label": null}], "imagePath": "a.png"}', r"shapes\.0\.label: "),
    ],
)
def test_bad_json_costs_its_sample_alone(
    tmp_path: Path, text: str, match: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path)
    write(tmp_path, shape(SQUARE), name="b", image="b.png")
    (tmp_path / "a.json").write_text(text)
    bad, good = read(tmp_path).parts[0].entries()
    assert not read(tmp_path).left_out.items()
    with pytest.raises(DatasetError, match=rf"a\.json: {match}[^\n]*$"):
        bad.load()
    assert np.array_equal(good.load().mask, FILLED)
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(DatasetError, match=rf"a\.json: {match}"):
        read(tmp_path)


def test_another_size_a_missing_image_and_a_new_label_cost_their_sample_alone(tmp_path: Path) -> None:
    write(tmp_path, shape(SQUARE))
    [entry] = read(tmp_path).parts[0].entries()
    Image.new("L", (8, 10)).save(tmp_path / "a.png")
    with pytest.raises(MaskError, match=r"a\.json: made for an image of 10 x 8 pixels, but it has 8 x 10"):
        entry.load()
    write(tmp_path, shape(SQUARE, label="new"))
    with pytest.raises(MaskError, match=r"shapes\.0: label 'new' is new; open the folder again"):
        entry.load()
    (tmp_path / "a.png").unlink()
    with pytest.raises(ImageError, match=r"a\.json: its image 'a\.png' is neither next to it"):
        entry.load()


def test_sizes_may_be_missing_and_are_of_the_upright_image(tmp_path: Path) -> None:
    write(tmp_path, shape(SQUARE), image=None, imagePath="a.jpg", imageHeight=None, imageWidth=None)
    exif = Image.Exif()
    exif[274] = 6  # turn by 90 degrees
    Image.new("RGB", (8, 10)).save(tmp_path / "a.jpg", exif=exif)
    assert np.array_equal(only(tmp_path), FILLED)


def test_what_is_not_labelme_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "package.json").write_text("{}")
    assert not READER.detect(tmp_path)
    with pytest.raises(DatasetError, match="contains no LabelMe file"):
        read(tmp_path)
    write(tmp_path, shape(SQUARE))
    assert READER.detect(tmp_path)
    assert READER.detect(tmp_path / "a.json")
    with caplog.at_level(logging.WARNING):
        assert [sample.name for sample in read(tmp_path)] == ["a"]  # package.json is left alone
    write(tmp_path)
    with pytest.raises(DatasetError, match="names no class; label something"):
        read(tmp_path)
