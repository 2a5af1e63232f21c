from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from PIL import Image
from tiny_runs import TINY, quiet

from solarseg.curation.survey import survey_dataset
from solarseg.datasets import open_dataset
from solarseg.errors import ArgumentError
from solarseg.images import read_image, write_bands
from solarseg.inference.model import load_model
from solarseg.training.datamodule import TrainingData, find_preprocessing
from solarseg.training.fit import train
from solarseg.training.inputs import InputStore, find_range, plain_preprocessing

NAMES = ["B1", "B2", "B3", "B8A", "B12"]


@pytest.fixture
def banded(squares: Path) -> Path:
    """The squares as 12-bit images of five bands; only B8A shows anything."""
    rng = np.random.default_rng(0)
    for file in sorted((squares / "images").iterdir()):
        grey = read_image(file)[..., 0].astype(np.uint16) * 16
        image = rng.integers(0, 4096, (*grey.shape, 5), dtype=np.uint16)
        image[..., 3] = grey
        write_bands(file.with_suffix(".tif"), image, NAMES)
        file.unlink()
    (squares / "dataset.yaml").write_text(yaml.safe_dump({"bands": NAMES}))
    return squares


@pytest.mark.slow
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
def test_a_band_that_is_not_there_is_named_before_anything_is_read(banded, tmp_path, band, monkeypatch):
    monkeypatch.delattr("solarseg.training.fit.survey_dataset")
    expected = (
        f"`bands={band}`: no band '{band}'; choose from: B1, B2, B3, B8A, B12, or give numbers from 1 to 5"
    )
    with pytest.raises(ArgumentError, match=expected):
        train(banded, tmp_path / "run", machine=quiet(), bands=(band,), **TINY)
    assert not (tmp_path / "run").exists()


def test_bands_without_names_are_given_by_number(banded, tmp_path):
    (banded / "dataset.yaml").unlink()
    for band in ("B4", "6"):
        expected = f"`bands=1,{band}`: no band '{band}'; the bands have no names: give numbers from 1 to 5"
        with pytest.raises(ArgumentError, match=expected):
            train(banded, tmp_path / "run", machine=quiet(), bands=("1", band), **TINY)


def test_a_band_that_is_named_twice_is_refused():
    assert plain_preprocessing(64, 5, "uint8", ("b8a", "1"), NAMES).picked == (3, 0)
    with pytest.raises(ArgumentError, match="`bands=B8A,4`: names a band twice; name each once"):
        plain_preprocessing(64, 5, "uint8", ("B8A", "4"), NAMES)


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
    store = InputStore(64)
    preprocessing = find_preprocessing(survey_dataset(data, each=store.add), data.names, 64, None)
    pixels = np.concatenate(shown, axis=1) / 65535
    assert preprocessing.mean == pytest.approx(pixels.mean(axis=1), rel=1e-6)
    assert preprocessing.std == pytest.approx(pixels.std(axis=1), rel=1e-6)
    low, high = find_range(store.facts_of(data.names), preprocessing)
    assert low == pytest.approx(pixels.min(axis=1))
    assert high == pytest.approx(pixels.max(axis=1))
    image, mask = TrainingData(data, data.names, preprocessing)[3]
    assert (mask[:48] == 255).all()
    filled = image[:, :48].numpy().reshape(3, -1)
    assert np.array_equal(
        filled, np.broadcast_to(np.rint(pixels.mean(axis=1) * 65535)[:, None], filled.shape)
    )
