"""Images that others choke on: a right mask or one line, never a crash or a wrong mask."""

import struct
import zlib

import numpy as np
import onnx
import pytest
import rasterio
import tifffile
from PIL import Image

from solarseg.cli import main
from solarseg.errors import ModelFileError
from solarseg.images import read_image
from solarseg.inference.model import load_model
from solarseg.inference.model_file import METADATA_KEY, read_info
from solarseg.masks import read_mask_values
from solarseg.prediction.predict import predict


@pytest.fixture
def square(trained):
    _, dataset = trained
    return np.asarray(Image.open(dataset / "images" / "im00.png"))


def mask_of(model, file, tmp_path):
    done = predict(model, file, tmp_path / "out", overwrite=True)
    assert done.failed == {}
    return read_mask_values(tmp_path / "out" / "masks" / f"{file.stem}.png")


def test_one_pixel(trained, tmp_path):
    Image.new("RGB", (1, 1), (255, 0, 0)).save(tmp_path / "a.png")
    assert mask_of(trained[0].path, tmp_path / "a.png", tmp_path).shape == (1, 1)


@pytest.mark.slow
def test_a_panorama_of_40000_pixels(trained, tmp_path, square):
    wide = np.tile(square, (1, 625, 1))
    Image.fromarray(wide).save(tmp_path / "a.jpg", quality=95)
    model = load_model(trained[0].path)
    found = mask_of(model, tmp_path / "a.jpg", tmp_path)
    assert found.shape == (64, 40_000)
    expected = np.tile(model.predict(square), (1, 625))
    assert (found == expected).mean() > 0.97


def test_cmyk(trained, tmp_path, square):
    Image.fromarray(square).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    model = load_model(trained[0].path)
    assert read_image(tmp_path / "a.jpg") == pytest.approx(square, abs=60)
    assert (mask_of(model, tmp_path / "a.jpg", tmp_path) == model.predict(square)).mean() > 0.98


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_tiffs_of_odd_depth_are_as_bright_as_others(trained, tmp_path, square, bits):
    """12 bits come as numbers up to 4095, which are not dark 16-bit ones."""
    grey = square.mean(axis=-1)
    full = 2**bits - 1
    tifffile.imwrite(tmp_path / "a.tif", np.rint(grey / 255 * full).astype(np.uint16), bitspersample=bits)
    found = read_image(tmp_path / "a.tif")
    assert found.dtype == np.uint16
    assert found[..., 0] / 65535 == pytest.approx(grey / 255, abs=1 / full)
    model = load_model(trained[0].path)
    assert np.array_equal(
        mask_of(model, tmp_path / "a.tif", tmp_path), model.predict(np.rint(grey).astype(np.uint8))
    )


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_raster_without_coordinates_is_an_image_like_others(trained, tmp_path, square):
    shape = {"height": 64, "width": 64, "count": 3, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", tiled=True, **shape) as file:
        file.write(np.moveaxis(square, -1, 0))
    model = load_model(trained[0].path)
    assert np.array_equal(mask_of(model, tmp_path / "a.tif", tmp_path), model.predict(square))


def bomb(side):
    """A PNG of a few bytes that says it has side x side pixels."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("bomb.png", bomb(100_000), "100000 x 100000 pixels; at most 400,000,000 are read at once"),
        ("short.png", bomb(100), "cannot be read as an image"),
        ("empty.jpg", b"", "the file is empty"),
        ("text.tif", b"some text", "cannot be read as an image"),
    ],
)
def test_what_cannot_be_read_costs_itself_alone(trained, tmp_path, square, capsys, name, content, match):
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    Image.fromarray(square).save(images / "good.png")
    (images / name).write_bytes(content)
    assert main(["predict", str(trained[0].path), str(images), "--out", str(out), "--quiet"]) == 1
    assert match in capsys.readouterr().err
    assert [file.name for file in (out / "masks").iterdir()] == ["good.png"]


def test_a_model_file_that_promises_other_bands_than_its_network_is_refused(trained, tmp_path, square):
    info = read_info(trained[0].model).model_copy(
        update={"bands": 13, "mean": (0.5,) * 13, "std": (0.2,) * 13}
    )
    model = onnx.load(trained[0].model)
    onnx.helper.set_model_props(model, {METADATA_KEY: info.model_dump_json()})
    onnx.save(model, tmp_path / "m.onnx")
    Image.fromarray(square).save(tmp_path / "a.png")
    with pytest.raises(ModelFileError, match=r"images have the shape .*, the metadata say"):
        predict(tmp_path / "m.onnx", tmp_path / "a.png", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_of_other_bands_says_which(trained, tmp_path, capsys):
    bands = np.zeros((13, 64, 64), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", bands, photometric="minisblack", planarconfig="separate")
    assert (
        main(["predict", str(trained[0].path), str(tmp_path / "a.tif"), "--out", str(tmp_path / "out")]) == 2
    )
    assert "image has 13 bands, the model takes 3" in capsys.readouterr().err
