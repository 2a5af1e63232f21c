import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solarseg.errors import ImageError, MissingExtraError, OutputError
from solarseg.geotiff import is_georeferenced
from solarseg.inference.model import Model
from solarseg.inference.model_file import ModelInfo
from solarseg.inference.options import PredictOptions
from solarseg.prediction.rasters.file import open_raster
from solarseg.prediction.rasters.predict import predict_raster
from solarseg.prediction.rasters.row_block_store import RowBlockStore

HERE = str(Path(__file__).parent)
UTM = "EPSG:32633"
PLACE = rasterio.Affine(0.1, 0, 500_000, 0, -0.1, 5_000_000)
INFO = ModelInfo(
    solarseg_version="0",
    class_names=("background", "panel"),
    class_colours=((0, 0, 0), (200, 10, 20)),
    image_size=64,
    bands=3,
    depth="uint8",
    mean=(0.2, 0.4, 0.6),
    std=(1.0,) * 3,
    trained_size=(64, 64),
    fingerprint="brightness",
    encoder="none",
    loss="none",
    parameters=1,
    gmacs=0.0,
    epochs=1,
    dataset="none",
    dataset_fingerprint="",
)


def brightness(images):
    """A network that looks at one pixel at a time: bright is a panel."""
    share = images[..., :1].astype(np.float32) / np.float32(255)
    return np.concatenate([1 - share, share], axis=-1)


def model_of(compute=brightness, info=INFO, **options):
    return Model(Path("m.onnx"), info, "none", "cpu", PredictOptions(**options), compute)


def write(path, pixels, crs=UTM, transform=PLACE, tags=None, alpha=False, palette=None, **options):
    """Write ``(H, W)`` or ``(H, W, C)`` as a GeoTIFF."""
    bands = np.atleast_3d(pixels).transpose(2, 0, 1)
    shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **shape, **options) as file:
        if palette:
            file.write_colormap(1, palette)
        file.write(bands)
        if tags:
            file.update_tags(**tags)
        if alpha:
            file.colorinterp = [*file.colorinterp[:-1], rasterio.enums.ColorInterp.alpha]
    return path


def read(path):
    with rasterio.open(path) as file:
        return file.read(1)


def noise(height, width, bands=3, seed=0):
    return np.random.default_rng(seed).integers(1, 256, (height, width, bands), dtype=np.uint8)


def found_in(tmp_path, pixels, model=None, name="r", **options):
    """The mask of a raster that is written first."""
    path = write(tmp_path / f"{name}.tif", pixels, **options)
    return read(predict_raster(model or model_of(), path, tmp_path / "out", name=name, overwrite=True).mask)


SIDES = st.integers(1, 300)
SLOWLY = settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SLOWLY
@given(height=SIDES, width=SIDES, tile=st.sampled_from([32, 64, 96]), share=st.floats(0, 0.5))
def test_tiles_of_a_network_that_sees_little_are_the_whole(tmp_path, height, width, tile, share):
    """It sees a pixel to each side; neighbours differ by as much as in a picture of soft light.

    A tile's corner misses a row and a column, each a third of what it sees, which without overlap makes the
    difference a third of both steps: (1 + 2) / 3 / 1500 = 0.00067.
    """

    def look(image):
        padded = np.pad(image[..., 0], 1, mode="symmetric")
        rows, columns = image.shape[:2]
        value = np.mean([padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=0)
        return np.stack([1 - value, value], axis=-1)

    rows, columns = np.mgrid[:height, :width]
    pixels = np.repeat(((rows + 2 * columns) / 1500).astype(np.float32)[..., None], 3, axis=-1)
    info = INFO.model_copy(update={"image_size": tile, "depth": "float32"})
    options = {"tile": tile, "overlap": int(tile * share)}
    model = model_of(lambda images: np.stack([look(image) for image in images]), info, **options)
    with open_raster(write(tmp_path / "r.tif", pixels), model.preprocessing) as raster:
        blocks = list(model.pipeline.predict(raster))
    assert np.abs(np.concatenate([block.probabilities for block in blocks]) - look(pixels)).max() < 1e-3


@pytest.mark.parametrize("compression", [{"compress": "DEFLATE"}, {"compress": "LERC", "max_z_error": 0}])
def test_bands_that_the_model_picks_are_read_from_every_compression(tmp_path, compression):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 40, 4), np.uint8)
    model = model_of(info=INFO.model_copy(update={"picked": (2, 1, 0), "picked_from": 4}))
    file = write(tmp_path / "r.tif", pixels, photometric="MINISBLACK", **compression)
    with open_raster(file, model.preprocessing) as raster:
        assert np.array_equal(raster.rows(20, 10).pixels, pixels[20:30, :, 2::-1])
        assert np.array_equal(raster.overview((50, 40)), pixels[..., 2::-1])


def test_mask_is_that_of_the_image_with_grid_tags_and_colours(tmp_path):
    pixels = noise(150, 211)
    turned = PLACE @ rasterio.Affine.rotation(20)
    path = write(tmp_path / "r.tif", pixels, transform=turned, tags={"FLIGHT": "a & <b>"})
    done = predict_raster(model_of(), path, tmp_path / "out", name="site/r", probabilities=True)
    assert done.mask == tmp_path / "out/masks/site/r.tif"
    with rasterio.open(done.mask) as file:
        assert np.array_equal(file.read(1), pixels[..., 0] > 127)
        assert file.crs == UTM
        assert file.transform.almost_equals(turned, 1e-9)
        assert file.nodata == 255
        assert file.tags()["FLIGHT"] == "a & <b>"
        assert json.loads(file.tags()["CLASS_NAMES"]) == ["background", "panel"]
        assert file.colormap(1)[1] == (200, 10, 20, 255)
        assert file.block_shapes == [(256, 256)]
        assert file.compression.name == "deflate"
    with rasterio.open(tmp_path / "out/probabilities/site/r.tif") as file:
        assert np.array_equal(file.read(2), pixels[..., 0])
        assert file.descriptions == ("background", "panel")
        assert file.scales == pytest.approx((1 / 255, 1 / 255))
        assert file.crs == UTM
    bright = int((pixels[..., 0] > 127).sum())
    assert done.pixels == (150 * 211 - bright, bright)
    assert done.areas[1] == pytest.approx(bright * 0.01 / 0.9996**2, rel=1e-6)
    assert set(done.files) == {
        tmp_path / "out" / name
        for name in (
            "masks/site/r.tif",
            "polygons/site/r.geojson",
            "polygons/site/r.gpkg",
            "probabilities/site/r.tif",
        )
    }
    assert sorted(file for file in (tmp_path / "out").rglob("*") if file.is_file()) == sorted(done.files)


def test_what_a_raster_does_not_show_is_nodata_and_enters_as_the_mean(tmp_path):
    seen = []

    def looking(images):
        seen.append(images.copy())
        return brightness(images)

    pixels = noise(64, 192)
    pixels[10:20, 30:40] = 0
    pixels[:, 64:128] = 0
    pixels[30, 30] = 0, 9, 9  # dark in one band is no nodata
    mask = found_in(tmp_path, pixels, model_of(looking, tile=64, overlap=0), nodata=0)
    missing = (pixels == 0).all(axis=-1)
    assert np.array_equal(mask == 255, missing)
    assert np.array_equal(mask[~missing], pixels[~missing][:, 0] > 127)
    assert len(seen) == 2  # of three tiles
    assert seen[0][0, 15, 35].tolist() == [51, 102, 153]


def test_tiles_that_show_nothing_are_not_computed(tmp_path):
    seen = []

    def counting(images):
        seen.append(len(images))
        return brightness(images)

    pixels = noise(256, 256)
    pixels[64:192] = 0
    found_in(tmp_path, pixels, model_of(counting, tile=64, overlap=0), nodata=0)
    assert sum(seen) == 8


def test_transparency_and_masks_count(tmp_path):
    pixels = noise(100, 90, bands=4)
    pixels[..., 3] = np.where(np.arange(90) < 40, 0, 255)
    assert (found_in(tmp_path, pixels, alpha=True)[:, :40] == 255).all()
    opaque = found_in(tmp_path, pixels, alpha=True)[:, 40:]
    assert np.array_equal(opaque, pixels[:, 40:, 0] > 127)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        path = write(tmp_path / "masked.tif", pixels[..., :3])
        with rasterio.open(path, "r+") as file:
            file.write_mask(pixels[..., 3])
    mask = read(predict_raster(model_of(), path, tmp_path / "out", name="masked").mask)
    assert np.array_equal(mask == 255, pixels[..., 3] == 0)


def test_palettes_are_colours(tmp_path):
    colours = {0: (250, 0, 0, 255), 1: (3, 255, 255, 255), 2: (200, 0, 0, 255)}
    indices = np.random.default_rng(0).integers(0, 3, (70, 70), dtype=np.uint8)
    assert np.array_equal(found_in(tmp_path, indices, palette=colours), indices != 1)


@pytest.mark.parametrize("dtype", ["int16", "uint32", "int32", "float32", "float64"])
def test_numbers_of_unknown_scale_are_reported(tmp_path, dtype):
    path = write(tmp_path / "r.tif", (noise(70, 70) * 3.0).astype(dtype))
    with pytest.raises(ImageError, match=r"r\.tif: contains floats from .* to .*, the model takes uint8"):
        predict_raster(model_of(), path, tmp_path / "out", name="r")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_from_0_to_1_are_taken_and_what_is_not_a_number_is_nodata(tmp_path, dtype):
    pixels = (noise(70, 70) / 255).astype(dtype)
    pixels[5, 6, 1] = np.nan
    pixels[7, 8, 0] = -9999
    pixels[9, 9] = -9999
    mask = found_in(tmp_path, pixels, nodata=-9999)
    missing = np.zeros((70, 70), bool)
    missing[[5, 7, 9], [6, 8, 9]] = True
    assert np.array_equal(mask == 255, missing)
    assert np.array_equal(mask[~missing], pixels[~missing][:, 0] * 255 > 127.5)


def test_16_bits_are_rescaled(tmp_path):
    pixels = noise(70, 70)
    assert np.array_equal(found_in(tmp_path, pixels.astype(np.uint16) * 257), pixels[..., 0] > 127)


def test_a_model_of_floats_takes_signed_numbers(tmp_path):
    info = INFO.model_copy(update={"depth": "float32", "mean": (300.0,) * 3})
    pixels = np.random.default_rng(0).integers(-500, 500, (70, 70, 3), dtype=np.int16)
    pixels[3, 4] = -9999

    def positive(images):
        assert images.dtype == np.float32
        assert images.min() >= -500  # and no -9999
        share = (images[..., :1] > 0).astype(np.float32)
        return np.concatenate([1 - share, share], axis=-1)

    mask = found_in(tmp_path, pixels, model_of(positive, info), nodata=-9999)
    assert mask[3, 4] == 255
    assert ((mask == 1) == (pixels[..., 0] > 0)).mean() == 1


def test_bands_are_picked_in_order(tmp_path):
    info = INFO.model_copy(update={"picked": (4, 0, 2), "picked_from": 5})
    pixels = noise(70, 70, bands=5)
    assert np.array_equal(found_in(tmp_path, pixels, model_of(info=info)), pixels[..., 4] > 127)
    all_turned = INFO.model_copy(update={"picked": (2, 0, 1), "picked_from": 3})
    assert np.array_equal(
        found_in(tmp_path, pixels[..., :3], model_of(info=all_turned)), pixels[..., 2] > 127
    )


def test_grey_becomes_colour(tmp_path):
    pixels = noise(70, 70, bands=1)
    assert np.array_equal(found_in(tmp_path, pixels), pixels[..., 0] > 127)


def test_bands_that_do_not_fit_are_reported_and_nothing_is_written(tmp_path):
    path = write(tmp_path / "r.tif", noise(70, 70, bands=4), photometric="MINISBLACK")
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [rasterio.enums.ColorInterp.gray] + [rasterio.enums.ColorInterp.undefined] * 3
    with pytest.raises(ImageError, match=r"r\.tif: image has 4 bands, the model takes 3"):
        predict_raster(model_of(), path, tmp_path / "out", name="r")
    assert not (tmp_path / "out").exists()


def test_tiles_are_as_wide_on_the_ground_as_the_training_images(tmp_path):
    info = INFO.model_copy(update={"metres_per_pixel": 0.2})
    path = write(tmp_path / "metres.tif", noise(300, 300))
    assert predict_raster(model_of(info=info), path, tmp_path, name="metres").tile == 128
    # At 60 degrees north a degree of longitude is 55.80 km, one of latitude 111.41 km.
    degrees = rasterio.Affine(0.4 / 55_800, 0, 10, 0, -0.4 / 111_412, 60)
    path = write(tmp_path / "degrees.tif", noise(300, 300), crs="EPSG:4326", transform=degrees)
    assert predict_raster(model_of(info=info), path, tmp_path, name="degrees").tile == 32
    whole = predict_raster(model_of(info=info, tile=0), path, tmp_path, name="whole")
    assert whole.tile == 0
    assert read(whole.mask).shape == (300, 300)


KILLED = """
    import os, sys
    from pathlib import Path
    sys.path.insert(0, {folder!r})
    from test_prediction_rasters import brightness, model_of, predict_raster
    left = 30
    def compute(images):
        global left
        left -= 1
        if left == 0:
            os._exit(9)  # no cleanup, as if killed
        return brightness(images)
    predict_raster(model_of(compute), Path({path!r}), Path({out!r}), name="r", probabilities=True)
"""


@pytest.fixture(scope="module")
def killed_once(tmp_path_factory):
    """A raster, and an output folder where its prediction was killed."""
    folder = tmp_path_factory.mktemp("killed")
    pixels = noise(400, 260)
    pixels[100:230, 40:90] = 0
    path = write(folder / "r.tif", pixels, nodata=0)
    code = textwrap.dedent(KILLED).format(folder=HERE, path=str(path), out=str(folder / "out"))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 9, ended.stderr
    return folder


@pytest.fixture
def killed(killed_once, tmp_path):
    shutil.copytree(killed_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "r.tif", tmp_path / "out"


def test_a_killed_call_goes_on_and_ends_as_if_it_had_not_been(killed, tmp_path):
    path, out = killed
    assert [file.name for file in (out / "masks").iterdir()] == [".r.part"]
    assert not (out / "polygons").exists()
    done_before = len(list((out / "masks/.r.part").glob("[0-9]*.tif")))
    assert done_before > 2
    computed = []

    def counting(images):
        computed.append(len(images))
        return brightness(images)

    again = predict_raster(model_of(counting), path, out, name="r", probabilities=True)
    assert 0 < again.resumed <= done_before
    whole = predict_raster(model_of(), path, tmp_path / "whole", name="r", probabilities=True)
    assert sum(computed) < 45  # of 50 tiles
    for one, other in zip(again.files, whole.files, strict=True):
        if one.suffix == ".gpkg":  # which contains the time it was made
            continue
        assert one.read_bytes() == other.read_bytes(), one
    assert again.areas == whole.areas
    assert not list(out.rglob(".*"))


@pytest.mark.parametrize("change", ["model", "options", "raster", "overwrite"])
def test_another_way_begins_again_and_says_so(killed, caplog, change):
    path, out = killed
    info = INFO.model_copy(update={"fingerprint": "another"}) if change == "model" else INFO
    model = model_of(info=info, **({"thresholds": {"panel": 0.9}} if change == "options" else {}))
    if change == "raster":
        write(path, noise(400, 260, seed=1))
        os.utime(path, ns=(1, time.time_ns()))
    done = predict_raster(model, path, out, name="r", probabilities=True, overwrite=change == "overwrite")
    assert done.resumed == 0
    assert ("starting again" in caplog.text) == (change != "overwrite")
    with rasterio.open(path) as file:
        limit = 0.9 * 255 if change == "options" else 127
        shown = file.dataset_mask() > 0
        assert np.array_equal(read(done.mask)[shown], file.read(1)[shown] > limit)


def test_what_exists_is_not_replaced_unasked(tmp_path):
    path = write(tmp_path / "r.tif", noise(70, 70))
    done = predict_raster(model_of(), path, tmp_path / "out", name="r")
    with pytest.raises(OutputError, match=r"exists already; give another `out`, or `overwrite=True`"):
        predict_raster(model_of(), path, tmp_path / "out", name="r")
    assert predict_raster(model_of(), path, tmp_path / "out", name="r", overwrite=True) == done


def test_a_truncated_raster_is_reported_in_one_line(tmp_path, capfd):
    path = write(tmp_path / "r.tif", noise(400, 260), compress="deflate")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    assert is_georeferenced(path)
    with pytest.raises(
        ImageError, match=r"r\.tif: cannot be read as a GeoTIFF \(.*\); replace or remove"
    ) as raised:
        predict_raster(model_of(), path, tmp_path / "out", name="r")
    assert "\n" not in str(raised.value)
    assert [file.name for file in (tmp_path / "out/masks").iterdir()] == [".r.part"]
    assert capfd.readouterr().err == ""


FULL = """
    import resource, signal, sys
    from pathlib import Path
    sys.path.insert(0, {folder!r})
    from test_prediction_rasters import model_of, predict_raster
    from solarseg.errors import OutputError
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for limit in {limits}:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        out = Path({out!r}) / str(limit)
        try:
            predict_raster(model_of(), Path({path!r}), out, name="r", probabilities=True)
        except OutputError as error:
            print(limit, error)
"""


@pytest.mark.posix
def test_no_space_is_reported_and_leaves_nothing_half_written(tmp_path):
    """A band, the mask, probabilities, GeoJSON or the GeoPackage meets the limit first."""
    path = write(tmp_path / "r.tif", noise(25, 20).repeat(8, axis=0).repeat(8, axis=1))
    whole = predict_raster(model_of(), path, tmp_path / "whole", name="r", probabilities=True)
    limits = sorted({1000, *(file.stat().st_size - 1000 for file in whole.files)})
    code = textwrap.dedent(FULL).format(folder=HERE, path=str(path), out=str(tmp_path), limits=limits)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = ended.stdout.splitlines()
    assert [int(line.split()[0]) for line in lines] == limits
    assert all("could not be written" in line for line in lines)
    assert len({Path(line.split()[1]).suffix for line in lines}) == 3
    for limit in limits:
        out = tmp_path / str(limit)
        assert not (out / "masks/r.tif").exists()
        for file in (file for file in out.rglob("r.*") if file.is_file()):
            assert file.stat().st_size == (tmp_path / "whole" / file.relative_to(out)).stat().st_size
        assert predict_raster(model_of(), path, out, name="r", probabilities=True).pixels == whole.pixels


def test_a_raster_says_where_it_lies(tmp_path):
    assert is_georeferenced(write(tmp_path / "r.tif", noise(8, 8)))
    assert is_georeferenced(write(tmp_path / "turned.tiff", noise(8, 8), transform=PLACE @ PLACE.rotation(3)))
    assert is_georeferenced(write(tmp_path / "degrees.TIF", noise(8, 8), crs="EPSG:4326"))
    assert not is_georeferenced(write(tmp_path / "no_crs.tif", noise(8, 8), crs=None))
    tifffile.imwrite(tmp_path / "plain.tif", noise(8, 8))
    assert not is_georeferenced(tmp_path / "plain.tif")
    (tmp_path / "torn.tif").write_bytes(b"II*\0")
    assert not is_georeferenced(tmp_path / "torn.tif")
    assert not is_georeferenced(tmp_path / "none.tif")
    assert not is_georeferenced(tmp_path / "r.png")


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    path = write(tmp_path / "r.tif", noise(8, 8))
    monkeypatch.setitem(sys.modules, "rasterio", None)
    assert is_georeferenced(path)
    with pytest.raises(MissingExtraError, match=r"solarseg\[geo\]"):
        predict_raster(model_of(), path, tmp_path / "out", name="r")


def test_a_damaged_part_is_reported(killed):
    path, out = killed
    (out / "masks/.r.part/000001.tif").write_bytes(b"torn")
    with pytest.raises(OutputError, match=r"000001\.tif: is damaged; remove .*\.r\.part to start again"):
        predict_raster(model_of(), path, out, name="r", probabilities=True)


@given(
    heights=st.lists(st.integers(1, 700), min_size=1, max_size=6),
    width=st.sampled_from([1, 3, 5]),
    p=st.integers(1, 4),
)
@SLOWLY
def test_parts_come_back_in_blocks(tmp_path, heights, width, p):
    parts = RowBlockStore(tmp_path / "parts", {"a": 1}, p, width)
    parts.remove()
    parts.begin()
    rows = np.random.default_rng(0).integers(0, 256, (p, sum(heights), width), dtype=np.uint8)
    for number, part in enumerate(np.split(rows, np.cumsum(heights)[:-1], axis=1)):
        parts.write(number, part)
    assert parts.begin() == len(heights)
    blocks = list(parts.blocks(len(heights)))
    assert [top for top, _ in blocks] == list(range(0, sum(heights), 256))
    assert np.array_equal(np.concatenate([block for _, block in blocks], axis=1), rows)


def test_tags_of_the_raster_give_way_to_our_own(tmp_path, caplog):
    """A mask of ours has CLASS_NAMES; 'ns' and 'bidx' are arguments of the function that writes tags."""
    path = write(tmp_path / "r.tif", noise(64, 64))
    with rasterio.open(path, "r+") as file:
        file.update_tags(CLASS_NAMES="[1, 2]", FLIGHT="7")
    with rasterio.open(predict_raster(model_of(), path, tmp_path / "out").mask) as file:
        assert json.loads(file.tags()["CLASS_NAMES"]) == ["background", "panel"]
        assert file.tags()["FLIGHT"] == "7"


def test_tags_called_as_arguments_are_left_out_with_a_word(tmp_path, caplog):
    metadata = '<GDALMetadata><Item name="ns">x</Item><Item name="bidx">1</Item><Item name="K">v</Item></GDALMetadata>'
    plain = write(tmp_path / "plain.tif", noise(64, 64))
    with tifffile.TiffFile(plain) as file:
        tags = [
            (tag.code, int(tag.dtype), tag.count, tag.value, True)
            for tag in file.pages[0].tags
            if tag.code in (33550, 33922, 34735, 34737)
        ]
    path = tmp_path / "r.tif"
    tifffile.imwrite(
        path,
        noise(64, 64),
        photometric="rgb",
        metadata=None,
        extratags=[*tags, (42112, "s", 0, metadata.encode(), True)],
    )
    with rasterio.open(predict_raster(model_of(), path, tmp_path / "out").mask) as file:
        assert file.tags()["K"] == "v"
        assert "ns" not in file.tags()
    assert "its tags ns, bidx are not taken over" in caplog.text
