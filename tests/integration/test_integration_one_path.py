"""`evaluate` scores the masks that `predict` writes, and `Model.predict` gives them, of every kind of image."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image
from sklearn.metrics import confusion_matrix

from solarseg import evaluate, predict
from solarseg.images import read_image
from solarseg.inference.model import Model
from solarseg.inference.model_file import ModelInfo
from solarseg.inference.options import PredictOptions

INFO = ModelInfo(
    solarseg_version="0",
    class_names=("background", "panel", "roof"),
    class_colours=((0, 0, 0), (200, 10, 20), (0, 90, 200)),
    image_size=32,
    bands=3,
    depth="uint8",
    mean=(0.2, 0.4, 0.6),
    std=(1.0,) * 3,
    trained_size=(32, 32),
    metres_per_pixel=0.1,
    fingerprint="whole input",
    encoder="none",
    loss="none",
    parameters=1,
    gmacs=0.0,
    epochs=1,
    dataset="none",
    dataset_fingerprint="",
)


def network(images):
    """A network that sees its whole input, so that each way of tiling, turning or filling gives another mask."""
    levels = images.astype(np.float32) / np.float32(np.iinfo(images.dtype).max)
    place = np.linspace(0, 0.3, images.shape[1], dtype=np.float32)
    scores = (levels - levels.mean(axis=(1, 2), keepdims=True)) * [0.5, 1.5, -0.7] + place[:, None, None] * [
        0,
        1,
        -1,
    ]
    values = np.exp(4 * scores)
    return (values / values.sum(axis=-1, keepdims=True)).astype(np.float32)


def blobs(height, width, seed, bands=3):
    """Smooth noise: coarse and fine, so that scale matters."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((height // 8 + 2, width // 8 + 2, bands))
    fine = rng.random((height, width, bands))
    return np.kron(coarse, np.ones((8, 8, 1)))[:height, :width] * 0.8 + fine * 0.2


def write_geotiff(
    path, pixels, metres=0.1, alpha=False, crs="EPSG:32632", at=(500_000, 5_400_000), **options
):
    bands = np.moveaxis(pixels, -1, 0)
    shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype}
    place = rasterio.Affine(metres, 0, at[0], 0, -metres, at[1])
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=place, **shape, **options) as file:
        if alpha:
            file.colorinterp = [*file.colorinterp[:-1], rasterio.enums.ColorInterp.alpha]
        file.write(bands)


def png(path, seed):
    Image.fromarray((blobs(40, 52, seed) * 255).astype(np.uint8)).save(path.with_suffix(".png"))


def large_png(path, seed):
    Image.fromarray((blobs(70, 150, seed) * 255).astype(np.uint8)).save(path.with_suffix(".png"))


def grey_png(path, seed):
    Image.fromarray((blobs(33, 64, seed)[..., 0] * 255).astype(np.uint8)).save(path.with_suffix(".png"))


def deep_tiff(path, seed):
    levels = (blobs(40, 41, seed) * 65535).astype(np.uint16)
    tifffile.imwrite(path.with_suffix(".tif"), levels, photometric="rgb")


def float_tiff_with_nan(path, seed):
    levels = blobs(40, 41, seed).astype(np.float32)
    levels[10:20, 5:9, 1] = np.nan
    tifffile.imwrite(path.with_suffix(".tif"), levels, photometric="rgb")


def geotiff(path, seed):
    write_geotiff(path.with_suffix(".tif"), (blobs(80, 90, seed) * 255).astype(np.uint8))


def coarse_geotiff(path, seed):
    write_geotiff(path.with_suffix(".tif"), (blobs(40, 90, seed) * 255).astype(np.uint8), metres=0.3)


def geotiff_with_nodata(path, seed):
    levels = (blobs(60, 90, seed) * 254 + 1).astype(np.uint8)
    levels[5:40, 30:75] = 0
    levels[50, :10, 0] = 0  # in one band alone it is data
    write_geotiff(path.with_suffix(".tif"), levels, nodata=0)


def geotiff_with_alpha(path, seed):
    levels = (blobs(60, 90, seed, bands=4) * 255).astype(np.uint8)
    levels[..., 3] = 255
    levels[:20, :50, 3] = 0
    write_geotiff(path.with_suffix(".tif"), levels, alpha=True)


def float_geotiff(path, seed):
    levels = blobs(60, 70, seed).astype(np.float32)
    levels[:9] = -9999
    levels[30:33, 30:50, 0] = np.nan
    write_geotiff(path.with_suffix(".tif"), levels, nodata=-9999)


def levels(height, width, seed, bands=3):
    return (blobs(height, width, seed, bands) * 255).astype(np.uint8)


def turned_jpeg(path, seed):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(levels(40, 40, seed)).save(path.with_suffix(".jpg"), exif=exif)


def cmyk_jpeg(path, seed):
    Image.fromarray(levels(40, 52, seed, bands=4), "CMYK").save(path.with_suffix(".jpg"))


def palette_png(path, seed):
    Image.fromarray(levels(40, 52, seed)).quantize(32).save(path.with_suffix(".png"))


def white_is_zero_tiff(path, seed):
    tifffile.imwrite(path.with_suffix(".tif"), levels(40, 41, seed)[..., 0], photometric="miniswhite")


def cmyk_geotiff(path, seed):
    write_geotiff(path.with_suffix(".tif"), levels(50, 70, seed, bands=4), photometric="CMYK")


def cielab_geotiff(path, seed):
    write_geotiff(path.with_suffix(".tif"), levels(50, 70, seed), photometric="CIELAB")


def jpeg_geotiff(path, seed):
    write_geotiff(path.with_suffix(".tif"), levels(64, 80, seed), photometric="YCBCR", compress="JPEG")


def palette_geotiff(path, seed, **options):
    file = path.with_suffix(".tif")
    write_geotiff(file, levels(50, 70, seed, bands=1) // 4, photometric="PALETTE", **options)
    colours = np.random.default_rng(seed).integers(0, 256, (256, 3)).tolist()
    with rasterio.open(file, "r+") as opened:
        opened.write_colormap(1, {i: (*colour, 255) for i, colour in enumerate(colours)})


def palette_geotiff_with_nodata(path, seed):
    palette_geotiff(path, seed, nodata=9)


def white_is_zero_geotiff(path, seed):
    write_geotiff(path.with_suffix(".tif"), levels(50, 70, seed, bands=1), photometric="MINISWHITE")


def deep_geotiff(path, seed):
    write_geotiff(path.with_suffix(".tif"), (blobs(50, 70, seed) * 65535).astype(np.uint16))


def twelve_bit_geotiff(path, seed):
    write_geotiff(path.with_suffix(".tif"), (blobs(50, 70, seed) * 4095).astype(np.uint16), nbits=12)


def tiled_jpeg_geotiff(path, seed):
    tiles = {"tiled": True, "blockxsize": 32, "blockysize": 16, "interleave": "band"}
    write_geotiff(path.with_suffix(".tif"), levels(64, 80, seed), compress="JPEG", **tiles)


def masked_jpeg_geotiff(path, seed):
    masked_geotiff(path, seed, photometric="YCBCR", compress="JPEG", tiled=True, blockxsize=16, blockysize=32)


def masked_geotiff(path, seed, **options):
    file = path.with_suffix(".tif")
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write_geotiff(file, levels(50, 70, seed), **options)
        with rasterio.open(file, "r+") as opened:
            shown = np.full((50, 70), 255, np.uint8)
            shown[:20, :30] = 0
            opened.write_mask(shown)


def geotiff_in_degrees(path, seed):
    write_geotiff(path.with_suffix(".tif"), levels(50, 70, seed), metres=2.5e-6, crs="EPSG:4326", at=(11, 48))


KINDS = [
    png,
    turned_jpeg,
    cmyk_jpeg,
    palette_png,
    white_is_zero_tiff,
    cmyk_geotiff,
    cielab_geotiff,
    jpeg_geotiff,
    tiled_jpeg_geotiff,
    masked_jpeg_geotiff,
    palette_geotiff,
    palette_geotiff_with_nodata,
    white_is_zero_geotiff,
    deep_geotiff,
    twelve_bit_geotiff,
    masked_geotiff,
    geotiff_in_degrees,
    large_png,
    grey_png,
    deep_tiff,
    float_tiff_with_nan,
    geotiff,
    coarse_geotiff,
    geotiff_with_nodata,
    geotiff_with_alpha,
    float_geotiff,
]
OPTIONS = {
    "default": PredictOptions(),
    "tiles": PredictOptions(tile=24, overlap=5),
    "whole": PredictOptions(tile=0),
    "tta": PredictOptions(tta=True),
    "threshold": PredictOptions(thresholds={"roof": 0.25}),
    "all": PredictOptions(tile=24, overlap=5, tta=True, thresholds={"roof": 0.3}),
}


def write_dataset(root, kind):
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    (root / "dataset.yaml").write_text("classes: [background, panel, roof]\nignore_index: 255\n")
    for seed in range(2):
        kind(root / "images" / f"im{seed}", seed)
        (file,) = (root / "images").glob(f"im{seed}.*")
        shape = read_image(file).shape
        mask = (blobs(*shape[:2], seed + 10)[..., 0] * 3).astype(np.uint8).clip(0, 2)
        mask[:3] = 255  # ignored by the labels
        Image.fromarray(mask).save(root / "masks" / f"im{seed}.png")
    return root


def read(path):
    if path.suffix == ".tif":
        with rasterio.open(path) as file:
            return file.read(1)
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_evaluate_is_scikit_learn_on_the_masks_that_predict_wrote(tmp_path, kind, options):
    root = write_dataset(tmp_path / "set", kind)
    depth = "float32" if "float" in kind.__name__ else "uint8"
    compute = network if depth == "uint8" else lambda images: network((images * 255).round().astype(np.uint8))
    info = INFO.model_copy(update={"depth": depth})
    model = Model(Path("m.onnx"), info, "none", "cpu", OPTIONS[options], compute)
    report = evaluate(model, root, split="all")
    done = predict(model, root / "images", tmp_path / "out", overlays=False)
    assert not done.failed
    for i, name in enumerate(report.names):
        (file,) = (tmp_path / "out/masks").glob(f"{name}.*")
        (image,) = (root / "images").glob(f"{name}.*")
        truth, mask = read(root / "masks" / f"{name}.png"), read(file)
        counted = truth != 255
        expected = confusion_matrix(truth[counted], mask[counted], labels=[0, 1, 2])
        assert np.array_equal(report.matrices[i], expected)
        assert np.array_equal(model.predict(image), mask)
        assert done.pixels[name] == tuple((mask == class_id).sum() for class_id in range(3))
        missing = any(word in kind.__name__ for word in ("nodata", "alpha", "nan", "float", "masked"))
        assert (mask == 255).any() == missing
        assert len(np.unique(mask[mask != 255])) > 1


def test_options_change_the_masks(tmp_path):
    """Or the test above would show nothing."""
    root = write_dataset(tmp_path / "set", coarse_geotiff)
    matrices = {}
    for name, options in OPTIONS.items():
        model = Model(Path("m.onnx"), INFO, "none", "cpu", options, network)
        matrices[name] = evaluate(model, root, split="all").matrices.tolist()
    assert len({str(each) for each in matrices.values()}) == len(OPTIONS)
    pixels = INFO.model_copy(update={"metres_per_pixel": None})
    of_pixels = evaluate(
        Model(Path("m.onnx"), pixels, "none", "cpu", PredictOptions(), network), root, split="all"
    )
    assert of_pixels.matrices.tolist() != matrices["default"]
