import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from solarseg.datasets.splits import read_split
from solarseg.errors import DatasetError, ImageError, MaskError
from solarseg.formats import open_source
from solarseg.formats.convert import convert
from solarseg.formats.source import Entry, Source
from solarseg.formats.voc.read import READER, VOID, voc_colours

LABELS = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncell:10,20,30::\ncrack:255,0,0:part:act\n"
COLOURS = np.array([(0, 0, 0), (10, 20, 30), (255, 0, 0), VOID], np.uint8)
IDS = np.array([[0, 1, 2], [2, 3, 0]])  # 3 is void here
EXPECTED = [[0, 1, 2], [2, 255, 0]]


def save(file: Path, pixels: np.ndarray, palette: list[int] | None = None) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    if palette is not None:
        picture.putpalette(palette)
    picture.save(file)


def add(
    folder: Path, name: str = "a", mask: np.ndarray | None = COLOURS[IDS], palette: list[int] | None = None
) -> Path:
    save(folder / "JPEGImages" / f"{name}.png", np.zeros((2, 3, 3), np.uint8))
    if mask is not None:
        save(folder / "SegmentationClass" / f"{name}.png", mask, palette)
    return folder


def label(folder: Path, text: str = LABELS) -> Path:
    (folder / "labelmap.txt").write_text(text)
    return folder


def entries_of(source: Source) -> list[Entry]:
    return [entry for part in source.parts for entry in part.entries()]


def test_the_palette_of_voc():
    # As the development kit's table has them.
    colours = voc_colours(256)
    assert colours[:6] == [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128)]
    assert colours[15] == (192, 128, 128)  # person
    assert colours[20] == (0, 64, 128)  # tv/monitor
    assert colours[255] == VOID == (224, 224, 192)
    assert len(set(colours)) == 256


NUMBERS = np.where(IDS == 3, 255, IDS).astype(np.uint8)


@pytest.mark.parametrize(
    "kind", ["colours", "transparent colours", "palette", "numbers", "short palette", "padded"]
)
def test_masks_are_colours_or_numbers(kind, tmp_path):
    palette = None
    mask = NUMBERS
    if kind == "colours":
        mask = COLOURS[IDS]
    elif kind == "transparent colours":
        mask = np.dstack([COLOURS[IDS], np.full(IDS.shape, 9, np.uint8)])
    elif kind == "palette":  # whose colours count: its numbers are others
        mask = np.array([0, 7, 5, 9], np.uint8)[IDS]
        palette = [*(15 * [1]), 255, 0, 0, 1, 1, 1, 10, 20, 30, 2, 2, 2, *VOID, *(226 * 3 * [3])]
        palette[:3] = [0, 0, 0]
    elif kind == "short palette":
        palette = [0, 0, 0, 10, 20, 30, 255, 0, 0] + 252 * [9] + 500 * [9]
    elif kind == "padded":
        palette = [0, 0, 0, 10, 20, 30, 255, 0, 0] + 759 * [0]
    source = open_source(label(add(tmp_path, mask=mask, palette=palette)))
    assert source.classes.names == ("background", "cell", "crack")
    assert source.classes.colours == ((0, 0, 0), (10, 20, 30), (255, 0, 0))
    assert source.classes.ignore
    [entry] = entries_of(source)
    assert entry.load().file == tmp_path / "JPEGImages" / "a.png"
    assert entry.load().mask.tolist() == EXPECTED


@pytest.mark.parametrize(
    ("text", "names", "ids"),
    [
        # In alphabetical order, as CVAT writes it.
        (
            "aaa:255,0,0::\nbackground:0,0,0::\ncell:10,20,30::\n",
            ("background", "aaa", "cell"),
            [0, 2, 1, 255],
        ),
        # A background of another name, or none.
        ("bg:0,0,0::\ncell:10,20,30::\ncrack:255,0,0::\n", ("background", "cell", "crack"), [0, 1, 2, 255]),
        ("cell:10,20,30::\ncrack:255,0,0::\n\n# end\n", ("background", "cell", "crack"), [None, 1, 2, 255]),
        # Void by name, in any colour.
        ("void:10,20,30::\nbackground:0,0,0::\ncrack:255,0,0::\n", ("background", "crack"), [0, 255, 1, 255]),
        (
            "background:0,0,0::\nignored:224,224,192::\nb:10,20,30::\nc:255,0,0::\n",
            ("background", "b", "c"),
            [0, 1, 2, 255],
        ),
    ],
)
def test_label_maps(text, names, ids, tmp_path):
    shown = IDS if ids[0] is not None else np.array([[1, 2, 3]])
    folder = label(add(tmp_path, mask=COLOURS[shown]), text)
    source = open_source(folder)
    assert source.classes.names == names
    save(folder / "JPEGImages" / "a.png", np.zeros((*shown.shape, 3), np.uint8))
    assert entries_of(source)[0].load().mask.tolist() == [[ids[i] for i in row] for row in shown.tolist()]


def test_labels_without_colours_have_vocs(tmp_path):
    mask = np.array([voc_colours(3)], np.uint8)
    folder = label(add(tmp_path, mask=mask), "background:::\ncell:::\ncrack:::\n")
    save(folder / "JPEGImages" / "a.png", np.zeros((1, 3), np.uint8))
    assert entries_of(open_source(folder))[0].load().mask.tolist() == [[0, 1, 2]]


def test_numbers_count_the_lines_of_the_label_map(tmp_path):
    folder = label(add(tmp_path, mask=NUMBERS), "aaa:1,1,1::\nbackground:0,0,0::\nbbb:2,2,2::\n")
    source = open_source(folder)
    assert source.classes.names == ("background", "aaa", "bbb")
    assert entries_of(source)[0].load().mask.tolist() == [[1, 0, 2], [2, 255, 1]]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a:0,0\n", r"labelmap\.txt: no colour in 'a:0,0'; write name:red,green,blue::"),
        ("a:0,0,x::\n", "no colour in 'a:0,0,x::'"),
        ("a:0,0,300::\n", "no colour in 'a:0,0,300::'"),
        ("a:1,1,1::\na:2,2,2::\n", "two lines have one name or one colour"),
        ("a:1,1,1::\nb:1,1,1::\n", "two lines have one name or one colour"),
        ("background:0,0,0::\n", "names no class"),
        ("", "names no class"),
        ("\xff", "cannot be read"),
    ],
)
def test_label_maps_that_are_none(text, match, tmp_path):
    add(tmp_path)
    (tmp_path / "labelmap.txt").write_bytes(text.encode("latin-1"))
    with pytest.raises(DatasetError, match=match) as error:
        open_source(tmp_path)
    assert "\n" not in str(error.value)


def test_without_a_label_map_classes_are_numbered(tmp_path):
    palette = [level for colour in voc_colours(256) for level in colour]
    add(tmp_path, "a", np.where(NUMBERS == 2, 15, NUMBERS), palette)
    add(tmp_path, "b", np.zeros((2, 3), np.uint8), palette)
    (tmp_path / "SegmentationClass" / "b.png").write_bytes(b"nothing")
    source = open_source(tmp_path)
    assert source.classes.names == ("background", *(f"class_{i}" for i in range(1, 16)))
    assert source.classes.colours[15] == (192, 128, 128)
    first, second = entries_of(source)
    assert first.load().mask.tolist() == [[0, 1, 15], [15, 255, 0]]
    with pytest.raises(MaskError, match=r"b\.png: cannot be read"):
        second.load()


def test_without_a_label_map_grey_levels_are_no_classes(tmp_path):
    add(tmp_path, mask=np.array([[0, 120, 254]], np.uint8))
    with pytest.raises(
        DatasetError, match=r"masks have values up to 254; at most 20 classes are taken without names"
    ):
        open_source(tmp_path)


@pytest.mark.parametrize("mask", [COLOURS[IDS], np.full((2, 3), 255, np.uint8), np.zeros((2, 3), np.uint8)])
def test_without_a_label_map_colours_say_nothing(mask, tmp_path):
    add(tmp_path, mask=mask)
    with pytest.raises(DatasetError, match=r"no labelmap\.txt, and no mask that can be read shows a class"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("mask", "match"),
    [
        (
            np.where(IDS[..., None] == 3, 7, COLOURS[IDS]),
            r"a\.png: mask contains \(7, 7, 7\), which is no class",
        ),
        (
            np.where(NUMBERS == 2, 9, NUMBERS),
            r"a\.png: mask contains 9, which is no class; correct it, or add it to labelmap",
        ),
        (np.zeros((5, 4), np.uint8), r"a\.png: mask is 4 x 5 pixels, its image 3 x 2"),
    ],
)
def test_a_mask_that_is_none_costs_itself(mask, match, tmp_path):
    add(tmp_path, mask=mask.astype(np.uint8))
    add(tmp_path, "b")
    first, second = entries_of(open_source(label(tmp_path)))
    with pytest.raises(MaskError, match=match):
        first.load()
    assert second.load().mask.tolist() == EXPECTED


def test_images_without_masks_are_left_out_and_named(tmp_path):
    label(add(tmp_path))
    add(tmp_path, "sub/b", None)
    add(tmp_path, "c", None)
    source = open_source(tmp_path)
    assert [entry.name for entry in entries_of(source)] == ["a"]
    ((why, what),) = source.left_out.items().items()
    assert why.startswith("image without mask")
    assert what == (str(tmp_path / "JPEGImages/c.png"), str(tmp_path / "JPEGImages/sub/b.png"))


def test_lists_say_which_samples_there_are(tmp_path):
    for name in ("a", "sub/b", "c", "d"):
        label(add(tmp_path, name))
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n\nsub/b\n# a comment\n")
    (lists / "val.txt").write_text("c\na\n")
    assert [entry.name for entry in entries_of(open_source(tmp_path))] == ["a", "c", "sub/b"]
    (tmp_path / "SegmentationClass" / "c.png").unlink()
    source = open_source(tmp_path)
    assert [entry.name for entry in entries_of(source)] == ["a", "sub/b"]
    left_out = source.left_out.items()
    assert sorted(map(len, left_out.values())) == [1, 1]
    assert left_out["image that ImageSets does not list"] == (str(tmp_path / "JPEGImages/d.png"),)


def test_the_split_of_the_lists_is_kept(tmp_path):
    for name in ("a", "b", "c", "d"):
        label(add(tmp_path / "in", name))
    lists = tmp_path / "in" / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for title, names in {"train": "a\nb\n", "val": "c\n", "test": "d\n", "trainval": "a\nb\nc\n"}.items():
        (lists / f"{title}.txt").write_text(names)
    convert(tmp_path / "in", tmp_path / "out", places=False)
    assert read_split(tmp_path / "out" / "split.csv") == {"a": "train", "b": "train", "c": "val", "d": "test"}
    (lists / "val.txt").write_text("c\na\n")  # an image is in two of them
    assert open_source(tmp_path / "in").split is None


def test_lists_whose_test_images_have_no_masks_state_no_split(tmp_path):
    for name in ("a", "b"):
        label(add(tmp_path / "in", name))
    add(tmp_path / "in", "c", None)
    lists = tmp_path / "in" / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nb\n")
    (lists / "test.txt").write_text("c\n")
    convert(tmp_path / "in", tmp_path / "out", places=False)
    assert not (tmp_path / "out" / "split.csv").exists()


@pytest.mark.parametrize(
    ("listed", "match"),
    [
        ("a\nz\ny", r"no image of 'y' in JPEGImages \(and of 1 more\)"),
        ("../../a", r"no image of '\.\./\.\./a' in"),
    ],
)
def test_lists_of_what_is_not_there(listed, match, tmp_path):
    lists = label(add(tmp_path)) / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text(listed)
    with pytest.raises(DatasetError, match=match):
        open_source(tmp_path)


def test_masks_without_images_are_refused(tmp_path):
    label(add(tmp_path))
    save(tmp_path / "SegmentationClass" / "b.png", COLOURS[IDS])
    with pytest.raises(DatasetError, match="no image of 'b' in JPEGImages; export with images"):
        open_source(tmp_path)
    (tmp_path / "JPEGImages").rename(tmp_path / "elsewhere")
    assert READER.detect(tmp_path)
    with pytest.raises(DatasetError, match="has no folder 'JPEGImages'; export with images"):
        open_source(tmp_path)


def test_no_mask_at_all_is_refused(tmp_path):
    label(add(tmp_path))
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    add(tmp_path, "b", None)
    (lists / "train.txt").write_text("b\n")
    with pytest.raises(DatasetError, match="no image has a mask"):
        open_source(tmp_path)


def test_a_damaged_image_costs_its_own_sample(tmp_path):
    label(add(add(tmp_path), "b"))
    (tmp_path / "JPEGImages" / "a.png").write_bytes(b"nothing")
    first, second = entries_of(open_source(tmp_path))
    with pytest.raises(ImageError):
        first.load()
    assert second.load().mask.tolist() == EXPECTED


def test_nothing_is_decoded_on_opening_where_labels_have_names(tmp_path, monkeypatch, caplog):
    def forbidden(path):
        raise AssertionError(path)

    for name in ("read_image", "read_mask_values", "mask_palette"):
        monkeypatch.setattr(f"solarseg.formats.voc.read.{name}", forbidden)
    with caplog.at_level(logging.INFO):
        assert len(entries_of(open_source(label(add(tmp_path))))) == 1


def test_any_name_may_be_listed(tmp_path):
    for name in ("#1", "a b", "c "):
        label(add(tmp_path, name))
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "default.txt").write_text("\ufeff#1\n# a comment\na b \nc \n", encoding="utf-8")
    assert [entry.name for entry in entries_of(open_source(tmp_path))] == ["#1", "a b", "c "]


@pytest.mark.parametrize("level", ["9" * 5000, "²", "+1"])
def test_levels_of_colours_are_numbers(level, tmp_path):
    label(add(tmp_path), f"background:0,0,0::\ncrack:{level},0,0::\n")
    with pytest.raises(DatasetError, match="no colour in"):
        open_source(tmp_path)
