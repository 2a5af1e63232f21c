import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image, ImageOps
from rasterio.errors import NotGeoreferencedWarning

import solarseg.decoding.guards
from solarseg.errors import ImageError
from solarseg.geotiff import read_facts
from solarseg.images import as_rgb, read_image, true_colour, write_bands

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
RGB = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (5, 7), dtype=np.uint16)
DEEP_RGB = RNG.integers(0, 65536, (5, 7, 3), dtype=np.uint16)
BANDS = RNG.integers(0, 10001, (5, 7, 13), dtype=np.uint16)


def test_grey_and_rgb_png(tmp_path):
    for array in (GREY, RGB):
        Image.fromarray(array).save(tmp_path / "x.png")
        assert np.array_equal(read_image(tmp_path / "x.png").squeeze(), array)


def test_transparency_is_dropped(tmp_path):
    alpha = np.full((5, 7, 1), 90, np.uint8)
    Image.fromarray(np.concatenate([RGB, alpha], axis=-1)).save(tmp_path / "rgba.png")
    assert np.array_equal(read_image(tmp_path / "rgba.png"), RGB)
    Image.fromarray(GREY).convert("LA").save(tmp_path / "la.png")
    assert np.array_equal(read_image(tmp_path / "la.png")[..., 0], GREY)


def test_palette_becomes_its_colours(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putdata([1, 0])
    picture.save(tmp_path / "p.png")
    assert read_image(tmp_path / "p.png").tolist() == [[[40, 50, 60], [10, 20, 30]]]


def test_sixteen_bits_are_kept(tmp_path):
    Image.fromarray(DEEP).save(tmp_path / "deep.png")
    cv2.imwrite(str(tmp_path / "deep_rgb.png"), DEEP_RGB[..., ::-1])
    for name, array in (("deep.png", DEEP[..., None]), ("deep_rgb.png", DEEP_RGB)):
        image = read_image(tmp_path / name)
        assert image.dtype == np.uint16
        assert np.array_equal(image, array)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = np.zeros((8, 16, 3), np.uint8)
    upright[:4, :8] = 255  # top left
    undo = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    stored = Image.fromarray(upright)
    # Store the picture as a camera held that way would, so that reading must turn it upright again.
    exif = Image.Exif()
    exif[0x0112] = undo
    held = io.BytesIO()
    stored.save(held, "PNG", exif=exif)
    from PIL import ImageOps

    turned = ImageOps.exif_transpose(Image.open(held))
    exif[0x0112] = orientation
    turned.save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "x.png"), upright)


def test_exif_orientation_is_applied_to_deep_pngs(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    written = cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    content = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    after_header = 8 + 25
    (tmp_path / "x.png").write_bytes(written[:after_header] + chunk + written[after_header:])
    assert np.array_equal(read_image(tmp_path / "x.png"), np.rot90(pixels, -1))


@pytest.mark.parametrize(
    ("array", "options", "expected"),
    [
        (BANDS, {"planarconfig": "contig", "photometric": "minisblack"}, BANDS),
        (BANDS.transpose(2, 0, 1), {"planarconfig": "separate", "photometric": "minisblack"}, BANDS),
        (BANDS, {"planarconfig": "contig", "photometric": "minisblack", "compression": "lzw"}, BANDS),
        (DEEP_RGB, {"photometric": "rgb", "compression": "deflate", "predictor": True}, DEEP_RGB),
        (GREY, {}, GREY[..., None]),
        (GREY.astype(np.float64) / 3, {}, (GREY / 3).astype(np.float32)[..., None]),
        (BANDS[..., :4], {"photometric": "rgb", "extrasamples": ["unassalpha"]}, BANDS[..., :3]),
        (BANDS[..., :4], {"photometric": "rgb", "extrasamples": ["unspecified"]}, BANDS[..., :4]),
    ],
)
def test_tiffs_of_any_bands_and_depth(tmp_path, array, options, expected):
    tifffile.imwrite(tmp_path / "x.tif", array, **options)
    image = read_image(tmp_path / "x.tif")
    assert image.dtype == expected.dtype
    assert np.array_equal(image, expected)


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "x.jpg")
    image = read_image(tmp_path / "x.jpg")
    assert image.shape == (8, 8, 3)
    red, green, _ = image[0, 0]
    assert red > 200
    assert green < 60


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "webp"])
@pytest.mark.parametrize("kept", [0, 20, 0.5])
def test_damaged_files_are_named(tmp_path, suffix, kept):
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if kept < 1 else kept])
    with pytest.raises(ImageError, match=f"x.{suffix}.*(replace|remove)"):
        read_image(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"none\.png: no such file"):
        read_image(tmp_path / "none.png")


def test_too_many_pixels_are_refused_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(solarseg.decoding.guards, "MAX_PIXELS", 30)
    Image.fromarray(RGB).save(tmp_path / "x.png")
    tifffile.imwrite(tmp_path / "x.tif", GREY)
    for name in ("x.png", "x.tif"):
        with pytest.raises(ImageError, match="7 x 5 pixels"):
            read_image(tmp_path / name)


def test_anything_can_be_looked_at():
    assert np.array_equal(as_rgb(RGB), RGB)
    assert np.array_equal(as_rgb(GREY[..., None])[..., 2], GREY)
    shown = as_rgb(BANDS)
    assert shown.dtype == np.uint8
    assert shown.shape == (5, 7, 3)
    assert (shown.min(), shown.max()) == (0, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiffs_are_turned_upright_as_pillow_turns_them(tmp_path, orientation):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 9, 3), dtype=np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    with Image.open(path) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    assert np.array_equal(read_image(path), expected)


def test_tiffs_whose_zero_is_white_are_inverted(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (5, 9), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    assert np.array_equal(read_image(tmp_path / "a.tif")[..., 0], 65535 - pixels)


def test_16_bit_grey_with_alpha_keeps_its_depth(tmp_path):
    grey = np.array([[1000, 60000]], np.uint16)
    raw = np.stack([grey, np.full_like(grey, 65535)], axis=-1).astype(">u2").tobytes()
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 4, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" + raw)),
        (b"IEND", b""),
    ]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    (tmp_path / "a.png").write_bytes(content)
    assert np.array_equal(read_image(tmp_path / "a.png")[..., 0], grey)


def test_images_of_more_than_pillows_limit_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    Image.new("L", (100, 100)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == (100, 100, 1)
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.parametrize("bands", [1, 3, 4, 13])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_bands_come_back_as_written_and_gdal_knows_their_names(tmp_path, dtype, bands):
    image = (np.random.default_rng(0).random((30, 21, bands)) * 250).astype(dtype)
    names = [f"B{i}, größer <{i}" for i in range(bands)]
    write_bands(tmp_path / "image.tif", image, names)
    assert np.array_equal(read_image(tmp_path / "image.tif"), image)
    with pytest.warns(NotGeoreferencedWarning), rasterio.open(tmp_path / "image.tif") as file:
        assert np.array_equal(file.read().transpose(1, 2, 0), image)
        assert file.descriptions == tuple(names)


def test_true_colour_is_of_named_bands_alone():
    image = np.arange(13).reshape(1, 1, 13)
    names = [*(f"B{i}" for i in range(1, 9)), "B8A", *(f"B{i}" for i in range(9, 13))]
    assert true_colour(image, names).tolist() == [[[3, 2, 1]]]
    assert true_colour(image[..., :3], ["Red", "Green", "Blue"]).tolist() == [[[0, 1, 2]]]
    assert true_colour(image, None) is image
    assert true_colour(image, names[:-1]) is image


@pytest.mark.parametrize(
    ("crs", "scale", "expected"),
    [
        ("EPSG:32632", 0.25, 0.25),
        ("EPSG:4326", 1e-5, 1e-5 * 111_320 * np.cos(np.radians(48)) ** 0.5),
        ("EPSG:3857", 0.5, 0.5 * np.cos(np.radians(48))),
        (None, 2, None),
    ],
)
def test_how_wide_a_pixel_is_on_the_ground(tmp_path, crs, scale, expected):
    north = 6_106_854.83 if crs == "EPSG:3857" else 48  # the same parallel
    transform = rasterio.transform.from_origin(11, north, scale, scale)
    shape = {"count": 1, "height": 4, "width": 4, "dtype": "uint8"}
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", crs=crs, transform=transform, **shape
    ) as file:
        file.write(np.zeros((1, 4, 4), np.uint8))
    assert read_facts(tmp_path / "a.tif").metres_per_pixel == (
        None if expected is None else pytest.approx(expected, rel=5e-3)
    )
