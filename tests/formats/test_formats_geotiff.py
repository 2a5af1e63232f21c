from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from solarseg.datasets import open_dataset
from solarseg.errors import DatasetError, ImageError, MaskError
from solarseg.formats import READERS, ReadOptions, open_source
from solarseg.formats.convert import convert
from solarseg.formats.geotiff.read import READER
from solarseg.formats.source import Entry, Source
from solarseg.images import read_image
from solarseg.registry import lookup

GRID = Affine(0.1, 0, 300_000, 0, -0.1, 4_000_000)
rng = np.random.default_rng(0)
IMAGE = rng.integers(1, 256, (3, 12, 16), dtype=np.uint8)
MASK = np.zeros((1, 12, 16), np.uint8)
MASK[0, 2:7, 3:9] = 1


def write(file: Path, bands: np.ndarray, **options: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    names = options.pop("names", None)
    alpha = options.pop("alpha", False)
    internal = options.pop("internal", None)
    profile = {
        "driver": "GTiff",
        "count": len(bands),
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype,
        "crs": "EPSG:32650",
        "transform": GRID,
    } | options
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(file, "w", **profile) as tiff:
        tiff.write(bands)
        if names:
            tiff.descriptions = names
        if alpha:
            tiff.colorinterp = [*tiff.colorinterp[:-1], ColorInterp.alpha]
        if internal is not None:
            tiff.write_mask(internal)
    return file


def write_pair(
    folder: Path, image: np.ndarray = IMAGE, mask: np.ndarray = MASK, name: str = "a", **options: Any
) -> Path:
    of_mask = options.pop("of_mask", {})
    write(folder / "images" / f"{name}.tif", image, **options)
    write(folder / "masks" / f"{name}.tif", mask, **of_mask)
    return folder


def entries_of(source: Source) -> list[Entry]:
    return [entry for part in source.parts for entry in part.entries()]


def only(folder: Path, **options: Any) -> Entry:
    [entry] = entries_of(open_source(folder, options=ReadOptions(**options)))
    return entry


def test_image_files_are_kept_with_their_georeference(tmp_path):
    entry = only(write_pair(tmp_path))
    assert entry.load().file == tmp_path / "images" / "a.tif"
    sample = entry.load()
    assert np.array_equal(sample.image, IMAGE.transpose(1, 2, 0))
    assert np.array_equal(sample.mask, MASK[0])


@pytest.mark.parametrize(
    ("values", "dtype", "names"),
    [
        ((0, 255), np.uint8, ("background", "foreground")),
        ((0, 1), np.uint8, ("background", "foreground")),
        ((0, 2), np.uint16, ("background", "class_1", "class_2")),
        ((0, 1), np.float32, ("background", "foreground")),  # as QGIS rasterises
        ((0, 1), np.int32, ("background", "foreground")),
    ],
)
def test_mask_values_are_classes(values, dtype, names, tmp_path):
    mask = np.where(MASK > 0, values[1], values[0]).astype(dtype)
    mask[0, 0, :2] = [1, values[1]] if len(names) > 2 else 0
    folder = write_pair(tmp_path, mask=mask)
    source = open_source(folder)
    assert source.classes.names == names
    expected = mask[0] if values[1] < 255 else mask[0] // 255
    assert np.array_equal(entries_of(source)[0].load().mask, expected)


def test_dataset_yaml_and_groups_are_kept(tmp_path):
    folder = write_pair(tmp_path, mask=MASK * 255)
    (folder / "dataset.yaml").write_text("classes: {0: background, 255: panel}\nlicence: CC0\n")
    (folder / "groups.csv").write_text("name,group\na,site1\n")
    source = open_source(folder)
    assert source.classes.names == ("background", "panel")
    assert source.description.licence == "CC0"
    [entry] = entries_of(source)
    assert (entry.group, entry.load().group) == ("site1", "site1")
    assert np.array_equal(entry.load().mask, MASK[0])


@pytest.mark.parametrize("how", ["nodata", "alpha", "internal"])
def test_pixels_without_data_are_ignored(how, tmp_path):
    image, missing = IMAGE.copy(), np.zeros((12, 16), bool)
    missing[:, :4] = True
    options: dict[str, Any] = {}
    if how == "nodata":
        image[:, missing] = 0
        image[0, 5, 10] = 0  # one band alone is black there
        options = {"nodata": 0}
    elif how == "alpha":
        image = np.concatenate([image, np.where(missing, 0, 255).astype(np.uint8)[None]])
        options = {"alpha": True}
    else:
        options = {"internal": ~missing}
    folder = write_pair(tmp_path, image, **options)
    source = open_source(folder)
    [entry] = entries_of(source)
    sample = entry.load()
    assert source.classes.ignore
    assert np.array_equal(sample.mask, np.where(missing, 255, MASK[0]))
    assert np.array_equal(sample.image, image[:3].transpose(1, 2, 0))
    assert entry.load().file is not None
    assert np.array_equal(read_image(sample.file), sample.image)


@pytest.mark.parametrize("nodata", [255, 0])
def test_nodata_of_masks_is_ignored_unless_it_is_0(nodata, tmp_path):
    mask = MASK.copy()
    mask[0, 11] = nodata
    folder = write_pair(tmp_path, mask=mask, of_mask={"nodata": nodata})
    source = open_source(folder)
    assert source.classes.names == ("background", "foreground")
    assert np.array_equal(entries_of(source)[0].load().mask, mask[0])


@pytest.mark.parametrize(
    ("nodata", "dtype"), [(np.nan, np.float32), (-9999.0, np.float64), (-32768, np.int16)]
)
def test_odd_nodata_is_ignored_and_stays_in_the_file(nodata, dtype, tmp_path):
    expected = (1000 * rng.random((2, 12, 16))).astype(dtype)
    image = expected.copy()
    image[:, :3] = image[1, 5, 5] = nodata  # the last in one band alone
    expected[:, :3] = expected[:, 5, 5] = 0
    folder = write_pair(tmp_path / "in", image, nodata=nodata)
    sample = only(folder).load()
    assert sample.file == folder / "images" / "a.tif"
    assert sample.image.dtype == np.float32
    assert np.array_equal(sample.image, expected.transpose(1, 2, 0).astype(np.float32))
    missing = np.zeros((12, 16), bool)
    missing[:3] = missing[5, 5] = True
    assert np.array_equal(sample.mask, np.where(missing, 255, MASK[0]))
    for name, options in (("kept", ReadOptions()), ("one", ReadOptions(bands=("2",)))):
        convert(folder, tmp_path / name, options=options)
        converted = open_dataset(tmp_path / name)["a"]
        assert np.array_equal(~converted.valid, missing)
        assert np.array_equal(converted.mask, sample.mask)
        assert np.array_equal(converted.image, sample.image if name == "kept" else sample.image[..., 1:])


def test_black_pixels_that_are_seen_do_not_become_nodata(tmp_path):
    image = IMAGE.copy()
    image[:, 0, 0], image[:, 0, 1], image[:, 2] = 0, 255, 9
    folder = write_pair(tmp_path / "in", image, nodata=9)
    convert(folder, tmp_path / "out", options=ReadOptions(bands=("3", "1")))
    converted = open_dataset(tmp_path / "out")["a"]
    missing = np.zeros((12, 16), bool)
    missing[2] = True
    assert np.array_equal(~converted.valid, missing)
    assert converted.image[0, :2].tolist() == [[0, 0], [255, 255]]


def test_band_names_are_the_descriptions(tmp_path):
    image = rng.integers(0, 10_000, (4, 12, 16), dtype=np.uint16)
    folder = write_pair(tmp_path, image, names=["B2", "B3", "B4", "B8"])
    assert open_source(folder).description.bands == ["B2", "B3", "B4", "B8"]
    source = open_source(folder, options=ReadOptions(bands=("B8", "B2")))
    assert source.description.bands == ["B8", "B2"]
    [entry] = entries_of(source)
    assert entry.load().file is None
    assert np.array_equal(entry.load().image, image[[3, 0]].transpose(1, 2, 0))


def test_bands_without_names_are_numbered(tmp_path):
    folder = write_pair(tmp_path)
    assert open_source(folder).description.bands is None
    assert np.array_equal(only(folder, bands=("3",)).load().image, IMAGE[[2]].transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            {"crs": "EPSG:32651"},
            "mask has the coordinate system EPSG:32651, its image EPSG:32650; both must lie on one",
        ),
        ({"crs": None}, "mask has the coordinate system None, its image EPSG:32650"),
        (
            {"transform": GRID @ Affine.translation(1, 0)},
            r"mask is 1 pixels off its image; both must .* gdalwarp",
        ),
        ({"transform": GRID @ Affine.scale(1.1, 1)}, r"mask is 1\.6 pixels off its image"),
    ],
)
def test_masks_on_another_grid_are_refused(change, match, tmp_path):
    folder = write_pair(tmp_path, of_mask=change)
    with pytest.raises(MaskError, match=r"masks/a\.tif: " + match):
        only(folder).load()


def test_masks_of_another_size_are_refused(tmp_path):
    folder = write_pair(tmp_path, mask=np.eye(7, dtype=np.uint8)[None])
    with pytest.raises(MaskError, match=r"masks/a\.tif: mask is 7 x 7 pixels, its image 16 x 12"):
        only(folder).load()


def test_rounding_of_a_grid_does_not_matter(tmp_path):
    moved = GRID @ Affine.translation(0.01, 0.02)
    assert np.array_equal(only(write_pair(tmp_path, of_mask={"transform": moved})).load().mask, MASK[0])


@pytest.mark.parametrize(
    ("mask", "match"),
    [
        (MASK.astype(np.float32) / 2, "mask has float32 numbers that are not whole"),
        (
            np.concatenate([MASK, 1 - MASK]),
            "mask has 2 bands; a mask has one number a pixel",
        ),
        (
            np.where(MASK > 0, 300, 0).astype(np.int16),
            "mask has unknown value 300 .*allowed are 0, 1;",
        ),
        (np.where(MASK > 0, -1, 0).astype(np.int16), "mask has unknown value -1 .*allowed are 0, 1;"),
    ],
)
def test_masks_that_are_none_cost_themselves(mask, match, tmp_path):
    (tmp_path / "dataset.yaml").write_text("classes: [background, panel]\n")
    write_pair(tmp_path, mask=mask)
    write_pair(tmp_path, name="b")
    bad, good = entries_of(open_source(tmp_path))
    with pytest.raises(MaskError, match=match):
        bad.load()
    assert np.array_equal(good.load().mask, MASK[0])


def test_without_a_georeference_it_is_image_and_mask_folders(tmp_path):
    for kind, bands in (("images", IMAGE), ("masks", MASK)):
        (tmp_path / kind).mkdir()
        tifffile.imwrite(tmp_path / kind / "a.tif", bands.transpose(1, 2, 0).squeeze())
    assert [name for name in READERS if lookup("format", READERS, name).detect(tmp_path)] == ["folders"]
    write(tmp_path / "images" / "a.tif", IMAGE)
    assert [name for name in READERS if lookup("format", READERS, name).detect(tmp_path)] == ["geotiff"]


def test_masks_that_are_no_tiffs_are_image_and_mask_folders(tmp_path):
    from PIL import Image

    write(tmp_path / "images" / "a.tif", IMAGE)
    (tmp_path / "masks").mkdir()
    Image.fromarray(MASK[0]).save(tmp_path / "masks" / "a.png")
    assert not READER.detect(tmp_path)
    sample = only(tmp_path).load()
    assert np.array_equal(sample.mask, MASK[0])


def test_damaged_files_cost_their_own_samples(tmp_path):
    large = rng.integers(0, 256, (3, 300, 300), dtype=np.uint8)
    mask = np.zeros((1, 300, 300), np.uint8)
    mask[0, :100] = 1
    for name in ("a", "b", "c"):
        write_pair(tmp_path, large, mask, name)
    for damaged in (tmp_path / "images" / "a.tif", tmp_path / "masks" / "b.tif"):
        damaged.write_bytes(damaged.read_bytes()[:3000])
    first, second, third = entries_of(open_source(tmp_path))
    with pytest.raises(ImageError, match=r"images/a\.tif: cannot be read"):
        first.load()
    with pytest.raises(MaskError, match=r"masks/b\.tif: cannot be read"):
        second.load()
    assert third.load().mask.sum() == 30_000


def test_nothing_but_ignored_pixels_names_no_class(tmp_path):
    write_pair(tmp_path, mask=np.full_like(MASK, 255), of_mask={"nodata": 255})
    with pytest.raises(DatasetError, match="no mask says anything; all pixels are ignored"):
        open_source(tmp_path)


@pytest.mark.parametrize("how", ["bands", "odd nodata"])
def test_images_that_are_written_again_keep_their_place_on_the_ground(how, tmp_path):
    if how == "bands":
        folder = write_pair(tmp_path / "in")
        options = ReadOptions(bands=("3", "1"))
    else:
        folder = write_pair(tmp_path / "in", IMAGE.astype(np.int16), nodata=-9999)
        options = ReadOptions()
    convert(folder, tmp_path / "out", options=options)
    with rasterio.open(tmp_path / "out" / "images" / "a.tif") as written:
        assert written.crs == "EPSG:32650"
        assert written.transform.almost_equals(GRID)
        assert np.array_equal(written.read(), IMAGE[[2, 0]] if how == "bands" else IMAGE)


def test_what_is_no_tiff_inside_is_not_opened(tmp_path):
    """A VRT may name any file of the machine, or an address."""
    folder = write_pair(tmp_path / "in")
    write(tmp_path / "secret.tif", MASK)
    (folder / "masks" / "a.tif").write_text(
        '<VRTDataset rasterXSize="16" rasterYSize="12"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{tmp_path}/secret.tif</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(DatasetError, match=r"a\.tif: cannot be read"):
        open_source(folder, "geotiff")


def test_masks_of_too_many_pixels_are_not_read(tmp_path, monkeypatch):
    folder = write_pair(tmp_path)
    monkeypatch.setattr("solarseg.decoding.guards.MAX_PIXELS", 100)
    with pytest.raises(DatasetError, match=r"16 x 12 pixels; at most 100 are read at once"):
        open_source(folder, "geotiff")
