import logging
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from solarseg.datasets import open_dataset
from solarseg.datasets.bands import choose_bands
from solarseg.errors import ArgumentError, DatasetError, ImageError, MaskError
from solarseg.formats import ReadOptions, open_source
from solarseg.formats.folders import read as folders_module
from solarseg.formats.folders.read import READER
from solarseg.formats.source import Entry, Source
from solarseg.images import read_image

BANDS = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12"]


def write(file: Path, values: np.ndarray | int, palette: list[int] | None = None) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.full((4, 6), values, np.uint8) if isinstance(values, int) else values)
    if palette:
        picture.putpalette(palette)
    picture.save(file)


def write_pair(image: Path, mask: Path, value: int = 1) -> None:
    """An image of the number, and a mask of it in the first column and 0 elsewhere."""
    write(image, np.full((4, 6, 3), value, np.uint8))
    values = np.zeros((4, 6), np.uint8)
    values[:, 0] = value
    write(mask, values)


def entries_of(source: Source) -> list[Entry]:
    return [entry for part in source.parts for entry in part.entries()]


@pytest.mark.parametrize(
    ("image", "mask", "name"),
    [
        ("images/a.png", "masks/a.png", "a"),
        ("images/sub/a.png", "masks/sub/a.png", "sub/a"),
        ("images/a.jpg", "masks/a_mask.png", "a"),
        ("Images/a.JPG", "Masks/a.PNG", "a"),
        ("img/a.jpg", "ann/a.png", "a"),
        ("images/a.jpg", "labels/a.png", "a"),
        ("image/a.jpg", "label/a.png", "a"),
        ("input/a.jpg", "label/a.png", "a"),
        ("images/a.png", "annotations/a.png", "a"),
        ("el_512x512/a.png", "gt_512x512/a.png", "a"),
        ("train/images/a.png", "train/masks/a.png", "a"),
        ("train_images/a.png", "train_masks/a.png", "a"),
        ("a.jpg", "a_mask.png", "a"),
        ("a.jpg", "a_label.png", "a"),
        ("a.tif", "a-Segmentation.png", "a"),
        ("a_image.png", "a_mask.png", "a"),
        ("a_sat.jpg", "a_mask.png", "a"),
        ("PV01_Brick/PV01_1.bmp", "PV01_Brick/PV01_1_label.bmp", "PV01_Brick/PV01_1"),
    ],
)
def test_layouts(image, mask, name, tmp_path):
    write_pair(tmp_path / image, tmp_path / mask)
    source = open_source(tmp_path)
    [entry] = entries_of(source)
    assert entry.name == name
    assert entry.load().file == tmp_path / image
    sample = entry.load()
    assert sample.mask.tolist() == [[1, 0, 0, 0, 0, 0]] * 4
    assert sample.group == name
    assert entry.group is None


def test_folders_of_splits_are_part_of_the_names(tmp_path):
    for split in ("train", "val"):
        write_pair(tmp_path / f"el_images_{split}" / "a.png", tmp_path / f"el_masks_{split}" / "a.png")
    # Masks of another kind, without images of their own.
    write(tmp_path / "el_masks_rgb" / "a.png", np.zeros((4, 6, 3), np.uint8))
    assert [entry.name for entry in entries_of(open_source(tmp_path))] == ["el_train/a", "el_val/a"]
    for split in ("train", "val"):
        write_pair(
            tmp_path / "other" / split / "images" / "a.png", tmp_path / "other" / split / "masks" / "a.png"
        )
    assert [entry.name for entry in entries_of(open_source(tmp_path / "other"))] == ["train/a", "val/a"]


@pytest.mark.parametrize("codes", [(255, 255), (211, 213), (1, 1)])
def test_the_published_panels_of_several_resolutions(codes, tmp_path):
    # In PV01, 211 is a panel on flat concrete and 213 one on bricks.
    for site, code in zip(("FlatConcrete", "Brick"), codes, strict=True):
        file = tmp_path / "PV01" / f"PV01_Rooftop_{site}" / "PV01_325206_1204151.bmp"
        write_pair(file, file.with_stem(f"{file.stem}_label"), code)
    source = open_source(tmp_path / "PV01")
    assert source.classes.names == ("background", "solar_panel")
    assert [entry.load().file for entry in entries_of(source)] == sorted(
        (tmp_path / "PV01").glob("*/PV01_*51.bmp")
    )
    samples = list(source)
    assert [sample.name for sample in samples] == [
        "PV01_Rooftop_Brick/PV01_325206_1204151",
        "PV01_Rooftop_FlatConcrete/PV01_325206_1204151",
    ]
    assert all(sample.mask.tolist() == [[1, 0, 0, 0, 0, 0]] * 4 for sample in samples)
    write(file.with_stem(f"{file.stem}_label"), 7)
    with pytest.raises(MaskError, match=r"4151_label\.bmp: mask has unknown value 7"):
        entries_of(source)[0].load()


def test_real_tiles_as_they_are_published(real_data, tmp_path):
    data = open_dataset(real_data / "pv01-tiles")
    for i, name in enumerate(data.names[:6]):
        file = tmp_path / "PV01" / data.group_of[name] / f"{name}.bmp"
        write(file, read_image(data.image_path(name)))
        write(file.with_stem(f"{name}_label"), data[name].mask * (211 + i % 3))
    read = {sample.name.rpartition("/")[2]: sample for sample in open_source(tmp_path / "PV01")}
    assert sorted(read) == data.names[:6]
    for name, sample in read.items():
        assert np.array_equal(sample.image, data[name].image)
        assert np.array_equal(sample.mask, data[name].mask)


def test_a_dataset_folder_keeps_its_statements_and_groups(squares):
    (squares / "dataset.yaml").write_text(
        "classes: {0: background, 255: panel}\nbands: [red, green, blue]\nlicence: CC BY 4.0\n"
    )
    source = open_source(squares)
    data = open_dataset(squares)
    assert source.classes == data.classes
    assert source.description == data.description
    assert {entry.name: entry.group for entry in entries_of(source)} == data.group_of
    for sample in source:
        assert sample.group == data.group_of[sample.name]
        assert np.array_equal(sample.mask, data[sample.name].mask)


def test_groups_must_name_every_sample(squares):
    (squares / "groups.csv").write_text("name,group\nim00,g\n")
    with pytest.raises(DatasetError, match=r"groups\.csv: names no group for 'im01'"):
        open_source(squares)


def test_classes_of_ids_and_palettes(tmp_path, caplog):
    write_pair(tmp_path / "images" / "a.png", tmp_path / "masks" / "a.png", 2)
    values = np.array([[0, 1, 2, 255]], np.uint8)
    write(tmp_path / "images" / "b.png", values)
    write(tmp_path / "masks" / "b.png", values, [0, 0, 0, 9, 8, 7, 1, 2, 3] + 759 * [0])
    with caplog.at_level(logging.INFO):
        source = open_source(tmp_path)
    assert source.classes.names == ("background", "class_1", "class_2")
    assert source.classes.colours[1] == (9, 8, 7)
    assert source.classes.ignore
    assert "classes found from the masks" in caplog.text
    assert [sample.mask for sample in source][1].tolist() == values.tolist()


def test_nothing_is_decoded_on_opening_but_masks_that_name_no_classes(squares, monkeypatch):
    def forbidden(path):
        raise AssertionError(path)

    monkeypatch.setattr(folders_module, "read_picture", forbidden)
    entries = entries_of(open_source(squares))
    assert len(entries) == 12
    (squares / "dataset.yaml").write_text("classes: {0: background, 255: panel}\n")
    monkeypatch.setattr(folders_module, "inspect_mask", forbidden)
    monkeypatch.setattr(folders_module, "read_mask", forbidden)
    open_source(squares)


def test_a_mask_that_cannot_be_read_costs_its_own_sample(squares):
    for name, content in (("im03", b"nothing"), ("im07", b"")):
        (squares / "masks" / f"{name}.png").write_bytes(content)
    Image.fromarray(np.full((64, 64, 3), (1, 2, 3), np.uint8)).save(squares / "masks" / "im09.png")
    failed = {}
    for entry in entries_of(open_source(squares, "folders")):
        try:
            entry.load()
        except MaskError as error:
            failed[entry.name] = str(error)
    assert sorted(failed) == ["im03", "im07", "im09"]
    for file in (squares / "masks").iterdir():
        file.write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"squares: no mask says anything; .*im11\.png: cannot be read"):
        open_source(squares)


def test_sizes_that_differ_cost_the_sample(squares):
    write(squares / "masks" / "im05.png", np.zeros((10, 20), np.uint8))
    bad = entries_of(open_source(squares))[5]
    with pytest.raises(MaskError, match=r"im05\.png: mask is 20 x 10 pixels, its image 64 x 64"):
        bad.load()


def test_contradicting_palettes_are_refused(tmp_path):
    for name, level in (("a", 9), ("b", 8)):
        write(tmp_path / "images" / f"{name}.png", 0)
        write(tmp_path / "masks" / f"{name}.png", np.eye(4, dtype=np.uint8), [0, 0, 0, level, level, level])
    with pytest.raises(DatasetError, match=r"b\.png: palette gives 1 the colour \(8, 8, 8\), another mask"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("extra", "match"),
    [
        ("images/a.jpg", r"images/a\.(png|jpg): same name as a\.(png|jpg); names must differ"),
        ("masks/a_mask.png", r"masks/a_mask\.png: same name as .*masks/a\.png; names must differ"),
    ],
)
def test_files_that_do_not_pair_are_named(extra, match, tmp_path):
    write_pair(tmp_path / "images" / "a.png", tmp_path / "masks" / "a.png")
    write(tmp_path / extra, 0)
    with pytest.raises(DatasetError, match=match):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("extra", "match"),
    [
        ("a_label.png", r"a_(label|mask)\.png: same name as .*a_(label|mask)\.png"),
    ],
)
def test_files_side_by_side_that_do_not_pair_are_named(extra, match, tmp_path):
    write_pair(tmp_path / "a.jpg", tmp_path / "a_mask.png")
    write(tmp_path / extra, 0)
    with pytest.raises(DatasetError, match=match):
        open_source(tmp_path, "folders")


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        (("images/lonely.png",), "image without mask"),
        (("masks/x.png", "masks/y.png"), "mask without image"),
        (("overlays/a.png", "more/images/c.png"), "image that is in no pair of image and mask"),
    ],
)
def test_files_without_counterpart_are_left_out_and_named(extra, why, tmp_path):
    write_pair(tmp_path / "images" / "a.png", tmp_path / "masks" / "a.png")
    for file in extra:
        write(tmp_path / file, 0)
    source = open_source(tmp_path)
    assert [entry.name for entry in entries_of(source)] == ["a"]
    assert source.left_out.items() == {why: tuple(sorted(str(tmp_path / file) for file in extra))}


def test_where_nothing_pairs_the_first_file_is_named(tmp_path):
    write(tmp_path / "images" / "a.png", 0)
    write(tmp_path / "masks" / "b.png", 0)
    with pytest.raises(DatasetError, match=r"a\.png: has no mask of the same name; add it or remove"):
        open_source(tmp_path)


def test_what_other_readers_read_is_left_to_them(tmp_path):
    write(tmp_path / "supervisely" / "img" / "a.png", 1)
    annotation = tmp_path / "supervisely" / "ann" / "a.png.json"
    annotation.parent.mkdir()
    annotation.write_text("{}")
    write(tmp_path / "yolo" / "images" / "a.png", 1)
    label = tmp_path / "yolo" / "labels" / "a.txt"
    label.parent.mkdir()
    label.write_text("")
    assert not READER.detect(tmp_path / "supervisely")
    assert not READER.detect(tmp_path / "yolo")
    # Masks that were made of annotations, which name the classes.
    write(tmp_path / "supervisely" / "ann" / "a.png", 1)
    annotation.rename(tmp_path / "supervisely" / "ann" / "a.json")
    assert READER.detect(tmp_path / "supervisely")
    (tmp_path / "supervisely" / "ann_json").mkdir()
    (tmp_path / "supervisely" / "ann_json" / "a.json").write_text("{}")
    assert not READER.detect(tmp_path / "supervisely")


def write_deep(file: Path, bands: int, **options: object) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 10_000, (16, 20, bands)).astype(np.uint16)
    file.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(file, pixels, photometric="minisblack", planarconfig="contig", **options)
    return pixels


def test_bands_are_chosen_by_name_or_number(tmp_path):
    pixels = write_deep(tmp_path / "images" / "a.tif", 5)
    write(tmp_path / "masks" / "a.png", np.pad(np.ones((16, 19), np.uint8), ((0, 0), (0, 1))))
    source = open_source(tmp_path, options=ReadOptions(bands=("4", "2")))
    [entry] = entries_of(source)
    assert entry.load().file is None
    assert source.description.bands is None
    assert np.array_equal(entry.load().image, pixels[..., [3, 1]])
    (tmp_path / "dataset.yaml").write_text("bands: [B2, B3, B4, B8, B11]\n")
    source = open_source(tmp_path, options=ReadOptions(bands=("B4", "B2")))
    assert source.description.bands == ["B4", "B2"]
    assert np.array_equal(entries_of(source)[0].load().image, pixels[..., [2, 0]])
    assert entries_of(open_source(tmp_path))[0].load().file == tmp_path / "images" / "a.tif"


@pytest.mark.parametrize(
    ("bands", "stated", "match"),
    [
        (("0",), False, "`bands=0`: no band '0'; the bands have no names: give numbers from 1"),
        (("red",), False, "`bands=red`: no band 'red'; the bands have no names"),
        (("B4", "B9"), True, "`bands=B4,B9`: no band 'B9'; choose from: B2, B4"),
    ],
)
def test_bands_there_are_not(bands, stated, match, tmp_path):
    write_deep(tmp_path / "images" / "a.tif", 2)
    write(tmp_path / "masks" / "a.png", np.eye(16, 20, dtype=np.uint8))
    if stated:
        (tmp_path / "dataset.yaml").write_text("bands: [B2, B4]\n")
    with pytest.raises(ArgumentError, match=match):
        open_source(tmp_path, options=ReadOptions(bands=bands))


def test_an_image_of_too_few_bands_costs_itself(tmp_path):
    for name, bands in (("a", 2), ("b", 4)):
        write_deep(tmp_path / "images" / f"{name}.tif", bands)
        write(tmp_path / "masks" / f"{name}.png", np.eye(16, 20, dtype=np.uint8))
    first, second = entries_of(open_source(tmp_path, options=ReadOptions(bands=("3",))))
    with pytest.raises(ImageError, match=r"a\.tif: has 2 bands, not band 3"):
        first.load()
    assert second.load().image.shape == (16, 20, 1)


def write_converted(folder: Path, name: str, pixels: np.ndarray, mask: np.ndarray) -> None:
    """As GloSoFarID's own converter writes a sample."""
    for kind in ("input", "label"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / "input" / f"{name}.tif", pixels, compression="lzw")
    picture = Image.fromarray(mask.astype(np.float32)).convert("P")
    picture.putpalette([0, 0, 0, 10, 20, 255])
    picture.save(folder / "label" / f"{name}.png")


@pytest.fixture
def converted(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 10_001, (3, 256, 256, 13)).astype(np.float32)
    masks = np.zeros((3, 256, 256), np.uint8)
    masks[0, 10:20, 30:50] = 1
    masks[1, 100:, 30:50] = 255
    for i in range(3):
        write_converted(tmp_path, f"solar_global_{i:05}", pixels[i], masks[i])
    return tmp_path, pixels, masks


def test_what_glosofarids_converter_writes(converted):
    folder, pixels, masks = converted
    source = open_source(folder)
    assert source.classes.names == ("background", "solar_panel")
    assert source.description.bands == BANDS
    for entry, image, mask in zip(entries_of(source), pixels, masks, strict=True):
        assert entry.load().file is None  # its pages are rows, which no other program knows
        sample = entry.load()
        assert sample.image.dtype == np.uint16
        assert np.array_equal(sample.image, image)
        assert np.array_equal(sample.mask, mask > 0)
    source = open_source(folder, options=ReadOptions(bands=("B4", "B3", "B2", "B8A")))
    assert source.description.bands == ["B4", "B3", "B2", "B8A"]
    assert np.array_equal(entries_of(source)[1].load().image, pixels[1][..., [3, 2, 1, 8]])


def test_converted_numbers_are_never_rounded(converted):
    folder, pixels, masks = converted
    for i, odd in enumerate((0.5, 65536, -1)):
        pixels[i, 0, 0, 0] = odd
        write_converted(folder, f"solar_global_{i:05}", pixels[i], masks[i])
    for sample, image in zip(open_source(folder), pixels, strict=True):
        assert sample.image.dtype == np.float32
        assert np.array_equal(sample.image, image)


def test_converted_masks_hold_nothing_else(converted):
    folder, _, masks = converted
    masks[2, 5, 5] = 255
    write(folder / "label" / "solar_global_00002.png", masks[2])
    assert entries_of(open_source(folder))[2].load().mask.sum() == 1
    masks[2, 5, 5] = 3
    write(folder / "label" / "solar_global_00002.png", masks[2])
    with pytest.raises(MaskError, match=r"00002\.png: mask has unknown value 3"):
        entries_of(open_source(folder))[2].load()


def test_an_input_folder_of_other_bands_is_no_converted_one(tmp_path):
    pixels = write_deep(tmp_path / "input" / "a.tif", 4)
    write(tmp_path / "label" / "a.png", np.eye(16, 20, dtype=np.uint8))
    source = open_source(tmp_path)
    assert source.description.bands is None
    assert source.classes.names == ("background", "foreground")
    assert np.array_equal(entries_of(source)[0].load().image, pixels)


def test_13_bands_in_one_page_are_read_as_well(tmp_path):
    pixels = write_deep(tmp_path / "input" / "a.tif", 13)
    write(tmp_path / "label" / "a.png", np.eye(16, 20, dtype=np.uint8))
    source = open_source(tmp_path)
    assert source.description.bands == BANDS
    assert np.array_equal(entries_of(source)[0].load().image, pixels)


def test_bands_that_do_not_fit_their_names_cost_the_image(tmp_path):
    write_deep(tmp_path / "images" / "a.tif", 4)
    write(tmp_path / "masks" / "a.png", np.eye(16, 20, dtype=np.uint8))
    (tmp_path / "dataset.yaml").write_text("bands: [red, green]\n")
    (entry,) = entries_of(open_source(tmp_path, options=ReadOptions(bands=("green",))))
    with pytest.raises(ImageError, match=r"a\.tif: has 4 bands, but 2 have names"):
        entry.load()


def test_a_band_is_taken_once(tmp_path):
    write_deep(tmp_path / "images" / "a.tif", 4)
    write(tmp_path / "masks" / "a.png", np.eye(16, 20, dtype=np.uint8))
    with pytest.raises(ArgumentError, match="`bands=2,2`: names a band twice"):
        open_source(tmp_path, options=ReadOptions(bands=("2", "2")))


def test_classes_that_are_named_of_published_panels_are_used(tmp_path):
    write(tmp_path / "PV08_1_2.png", np.zeros((16, 20, 3), np.uint8))
    write(tmp_path / "PV08_1_2_label.png", np.array([[0, 11], [12, 0]], np.uint8).repeat(8, 0).repeat(10, 1))
    assert open_source(tmp_path).classes.names == ("background", "solar_panel")
    (tmp_path / "dataset.yaml").write_text("classes: {0: background, 11: flat, 12: brick}\n")
    source = open_source(tmp_path)
    assert source.classes.names == ("background", "flat", "brick")
    assert next(iter(source)).mask[::8, ::10].tolist() == [[0, 1], [2, 0]]


@pytest.mark.parametrize("bands", [("b4", "B2"), ("2", "1"), ("B4", "1"), (" B4", "b2 ")])
def test_bands_are_given_by_name_or_number_in_any_case(bands, tmp_path):
    pixels = write_deep(tmp_path / "images" / "a.tif", 2)
    write(tmp_path / "masks" / "a.png", np.eye(16, 20, dtype=np.uint8))
    (tmp_path / "dataset.yaml").write_text("bands: [B2, B4]\n")
    source = open_source(tmp_path, options=ReadOptions(bands=bands))
    assert source.description.bands == ["B4", "B2"]
    assert np.array_equal(entries_of(source)[0].load().image, pixels[..., [1, 0]])


def test_names_in_two_cases_and_names_that_are_numbers_mean_themselves():
    assert choose_bands(["b", "B"], ["B", "b"]) == [1, 0]
    assert choose_bands(["1", "2"], ["2", "1"]) == [1, 0]
    for asked in (["bb"], ["3"], ["0"], [""], ["9" * 5000], ["²"]):
        with pytest.raises(ArgumentError, match="choose from: BB, Bb, or give numbers from 1 to 2"):
            choose_bands(asked, ["BB", "Bb"])
    with pytest.raises(ArgumentError, match="`bands=B2,1`: names a band twice"):
        choose_bands(["B2", "1"], ["B2"])
