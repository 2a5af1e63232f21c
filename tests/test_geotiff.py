"""Facts about TIFF files, against rasterio and GDAL."""

import numpy as np
import pytest
import rasterio
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solarseg.geotiff import is_georeferenced, read_facts
from solarseg.images import read_picture
from solarseg.prediction.rasters.ground import Grid

PLACE = rasterio.Affine(0.25, 0, 500_000, 0, -0.25, 5_400_000)
SLOWLY = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path, bands, *, crs="EPSG:32632", transform=PLACE, alpha=False, mask=None, **options):
    """Write ``(C, H, W)`` as GDAL does."""
    shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **shape, **options) as file,
    ):
        if alpha:  # before the first pixel, or GDAL writes it into a file next to it
            file.colorinterp = [*file.colorinterp[:-1], rasterio.enums.ColorInterp.alpha]
        file.write(bands)
        if mask is not None:
            file.write_mask(mask)
    return path


def draw(rng, count, dtype):
    levels = rng.integers(0, 3, (count, 5, 7))
    return levels.astype(dtype)


@SLOWLY
@given(
    seed=st.integers(0, 2**32),
    dtype=st.sampled_from(["uint8", "uint16"]),
    count=st.integers(1, 3),  # of four, GDAL makes the last transparency
    nodata=st.sampled_from([None, 0, 1, 2]),
)
def test_pixels_without_data_are_those_that_gdal_finds(tmp_path, seed, dtype, count, nodata):
    bands = draw(np.random.default_rng(seed), count, dtype)
    path = write(tmp_path / "a.tif", bands, nodata=nodata)
    with rasterio.open(path) as file:
        expected = file.dataset_mask() > 0
    valid = read_picture(path).valid
    assert np.array_equal(np.ones_like(expected) if valid is None else valid, expected)


@SLOWLY
@given(seed=st.integers(0, 2**32), kind=st.sampled_from(["alpha", "mask"]), count=st.sampled_from([1, 3]))
def test_transparent_pixels_are_those_that_gdal_finds(tmp_path, seed, kind, count):
    rng = np.random.default_rng(seed)
    bands, shown = draw(rng, count, "uint8"), rng.integers(0, 2, (5, 7)).astype(np.uint8) * 255
    if kind == "alpha":
        path = write(tmp_path / "a.tif", np.concatenate([bands, shown[None]]), alpha=True)
    else:
        path = write(tmp_path / "a.tif", bands, mask=shown)
    with rasterio.open(path) as file:
        expected = file.dataset_mask() > 0
    picture = read_picture(path)
    assert np.array_equal(np.ones_like(expected) if picture.valid is None else picture.valid, expected)
    assert np.array_equal(picture.pixels, np.moveaxis(bands, 0, -1))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int32"])
def test_other_numbers_are_invalid_where_any_band_is_nodata(tmp_path, dtype):
    bands = np.arange(12).reshape(2, 2, 3).astype(dtype)
    bands[0, 0, 0] = bands[1, 1, 2] = -99
    if dtype.startswith("float"):
        bands[1, 0, 1] = np.nan
        bands[0, 1, 1] = np.inf
    picture = read_picture(write(tmp_path / "a.tif", bands, nodata=-99))
    bad = {"float": [[0, 0], [0, 1], [1, 1], [1, 2]], "int": [[0, 0], [1, 2]]}[dtype.rstrip("0123456789")]
    assert np.argwhere(~picture.valid).tolist() == bad
    assert picture.pixels.dtype == np.float32
    assert np.array_equal(picture.pixels[picture.valid], np.moveaxis(bands, 0, -1)[picture.valid])
    assert not picture.pixels[~picture.valid].any()


@pytest.mark.parametrize(
    ("crs", "origin", "scale", "turn"),
    [
        ("EPSG:32632", (500_000, 5_400_000), 0.25, 0),
        ("EPSG:32632", (500_000, 5_400_000), 0.25, 30),
        ("EPSG:4326", (11, 48), 1e-5, 0),
        ("EPSG:3857", (1_200_000, 6_106_854), 0.5, 0),
        ("EPSG:2263", (980_000, 200_000), 1.5, 0),  # New York, US survey feet
        ("EPSG:2222", (700_000, 900_000), 2.0, 0),  # Arizona, international feet
    ],
)
def test_side_of_a_pixel_is_that_on_the_ellipsoid(tmp_path, crs, origin, scale, turn):
    transform = (
        rasterio.Affine.translation(*origin)
        @ rasterio.Affine.rotation(turn)
        @ rasterio.Affine.scale(scale, -scale)
    )
    path = write(tmp_path / "a.tif", np.zeros((1, 40, 60), np.uint8), crs=crs, transform=transform)
    with rasterio.open(path) as file:
        exact = Grid(40, 60, file.crs.to_wkt(), tuple(file.transform)[:6]).metres_per_pixel
    assert read_facts(path).metres_per_pixel == pytest.approx(exact, rel=5e-3)
    assert is_georeferenced(path)


def test_without_a_coordinate_system_there_is_no_place(tmp_path):
    path = write(tmp_path / "a.tif", np.zeros((1, 4, 4), np.uint8), crs=None)
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((4, 4), np.uint8))
    (tmp_path / "c.tif").write_bytes(b"none")
    for file in (path, tmp_path / "b.tif", tmp_path / "c.tif", tmp_path / "d.png"):
        assert not is_georeferenced(file)
        facts = read_facts(file)
        assert facts is None or facts.metres_per_pixel is None
    assert read_facts(tmp_path / "c.tif") is None


def test_files_next_to_it_do_not_count(tmp_path):
    """GDAL reads NAME.tif.aux.xml and NAME.tif.msk, which would make a mask of another image's facts."""
    path = write(tmp_path / "a.tif", np.zeros((1, 4, 4), np.uint8), crs=None, transform=None)
    (tmp_path / "a.tfw").write_text("0.5\n0\n0\n-0.5\n11\n48\n")
    assert not is_georeferenced(path)
    assert read_picture(path).valid is None
