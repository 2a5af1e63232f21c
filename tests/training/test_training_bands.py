from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from PIL import Image
from tiny_runs import TINY, quiet

from solarseg.datasets import open_dataset
from solarseg.errors import ArgumentError
from solarseg.images import read_image, write_bands
from solarseg.inference.model import load_model
from solarseg.training.datamodule import TrainingData, _pick, find_preprocessing, find_range
from solarseg.training.fit import train

NAMES = ["B1", "B2", "B3", "B8A", "B12"]


@pytest.fixture
def banded(squares: Path) -> Path:
    """The squares as 12-bit images of five bands, of which only B8A shows anything."""
    rng = np.random.default_rng(0)
    for file in sorted((squares / "images").iterdir()):
        grey = read_image(file)[..., 0].astype(np.uint16) * 16
        image = rng.integers(0, 4096, (*grey.shape, 5), dtype=np.uint16)
        image[..., 3] = grey
        write_bands(file.with_suffix(".tif"), image, NAMES)
        file.unlink()
    (squares / "dataset.yaml").write_text(yaml.safe_dump({"bands": NAMES}))
    return squares


def test_some_bands_are_trained_on_and_found_again(banded, tmp_path):
    run = train(banded, tmp_path / "run", machine=quiet(), bands=("B8A", "2"), **{**TINY, "epochs": 8})
    model = load_model(run.path)
    assert model.info.band_names == ("B8A", "B2")
    assert (model.info.picked, model.info.picked_from) == ((3, 1), 5)
    image = read_image(next((banded / "images").iterdir()))
    names = [
        line.split(",")[0]
        for line in run.path.joinpath("split.csv").read_text().splitlines()
        if ",train," in line
    ]
    seen = np.stack([read_image(banded / "images" / f"{name}.tif") for name in names])[..., [3, 1]] / 65535
    assert model.info.mean == pytest.approx(seen.mean(axis=(0, 1, 2)))
    assert model.info.std == pytest.approx(seen.std(axis=(0, 1, 2)))
    assert np.array_equal(model.predict(image), model.predict(image[..., [3, 1]]))
    other = image.copy()
    other[..., [0, 2, 4]] = 0
    assert np.array_equal(model.predict(image), model.predict(other))


@pytest.mark.parametrize("band", ["B7", "0", "6"])
def test_a_band_that_is_not_there_is_named_with_those_that_are(banded, tmp_path, band):
    with pytest.raises(
        ArgumentError, match=f"`bands={band}`: no such band; the images have B1, B2, B3, B8A, B12, or 1"
    ):
        train(banded, tmp_path / "run", machine=quiet(), bands=(band,), **TINY)
    assert not (tmp_path / "run").exists()


def test_a_band_that_is_named_twice_is_refused():
    assert _pick(("B8A", "1"), NAMES, 5) == (3, 0)
    with pytest.raises(ArgumentError, match="`bands=B8A,4`: takes band 4 twice; name each once"):
        _pick(("B8A", "4"), NAMES, 5)


def test_bands_without_names_are_not_asked_for_by_name():
    with pytest.raises(
        ArgumentError,
        match=r"`bands=B4`: no such band; the images have 1 to 13 by number; .*, add bands: to dataset\.yaml",
    ):
        _pick(("B4",), (), 13)


@pytest.mark.parametrize("nodata", [0, 65535])
def test_nodata_counts_in_no_statistics(tmp_path, nodata):
    """Images whose nodata is far from all other values give the statistics of the other pixels."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "set"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    shown = []
    for i in range(4):
        levels = rng.integers(1000, 3000, (3, 64, 64), dtype=np.uint16)
        levels[:, : 16 * i] = nodata
        shown.append(levels[:, 16 * i :].reshape(3, -1))
        shape = {"count": 3, "height": 64, "width": 64, "dtype": "uint16", "nodata": nodata}
        with rasterio.open(folder / f"images/{i}.tif", "w", driver="GTiff", **shape) as file:
            file.write(levels)
        Image.fromarray(rng.integers(0, 2, (64, 64), dtype=np.uint8)).save(folder / f"masks/{i}.png")
    data = open_dataset(folder)
    preprocessing = find_preprocessing(data, data.names, 64, None)
    pixels = np.concatenate(shown, axis=1) / 65535
    assert preprocessing.mean == pytest.approx(pixels.mean(axis=1), rel=1e-6)
    assert preprocessing.std == pytest.approx(pixels.std(axis=1), rel=1e-6)
    low, high = find_range(data, data.names, preprocessing)
    assert low == pytest.approx(pixels.min(axis=1))
    assert high == pytest.approx(pixels.max(axis=1))
    image, mask = TrainingData(data, data.names, preprocessing)[3]
    assert (mask[:48] == 255).all()
    filled = image[:, :48].numpy().reshape(3, -1)
    assert np.array_equal(
        filled, np.broadcast_to(np.rint(pixels.mean(axis=1) * 65535)[:, None], filled.shape)
    )
