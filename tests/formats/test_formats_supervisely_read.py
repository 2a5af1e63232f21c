import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from solarseg.errors import DataError, DatasetError, ImageError, MaskError
from solarseg.formats import ReadOptions, Source, open_source
from solarseg.formats.supervisely.read import READER, _Bitmap, _Object, _paint, _paint_bitmap

META = {
    "classes": [
        {"title": "crack", "shape": "bitmap", "color": "#FF0010"},
        {"title": "busbar", "shape": "polygon", "color": "#00ff00"},
    ],
    "tags": [],
}


def pack(region: np.ndarray, mode: str = "palette") -> str:
    """A bitmap as Supervisely's programs write it: a PNG in one of its kinds, deflated and in base64."""
    values = region.astype(np.uint8)
    content = io.BytesIO()
    if mode == "palette":  # the SDK
        picture = Image.fromarray(values)
        picture.putpalette([0, 0, 0, 255, 255, 255])
        picture.save(content, "PNG", transparency=0, optimize=0)
    elif mode == "alpha":  # the labelling tool in the browser: white, and the region is in the transparency
        rgba = np.full((*values.shape, 4), 255, np.uint8)
        rgba[..., 3] = 255 * values
        Image.fromarray(rgba).save(content, "PNG")
    else:
        Image.fromarray(values * 255).convert({"grey": "L", "bits": "1"}[mode]).save(content, "PNG")
    return base64.b64encode(zlib.compress(content.getvalue())).decode()


def bitmap(region: np.ndarray, x: int, y: int, title: str = "crack") -> dict[str, Any]:
    return {
        "classTitle": title,
        "geometryType": "bitmap",
        "bitmap": {"data": pack(region), "origin": [x, y]},
        "tags": [],
    }


def vector(kind: str, exterior: Any, *interior: Any, title: str = "crack") -> dict[str, Any]:
    points = {"exterior": exterior, "interior": list(interior)}
    return {"classTitle": title, "geometryType": kind, "points": points, "bitmap": None}


def write(
    folder: Path, *objects: Any, meta: Any = META, dataset: str = "ds", name: str = "a.png", ann: str = "ann"
) -> Path:
    """A project with an image of 10 x 8 pixels."""
    place = folder / dataset
    for kind in ("img", ann):
        (place / kind).mkdir(parents=True, exist_ok=True)
    if meta is not None:
        (folder / "meta.json").write_text(json.dumps(meta))
    Image.new("L", (10, 8), 7).save(place / "img" / name)
    annotation = {"description": "", "tags": [], "size": {"height": 8, "width": 10}, "objects": list(objects)}
    (place / ann / f"{name}.json").write_text(json.dumps(annotation))
    return folder


def read(path: Path, **options: Any) -> Source:
    return open_source(path, "supervisely", ReadOptions(**options))


def only(path: Path, **options: Any) -> np.ndarray:
    [sample] = read(path, **options)
    return sample.mask


def drawn(*rows: str) -> np.ndarray:
    return np.array([[int(pixel) for pixel in row] for row in rows], np.uint8)


def test_classes_colours_and_samples(tmp_path: Path) -> None:
    source = read(write(tmp_path, bitmap(np.array([[1, 0], [1, 1]]), 3, 2, "busbar")))
    assert source.classes.names == ("background", "crack", "busbar")
    assert source.classes.colours == ((0, 0, 0), (255, 0, 16), (0, 255, 0))
    [sample] = source
    assert np.argwhere(sample.mask == 2).tolist() == [[2, 3], [3, 3], [3, 4]]
    assert (sample.mask > 0).sum() == 3
    assert (sample.name, sample.group, sample.image.shape) == ("ds/a", "ds/a", (8, 10, 1))
    [entry] = source.parts[0].entries()
    assert (entry.load().file, source.parts[0].count) == (tmp_path / "ds" / "img" / "a.png", 1)


@pytest.mark.parametrize("mode", ["palette", "alpha", "grey", "bits"])
@given(region=hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
@settings(deadline=None, max_examples=30)
@example(region=np.ones((2, 3), bool))
@example(region=np.zeros((2, 3), bool))
def test_bitmaps_of_every_kind_are_exact(mode: str, region: np.ndarray) -> None:
    canvas = np.zeros((14, 15), np.uint8)
    _paint_bitmap(canvas, _Bitmap(data=pack(region, mode), origin=[2, 1]), 1, "x")
    expected = np.zeros((14, 15), bool)
    expected[1 : 1 + region.shape[0], 2 : 2 + region.shape[1]] = region
    assert np.array_equal(canvas > 0, expected)


def test_a_bitmap_that_was_not_deflated_is_read(tmp_path: Path) -> None:
    data = base64.b64encode(zlib.decompress(base64.b64decode(pack(np.ones((2, 2)))))).decode()
    thing = bitmap(np.ones((2, 2)), 0, 0) | {"bitmap": {"data": data, "origin": [0, 0]}}
    assert only(write(tmp_path, thing)).sum() == 4


def test_polygons_belong_to_their_lines_and_holes_to_theirs(tmp_path: Path) -> None:
    outer, hole = [[1, 1], [8, 1], [8, 6], [1, 6]], [[3, 3], [6, 3], [6, 4], [3, 4]]
    expected = drawn(
        "0000000000",
        "0111111110",
        "0111111110",
        "0110000110",
        "0110000110",
        "0111111110",
        "0111111110",
        "0000000000",
    )
    assert np.array_equal(only(write(tmp_path, vector("polygon", outer, hole))), expected)
    # Points between pixels are in the pixel around them, and those on the far edges of the image in the last one.
    within = [[[x + 0.9, y + 0.3] for x, y in ring] for ring in (outer, hole)]
    assert np.array_equal(only(write(tmp_path, vector("polygon", *within))), expected)
    everything = [[0, 0], [10, 0], [10, 8], [0, 8]]
    assert only(write(tmp_path, vector("polygon", everything))).all()
    mask = only(write(tmp_path, vector("line", [[10, 0], [10, 7]])), line_width=1)
    assert np.argwhere(mask)[:, 1].tolist() == [9] * 8


points = st.lists(st.tuples(st.integers(-9, 40), st.integers(-9, 40)), min_size=3, max_size=6)


@given(outer=points, holes=st.lists(points, max_size=2))
@settings(deadline=None, max_examples=300)
def test_polygons_are_as_opencv_draws_them_on_the_whole_image(outer: Any, holes: Any) -> None:
    mask = np.zeros((24, 30), np.uint8)
    _paint(mask, _Object(**vector("polygon", outer, *holes)), 3, 1, "x")
    lines = [
        np.where(np.array(each) == (30, 24), (29, 23), each).astype(np.int32) for each in (outer, *holes)
    ]
    expected = cv2.fillPoly(np.zeros((24, 30), np.uint8), lines[:1], 3)
    assert np.array_equal(mask, cv2.fillPoly(expected, lines[1:], 0) if holes else expected)


def test_rectangles_include_both_corners(tmp_path: Path) -> None:
    for corners in ([[2, 1], [4, 3]], [[4, 3], [2, 1]], [[4, 1], [2, 3]]):
        mask = only(write(tmp_path, vector("rectangle", corners)))
        assert mask[1:4, 2:5].all()
        assert mask.sum() == 9


def test_lines_are_as_wide_as_asked(tmp_path: Path) -> None:
    write(tmp_path, vector("line", [[0, 4], [9, 4]]))
    for width in (1, 3, 5):
        mask = only(tmp_path, line_width=width)
        assert np.flatnonzero(mask.all(axis=1)).tolist() == list(range(4 - width // 2, 5 + width // 2))
    assert READER.options == {"line_width"}


def test_later_objects_lie_over_earlier_ones_and_background_takes_away(tmp_path: Path) -> None:
    meta = {"classes": [{"title": "Background", "color": "#010203"}, *META["classes"]]}
    objects = [vector("rectangle", [[0, 0], [9, 7]], title=title) for title in ("busbar", "crack")]
    objects += [vector("rectangle", [[0, 0], [0, 7]], title="Background")]
    write(tmp_path, *objects, meta=meta)
    assert read(tmp_path).classes.names == ("background", "crack", "busbar")
    assert read(tmp_path).classes.colours[0] == (1, 2, 3)
    assert np.unique(only(tmp_path), return_counts=True)[1].tolist() == [8, 72]


def test_points_are_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    corner = {"title": "corner", "shape": "point", "color": "#123456"}
    write(tmp_path, vector("point", [[1, 1]], title="corner"), meta={"classes": [corner, *META["classes"]]})
    assert not only(tmp_path).any()
    assert "classes of points are no regions and left out: corner" in caplog.text
    assert read(tmp_path).classes.names == ("background", "crack", "busbar")


def test_layouts(tmp_path: Path) -> None:
    thing = vector("rectangle", [[2, 1], [4, 3]])
    for number, (dataset, name) in enumerate(
        [(".", "a"), ("ds", "ds/a"), ("2024/roof", "2024/roof/a"), ("dataset", "a")]
    ):
        folder = write(tmp_path / str(number), thing, dataset=dataset)
        assert READER.detect(folder)
        assert [sample.name for sample in read(folder)] == [name]


def test_several_datasets_are_parts_and_in_the_names(tmp_path: Path) -> None:
    for dataset in ("one", "two", "two/datasets/three", "dataset", "dataset/datasets/one"):
        write(tmp_path, vector("rectangle", [[2, 1], [4, 3]]), dataset=dataset)
    source = read(tmp_path)
    assert len(source.parts) == 5
    assert sorted(sample.name for sample in source) == [
        "a",
        "dataset/one/a",
        "one/a",
        "two/a",
        "two/three/a",
    ]


def test_annotations_in_ann_json_called_after_the_stem(tmp_path: Path) -> None:
    # The layout of PV-Vision's cracks: img/005.jpg, ann_json/005.json, and masks in ann/005.png.
    write(tmp_path, vector("rectangle", [[2, 1], [4, 3]]), dataset="train", name="005.png", ann="ann_json")
    folder = tmp_path / "train"
    (folder / "ann_json" / "005.png.json").rename(folder / "ann_json" / "005.json")
    (folder / "ann").mkdir()
    Image.new("L", (10, 8)).save(folder / "ann" / "005.png")
    assert READER.detect(tmp_path)
    [sample] = read(tmp_path)
    assert (sample.name, sample.mask.sum()) == ("train/005", 9)


def test_without_meta_json_classes_are_sorted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    things = [
        vector("rectangle", [[0, 0], [1, 1]], title=title) for title in ("crack", "busbar", "background")
    ]
    write(tmp_path, *things, vector("point", [[1, 1]], title="corner"), meta=None)
    broken = tmp_path / "ds" / "ann" / "b.png.json"
    broken.write_text("{")
    source = read(tmp_path)
    assert source.classes.names == ("background", "busbar", "crack")
    assert "has no meta.json" in caplog.text
    good, bad = source.parts[0].entries()
    good.load()
    with pytest.raises(DatasetError, match=r"b\.png\.json: the file: "):
        bad.load()


def test_images_without_annotation_are_left_out_and_named(tmp_path: Path) -> None:
    write(tmp_path)
    for name in ("b.png", "c.jpg"):
        Image.new("L", (10, 8)).save(tmp_path / "ds" / "img" / name)
    source = read(tmp_path)
    assert [sample.name for sample in source] == ["ds/a"]
    expected = tuple(str(tmp_path / "ds" / "img" / name) for name in ("b.png", "c.jpg"))
    assert source.left_out.items() == {"image without annotation file": expected}


def spoil(**bitmap_keys: Any) -> dict[str, Any]:
    thing = bitmap(np.ones((2, 2)), 0, 0)
    return thing | {"bitmap": thing["bitmap"] | bitmap_keys}


BOMB = base64.b64encode(zlib.compress(bytes(10**8))).decode()


@pytest.mark.parametrize(
    ("thing", "match"),
    [
        (vector("rectangle", [[0, 0], [1, 1]], title="dark"), "meta.json names no class 'dark'"),
        (vector("polygon", [[0, 0], [1, 1]]), "polygon of 2 points; at least 3"),
        (vector("polygon", [[0, 0], [1, 1], [1, 0]], [[1, 1]]), "hole of 1 points"),
        (vector("polygon", [[0, 0], [1, "x"], [1, 0]]), "polygon is not pairs of x and y"),
        (vector("polygon", None), "polygon is not pairs"),
        (vector("polygon", [[], [], []]), "polygon is not pairs"),
        (vector("polygon", [[0, 0], [1, 1], [1, 0]], [[], [], []]), "hole is not pairs"),
        (vector("rectangle", [[0, 0]]), "rectangle of 1 points; at least 2"),
        (vector("line", [[0, 0]]), "line of 1 points; at least 2"),
        (vector("cuboid", [[0, 0]]), "cannot draw a cuboid"),
        ({"classTitle": "crack", "geometryType": "bitmap"}, "cannot draw a bitmap"),
        (spoil(data="@"), "bitmap: is no base64"),
        (spoil(data="é"), "bitmap: is no base64"),
        (spoil(data="AAAA"), "bitmap is damaged"),
        (spoil(data=pack(np.ones((2, 2)))[:-12]), "bitmap is truncated"),
        (spoil(data=BOMB), "bitmap is truncated or far larger than the image"),
        (spoil(data=base64.b64encode(zlib.compress(b"text")).decode()), "mask is no PNG that can be read"),
        (spoil(data=pack(np.ones((9, 2)))), "mask is 2 x 9 pixels, more than its image of 10 x 8"),
        (spoil(origin=[9, 0]), "bitmap of 2 x 2 pixels at 9, 0 leaves the image"),
        (spoil(origin=[0, 7]), "bitmap of 2 x 2 pixels at 0, 7 leaves the image"),
        (spoil(origin=[0, -1]), "bitmap of 2 x 2 pixels at 0, -1 leaves the image"),
        (spoil(origin=[0]), "origin is not pairs"),
        (spoil(origin=[]), "origin is not pairs"),
        (spoil(origin=None), "origin is not pairs"),
    ],
)
def test_a_bad_object_costs_its_sample_alone(tmp_path: Path, thing: dict[str, Any], match: str) -> None:
    write(tmp_path, vector("rectangle", [[0, 0], [1, 1]]), thing)
    write(tmp_path, name="b.png")
    bad, good = read(tmp_path).parts[0].entries()
    with pytest.raises(MaskError, match=rf"a\.png\.json: objects\.1.*: .*{match}"):
        bad.load()
    assert not good.load().mask.any()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "the file: "),
        ('{"objects": []}', "size: field required"),
        ('{"size": {"height": 8, "width": "x"}, "objects": []}', r"size\.width: "),
        ('{"size": {"height": 8, "width": 10}, "objects": [{}]}', r"objects\.0\.classTitle: "),
    ],
)
def test_bad_json_costs_its_sample_alone(tmp_path: Path, text: str, match: str) -> None:
    write(tmp_path)
    (tmp_path / "ds" / "ann" / "a.png.json").write_text(text)
    [entry] = read(tmp_path).parts[0].entries()
    with pytest.raises(DatasetError, match=rf"a\.png\.json: {match}[^\n]*$"):
        entry.load()


def test_another_size_and_a_missing_image_cost_their_sample_alone(tmp_path: Path) -> None:
    write(tmp_path)
    image = tmp_path / "ds" / "img" / "a.png"
    Image.new("L", (8, 10)).save(image)
    [entry] = read(tmp_path).parts[0].entries()
    with pytest.raises(
        MaskError, match=r"a\.png\.json: made for an image of 10 x 8 pixels, but it has 8 x 10"
    ):
        entry.load()
    image.unlink()
    [entry] = read(tmp_path).parts[0].entries()
    with pytest.raises(ImageError, match=r"img/a\.png: no such file"):
        entry.load()


@pytest.mark.parametrize(
    ("meta", "match"),
    [
        ("{", r"meta\.json: the file: "),
        ('{"classes": [{}]}', r"meta\.json: classes\.0\.title: field required"),
        ('{"classes": []}', r"meta\.json: names no class"),
    ],
)
def test_a_bad_meta_json_is_said(tmp_path: Path, meta: str, match: str) -> None:
    write(tmp_path)
    (tmp_path / "meta.json").write_text(meta)
    with pytest.raises(DatasetError, match=match):
        read(tmp_path)


def test_colours_that_are_none_are_left_to_us(tmp_path: Path) -> None:
    meta = {"classes": [META["classes"][0], {"title": "busbar", "color": "green"}]}
    assert read(write(tmp_path, meta=meta)).classes.colours[1] != (255, 0, 16)


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="contains no img/ with ann/ next to it"):
        read(tmp_path)
    assert not READER.detect(tmp_path)


def test_equal_names_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, name="a.bmp")
    with pytest.raises(DataError, match=r"a\.png\.json: same name as .*a\.bmp\.json"):
        read(tmp_path)
    (tmp_path / "ds" / "ann" / "a.bmp.json").rename(tmp_path / "ds" / "ann" / "a.json")
    with pytest.raises(DataError, match=r"same name as"):
        read(tmp_path)


def test_hidden_files_are_not_looked_at(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path)
    (tmp_path / "ds" / "ann" / "._a.png.json").write_bytes(b"\0")
    (tmp_path / "ds" / "img" / "._a.png").write_bytes(b"\0")
    assert [sample.name for sample in read(tmp_path)] == ["ds/a"]
    assert not caplog.messages


@given(data=st.text(st.sampled_from("ABCxyz019+/="), max_size=60))
@settings(deadline=None, max_examples=200)
def test_damaged_bitmaps_are_refused_or_drawn(data: str) -> None:
    canvas = np.zeros((8, 10), np.uint8)
    try:
        _paint_bitmap(canvas, _Bitmap(data=data, origin=[0, 0]), 1, "x")
    except MaskError as error:
        assert str(error).startswith("x")
